"""Index versions in the database: added, ready, switched to, given up. Which one is live decides the next question.

A way of cutting is *kept up* while a version that uses it is being built, ready or live: ingestion writes its passages
together with those of the others. Each change here is one transaction of its caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from countersign.domain.clock import from_iso, iso
from countersign.domain.errors import Conflict, NotFound, StorageError
from countersign.retrieval.version import Chunking, IndexVersion, Shape
from countersign.storage.jobs import enqueue_in
from countersign.storage.prepared import Prepared
from countersign.storage.tables import answer_passage, citation, embedding, index_version, job, passage

CUT_JOB = "index_document"
"""Job kind: cut one document once more; its subject is `version:document`."""
DROP_JOB = "index_drop"
"""Job kind: remove what only a version that was given up used; its subject is the version's id."""

KEPT = ("building", "ready", "live")
_LIVE = Prepared(select(index_version.c.id).where(index_version.c.state == bindparam("live")))
_IDS = 500


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """`turn` counts switches (0 = it never answered); `documents` is what had to be cut for it, None before it is known."""

    id: str
    name: str
    version: IndexVersion
    state: str
    actor: str
    created: datetime
    changed: datetime
    turn: int
    documents: int | None

    @property
    def chunking(self) -> str:
        return self.version.chunking.key

    @property
    def shape(self) -> Shape:
        return self.version.shape


@dataclass(frozen=True, slots=True)
class Progress:
    """Documents of a version: waiting, cut and embedded by its own jobs, given up until it is asked for again."""

    open: int
    done: int
    failed: int


# -- reading ----------------------------------------------------------------------------------------------------
def live_id(connection: Connection) -> str:
    """Asked before every question; empty in a workspace that was never opened."""
    rows = _LIVE.rows(connection, {"live": "live"})
    return str(rows[0][0]) if rows else ""


def live_version(connection: Connection) -> StoredVersion | None:
    row = connection.execute(select(index_version).where(index_version.c.state == "live")).mappings().first()
    return None if row is None else _stored(row)


def kept_versions(connection: Connection) -> list[StoredVersion]:
    """Live first, then the newest."""
    rows = connection.execute(select(index_version).where(index_version.c.state.in_(KEPT))).mappings()
    found = [_stored(row) for row in rows]
    return sorted(found, key=lambda v: (v.state != "live", -v.created.timestamp(), v.id))


def kept_shapes(connection: Connection) -> tuple[Shape, ...]:
    """What each index that is kept up holds, the live one's first."""
    columns = (index_version.c.chunking, index_version.c.embedder, index_version.c.dimension)
    rows = connection.execute(
        select(*columns, index_version.c.state)
        .where(index_version.c.state.in_(KEPT))
        .order_by(index_version.c.created, index_version.c.id)
    ).all()
    ordered = sorted(rows, key=lambda row: row.state != "live")
    found = dict.fromkeys(Shape(row.chunking, row.embedder, row.dimension) for row in ordered)
    return tuple(found) or (Shape(Chunking().key),)


def kept_chunkings(connection: Connection) -> tuple[str, ...]:
    """The key of each way of cutting that is kept up, the live one first."""
    return tuple(dict.fromkeys(shape.chunking for shape in kept_shapes(connection)))


def list_versions(connection: Connection) -> list[StoredVersion]:
    """Every version that ever was, the newest first."""
    rows = connection.execute(
        select(index_version).order_by(index_version.c.created.desc(), index_version.c.id)
    ).mappings()
    return [_stored(row) for row in rows]


def get_version(connection: Connection, named: str) -> StoredVersion:
    """By id, or by the name that exactly one kept version has. Raises `NotFound`."""
    row = connection.execute(select(index_version).where(index_version.c.id == named)).mappings().first()
    if row is None:
        same = and_(
            index_version.c.name == named, index_version.c.name != "", index_version.c.state.in_(KEPT)
        )
        rows = connection.execute(select(index_version).where(same)).mappings().all()
        row = rows[0] if len(rows) == 1 else None
    if row is None:
        raise NotFound(
            f"there is no index version {named!r}",
            code="index_version_unknown",
            hint="`countersign index list` shows them.",
        )
    return _stored(row)


def progress_of(connection: Connection, version_id: str) -> Progress:
    query = select(job.c.state, func.count()).where(_cuts_of(version_id)).group_by(job.c.state)
    counts = {state: count for state, count in connection.execute(query)}
    waiting = counts.get("queued", 0) + counts.get("running", 0)
    return Progress(waiting, counts.get("done", 0), counts.get("failed", 0))


def count_failed(connection: Connection) -> int:
    """Documents that a kept version was given up on, until it is asked for again."""
    failed = job.c.kind == CUT_JOB, job.c.state == "failed"
    return connection.execute(select(func.count()).select_from(job).where(*failed)).scalar_one()


def _cuts_of(version_id: str) -> ColumnElement[bool]:
    return and_(job.c.kind == CUT_JOB, job.c.subject.startswith(f"{version_id}:", autoescape=True))


