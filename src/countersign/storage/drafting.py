"""What questions may be drafted from: the live passages of indexed documents that are in force, a few documents drawn
from each language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from countersign.evaluation.draft import Draw, Excerpt
from countersign.storage.in_force import indexed_in_force, newest_version
from countersign.storage.index_versions import kept_chunkings
from countersign.storage.tables import document, document_version, passage

_PASSAGES: Final = 60
"""Of each document: questions about page 400 are no better than others."""
_LARGEST_DRAW: Final = 400
"""Documents of each language."""


def excerpts(
    connection: Connection, tenant: str, sources: Sequence[str], now: datetime, wanted: int, draw: Draw
) -> list[list[Excerpt]]:
    """By document. About three times as many documents of each language as questions are `wanted`."""
    most = min(_LARGEST_DRAW, 3 * wanted + 10)
    by_language: dict[str, list[RowMapping]] = {}
    for row in connection.execute(_documents(tenant, sources, now)).mappings():
        languages: list[str] = row["languages"]
        by_language.setdefault(languages[0] if languages else "und", []).append(row)
    drawn = [
        row
        for _, rows in sorted(by_language.items())
        for row in sorted(rows, key=lambda row: draw(f"{row['source']}/{row['external_id']}"))[:most]
    ]
    return [found for row in drawn if (found := list(_of_document(connection, row)))]


def _documents(tenant: str, sources: Sequence[str], now: datetime) -> Any:
    columns = (
        document.c.id,
        document.c.source,
        document.c.external_id,
        document.c.title,
        document_version.c.languages,
        document_version.c.filename,
        document_version.c.mime,
    )
    return (
        select(*columns)
        .join(document_version, newest_version())
        .where(indexed_in_force(tenant, sources, now))
    )


def _of_document(connection: Connection, row: RowMapping) -> Iterator[Excerpt]:
    is_mail = row["mime"] == "message/rfc822" or row["filename"].lower().endswith((".eml", ".msg"))
    query = select(
        passage.c.text, passage.c.language, passage.c.page, passage.c.heading_path, passage.c.is_table
    )
    live = kept_chunkings(connection)[0]
    here = passage.c.document_id == row["id"], passage.c.chunking == live, passage.c.live.is_(True)
    for found in connection.execute(query.where(*here).order_by(passage.c.ordinal).limit(_PASSAGES)):
        headings = [part for part in found.heading_path if part.strip()]
        yield Excerpt(
            row["id"], row["source"], row["external_id"], row["title"], found.language, found.page, found.text,
            headings[-1] if headings else "", bool(found.is_table), is_mail,
        )  # fmt: skip
