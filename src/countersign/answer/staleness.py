"""Which sources of an answer are older than their owner allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from countersign.domain.documents import Passage

_CODE = "source_stale"


def stale_sources(
    passages: Iterable[Passage], max_ages: Mapping[str, timedelta], now: datetime
) -> tuple[str, ...]:
    """One warning for each source that is late, `source_stale:NAME, 26 h`: how long ago it last confirmed the oldest of
    these passages. One that was never confirmed is as old as can be."""
    oldest: dict[str, timedelta] = {}
    for passage in passages:
        if passage.source in max_ages:
            age = now - passage.synced if passage.synced else timedelta.max
            oldest[passage.source] = max(age, oldest.get(passage.source, age))
    late = ((source, age) for source, age in sorted(oldest.items()) if age > max_ages[source])
    return tuple(f"{_CODE}:{source}, {_told(age)}" for source, age in late)


def _told(age: timedelta) -> str:
    if age == timedelta.max:
        return "?"
    hours = age.total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"
