"""Which rows hold a document's text, and how each is cleaned: for erasure, for retention, and for restoring a backup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, String, Table, cast, delete, func, or_, select, update

from countersign.domain.clock import iso
from countersign.domain.documents import DocumentStatus
from countersign.record.ledger import DocumentKey
from countersign.storage.audits import erase_findings
from countersign.storage.byte_scan import distinctive, spellings
from countersign.storage.database import next_seq
from countersign.storage.document_changes import delete_document
from countersign.storage.question_sets import empty_asked, erase_drafted
from countersign.storage.source_state import forget_names
from countersign.storage.tables import (
    answer,
    answer_passage,
    citation,
    document,
    document_version,
    embedding,
    event,
    event_personal,
    feedback,
    metadata,
    passage,
    question,
    review,
)

CLEANED_TABLES = (
    "document", "document_version", "passage", "embedding", "answer", "citation", "review", "feedback",
    "event_personal", "source_pass", "readiness_finding", "readiness_acceptance",
    "question", "question_expected",
)  # fmt: skip

_IN = 500
_PROBES = 12
_CANDIDATES = 60
_PLAIN_BODY = frozenset(
    {
        "as_of", "language", "confidence", "hold_reasons", "refusal", "model", "rung", "degraded_because", "usage",
        "cost", "ai_generated",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Erasing:
    """What is to be erased: a document and everything that was inside it."""

    tenant: str
    documents: tuple[str, ...]
    keys: tuple[DocumentKey, ...]
    blobs: tuple[str, ...]
    """Refs that no other document uses."""
    shared_blobs: int
    """How many refs stay because another document has the same content."""
    text_hashes: frozenset[str]
    probes: tuple[str, ...]
    """Distinctive strings of the text that no other document holds."""
    common_text: bool
    """True when there was text, but all of it also stands in other documents."""
    since: str
    """ISO time from which a backup may hold it."""
    parent: str
    """A document that still contains it (the mail around an attachment), or empty."""


def gather(connection: Connection, tenant: str, document_id: str) -> Erasing | None:
    """None when there is no such document in this tenant."""
    documents = _with_parts(connection, tenant, document_id)
    if not documents:
        return None
    ids = [row.id for row in documents]
    texts = list(_texts(connection, ids))
    refs = _refs(connection, ids)
    shared = _used_elsewhere(connection, refs, ids)
    probes = _unique_probes(connection, ids, [text for text, _ in texts])
    return Erasing(
        tenant=tenant,
        documents=tuple(ids),
        keys=tuple(DocumentKey(tenant, row.source, row.external_id) for row in documents),
        blobs=tuple(sorted(refs - shared)),
        shared_blobs=len(shared),
        text_hashes=frozenset(text_hash for _, text_hash in texts),
        probes=probes,
        common_text=bool(texts) and not probes,
        since=min(row.created for row in documents),
        parent=documents[0].parent_id or "",
    )


def tombstone(connection: Connection, erasing: Erasing, actor: str, now: datetime) -> None:
    """From this commit on nothing of it answers."""
    where = document.c.id == erasing.documents[0], document.c.deleted.is_(None)
    if connection.execute(select(document.c.id).where(*where)).scalar() is not None:
        delete_document(connection, erasing.documents[0], actor, now)


def clean(connection: Connection, erasing: Erasing, now: datetime) -> Mapping[str, int]:
    """Remove the text from every table in one transaction; says how many rows of each were cleaned."""
    answers = sorted(_answers_using(connection, erasing))
    counts = dict(blank_answers(connection, answers, now, keep_questions_without=erasing.probes))
    subjects = [*erasing.documents, *answers, *_reviews_of(connection, answers)]
    counts["event_personal"] = forget_personal(connection, erasing.tenant, subjects)
    counts["event_personal"] += _forget_personal_holding(connection, erasing)
    counts["embedding"] = _delete_embeddings(connection, erasing)
    counts["passage"] = _delete_in(connection, passage, passage.c.document_id, erasing.documents)
    counts["document_version"] = _delete_in(
        connection, document_version, document_version.c.document_id, erasing.documents
    )
    counts["source_pass"] = sum(
        forget_names(connection, key.tenant, key.source, key.external_id) for key in erasing.keys
    )
    counts["readiness_finding"] = sum(
        erase_findings(connection, key.tenant, key.source, key.external_id) for key in erasing.keys
    )
    columns = (question.c.text, question.c.first_text)
    quoted = (
        or_(*(_holds(connection, column, erasing.probes) for column in columns)) if erasing.probes else None
    )
    counts["question"] = erase_drafted(connection, erasing.documents, erasing.keys, quoted)
    counts["document"] = _blank_documents(connection, erasing, now)
    return counts


def blank_answers(
    connection: Connection,
    answer_ids: Sequence[str],
    now: datetime,
    keep_questions_without: Sequence[str] | None = None,
) -> Mapping[str, int]:
    """Take every text out of these answers and mark them `erased`; decision, figures and ids stay.

    A question stays when `keep_questions_without` is given and none of its strings stands in it.
    """
    counts: dict[str, int] = {"answer": 0, "citation": 0, "review": 0, "feedback": 0}
    for part in _parts(answer_ids):
        columns = (answer.c.id, answer.c.question, answer.c.body)
        for row in connection.execute(select(*columns).where(answer.c.id.in_(part))).all():
            question = _kept_question(row.question, keep_questions_without)
            values = {
                "text": "",
                "draft": "",
                "question": question,
                "body": _plain_body(row.body),
                "erased": iso(now),
            }
            connection.execute(update(answer).where(answer.c.id == row.id).values(**values))
            counts["answer"] += 1
        if keep_questions_without is None:
            empty_asked(connection, part)
        counts["citation"] += _delete_in(connection, citation, citation.c.answer_id, part)
        texts = {"decision_text": "", "decision_reason": ""}
        decided = update(review).where(review.c.answer_id.in_(part)).values(**texts)
        counts["review"] += connection.execute(decided).rowcount
        commented = update(feedback).where(feedback.c.answer_id.in_(part)).values(text="")
        counts["feedback"] += connection.execute(commented).rowcount
    return counts


def forget_personal(connection: Connection, tenant: str, subjects: Sequence[str]) -> int:
    """Delete text and salt beside every event about `subjects`; the chain keeps verifying."""
    forgotten = 0
    for part in _parts(subjects):
        seqs = select(event.c.seq).where(event.c.tenant == tenant, event.c.subject.in_(part))
        where = event_personal.c.tenant == tenant, event_personal.c.seq.in_(seqs)
        forgotten += connection.execute(delete(event_personal).where(*where)).rowcount
    return forgotten


def leftovers(connection: Connection, probes: Sequence[str]) -> Mapping[str, int]:
    """Rows of any table of which any text column still holds one of `probes`, by table; empty when clean."""
    found: dict[str, int] = {}
    for table in metadata.sorted_tables if probes else ():
        columns = [column for column in table.columns if isinstance(column.type, (String, JSON))]
        if columns:
            holds = or_(*(_holds(connection, column, probes) for column in columns))
            count = connection.execute(select(func.count()).select_from(table).where(holds)).scalar_one()
            found |= {f"{table.name}": count} if count else {}
    return found


# -- finding ----------------------------------------------------------------------------------------------------
def _with_parts(connection: Connection, tenant: str, document_id: str) -> list[Any]:
    columns = (
        document.c.id,
        document.c.source,
        document.c.external_id,
        document.c.parent_id,
        document.c.created,
    )
    query = select(*columns).where(document.c.tenant == tenant)
    found = list(connection.execute(query.where(document.c.id == document_id)))
    layer = [row.id for row in found]
    while layer:
        inside = list(connection.execute(query.where(document.c.parent_id.in_(layer))))
        found += inside
        layer = [row.id for row in inside]
    return found


def _texts(connection: Connection, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    for part in _parts(ids):
        query = select(passage.c.text, passage.c.text_hash).where(passage.c.document_id.in_(part))
        for row in connection.execute(query):
            yield row.text, row.text_hash


def _refs(connection: Connection, ids: Sequence[str]) -> set[str]:
    refs: set[str] = set()
    for part in _parts(ids):
        query = select(document_version.c.blob).where(document_version.c.document_id.in_(part))
        refs |= set(connection.execute(query).scalars())
    return refs - {""}


def _used_elsewhere(connection: Connection, refs: set[str], ids: Sequence[str]) -> set[str]:
    shared: set[str] = set()
    for part in _parts(sorted(refs)):
        query = select(document_version.c.blob, document_version.c.document_id)
        for row in connection.execute(query.where(document_version.c.blob.in_(part))):
            if row.document_id not in ids:
                shared.add(row.blob)
    return shared


def _unique_probes(connection: Connection, ids: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    candidates = distinctive(texts, _CANDIDATES)
    if not candidates:
        return ()
    query = select(passage.c.text).where(
        passage.c.document_id.not_in(ids), _holds(connection, passage.c.text, candidates)
    )
    others = list(connection.execute(query).scalars())
    return tuple(probe for probe in candidates if not any(probe in text for text in others))[:_PROBES]


def _answers_using(connection: Connection, erasing: Erasing) -> set[str]:
    found: set[str] = set()
    for part in _parts(erasing.documents):
        for table in (answer_passage, citation):
            query = select(table.c.answer_id).where(table.c.document_id.in_(part))
            found |= set(connection.execute(query).scalars())
    if erasing.probes:  # a later answer of the same conversation, or a question that quotes it
        repeats = or_(
            *(
                _holds(connection, column, erasing.probes)
                for column in (answer.c.text, answer.c.draft, answer.c.question)
            )
        )
        query = select(answer.c.id).where(answer.c.tenant == erasing.tenant, repeats)
        found |= set(connection.execute(query).scalars())
    return found


def _reviews_of(connection: Connection, answers: Sequence[str]) -> list[str]:
    found: list[str] = []
    for part in _parts(answers):
        found += connection.execute(select(review.c.id).where(review.c.answer_id.in_(part))).scalars()
    return found


def _holds(connection: Connection, column: Any, probes: Sequence[str]) -> ColumnElement[bool]:
    position = func.instr if connection.dialect.name == "sqlite" else func.strpos
    text = cast(column, String) if isinstance(column.type, JSON) else column
    return or_(*(position(text, spelling) > 0 for probe in probes for spelling in spellings(probe)))


# -- cleaning ---------------------------------------------------------------------------------------------------
def _forget_personal_holding(connection: Connection, erasing: Erasing) -> int:
    if not erasing.probes:
        return 0
    repeats = _holds(connection, event_personal.c.payload, erasing.probes)
    where = event_personal.c.tenant == erasing.tenant, repeats
    return connection.execute(delete(event_personal).where(*where)).rowcount


def _delete_embeddings(connection: Connection, erasing: Erasing) -> int:
    deleted = 0
    for part in _parts(sorted(erasing.text_hashes)):
        query = select(passage.c.text_hash).where(
            passage.c.text_hash.in_(part), passage.c.document_id.not_in(erasing.documents)
        )
        needed = set(connection.execute(query).scalars())
        gone = [text_hash for text_hash in part if text_hash not in needed]
        deleted += _delete_in(connection, embedding, embedding.c.text_hash, gone)
    return deleted


def _blank_documents(connection: Connection, erasing: Erasing, now: datetime) -> int:
    """An empty gravestone under a name that says nothing: ids and dates stay, so that a reader learns it is gone."""
    for key, document_id in zip(erasing.keys, erasing.documents, strict=True):
        values = {
            "external_id": f"erased:{document_id}", "title": "", "reason": "erased", "owner": "", "rights_origin": "",
            "classification": "", "supersedes": "", "parts": {}, "revision": "", "problem": "",
            "status": DocumentStatus.DELETED, "updated": iso(now),
            "deleted": func.coalesce(document.c.deleted, iso(now)), "seq": next_seq(connection),
        }  # fmt: skip
        connection.execute(update(document).where(document.c.id == document_id).values(**values))
        successors = (
            document.c.tenant == key.tenant, document.c.source == key.source, document.c.supersedes == key.external_id
        )  # fmt: skip
        connection.execute(update(document).where(*successors).values(supersedes=""))
    return len(erasing.documents)


def _kept_question(question: str, without: Sequence[str] | None) -> str:
    return "" if without is None or any(probe in question for probe in without) else question


def _plain_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same shape with figures and codes only."""
    empty: dict[type, Any] = {str: "", list: [], dict: {}}
    return {
        name: value if name in _PLAIN_BODY else empty.get(type(value), value) for name, value in body.items()
    }


def _delete_in(connection: Connection, table: Table, column: Any, values: Sequence[str]) -> int:
    return sum(connection.execute(delete(table).where(column.in_(part))).rowcount for part in _parts(values))


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _IN):
        yield values[start : start + _IN]