# -- changing ---------------------------------------------------------------------------------------------------
def adopt(connection: Connection, embedder: str, dimension: int, now: datetime) -> tuple[StoredVersion, str]:
    """The version that answers, and the id of the one before it when it is another.

    The first one of a workspace is the default, for the embedder that is configured. As long as nothing was indexed it
    follows the configuration; from then on another embedder means a version that is built and switched to.
    """
    live = live_version(connection)
    if live is not None and (live.version.embedder == embedder or _holds_something(connection)):
        return live, ""
    first = IndexVersion(embedder=embedder, dimension=dimension)
    mine = first if live is None else live.version.for_embedder(embedder, dimension)
    if connection.execute(select(index_version.c.id).where(index_version.c.id == mine.id)).first() is None:
        _insert(connection, mine, "", "ready", "house", now)
    else:
        _to(connection, mine.id, "ready", now)
    return switch(connection, mine.id, now)


def _holds_something(connection: Connection) -> bool:
    return (
        connection.execute(select(passage.c.id).where(passage.c.chunking != "").limit(1)).first() is not None
    )


def add_version(
    connection: Connection, version: IndexVersion, name: str, actor: str, now: datetime
) -> tuple[StoredVersion, bool]:
    """Ready at once where another kept version cuts and embeds alike, else to be built; and whether it is new. Asking again
    for one that is being built tries again what failed, and otherwise changes nothing but the name.

    Raises `Conflict` while the remains of a dropped one of its kind are still to be removed.
    """
    row = connection.execute(select(index_version).where(index_version.c.id == version.id)).mappings().first()
    is_new = row is None or row["state"] == "retired"
    if is_new:
        _require_removed(connection, version.shape)
    if row is None:
        _insert(connection, version, name, _begins(connection, version), actor, now)
    elif is_new:
        begins = _begins(connection, version)
        _to(connection, version.id, begins, now, documents=None, actor=actor, created=iso(now))
    if name:
        connection.execute(update(index_version).where(index_version.c.id == version.id).values(name=name))
    failed = and_(_cuts_of(version.id), job.c.state == "failed")
    again = {"state": "queued", "attempts": 0, "error": "", "not_before": iso(now), "finished": None}
    connection.execute(update(job).where(failed).values(**again))
    return get_version(connection, version.id), is_new


def _require_removed(connection: Connection, shape: Shape) -> None:
    kept = kept_shapes(connection)
    alike: list[ColumnElement[bool]] = []
    if shape.chunking not in {each.chunking for each in kept}:
        alike.append(index_version.c.chunking == shape.chunking)
    if shape.embedder and shape.embedder not in {each.embedder for each in kept}:
        alike.append(index_version.c.embedder == shape.embedder)
    if not alike:
        return
    same = select(index_version.c.id).where(or_(*alike))
    removing = job.c.kind == DROP_JOB, job.c.state != "done", job.c.subject.in_(same)
    if connection.execute(select(job.c.id).where(*removing).limit(1)).first() is not None:
        raise Conflict(
            "an index version that cut or embedded alike was dropped, and what it left is not removed yet",
            code="index_version_dropping",
            hint="Try again in some minutes. If it stays, drop that version once more.",
        )


def _begins(connection: Connection, version: IndexVersion) -> str:
    built = {kept.shape for kept in kept_versions(connection) if kept.state != "building"}
    return "ready" if version.shape in built else "building"


def switch(connection: Connection, version_id: str, now: datetime) -> tuple[StoredVersion, str]:
    """From this commit on questions are answered from it; with the id of the one before, empty when it was live already.
    Raises `Conflict` unless it is ready or live."""
    chosen = get_version(connection, version_id)
    if chosen.state == "live":
        return chosen, ""
    if chosen.state != "ready":
        raise not_ready(chosen)
    live = live_version(connection)
    if live is not None:
        _to(connection, live.id, "ready", now)
    turn = int(connection.execute(select(func.max(index_version.c.turn))).scalar() or 0) + 1
    _to(connection, chosen.id, "live", now, turn=turn)
    return get_version(connection, chosen.id), live.id if live else ""


def not_ready(chosen: StoredVersion) -> Conflict:
    if chosen.state == "building":
        return Conflict(
            f"{chosen.id} is still being built",
            code="index_version_building",
            hint="`countersign index list` shows how far it is; the present one goes on answering.",
        )
    return Conflict(
        f"{chosen.id} was dropped",
        code="index_version_dropped",
        hint="Build it again: `countersign index build`.",
    )


def version_before(connection: Connection) -> StoredVersion:
    """The one that answered before the live one. Raises `Conflict` (`index_version_none_before`)."""
    ready = [v for v in kept_versions(connection) if v.state == "ready" and v.turn]
    if not ready:
        raise Conflict(
            "no other index version that answered before is kept",
            code="index_version_none_before",
            hint="`countersign index list` shows which there are.",
        )
    return max(ready, key=lambda version: version.turn)


