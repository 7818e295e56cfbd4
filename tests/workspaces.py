"""Small workspaces for tests: real files, a real database, people with keys, and the whole house joined over them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from countersign.access.principal import Principal
from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.domain.workspace import (
    Assistant,
    HoldRules,
    ModelSettings,
    ParseLimits,
    Price,
    Process,
    RefuseRules,
    SourceSettings,
    Workspace,
)

POSTGRES: list[str] = [url for url in [os.environ.get("COUNTERSIGN_TEST_POSTGRES_URL")] if url]
"""URL of a running server when the switch `COUNTERSIGN_TEST_DATABASE=postgres` is on; see tests/conftest.py. A process
that a test starts is told by the environment."""

EXTRACTIVE = ModelSettings(name="extractive", dialect="extractive", price=Price(unmetered=True))


def process(risk: str = "low", reviewers: Sequence[str] = ("quality",)) -> Process:
    return Process(
        asks="branch staff during a call",
        decides="what the customer is told",
        wrong_answer_costs="a complaint",
        risk=risk,  # type: ignore[arg-type]
        reviewer_groups=tuple(reviewers),
        deadline=timedelta(minutes=30),
    )


def assistant(name: str = "staff-help", **changes: Any) -> Assistant:
    plain = Assistant(
        name=name,
        process=process(),
        sources=("intranet", "push"),
        models=("extractive",),
        tasks=("answer", "summarise", "reply"),
        hold_when=HoldRules(),
        refuse_when=RefuseRules(),
    )
    return replace(plain, **changes)


def write_files(folder: Path, files: Mapping[str, str | bytes], rows: Sequence[Mapping[str, Any]]) -> None:
    """Files with a manifest beside them; a row is `{"file": …, "acl": […], …}`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows)
    (folder / "manifest.jsonl").write_text(lines, encoding="utf-8")


def told() -> dict[str, str]:
    """What the environment of a process must hold so that it uses the same database server."""
    return {"COUNTERSIGN_TEST_POSTGRES_URL": POSTGRES[0]} if POSTGRES else {}


def database_url(state: Path) -> str:
    """SQLite in the state folder, or a fresh database on the session's Postgres; the same for the same folder."""
    if not POSTGRES:
        return f"sqlite:///{state / 'countersign.db'}"
    name = f"ws_{sha256(str(state).encode()).hexdigest()[:24]}"
    engine = create_engine(POSTGRES[0], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if not connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :n"), {"n": name}).first():
            connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(POSTGRES[0]).set(database=name).render_as_string(hide_password=False)


def workspace(root: Path, **changes: Any) -> Workspace:
    """A workspace with one folder of files, one push source, one assistant, lexical search only."""
    state = root / "state"
    plain = Workspace(
        name="tolkyn",
        root=root,
        database=database_url(state),
        storage=str(state),
        state=state,
        tenants=("bank",),
        sources={
            "intranet": SourceSettings(
                name="intranet",
                connector="files",
                url="files",
                rights_sidecar="manifest.jsonl",
                residency="kz",
            ),
            "push": SourceSettings(name="push", connector="push", publisher_groups=("editors",)),
        },
        models={"extractive": EXTRACTIVE},
        embeddings=None,
        assistants={"staff-help": assistant()},
        parsing=ParseLimits(workers=2, ocr=False),
    )
    return replace(plain, **changes)


@asynccontextmanager
async def opened(settings: Workspace, cache: Path, *, ingest: bool = True) -> AsyncIterator[House]:
    """The joined house; with `ingest`, its file sources are read and every job is done."""
    found(settings)
    house = await open_house(settings, model_cache=cache, owner=True)
    try:
        if ingest:
            for name, source in settings.sources.items():
                if source.connector == "files":
                    await house.sync(name, lambda step: None)
            await house.worker.drain()
        yield house
    finally:
        await house.close()


async def person(
    house: House,
    name: str,
    groups: Sequence[str] = (),
    roles: Sequence[str] = ("user",),
    tenant: str = "bank",
) -> Principal:
    """Create or change a person and return them as the next request would see them."""
    await house.people.set_person(name, tenant=tenant, groups=groups, roles=roles)
    return await house.people.authenticate((await house.people.create_key(name)).token)
