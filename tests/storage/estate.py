"""A small workspace with two documents, an attachment, answers about them, and a record: built by hand, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, insert

from countersign.domain.events import Event, EventKind
from countersign.record.keys import create_signer
from countersign.storage import migrate
from countersign.storage.backup import Estate
from countersign.storage.blobs import open_blobs
from countersign.storage.database import Database, next_seq
from countersign.storage.events import append_in
from countersign.storage.tables import (
    answer,
    answer_passage,
    citation,
    document,
    document_version,
    embedding,
    feedback,
    passage,
    review,
)

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECRET = "Құпия: Айгерім Садыкова берешегі 417 250 теңге, шарт KZ-88317"
"""What stands in the letter and nowhere else."""
PUBLIC = "Тариф «Достық» стоит 4 990 тенге в месяц, подключение бесплатно"


class FixedClock:
    def __init__(self, now: datetime = START) -> None:
        self.time = now

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


@dataclass(frozen=True, slots=True)
class Texts:
    """Document id → its text; the attachment lies inside the letter."""

    letter: str = SECRET
    attachment: str = "Қосымша: төлем кестесі, бірінші төлем 12 қаңтар 2027 жыл"
    tariff: str = PUBLIC


async def build(root: Path, url: str = "") -> Estate:
    """`url` empty means SQLite in the state folder."""
    state = root / "state"
    state.mkdir(parents=True)
    database = Database(url or f"sqlite:///{state / 'countersign.db'}")
    migrate.upgrade(database)
    blobs = open_blobs(str(state / "blobs"))
    create_signer(state / "keys")
    config = root / "countersign.yaml"
    config.write_text("name: tolkyn\n", encoding="utf-8")
    estate = Estate("tolkyn", database, blobs, state, config)
    texts = Texts()
    for name, parent in (("letter", ""), ("attachment", "doc_letter"), ("tariff", "")):
        text = getattr(texts, name)
        ref = await blobs.put(text.encode(), "bank")
        await database.write(add_document, f"doc_{name}", text, ref, parent)
    await database.write(add_answer, "ans_secret", "doc_letter", SECRET)
    await database.write(add_answer, "ans_tariff", "doc_tariff", PUBLIC)
    return estate


def add_document(
    connection: Connection, document_id: str, text: str, ref: str, parent: str = "", at: datetime = START
) -> None:
    seq = next_seq(connection)
    moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    connection.execute(
        insert(document).values(
            id=document_id,
            tenant="bank",
            source="push",
            external_id=f"{document_id}.txt",
            title=f"Title of {document_id}",
            status="indexed",
            version=1,
            rights_id=1,
            rights_origin="request",
            parent_id=parent or None,
            created=moment,
            updated=moment,
            seq=seq,
        )
    )
    connection.execute(
        insert(document_version).values(
            document_id=document_id,
            version=1,
            state="indexed",
            sha256=sha256(text.encode()).hexdigest(),
            blob=ref,
            size=len(text),
            filename=f"{document_id}.txt",
            mime="text/plain",
            created=moment,
        )
    )
    text_hash = sha256(text.encode()).hexdigest()
    connection.execute(
        insert(passage).values(
            document_id=document_id,
            version=1,
            ordinal=0,
            tenant="bank",
            source="push",
            rights_id=1,
            language="kk",
            text=text,
            index_text=f"Title\n{text}",
            text_hash=text_hash,
            live=True,
            seq=seq,
        )
    )
    if connection.execute(embedding.select().where(embedding.c.text_hash == text_hash)).first() is None:
        connection.execute(insert(embedding).values(text_hash=text_hash, model="m", vector=bytes(range(256))))


def add_answer(
    connection: Connection, answer_id: str, document_id: str, quote: str, at: datetime = START
) -> None:
    passage_id = connection.execute(
        passage.select().where(passage.c.document_id == document_id).with_only_columns(passage.c.id)
    ).scalar_one()
    moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {
        "as_of": moment,
        "language": "kk",
        "claims": [{"text": quote}],
        "conflicts": [],
        "warnings": [quote],
    }
    connection.execute(
        insert(answer).values(
            id=answer_id,
            tenant="bank",
            person="aigerim",
            assistant="staff-help",
            task="answer",
            status="held",
            release="r1",
            created=moment,
            question="How much is owed?",
            text=quote,
            draft=quote,
            body=body,
        )
    )
    reference = {"answer_id": answer_id, "passage_id": passage_id, "document_id": document_id, "version": 1}
    connection.execute(insert(answer_passage).values(**reference))
    connection.execute(
        insert(citation).values(**reference, id=f"cit_{answer_id}", n=1, quote=quote, body={"quote": quote})
    )
    connection.execute(
        insert(review).values(
            id=f"rev_{answer_id}",
            answer_id=answer_id,
            tenant="bank",
            assistant="staff-help",
            state="decided",
            reasons=["low_confidence"],
            groups=[],
            created=moment,
            decision="edit",
            decision_text=quote,
            decision_reason=quote,
        )
    )
    connection.execute(
        insert(feedback).values(
            id=f"fb_{answer_id}",
            answer_id=answer_id,
            person="aigerim",
            verdict="bad",
            text=quote,
            created=moment,
        )
    )
    append_in(
        connection,
        [
            Event(
                EventKind.ANSWER_ASKED,
                "bank",
                "aigerim",
                answer_id,
                at,
                {"assistant": "staff-help"},
                {"q": quote},
            ),
            Event(EventKind.REVIEW_DECIDED, "bank", "daulet", f"rev_{answer_id}", at, {}, {"text": quote}),
        ],
    )
