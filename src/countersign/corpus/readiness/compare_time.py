"""Documents whose time is over: replaced by another one, said to be void, or left alone for too long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from statistics import median

from countersign.corpus.readiness.compare_known import CompareSettings, Known, Library, finding, void
from countersign.corpus.readiness.compare_versions import FAMILY_LIKENESS, LEAST_LIKENESS
from countersign.corpus.readiness.head import REPLACES, SINCE, UNTIL
from countersign.corpus.readiness.phrases import phrase
from countersign.corpus.readiness.signature import likeness
from countersign.domain.readiness import DocumentKey, ReadinessFinding

MIN_DATED = 8
"""Documents with a date that a source must have before it has a rhythm."""
RHYTHM_TIMES = 6.0
RHYTHM_LEAST = timedelta(days=540)
_CROWD = 64


def superseded(
    documents: Sequence[Known], unique: Sequence[Known], library: Library, now: datetime
) -> Iterator[ReadinessFinding]:
    """By the source's own word, by the document's, or by a name that marks it as the older of two editions;
    `unique` are the documents that are no copies."""
    by_key = {document.key: document for document in documents}
    told: set[int] = set()
    for document in documents:
        older = _replaced_by(document, by_key)
        if older is not None and older.place not in told:
            told.add(older.place)
            yield _superseded(older, document)
    numbered = _numbered(documents)
    for document in documents:
        head = library.head(document.key)
        ended = void(head)
        if ended is not None and document.place not in told and not _ended(document, now):
            told.add(document.place)
            yield finding("superseded_present", "warning", document, evidence=ended.text, page=ended.page)
        for statement in head:
            word, _, number = statement.value.partition(" ")
            older = numbered.get(number) if word == REPLACES else None
            if (
                older is not None
                and older is not document
                and older.place not in told
                and not _ended(older, now)
            ):
                told.add(older.place)
                yield finding(
                    "superseded_present", "warning", older, evidence=older.profile.title, other=document,
                    other_evidence=statement.text, other_page=statement.page,
                )  # fmt: skip
    for older, newer in _editions(unique):
        if older.place not in told and not _ended(older, now):
            told.add(older.place)
            yield _superseded(older, newer)


def validity(documents: Sequence[Known], library: Library, now: datetime) -> Iterator[ReadinessFinding]:
    """Documents that say themselves that their time is over or has not come, where the source says nothing of it."""
    today = now.date().isoformat()
    for document in documents:
        for statement in library.head(document.key):
            word, _, day = statement.value.partition(" ")
            if word == UNTIL and document.profile.valid_to is None and day < today:
                yield finding("expired", "warning", document, evidence=statement.text, page=statement.page)
            elif word == SINCE and document.profile.valid_from is None and day > today:
                yield finding("not_yet_valid", "info", document, evidence=statement.text, page=statement.page)


def _numbered(documents: Sequence[Known]) -> dict[str, Known]:
    """Number → the only document whose title or name is about it."""
    found: dict[str, list[Known]] = defaultdict(list)
    for document in documents:
        serial = document.name.serial or document.title.serial
        for number in {*document.name.numbers, *document.title.numbers}:
            if serial or len(number) > 2:
                found[number].append(document)
    return {number: members[0] for number, members in found.items() if len(members) == 1}


def stale(documents: Sequence[Known], now: datetime, settings: CompareSettings) -> Iterator[ReadinessFinding]:
    """Older than the source's `documents_max_age`; or, in a source that is kept up, left alone for much longer than the rest:
    more than `RHYTHM_TIMES` its median age and more than `RHYTHM_LEAST`."""
    by_source: dict[tuple[str, str], list[Known]] = defaultdict(list)
    for document in documents:
        if (
            document.profile.modified is not None
            and not document.profile.parent
            and not _ended(document, now)
        ):
            by_source[document.key.tenant, document.key.source].append(document)
    for (_, source), members in by_source.items():
        limit, usual = _limit(source, members, now, settings.max_age)
        for document in members:
            age = _age(document, now)
            if limit is not None and age > limit:
                name, beside = (
                    ("older_than_allowed", limit) if usual is None else ("older_than_others", usual)
                )
                told = phrase(name, f"{document.profile.modified:%Y-%m-%d}", age.days, beside.days)
                yield finding("stale", "warning", document, evidence=told)


def _limit(
    source: str, members: Sequence[Known], now: datetime, max_age: Mapping[str, timedelta]
) -> tuple[timedelta | None, timedelta | None]:
    """How old a document may be, and the median age it follows from (None when `max_age` says it)."""
    said = max_age.get(source)
    if said is not None or len(members) < MIN_DATED:
        return said, None
    usual = timedelta(seconds=median(_age(document, now).total_seconds() for document in members))
    return max(RHYTHM_TIMES * usual, RHYTHM_LEAST), usual


def _age(document: Known, now: datetime) -> timedelta:
    modified = document.profile.modified
    return now - modified if modified is not None else timedelta(0)


def _ended(document: Known, now: datetime) -> bool:
    valid_to = document.profile.valid_to
    return valid_to is not None and valid_to <= now


def _replaced_by(document: Known, by_key: Mapping[DocumentKey, Known]) -> Known | None:
    if not document.profile.supersedes:
        return None
    key = DocumentKey(document.key.source, document.profile.supersedes, document.key.tenant)
    older = by_key.get(key)
    return older if older is not document else None


def _superseded(older: Known, newer: Known) -> ReadinessFinding:
    return finding(
        "superseded_present", "warning", older, evidence=older.profile.title, other=newer,
        other_evidence=newer.profile.title,
    )  # fmt: skip


def _editions(documents: Sequence[Known]) -> Iterator[tuple[Known, Known]]:
    """Pairs of one label where the names themselves say which is older."""
    groups: dict[object, list[Known]] = defaultdict(list)
    for document in documents:
        if document.name.words and document.profile.signature:
            groups[document.name.words, document.name.numbers, document.name.periods].append(document)
    for group in groups.values():
        for first, second in combinations(group[:_CROWD], 2):
            before = first.older_than(second)
            relation = first.relates(second)
            if before is None or relation not in ("version", "dated"):
                continue
            least = LEAST_LIKENESS if relation == "version" else FAMILY_LIKENESS
            if likeness(first.profile.signature, second.profile.signature) >= least:
                yield (first, second) if before else (second, first)
