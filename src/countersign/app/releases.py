"""Which release is in force for each assistant: one id for everything that shapes its answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from countersign import __version__
from countersign.answer.compose import PROMPT_VERSION
from countersign.corpus.seams import Chunker
from countersign.domain.clock import Clock
from countersign.domain.events import Event, EventKind
from countersign.domain.workspace import Assistant, Workspace
from countersign.release.manifest import Behaviour, Release, build_release
from countersign.retrieval.settings import settings_to_json
from countersign.retrieval.version import IndexVersion
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.releases import activate_release, active_release, register_release


def behaviour_of(chunker: Chunker, version: IndexVersion) -> Behaviour:
    """What shapes answers besides the workspace file. Code that shapes them is named by the package's version."""
    settings = settings_to_json(version.settings)
    return Behaviour(
        package=__version__,
        prompt=PROMPT_VERSION,
        guard=__version__,
        embedder=version.embedder,
        chunker=chunker.settings_id,
        parser=__version__,
        retrieval={name: value for name, value in settings.items() if name != "query_means"},
        index_version=version.id,
    )


def releases_of(workspace: Workspace, behaviour: Behaviour) -> list[Release]:
    """One for each assistant."""
    return [build_release(workspace, name, behaviour) for name in workspace.assistants]


async def register_releases(
    database: Database, workspace: Workspace, releases: Sequence[Release], clock: Clock
) -> dict[str, str]:
    """Register what this process would answer with, and put it in force. Returns assistant → release id."""
    if not await database.read(_all_active, releases):
        await database.write(put_in_force, workspace, releases, clock.now())
    return {release.assistant: release.id for release in releases}


def put_in_force(
    connection: Connection, workspace: Workspace, releases: Sequence[Release], now: datetime
) -> None:
    """In the caller's transaction; what is in force already stays as it is."""
    for release in releases:
        before = active_release(connection, release.assistant)
        if before is not None and before.release.id == release.id:
            continue
        register_release(connection, release, now)
        activate_release(connection, release.id)
        _note(connection, workspace, release, before.release.id if before else "", now)


def _all_active(connection: Connection, releases: Sequence[Release]) -> bool:
    active = (active_release(connection, release.assistant) for release in releases)
    return all(
        found is not None and found.release.id == release.id
        for found, release in zip(active, releases, strict=True)
    )


def _note(connection: Connection, workspace: Workspace, release: Release, before: str, now: datetime) -> None:
    assistant: Assistant = workspace.assistants[release.assistant]
    facts: dict[str, object] = {"assistant": release.assistant, "before": before, "after": release.id}
    for tenant in assistant.tenants or workspace.tenants:
        event = Event(EventKind.RELEASE_CHANGED, tenant, "house", release.id, now, facts)
        append_in(connection, [event])
