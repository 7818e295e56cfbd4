"""What comparing keeps of every document in memory (about 2 kB each), and the statements of the few it looks at."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from countersign.corpus.readiness.head import STATUS, SUPERSEDED, UNTIL
from countersign.corpus.readiness.labels import Label, Relation, both, folder_of, label, relation, stem_of
from countersign.corpus.readiness.phrases import Phrase
from countersign.corpus.readiness.seams import Profile, ProfileStore, Statement
from countersign.corpus.readiness.statements import IDENTIFIERS, NAMES, About, listed
from countersign.corpus.readiness.subject import inert, worded
from countersign.domain.readiness import DocumentKey, ReadinessFinding, Severity

_KEPT_STATEMENTS = 512
COMMON_TITLE = 6
"""A title that more documents share is the name of a form."""


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """`max_age`: source → how old a document of it may be; a source that is not named is judged by its own rhythm.
    Likeness is of wording with figures masked, 0 to 1."""

    max_age: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])
    near_likeness: float = 0.8
    """From here on two documents are nearly the same text."""
    version_likeness: float = 0.5
    """From here on two documents whose names say so are versions of one."""
    max_contradictions: int = 2_000


@dataclass(frozen=True)
class Known:
    """One document of the audit, by its place in the order of the profiles."""

    place: int
    profile: Profile
    titled: bool = True
    """False when so many documents have this title that it names none of them."""

    @property
    def key(self) -> DocumentKey:
        return self.profile.key

    @cached_property
    def name(self) -> Label:
        return label(stem_of(self.key.external_id))

    @cached_property
    def title(self) -> Label:
        """Empty when the title only repeats the file's name."""
        title = self.profile.title
        repeats = stem_of(title).casefold() == stem_of(self.key.external_id).casefold()
        return Label() if repeats or not self.titled else label(title)

    @cached_property
    def folder(self) -> str:
        return folder_of(self.key.external_id)

    def relates(self, other: Known) -> Relation:
        """By name, by title, and by the name of the one and the title of the other: many files have no title."""
        crossed = (relation(self.name, other.title), relation(self.title, other.name))
        said = both(relation(self.name, other.name), relation(self.title, other.title), crossed)
        return self._by_folders(other) if said == "same" and self.folder != other.folder else said

    def _by_folders(self, other: Known) -> Relation:
        """One label in two folders: `2024/report` and `2025/report` are a series, `almaty/hours` and `astana/hours`
        may be."""
        mine, theirs = label(self.folder), label(other.folder)
        serial = self.name.serial or self.title.serial
        if mine.periods != theirs.periods:
            return "series"
        if mine.dates and theirs.dates and mine.dates != theirs.dates:
            return "series" if serial else "dated"
        if mine.numbers and theirs.numbers and mine.numbers != theirs.numbers:
            return "unsure"
        beside = folder_of(self.folder) == folder_of(other.folder)
        return "unsure" if beside and mine.words - theirs.words and theirs.words - mine.words else "same"

    def older_than(self, other: Known) -> bool | None:
        """What names and folders say of their age: marks such as `old`, then the edition, then the date; None when
        they say nothing."""
        mine, theirs = (_age_marks(document) for document in (self, other))
        if mine != theirs:
            return mine < theirs
        for one, two in ((self.name, other.name), (self.title, other.title)):
            if one.number != two.number and not (one.is_copy or two.is_copy):
                return one.number < two.number
            if one.dates and two.dates and one.dates != two.dates:
                return max(one.dates) < max(two.dates)
        return None


def _age_marks(document: Known) -> int:
    """-1 for what is marked as old by its name, title or folder, 1 for what is marked as new."""
    marks = (document.name.age, document.title.age, min(0, label(document.folder).age))
    return min(marks) if min(marks) < 0 else min(1, max(marks))


@dataclass(frozen=True)
class Said:
    """The statements of one document, apart from those about itself."""

    statements: tuple[Statement, ...]
    names: frozenset[str]
    identifiers: frozenset[str]
    head: tuple[Statement, ...] = ()
    """What the document says of itself (`readiness/head`)."""

    @cached_property
    def by_core(self) -> dict[tuple[frozenset[str], bool], list[Statement]]:
        """By what they are about, and whether a table says so; a document may be compared with many others."""
        by_core: dict[tuple[frozenset[str], bool], list[Statement]] = defaultdict(list)
        for statement in self.statements:
            subject = About.decode(statement.subject)
            if subject.core:
                by_core[subject.core, subject.from_table].append(statement)
        return by_core


class Library:
    """Statements by document, read from the store when asked for and kept while they are in use."""

    def __init__(self, store: ProfileStore) -> None:
        self._store = store
        self._said: OrderedDict[DocumentKey, Said] = OrderedDict()
        self._heads: dict[DocumentKey, tuple[Statement, ...]] = {}

    def head(self, key: DocumentKey) -> tuple[Statement, ...]:
        """What the document says of itself; kept for all of them, being little."""
        if key not in self._heads:
            self._heads[key] = self.said(key).head
        return self._heads[key]

    def said(self, key: DocumentKey) -> Said:
        found = self._said.get(key)
        if found is None:
            found = _said(self._store.statements(key))
            self._said[key] = found
            if len(self._said) > _KEPT_STATEMENTS:
                self._said.popitem(last=False)
        else:
            self._said.move_to_end(key)
        return found


def finding(
    code: str,
    severity: Severity,
    document: Known,
    *,
    evidence: str | Phrase = "",
    page: int | None = None,
    other: Known | None = None,
    other_evidence: str = "",
    other_page: int | None = None,
    count: int = 1,
) -> ReadinessFinding:
    shown, said = worded(evidence)
    return ReadinessFinding(
        code, severity, document.key, page, shown, count,
        other.key if other else None, other_page, inert(other_evidence), said=said,
    )  # fmt: skip


def known_documents(profiles: Iterable[Profile]) -> list[Known]:
    listed = list(profiles)
    titles = Counter(profile.title.casefold() for profile in listed)
    return [
        Known(place, profile, titles[profile.title.casefold()] <= COMMON_TITLE)
        for place, profile in enumerate(listed)
    ]


def in_force(profile: Profile, now: datetime) -> bool:
    begun = profile.valid_from is None or profile.valid_from <= now
    return begun and (profile.valid_to is None or profile.valid_to > now)


def one_person_away(first: Said, second: Said) -> bool:
    """Both name something that the other does not: two customers, two branches, two contracts."""
    names = first.names - second.names and second.names - first.names
    identifiers = first.identifiers - second.identifiers and second.identifiers - first.identifiers
    return bool(names or identifiers)


def void(head: Sequence[Statement]) -> Statement | None:
    """Where a document says of itself that it is void."""
    return next((statement for statement in head if statement.value == SUPERSEDED), None)


def over(head: Sequence[Statement], now: datetime) -> bool:
    """By its own words it is void, or holds until a day that has passed."""
    until = next((s.value.partition(" ")[2] for s in head if s.value.startswith(UNTIL)), "")
    return void(head) is not None or "" < until < now.date().isoformat()


def _said(statements: Sequence[Statement]) -> Said:
    plain = tuple(statement for statement in statements if statement.kind not in (NAMES, IDENTIFIERS, STATUS))
    head = tuple(statement for statement in statements if statement.kind == STATUS)
    return Said(plain, listed(statements, NAMES), listed(statements, IDENTIFIERS), head)
