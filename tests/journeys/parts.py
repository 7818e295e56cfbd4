"""What several journeys need: asking in one line, pushing a text, a clock that a test may move, a mail with a letter inside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from countersign.access.principal import Principal
from countersign.app.house import House
from countersign.app.library import Submission
from countersign.corpus.ingest import Received
from countersign.domain.answers import Answer, Question
from countersign.domain.clock import Clock
from countersign.retrieval.upkeep import catch_up, compare
from countersign.storage.passages import SqlPassageStore
from countersign.storage.tables import document
from tests import workspaces

ROOT = Path(__file__).parent.parent.parent
_POSTGRES = "COUNTERSIGN_JOURNEY_POSTGRES"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class MovableClock(Clock):
    """Stands at `at` and goes on by a millisecond each time it is read."""

    at: datetime = START
    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at + self.ahead


@dataclass
class AheadClock(Clock):
    """The real time, moved: leases and reservations of a process that died have run out."""

    ahead: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


async def ask(house: House, principal: Principal, text: str, **more: Any) -> Answer:
    return await house.asking.ask(principal, Question("staff-help", text, **more))


_ID = re.compile(r"\b[a-z]+_[0-9a-z]{25}\b")


def without_ids(text: str) -> str:
    """Sentences of refusal and holding name their answer, and now and then a random id holds the figure looked for."""
    return _ID.sub("", text)


def said_in(answer: Answer) -> str:
    """Every text of an answer that its asker gets, as one."""
    said = "\n".join(
        [
            answer.text,
            answer.draft,
            *(f"{c.title} {c.external_id} {c.heading} {c.quote}" for c in answer.citations),
            *(claim.text for claim in answer.claims),
            *(f"{c.subject} {c.values}" for c in answer.conflicts),
            *answer.warnings,
            *answer.hold_reasons,
        ]
    )
    return without_ids(said)


async def push(house: House, principal: Principal, name: str, text: str | bytes, **said: Any) -> Received:
    """Push one document and wait until it is searchable."""
    content = text.encode() if isinstance(text, str) else text
    values = {
        "filename": name if "." in name else f"{name}.md",
        "mime": "text/markdown",
        "any_of": ("tenant:*",),
    }
    received = await house.library.put(principal, "push", name, content, Submission(**values | said))
    await house.worker.drain()
    return received


async def sync(house: House, source: str = "intranet") -> Any:
    """Read the source and wait until everything it holds is searchable."""
    report = await house.sync(source, lambda step: None)
    await house.worker.drain()
    return report


async def rows_of(house: House, external_id: str) -> list[Any]:
    """The database's rows of a document in whatever source, oldest first."""

    def read(connection: Connection) -> list[Any]:
        query = select(document).where(document.c.external_id == external_id).order_by(document.c.id)
        return list(connection.execute(query).mappings())

    return await house.database.read(read)


async def row_of(house: House, external_id: str) -> Any:
    [row] = await rows_of(house, external_id)
    return row


async def index_agrees(house: House, tenant: str = "bank") -> bool:
    """Whether the derived index, brought up to date, holds exactly what the database says."""
    store = SqlPassageStore(house.database, house.embedder.model_id if house.embedder else None)
    index = house.indexes.of(tenant)
    await catch_up(store, index, tenant)
    return (await compare(store, index, tenant)).equal


def mail(body: str, attachments: dict[str, str], subject: str = "Letter") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.test", "b@example.test", subject
    message.set_content(body)
    for name, text in attachments.items():
        message.add_attachment(text.encode(), maintype="text", subtype="plain", filename=name)
    return message.as_bytes()


def run_child(module: str, root: Path, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own group that runs `tests.journeys.{module}` on the workspace below `root`."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(root)}
    if workspaces.POSTGRES:
        environment[_POSTGRES] = workspaces.POSTGRES[0]
    command = [sys.executable, "-m", f"tests.journeys.{module}", str(root), *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def adopt_database() -> None:
    """In such a process: use the database server of the test that started it."""
    if url := os.environ.get(_POSTGRES):
        workspaces.POSTGRES[:] = [url]
