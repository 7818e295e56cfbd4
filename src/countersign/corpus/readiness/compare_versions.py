"""Copies and versions: the same bytes, the same text, nearly the same text, and one document with two sets of figures."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from countersign.corpus.readiness.compare_known import (
    CompareSettings,
    Known,
    Library,
    Said,
    finding,
    in_force,
    one_person_away,
    void,
)
from countersign.corpus.readiness.labels import Relation
from countersign.corpus.readiness.seams import Statement
from countersign.corpus.readiness.signature import candidates, likeness, stack
from countersign.domain.readiness import ReadinessFinding, Severity

_EMPTY_BYTES = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_SAME_LABEL_CROWD = 64
_PERIOD = re.compile(r"\d{4}(?:-\d\d)?$")
_SHOWN = 3
_TEXT_CHARS = 190
_REWORDED = 0.7
_MIN_SUBJECTS = 3
_MAX_REWORDED = 120
_SURE_LIKENESS = 0.8
LEAST_LIKENESS = 0.2
"""Below this two documents of one name are two documents."""
_COPY_LIKENESS = 0.95
"""Documents of a series that are as alike and say nothing different are copies under other names."""
FAMILY_LIKENESS = 0.4


@dataclass(frozen=True, slots=True)
class Difference:
    """One subject, two values."""

    first: Statement
    second: Statement


def duplicates(documents: Sequence[Known]) -> tuple[list[ReadinessFinding], list[Known]]:
    """One finding for each copy, against the original of its kind (no attachment, no `copy` in its name, the first);
    and the documents that are no copies, in their order."""
    found: list[ReadinessFinding] = []
    by_bytes: dict[str, Known] = {}
    by_text: dict[str, Known] = {}
    unique: list[Known] = []
    for document in sorted(documents, key=_originality):
        profile = document.profile
        same_bytes = by_bytes.setdefault(profile.sha256, document) if _tells(profile.sha256) else document
        same_text = by_text.setdefault(profile.text_sha256, document) if profile.text_sha256 else document
        original, how = (same_bytes, "=") if same_bytes is not document else (same_text, "≈ 100 %")
        if original is document:
            unique.append(document)
        else:
            found.append(_copy(document, original, how))
    return found, sorted(unique, key=lambda document: document.place)


def _originality(document: Known) -> tuple[bool, bool, int]:
    copied = document.name.is_copy or document.title.is_copy
    return bool(document.profile.parent), copied, document.place


def _copy(document: Known, original: Known, how: str) -> ReadinessFinding:
    """One file in several mails of a thread is how mail works: noted only."""
    severity: Severity = "info" if document.profile.parent and original.profile.parent else "warning"
    return finding(
        "exact_duplicate", severity, document, evidence=f"{how} {document.profile.title}",
        other=original, other_evidence=original.profile.title,
    )  # fmt: skip


def _tells(sha256: str) -> bool:
    return bool(sha256) and sha256 != _EMPTY_BYTES


class Versions:
    """Pairs of documents with nearly the same wording, and what is to be said of each pair."""

    def __init__(
        self, documents: Sequence[Known], library: Library, now: datetime, settings: CompareSettings
    ) -> None:
        self._documents = [document for document in documents if document.profile.signature]
        self._library = library
        self._now = now
        self._settings = settings
        self.families: dict[int, set[int]] = defaultdict(set)
        """Place → places of documents with much the same wording, whatever was found: they do not contradict, they
        are versions or fill in one form."""

    def findings(self) -> Iterator[ReadinessFinding]:
        for first, second, alike in self._pairs():
            if alike >= FAMILY_LIKENESS:
                self.families[first.place].add(second.place)
                self.families[second.place].add(first.place)
            yield from self._judge(first, second, alike)

    def _pairs(self) -> Iterator[tuple[Known, Known, float]]:
        """Alike by wording, or of one name; each pair once, the earlier document first."""
        if len(self._documents) < 2:
            return
        seen: set[tuple[int, int]] = set()
        by_label: dict[frozenset[str], list[Known]] = defaultdict(list)
        for document in self._documents:
            for words in {document.name.words, document.title.words} - {frozenset[str]()}:
                by_label[words].append(document)
        named = (
            pair
            for group in by_label.values()
            if len(group) <= _SAME_LABEL_CROWD
            for pair in combinations(group, 2)
        )
        worded = (
            (self._documents[first], self._documents[second])
            for first, second in candidates(
                stack([document.profile.signature for document in self._documents])
            )
        )
        for pairs in (named, worded):
            for first, second in pairs:
                pair = (min(first.place, second.place), max(first.place, second.place))
                if pair not in seen:
                    seen.add(pair)
                    alike = likeness(first.profile.signature, second.profile.signature)
                    if alike >= LEAST_LIKENESS:
                        yield first, second, alike

    def _judge(self, first: Known, second: Known, alike: float) -> Iterator[ReadinessFinding]:
        relation = first.relates(second)
        near = alike >= self._settings.near_likeness
        if _is_part_of(first, second) or (relation == "series" and alike < _COPY_LIKENESS):
            return
        if not (near or self._may_be_versions(relation, first, second, alike)):
            return
        mine, theirs = self._library.said(first.key), self._library.said(second.key)
        if _other_subject(relation, first, second, mine, theirs):
            return
        filled_in = relation in ("series", "unsure", "variant") and (mine.names, mine.identifiers) != (
            theirs.names,
            theirs.identifiers,
        )
        older, newer = _in_order(first, second, mine, theirs)
        found = differences(self._library.said(older.key), self._library.said(newer.key))
        kin = max(alike, _kinship(mine, theirs))
        if relation == "series" and (found or filled_in):
            return
        labelled = relation in ("same", "version", "dated") and kin >= self._settings.version_likeness
        if found and not filled_in and (labelled or _mostly_agree(found, mine, theirs, alike)):
            severity = self._severity(relation, older, newer, kin)
            if severity is not None:
                yield _versions_differ(severity, older, newer, found)
        elif near and not found:
            yield finding(
                "near_duplicate", "warning", second, evidence=f"≈ {alike:.0%} {second.profile.title}",
                other=first, other_evidence=first.profile.title,
            )  # fmt: skip

    def _may_be_versions(self, relation: Relation, first: Known, second: Known, alike: float) -> bool:
        """What the names say of short documents counts for more than how alike they are worded."""
        if relation in ("version", "dated") or (relation == "same" and first.folder == second.folder):
            return alike >= LEAST_LIKENESS
        return relation == "same" and alike >= self._settings.version_likeness

    def _severity(self, relation: Relation, older: Known, newer: Known, kin: float) -> Severity | None:
        """None when the record says which of the two is in force: then nothing is in doubt."""
        linked = (
            newer.profile.supersedes == older.key.external_id
            or older.profile.supersedes == newer.key.external_id
        )
        over = not (in_force(older.profile, self._now) and in_force(newer.profile, self._now))
        if linked or over or void(self._library.head(older.key)) is not None:
            return None
        sure = relation in ("same", "version") and kin >= _SURE_LIKENESS
        return "error" if sure else "warning"


def differences(first: Said, second: Said) -> list[Difference]:
    """What both speak of with different values, in the order of the first document."""
    mine, theirs = first.by_core, second.by_core
    found: list[Difference] = []
    for core, said in mine.items():
        if core in theirs:
            found += _differ(said, theirs[core])
    left = [(core, said) for core, said in mine.items() if core not in theirs][:_MAX_REWORDED]
    right = [(core, said) for core, said in theirs.items() if core not in mine][:_MAX_REWORDED]
    for core, said in left:
        best = max(right, key=lambda item: _overlap(core[0], item[0][0]), default=None)
        if best is not None and best[0][1] == core[1] and _overlap(core[0], best[0][0]) >= _REWORDED:
            found += _differ(said, best[1])
    return found


def _differ(mine: list[Statement], theirs: list[Statement]) -> list[Difference]:
    """Values of one subject that only one side has, paired in order when they are of one kind."""
    ours, others = Counter(_value(s) for s in mine), Counter(_value(s) for s in theirs)
    left = _without(mine, others)
    right = _without(theirs, ours)
    found: list[Difference] = []
    for kind in dict.fromkeys(statement.kind for statement in left):
        pairs = zip(
            [statement for statement in left if statement.kind == kind],
            [statement for statement in right if statement.kind == kind],
            strict=False,
        )
        found += [Difference(a, b) for a, b in pairs]
    return found


def _without(said: list[Statement], others: Counter[tuple[str, str]]) -> list[Statement]:
    rest = Counter(others)
    left: list[Statement] = []
    for statement in said:
        value = _value(statement)
        if rest[value] > 0:
            rest[value] -= 1
        else:
            left.append(statement)
    return left


def _value(statement: Statement) -> tuple[str, str]:
    return statement.kind, statement.value


def _kinship(mine: Said, theirs: Said) -> float:
    """Share of subjects that both speak of, of those of the one with fewer; 0 when there are hardly any."""
    ours, others = mine.by_core, theirs.by_core
    fewer = min(len(ours), len(others))
    return len(ours.keys() & others.keys()) / fewer if fewer >= _MIN_SUBJECTS else 0.0


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    union = len(first | second)
    return len(first & second) / union if union else 0.0


def _mostly_agree(found: list[Difference], mine: Said, theirs: Said, alike: float) -> bool:
    """Documents with unrelated names are versions when most of what they say is the same, or when nothing but figures
    differs and none of these is the period that they speak of."""
    if 3 * len(found) <= min(len(mine.statements), len(theirs.statements)):
        return True
    periods = any(_PERIOD.match(statement.value) for d in found for statement in (d.first, d.second))
    return (
        alike >= _COPY_LIKENESS
        and not periods
        and (mine.names, mine.identifiers) == (theirs.names, theirs.identifiers)
    )


def _other_subject(relation: Relation, first: Known, second: Known, mine: Said, theirs: Said) -> bool:
    """Alike in wording and about something else: a form filled in twice."""
    if relation in ("version", "dated"):
        return False
    named = first.name.words and first.name.words == second.name.words
    if relation == "same" and named and first.folder == second.folder:
        return False
    return one_person_away(mine, theirs)


def _is_part_of(first: Known, second: Known) -> bool:
    """A mail and what is attached to it say the same by nature."""
    return first.profile.parent == second.key.external_id or second.profile.parent == first.key.external_id


def _in_order(first: Known, second: Known, mine: Said, theirs: Said) -> tuple[Known, Known]:
    """The older one first, by what is said most clearly: the link, the mark, the name, the dates."""
    if first.profile.supersedes == second.key.external_id:
        return second, first
    if second.profile.supersedes == first.key.external_id:
        return first, second
    if (void(mine.head) is None) != (void(theirs.head) is None):
        return (second, first) if void(mine.head) is None else (first, second)
    before = first.older_than(second)
    if before is None:
        before = _dated_before(first, second)
    return (first, second) if before else (second, first)


def _dated_before(first: Known, second: Known) -> bool:
    one, other = first.profile, second.profile
    for mine, theirs in ((one.valid_from, other.valid_from), (one.modified, other.modified)):
        if mine is not None and theirs is not None and mine != theirs:
            return mine < theirs
    return True


def _versions_differ(
    severity: Severity, older: Known, newer: Known, found: list[Difference]
) -> ReadinessFinding:
    telling = sorted(found, key=lambda difference: difference.first.kind in ("date", "number"))[:_SHOWN]
    page, other_page = telling[0].first.page, telling[0].second.page
    return finding(
        "versions_differ", severity, older,
        evidence=_shown([difference.first for difference in telling]), page=page,
        other=newer, other_evidence=_shown([difference.second for difference in telling]), other_page=other_page,
        count=len(found),
    )  # fmt: skip


def _shown(said: list[Statement]) -> str:
    """The first difference as the document puts it, then the values of the next ones."""
    first, *rest = said
    values = "; ".join(statement.value for statement in rest)
    room = _TEXT_CHARS - len(values)
    text = first.text if len(first.text) <= room else first.text[: room - 1] + "…"
    return f"{text} · {values}" if values else text
