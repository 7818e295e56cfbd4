"""What a measurement reads of the database: documents as the live index answers from them, rights, and known vectors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import Connection, func, select

from countersign.evaluation.scratch import ScratchDocument
from countersign.retrieval.seams import Vector
from countersign.storage.database import last_seq
from countersign.storage.in_force import indexed_in_force, newest_version
from countersign.storage.tables import document, document_version, embedding

_IN: Final = 500


def documents_in_force(
    connection: Connection, tenant: str, sources: Sequence[str], now: datetime
) -> list[ScratchDocument]:
    """Indexed, not deleted and in force, by source and name."""
    columns = (
        document.c.id, document.c.version, document.c.source, document.c.external_id, document.c.title,
        document_version.c.filename, document_version.c.mime, document_version.c.blob, document_version.c.sha256,
        document.c.rights_id, document.c.residency,
    )  # fmt: skip
    query = (
        select(*columns)
        .join(document_version, newest_version())
        .where(indexed_in_force(tenant, sources, now))
    )
    rows = connection.execute(query.order_by(document.c.source, document.c.external_id)).mappings()
    return [ScratchDocument(**row) for row in rows]


def every_right(connection: Connection, tenant: str) -> frozenset[int]:
    """Of all documents of the tenant: what the owner of its files sees."""
    query = select(document.c.rights_id).where(document.c.tenant == tenant).distinct()
    return frozenset(connection.execute(query).scalars())


def vectors_of(connection: Connection, model: str, hashes: Sequence[str]) -> dict[str, Vector]:
    """Those that the live index has made already."""
    found: dict[str, Vector] = {}
    for start in range(0, len(hashes), _IN):
        query = select(embedding.c.text_hash, embedding.c.vector).where(
            embedding.c.model == model, embedding.c.text_hash.in_(hashes[start : start + _IN])
        )
        found |= {row.text_hash: np.frombuffer(row.vector, "<f4") for row in connection.execute(query)}
    return found


def erasures(connection: Connection, tenant: str) -> int:
    """How many documents of the tenant are gone: what was kept before another one went is not used again."""
    query = select(func.count()).where(document.c.tenant == tenant, document.c.deleted.is_not(None))
    return connection.execute(query.select_from(document)).scalar_one()


__all__ = ["documents_in_force", "erasures", "every_right", "last_seq", "vectors_of"]
