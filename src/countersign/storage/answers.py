"""Answers, citations and reviews in the database; every read re-checks the reader's rights as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, String, and_, bindparam, func, insert, select, update

from countersign.access.principal import Principal, Role
from countersign.answer.store import CitedPassage, Finished, Hold, StoredAnswer
from countersign.domain.answers import (
    Answer,
    AnswerStatus,
    Citation,
    Claim,
    Confidence,
    ConflictNote,
    Cost,
    RefusalReason,
    Usage,
)
from countersign.domain.clock import from_iso, iso
from countersign.domain.documents import DocumentStatus, Passage
from countersign.domain.errors import NotFound
from countersign.domain.events import Event
from countersign.review.notify import OVERDUE_JOB
from countersign.storage.database import Database, only_filter
from countersign.storage.events import append_in
from countersign.storage.jobs import enqueue_in
from countersign.storage.notices import Outbox
from countersign.storage.rights import satisfied_rights
from countersign.storage.tables import (
    answer,
    answer_passage,
    citation,
    document,
    document_version,
    passage,
    person,
    review,
)

_IN_COLUMNS = frozenset(
    {
        "answer_id",
        "tenant",
        "user",
        "assistant",
        "task",
        "status",
        "text",
        "draft",
        "release",
        "created",
        "citations",
    }
)

# Built once: putting a statement together costs more than running it, and every answer pays for it.
_ADD_ANSWER, _ADD_PASSAGES, _ADD_CITATIONS = insert(answer), insert(answer_passage), insert(citation)
_PERSON = select(person).where(person.c.name == bindparam("of_name"))
_IN_FORCE = (
    select(passage.c.id, passage.c.rights_id)
    .join(document, document.c.id == passage.c.document_id)
    .where(
        passage.c.id.in_(bindparam("ids", expanding=True)),
        only_filter(passage.c.tenant) == bindparam("of_tenant"),
        passage.c.live,
        func.coalesce(passage.c.valid_from, "") <= bindparam("as_of", type_=String),
        func.coalesce(passage.c.valid_to, "9999") > bindparam("as_of", type_=String),
        document.c.deleted.is_(None),
        document.c.status != DocumentStatus.QUARANTINED,
    )
)

_IN_BODY = tuple(field.name for field in fields(Answer) if field.name not in _IN_COLUMNS)


class SqlAnswerStore:
    """`answer.store.AnswerStore` on SQLite and Postgres."""

    def __init__(self, database: Database, outbox: Outbox = Outbox()) -> None:  # noqa: B008 frozen
        self._database = database
        self._outbox = outbox

    async def permitted(
        self, passages: Sequence[Passage], in_force_at: datetime, principal: Principal
    ) -> bool:
        return await self._database.read(still_permitted, passages, in_force_at, principal)

    async def finish(self, finished: Finished, principal: Principal) -> bool:
        return await self._database.write(_finish, finished, principal, self._outbox)

    async def append(self, events: Sequence[Event]) -> None:
        await self._database.write(append_in, events)

    async def read(self, answer_id: str, reader: Principal) -> StoredAnswer:
        return await self._database.read(read_answer, answer_id, reader)

    async def citation(self, citation_id: str, reader: Principal) -> CitedPassage:
        return await self._database.read(read_citation, citation_id, reader)


def _finish(connection: Connection, finished: Finished, principal: Principal, outbox: Outbox) -> bool:
    if (
        finished.passages
        and not finished.left
        and not still_permitted(connection, finished.passages, finished.in_force_at, principal)
    ):
        return False
    kept = finished.answer
    connection.execute(_ADD_ANSWER, _answer_row(finished))
    if finished.passages:
        connection.execute(
            _ADD_PASSAGES,
            [
                {
                    "answer_id": kept.answer_id,
                    "passage_id": int(p.passage_id),
                    "document_id": p.document_id,
                    "version": p.version,
                }
                for p in finished.passages
            ],
        )
    if kept.citations:
        connection.execute(_ADD_CITATIONS, [_citation_row(kept.answer_id, c) for c in kept.citations])
    if finished.hold is not None:
        _open_review(connection, finished, finished.hold, outbox)
    append_in(connection, finished.events)
    return True


def _open_review(connection: Connection, finished: Finished, hold: Hold, outbox: Outbox) -> None:
    """The item, with the job that looks at it again at its deadline."""
    tenant, opened = finished.answer.tenant, finished.answer.created
    connection.execute(insert(review).values(_review_row(finished, hold)))
    if hold.deadline is not None:
        enqueue_in(connection, OVERDUE_JOB, tenant, hold.review_id, opened, not_before=hold.deadline)
    outbox.put_in(connection, "review.opened", tenant, hold.review_id, opened)


def still_permitted(
    connection: Connection, passages: Sequence[Passage], in_force_at: datetime, principal: Principal
) -> bool:
    """The asker as the database knows them now, against every passage as it is now."""
    now = current_principal(connection, principal)
    if now is None:
        return False
    satisfied = satisfied_rights(connection, now.tenant, now.terms)
    wanted = {int(p.passage_id) for p in passages}
    asked = {"ids": sorted(wanted), "of_tenant": now.tenant, "as_of": iso(in_force_at)}
    found = {row.id for row in connection.execute(_IN_FORCE, asked) if row.rights_id in satisfied}
    return wanted <= found


def current_principal(connection: Connection, principal: Principal) -> Principal | None:
    """The same person with the groups and roles of this moment; None when disabled or gone."""
    row = connection.execute(_PERSON, {"of_name": principal.name}).mappings().first()
    if row is None or row["disabled"] or row["tenant"] != principal.tenant:
        return None
    roles = frozenset(Role(role) for role in row["roles"])
    return replace(principal, groups=frozenset(row["groups"]), roles=roles)


# -- reading back -----------------------------------------------------------------------------------------------
def read_answer(connection: Connection, answer_id: str, reader: Principal) -> StoredAnswer:
    """What `reader` may see of it: the asker, a reviewer of its queue and an auditor may; nobody else learns of it."""
    row = connection.execute(select(answer).where(answer.c.id == answer_id)).mappings().first()
    item = connection.execute(select(review).where(review.c.answer_id == answer_id)).mappings().first()
    if row is None or row["tenant"] != reader.tenant or not _concerns(row, item, reader):
        raise NotFound("there is no such answer")
    withheld = bool(row["erased"]) or not _reads_all_passages(connection, answer_id, reader)
    if withheld and row["person"] != reader.name and not reader.has(Role.AUDITOR):
        raise NotFound("there is no such answer")  # a reviewer of the queue who may not read what it rests on
    kept = _answer(row, _citations(connection, answer_id))
    if withheld:
        kept = replace(kept, text="", draft="", citations=(), claims=(), conflicts=())
    elif row["person"] == reader.name and kept.status is AnswerStatus.HELD:
        kept = replace(kept, draft="", citations=(), claims=(), conflicts=())
    question = "" if withheld and row["person"] != reader.name else row["question"]
    return StoredAnswer(
        answer=kept,
        question=question,
        withheld=withheld,
        review_id=item["id"] if item else "",
        review_state=item["state"] if item else "",
        decided_by=(item["decided_by"] or "") if item else "",
        edited=bool(item and item["decision"] == "edit"),
    )


def _concerns(row: RowMapping, item: RowMapping | None, reader: Principal) -> bool:
    if row["person"] == reader.name or reader.has(Role.AUDITOR):
        return True
    if item is None or not reader.has(Role.REVIEWER):
        return False
    reached_admin = item["state"] == "escalated" or item["decided_by"] == reader.name
    escalated_to_admin = reached_admin and reader.has(Role.ADMIN)
    return escalated_to_admin or not item["groups"] or bool(reader.groups & set(item["groups"]))


def _reads_all_passages(connection: Connection, answer_id: str, reader: Principal) -> bool:
    used = connection.execute(
        select(func.count()).select_from(answer_passage).where(answer_passage.c.answer_id == answer_id)
    ).scalar_one()
    readable = connection.execute(
        select(func.count())
        .select_from(answer_passage)
        .join(document, document.c.id == answer_passage.c.document_id)
        .join(passage, passage.c.id == answer_passage.c.passage_id)
        .where(answer_passage.c.answer_id == answer_id, _readable(connection, reader))
    ).scalar_one()
    return used == readable


def _readable(connection: Connection, reader: Principal) -> Any:
    return and_(
        document.c.tenant == reader.tenant,
        document.c.rights_id.in_(satisfied_rights(connection, reader.tenant, reader.terms)),
        document.c.deleted.is_(None),
        document.c.status != DocumentStatus.QUARANTINED,
    )


def _citations(connection: Connection, answer_id: str) -> tuple[Citation, ...]:
    rows = connection.execute(
        select(citation.c.body).where(citation.c.answer_id == answer_id).order_by(citation.c.n)
    ).scalars()
    return tuple(_citation(body) for body in rows)


def read_citation(connection: Connection, citation_id: str, reader: Principal) -> CitedPassage:
    """Raises `NotFound` for absent, forbidden and withheld alike."""
    row = (
        connection.execute(
            select(
                citation.c.answer_id,
                citation.c.body,
                passage.c.text,
                document_version.c.blob,
                document_version.c.filename,
                document_version.c.mime,
                document_version.c.pages,
            )
            .join(passage, passage.c.id == citation.c.passage_id)
            .join(document, document.c.id == citation.c.document_id)
            .join(
                document_version,
                and_(
                    document_version.c.document_id == citation.c.document_id,
                    document_version.c.version == citation.c.version,
                ),
            )
            .where(citation.c.id == citation_id, _readable(connection, reader))
        )
        .mappings()
        .first()
    )
    if row is None:
        raise NotFound("there is no such citation")
    stored = read_answer(connection, row["answer_id"], reader)
    if stored.withheld or all(c.citation_id != citation_id for c in stored.answer.citations):
        raise NotFound("there is no such citation")
    return CitedPassage(
        citation=_citation(row["body"]),
        answer_id=row["answer_id"],
        assistant=stored.answer.assistant,
        passage_text=row["text"],
        blob=row["blob"],
        filename=row["filename"],
        mime=row["mime"],
        pages=row["pages"],
    )


# -- rows and values --------------------------------------------------------------------------------------------
def _answer_row(finished: Finished) -> dict[str, Any]:
    kept = finished.answer
    body = {name: _plain(getattr(kept, name)) for name in _IN_BODY}
    body["as_of"] = iso(kept.as_of)
    return {
        "id": kept.answer_id,
        "tenant": kept.tenant,
        "person": kept.user,
        "assistant": kept.assistant,
        "task": kept.task,
        "status": kept.status.value,
        "release": kept.release,
        "created": iso(kept.created),
        "question": finished.question,
        "text": kept.text,
        "draft": kept.draft,
        "body": body,
    }


def _plain(value: Any) -> Any:
    """Values as JSON has them; `dataclasses.asdict` copies everything twice over and takes ten times as long."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in cast("Sequence[Any]", value)]
    return dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else value


