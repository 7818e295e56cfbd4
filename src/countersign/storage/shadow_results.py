"""What a candidate index version found on live questions: sums by version and day, and nothing that was asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from countersign.storage.tables import index_version, shadow_result


@dataclass(frozen=True, slots=True)
class Seen:
    """One question. `cited_rank` sums the ranks, from 1, of the cited documents that were found."""

    overlap: float
    cited: int
    cited_found: int
    cited_rank: int
    live_ms: float
    shadow_ms: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Means over all questions that a candidate saw beside one live version. None where nothing was counted."""

    index_version: str
    live: str
    questions: int
    overlap: float
    cited: int
    cited_found_share: float | None
    cited_mean_rank: float | None
    live_ms: float
    shadow_ms: float


def note_seen(connection: Connection, version_id: str, live: str, day: str, seen: Seen) -> None:
    """Add one question; nothing when the version is not known any more."""
    known = select(index_version.c.id).where(index_version.c.id == version_id)
    if connection.execute(known).first() is None:
        return
    key = {"index_version": version_id, "live": live, "day": day}
    row = [shadow_result.c[name] == value for name, value in key.items()]
    values = {"questions": 1, **asdict(seen)}
    more = {name: shadow_result.c[name] + value for name, value in values.items()}
    if not connection.execute(update(shadow_result).where(*row).values(**more)).rowcount:
        connection.execute(insert(shadow_result).values(**key, **values))


def compared(connection: Connection) -> list[Compared]:
    """The candidate that saw most questions first."""
    names = ("questions", "overlap", "cited", "cited_found", "cited_rank", "live_ms", "shadow_ms")
    pair = shadow_result.c.index_version, shadow_result.c.live
    sums = [func.sum(shadow_result.c[name]).label(name) for name in names]
    rows = connection.execute(select(*pair, *sums).group_by(*pair)).mappings()
    return sorted((_compared(row) for row in rows), key=lambda each: (-each.questions, each.index_version))


def _compared(row: Any) -> Compared:
    questions, cited, found = int(row["questions"]), int(row["cited"]), int(row["cited_found"])
    return Compared(
        row["index_version"],
        row["live"],
        questions,
        row["overlap"] / questions,
        cited,
        found / cited if cited else None,
        int(row["cited_rank"]) / found if found else None,
        row["live_ms"] / questions,
        row["shadow_ms"] / questions,
    )
