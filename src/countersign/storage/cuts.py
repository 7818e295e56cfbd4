"""A document cut into passages, and cut once more another way while it answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, exists, func, insert, select, union, update

from countersign.corpus.ingest import Cut, Uncut
from countersign.domain.documents import Chunk
from countersign.retrieval.version import Shape
from countersign.storage.database import next_seq
from countersign.storage.index_versions import CUT_JOB, KEPT, kept_chunkings, kept_versions
from countersign.storage.jobs import enqueue_in, job_id_of, state_of_job
from countersign.storage.tables import document, document_version, embedding, index_version, passage

_OWN = frozenset({"id", "chunking", "seq"})
"""What a copied passage does not share with the one that it was copied from."""


def insert_cut(
    connection: Connection,
    shared: Mapping[str, Any] | RowMapping,
    version: int,
    valid_to: str | None,
    cut: Cut,
    seq: int,
    document_id: str = "",
) -> None:
    """`shared` has what stands on every passage of the document: tenant, source, rights and the start of validity."""
    common = {
        "document_id": document_id or shared["id"],
        "version": version,
        "chunking": cut.chunking,
        "tenant": shared["tenant"],
        "source": shared["source"],
        "rights_id": shared["rights_id"],
        "valid_from": shared["valid_from"],
        "valid_to": valid_to,
        "live": True,
        "seq": seq,
    }
    rows = [
        common | _columns(chunk) | {"text_hash": text_hash}
        for chunk, text_hash in zip(cut.chunks, cut.text_hashes, strict=True)
    ]
    if rows:
        connection.execute(insert(passage), rows)


def _columns(chunk: Chunk) -> dict[str, Any]:
    return {
        "ordinal": chunk.ordinal,
        "language": chunk.language,
        "text": chunk.text,
        "index_text": chunk.index_text,
        "page": chunk.page,
        "page_to": chunk.page_to,
        "boxes": [[page, list(box)] for page, box in chunk.boxes],
        "heading_path": list(chunk.heading_path),
        "sheet": chunk.sheet,
        "is_table": chunk.is_table,
        "ocr_confidence": chunk.ocr_confidence,
        "token_count": chunk.token_count,
    }


def without_cut(chunking: str) -> Select[str, str]:
    """The newest passages of documents that answer under other ways of cutting and have none of `chunking`."""
    own = passage.alias()
    has = exists().where(own.c.document_id == passage.c.document_id, own.c.chunking == chunking, own.c.live)
    answers = and_(passage.c.live, passage.c.chunking != "", passage.c.chunking != chunking, ~has)
    return select(passage.c.document_id, passage.c.tenant).where(answers)


def without_vectors(shape: Shape, closed: Collection[str]) -> Select[str, str]:
    """Passages of documents that answer and have no vector of the shape's model, but for those with a residency that is
    `closed` to it."""
    has = exists().where(embedding.c.text_hash == passage.c.text_hash, embedding.c.model == shape.embedder)
    query = select(passage.c.document_id, passage.c.tenant)
    query = query.where(passage.c.chunking == shape.chunking, passage.c.live, ~has)
    if not closed:
        return query
    open_to_it = document.c.residency.not_in(sorted(closed))
    return query.join(document, document.c.id == passage.c.document_id).where(open_to_it)


def lacking(
    connection: Connection, shape: Shape, closed: Collection[str], after: str, limit: int
) -> list[tuple[str, str]]:
    """(document, tenant) of what is not cut or not embedded for it, in the order of their ids, behind `after`."""
    queries = [without_cut(shape.chunking)]
    if shape.embedder:
        queries.append(without_vectors(shape, closed))
    found: set[tuple[str, str]] = set()
    for query in queries:
        behind = query.where(passage.c.document_id > after)
        each = behind.group_by(passage.c.document_id, passage.c.tenant).order_by(passage.c.document_id)
        found |= {(row.document_id, row.tenant) for row in connection.execute(each.limit(limit))}
    return sorted(found)[:limit]


def count_lacking(connection: Connection, shape: Shape, closed: Collection[str]) -> int:
    """How many documents are not cut or not embedded for it."""
    queries = [without_cut(shape.chunking)]
    if shape.embedder:
        queries.append(without_vectors(shape, closed))
    ids = union(*(query.with_only_columns(passage.c.document_id) for query in queries)).subquery()
    return connection.execute(select(func.count(ids.c.document_id.distinct()))).scalar_one()


def residencies(connection: Connection) -> list[str]:
    """Every label that a document has."""
    return list(connection.execute(select(document.c.residency).distinct()).scalars())


def queue_cuts(
    connection: Connection, version_id: str, documents: Sequence[tuple[str, str]], now: datetime
) -> None:
    """A job for each of (document, tenant), but not for those that were given up; none when the version is not wanted."""
    state = select(index_version.c.state).where(index_version.c.id == version_id)
    if connection.execute(state).scalar() not in KEPT:
        return
    for document_id, tenant in documents:
        subject = f"{version_id}:{document_id}"
        if state_of_job(connection, job_id_of(CUT_JOB, subject)) != "failed":
            enqueue_in(connection, CUT_JOB, tenant, subject, now)


def find_uncut(connection: Connection, document_id: str, chunking: str) -> Uncut | None:
    of_it = without_cut(chunking).add_columns(passage.c.version).where(passage.c.document_id == document_id)
    found = connection.execute(of_it.limit(1)).first()
    if found is None:
        return None
    query = (
        select(document.c.title, document.c.residency, document_version)
        .join(document_version, document_version.c.document_id == document.c.id)
        .where(document.c.id == document_id, document_version.c.version == found.version)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    facts = {name: row[name] for name in ("version", "title", "residency", "blob", "filename", "mime")}
    return Uncut(document_id=document_id, **facts)


def find_unembedded(
    connection: Connection, document_id: str, chunking: str, model: str
) -> tuple[str, dict[str, str]]:
    """Its residency, and hash → text of its passages that have no vector of the model."""
    query = without_vectors(Shape(chunking, model), ()).where(passage.c.document_id == document_id)
    rows = connection.execute(query.with_only_columns(passage.c.text_hash, passage.c.index_text)).all()
    residency = connection.execute(select(document.c.residency).where(document.c.id == document_id)).scalar()
    return residency or "", {row.text_hash: row.index_text for row in rows}


def renew_rows(connection: Connection, document_id: str, chunking: str) -> None:
    """Indexes that hold these passages read them again, with the vectors that they have now."""
    live = passage.c.document_id == document_id, passage.c.chunking == chunking, passage.c.live
    connection.execute(update(passage).where(*live).values(seq=next_seq(connection)))


def queue_missing(
    connection: Connection, document_id: str, tenant: str, cuts: Collection[Cut], now: datetime
) -> None:
    """A job for each version that is kept up and whose model could not embed the document just now."""
    missed = {(cut.chunking, model) for cut in cuts for model in cut.missed}
    for version in kept_versions(connection) if missed else ():
        if (version.chunking, version.version.embedder) in missed:
            enqueue_in(connection, CUT_JOB, tenant, f"{version.id}:{document_id}", now)


def add_cut(connection: Connection, uncut: Uncut, cut: Cut | None, chunking: str) -> bool:
    """See `corpus.ingest.DocumentStore`. Rights and validity are those that the other passages have in this commit."""
    if chunking not in kept_chunkings(connection):
        return False
    found = find_uncut(connection, uncut.document_id, chunking)
    if found is None or found.version != uncut.version:
        return False
    seq = next_seq(connection)
    rows = connection.execute(_model(connection, uncut)).mappings().all()
    if cut is not None:
        one = rows[0]
        insert_cut(connection, one, uncut.version, one["valid_to"], cut, seq, uncut.document_id)
        return True
    own = {"chunking": chunking, "seq": seq}
    copies = [{name: value for name, value in row.items() if name not in _OWN} | own for row in rows]
    connection.execute(insert(passage), copies)
    return True


def _model(connection: Connection, uncut: Uncut) -> Select[Any]:
    """The passages of one way of cutting that this version answers with."""
    live = and_(
        passage.c.document_id == uncut.document_id, passage.c.version == uncut.version, passage.c.live
    )
    others = select(passage.c.chunking).where(live, passage.c.chunking != "").distinct()
    have = set(connection.execute(others).scalars())
    chosen = next((key for key in kept_chunkings(connection) if key in have), min(have))
    return select(passage).where(live, passage.c.chunking == chosen).order_by(passage.c.ordinal)
