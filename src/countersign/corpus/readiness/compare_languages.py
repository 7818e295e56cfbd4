"""A translation whose figures are not those of the original: documents of one name in two languages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import combinations

from countersign.corpus.readiness.compare_known import Known, Library, finding
from countersign.corpus.readiness.labels import relation
from countersign.corpus.readiness.seams import Statement
from countersign.domain.readiness import ReadinessFinding

_MIN_VALUES = 3
_MIN_AGREEING = 0.6
_MAX_DIFFERING = 6
_CROWD = 24
_KINDS = frozenset({"money", "percent", "duration", "date"})


def translations(documents: Sequence[Known], library: Library) -> Iterator[ReadinessFinding]:
    """Values in reading order are aligned between the two; a gap with the same number of values of the same kinds on
    both sides is a figure that was changed in one of them only."""
    groups: dict[object, list[Known]] = defaultdict(list)
    for document in documents:
        if document.name.words and document.profile.language in ("kk", "ru", "en"):
            groups[document.name.words, document.name.numbers, document.name.periods].append(document)
    for group in groups.values():
        members = group[:_CROWD]
        at_home = {(document.folder, document.profile.language) for document in members}
        for first, second in combinations(members, 2):
            if _are_translations(first, second) and not _has_nearer(first, second, at_home):
                yield from _compared(first, second, library)


def _are_translations(first: Known, second: Known) -> bool:
    if first.profile.language == second.profile.language:
        return False
    if first.name.edition != second.name.edition or first.name.dates != second.name.dates:
        return False
    if relation(first.name, second.name) == "translation":
        return True
    # one name, two languages: in folders that differ by the language only (`ru/leave.docx`, `kk/leave.docx`)
    mine, theirs = (document.folder.casefold().replace("\\", "/").split("/") for document in (first, second))
    return len(mine) == len(theirs) and sum(a != b for a, b in zip(mine, theirs, strict=True)) <= 1


def _has_nearer(first: Known, second: Known, at_home: set[tuple[str, str]]) -> bool:
    """One of them has a translation of that language in its own folder: a stray copy is compared with its original."""
    if first.folder == second.folder:
        return False
    return bool({(first.folder, second.profile.language), (second.folder, first.profile.language)} & at_home)


def _compared(first: Known, second: Known, library: Library) -> Iterator[ReadinessFinding]:
    mine, theirs = _values(library, first), _values(library, second)
    if min(len(mine), len(theirs)) < _MIN_VALUES:
        return
    changed, agreeing = _changed(mine, theirs)
    if not changed or len(changed) > _MAX_DIFFERING or agreeing < _MIN_AGREEING * min(len(mine), len(theirs)):
        return
    a, b = changed[0]
    yield finding(
        "versions_differ", "warning", first, evidence=a.text, page=a.page,
        other=second, other_evidence=b.text, other_page=b.page, count=len(changed),
    )  # fmt: skip


def _values(library: Library, document: Known) -> list[Statement]:
    return [statement for statement in library.said(document.key).statements if statement.kind in _KINDS]


def _changed(mine: list[Statement], theirs: list[Statement]) -> tuple[list[tuple[Statement, Statement]], int]:
    """Pairs of statements in the place of each other with different values, and how many values agree."""
    matcher = SequenceMatcher(None, [_value(s) for s in mine], [_value(s) for s in theirs], autojunk=False)
    agreeing, changed = 0, list[tuple[Statement, Statement]]()
    here, there = {_value(s) for s in mine}, {_value(s) for s in theirs}
    for tag, a, a_end, b, b_end in matcher.get_opcodes():
        if tag == "equal":
            agreeing += a_end - a
        elif tag == "replace" and a_end - a == b_end - b:
            changed += [
                (x, y)
                for x, y in zip(mine[a:a_end], theirs[b:b_end], strict=True)
                if x.kind == y.kind
                and _unit(x) == _unit(y)
                and _value(x) not in there
                and _value(y) not in here
            ]
    return changed, agreeing


def _value(statement: Statement) -> str:
    """Without the difference of working and calendar days: a translation may leave it to the sentence before."""
    return statement.value.replace("working ", "")


def _unit(statement: Statement) -> str:
    return statement.value.replace("working ", "").partition(" ")[2]