def _citation_row(answer_id: str, cited: Citation) -> dict[str, Any]:
    return {
        "id": cited.citation_id,
        "answer_id": answer_id,
        "n": cited.n,
        "passage_id": int(cited.passage_id),
        "document_id": cited.document_id,
        "version": cited.version,
        "quote": cited.quote,
        "body": _plain(cited),
    }


def _review_row(finished: Finished, hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.review_id,
        "answer_id": finished.answer.answer_id,
        "tenant": finished.answer.tenant,
        "assistant": finished.answer.assistant,
        "state": "open",
        "reasons": list(hold.reasons),
        "groups": list(hold.groups),
        "created": iso(finished.answer.created),
        "deadline": iso(hold.deadline) if hold.deadline else None,
    }


def _answer(row: RowMapping, citations: tuple[Citation, ...]) -> Answer:
    body = row["body"]
    return Answer(
        answer_id=row["id"],
        tenant=row["tenant"],
        user=row["person"],
        assistant=row["assistant"],
        task=row["task"],
        status=AnswerStatus(row["status"]),
        text=row["text"],
        release=row["release"],
        created=from_iso(row["created"]),
        as_of=from_iso(body["as_of"]),
        language=body["language"],
        draft=row["draft"],
        confidence=Confidence(**body["confidence"]) if body["confidence"] else None,
        citations=citations,
        claims=tuple(_claim(claim) for claim in body["claims"]),
        conflicts=tuple(
            ConflictNote(
                note["subject"],
                tuple(note["values"]),
                tuple(note["citations"]),
                note.get("same_name", False),
            )
            for note in body["conflicts"]
        ),
        warnings=tuple(body["warnings"]),
        hold_reasons=tuple(body["hold_reasons"]),
        refusal=RefusalReason(body["refusal"]) if body["refusal"] else None,
        model=body["model"],
        rung=body["rung"],
        degraded_because=body["degraded_because"],
        usage=Usage(**body["usage"]),
        cost=Cost(**body["cost"]) if body["cost"] else None,
        ai_generated=body["ai_generated"],
    )