def mark_ready(connection: Connection, version_id: str, now: datetime) -> bool:
    """False when it is not being built any more."""
    still = and_(index_version.c.id == version_id, index_version.c.state == "building")
    values = {"state": "ready", "changed": iso(now)}
    if connection.execute(update(index_version).where(still).values(**values)).rowcount != 1:
        return False
    forget_done(connection, version_id)
    return True


def forget_done(connection: Connection, version_id: str) -> None:
    """The jobs of a version that are done: progress no longer counts them."""
    connection.execute(delete(job).where(_cuts_of(version_id), job.c.state == "done"))


def note_documents(connection: Connection, version_id: str, documents: int) -> None:
    connection.execute(
        update(index_version).where(index_version.c.id == version_id).values(documents=documents)
    )


def retire(connection: Connection, version_id: str, now: datetime, not_before: datetime) -> StoredVersion:
    """Give it up; a job removes from `not_before` on what only it used. Raises `Conflict` for the live one."""
    chosen = get_version(connection, version_id)
    if chosen.state == "live":
        raise Conflict(
            f"{chosen.id} answers at the moment",
            code="index_version_live",
            hint="Switch to another one first.",
        )
    if chosen.state != "retired":
        _to(connection, chosen.id, "retired", now, turn=0)
    connection.execute(delete(job).where(_cuts_of(chosen.id), job.c.state != "running"))
    enqueue_in(connection, DROP_JOB, "", chosen.id, now, not_before=not_before)
    return get_version(connection, chosen.id)


def remove_passages(connection: Connection, chunking: str, after: int) -> int | None:
    """Some hundred passages of a way of cutting that nobody keeps up, with ids above `after`; the last id, None at the end.

    What a stored answer stands on stays, in no index: its reader's rights are checked on it like on any other.
    """
    if chunking in kept_chunkings(connection):
        return None
    columns = (passage.c.id, passage.c.document_id, passage.c.text_hash)
    these = select(*columns).where(passage.c.chunking == chunking, passage.c.id > after)
    rows = connection.execute(these.order_by(passage.c.id).limit(_IDS)).all()
    if not rows:
        return None
    ids, documents = [row.id for row in rows], {row.document_id for row in rows}
    used: set[int] = set()
    for table in (answer_passage, citation):
        theirs = table.c.document_id.in_(documents), table.c.passage_id.in_(ids)
        used |= set(connection.execute(select(table.c.passage_id).where(*theirs)).scalars())
    connection.execute(delete(passage).where(passage.c.id.in_([i for i in ids if i not in used])))
    connection.execute(update(passage).where(passage.c.id.in_(sorted(used))).values(chunking=""))
    _forget_vectors(connection, {row.text_hash for row in rows})
    return ids[-1]


def remove_vectors(connection: Connection, model: str, after: str) -> str | None:
    """Some hundred vectors of a model that no version keeps up, of texts behind `after`; the last one, None at the end."""
    if not model or model in {shape.embedder for shape in kept_shapes(connection)}:
        return None
    theirs = embedding.c.model == model, embedding.c.text_hash > after
    found = select(embedding.c.text_hash).where(*theirs).order_by(embedding.c.text_hash).limit(_IDS)
    hashes = list(connection.execute(found).scalars())
    if not hashes:
        return None
    connection.execute(delete(embedding).where(embedding.c.model == model, embedding.c.text_hash.in_(hashes)))
    return hashes[-1]


def _forget_vectors(connection: Connection, hashes: set[str]) -> None:
    """Of texts that no passage has any more: an erasure finds vectors by the texts of the document."""
    query = select(passage.c.text_hash).where(passage.c.text_hash.in_(hashes))
    gone = hashes - set(connection.execute(query).scalars())
    connection.execute(delete(embedding).where(embedding.c.text_hash.in_(gone)))


def _insert(
    connection: Connection, version: IndexVersion, name: str, state: str, actor: str, now: datetime
) -> None:
    row = {
        "id": version.id,
        "name": name,
        "manifest": version.manifest,
        "chunking": version.chunking.key,
        "embedder": version.embedder,
        "dimension": version.dimension,
        "state": state,
        "actor": actor,
        "created": iso(now),
        "changed": iso(now),
        "turn": 0,
    }
    connection.execute(insert(index_version).values(row))


def _to(connection: Connection, version_id: str, state: str, now: datetime, **values: Any) -> None:
    changed = {"state": state, "changed": iso(now), **values}
    connection.execute(update(index_version).where(index_version.c.id == version_id).values(**changed))


def _stored(row: RowMapping) -> StoredVersion:
    try:
        version = IndexVersion.from_manifest(row["manifest"])
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"the manifest of {row['id']} is not one that this version of the code knows",
            code="index_version_newer",
            hint="Run the version of Countersign that made it, or switch back with that one first.",
        ) from error
    return StoredVersion(
        id=row["id"],
        name=row["name"],
        version=version,
        state=row["state"],
        actor=row["actor"],
        created=from_iso(row["created"]),
        changed=from_iso(row["changed"]),
        turn=row["turn"],
        documents=row["documents"],
    )