def _claim(body: dict[str, Any]) -> Claim:
    fields: dict[str, Any] = {
        **body,
        "citations": tuple(body["citations"]),
        "reasons": tuple(body["reasons"]),
    }
    return Claim(**fields)


def _citation(body: dict[str, Any]) -> Citation:
    fields: dict[str, Any] = {**body, "bbox": tuple(body["bbox"]) if body["bbox"] else None}
    return Citation(**fields)


def set_decision(
    connection: Connection, answer_id: str, status: AnswerStatus, text: str, refusal: RefusalReason | None
) -> None:
    """What a reviewer's decision makes of the answer: its draft, an edited text, or a refusal."""
    row = connection.execute(select(answer).where(answer.c.id == answer_id)).mappings().one()
    body = dict(row["body"])
    body["refusal"] = refusal.value if refusal else None
    connection.execute(
        update(answer).where(answer.c.id == answer_id).values(status=status.value, text=text, body=body)
    )


def answers_of(
    connection: Connection,
    reader: Principal,
    limit: int,
    before: datetime | None = None,
    before_id: str = "",
) -> list[RowMapping]:
    """The reader's own answers, newest first: id, question, status and time, never the text.

    `before_id` continues a page behind that answer: ids sort by their time of creation.
    """
    columns = (answer.c.id, answer.c.question, answer.c.status, answer.c.assistant, answer.c.created)
    query = select(*columns).where(answer.c.person == reader.name, answer.c.tenant == reader.tenant)
    if before is not None:
        query = query.where(answer.c.created < iso(before))
    if before_id:
        query = query.where(answer.c.id < before_id)
    return list(connection.execute(query.order_by(answer.c.id.desc()).limit(limit)).mappings())
