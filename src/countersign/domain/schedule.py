"""When something recurs: `every 15m`, `at 02:30`, or five cron fields. Local time unless a zone is given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

_EVERY = re.compile(r"every\s+(\d{1,8})\s*(s|m|h|d)")
_AT = re.compile(r"at\s+([01]?\d|2[0-3]):([0-5]\d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORTEST = timedelta(seconds=10)
_LONGEST = timedelta(days=366)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_SEARCH_DAYS = 8 * 366
"""The 29th of February comes back after eight years at the latest."""
_FIELD = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/(\d+))?")


@dataclass(frozen=True, slots=True)
class Cron:
    """Minutes, hours, days of the month, months and days of the week (0 = Sunday) in which it is due."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Both kinds of days are restricted: then either of them is enough, as cron has it."""

    def on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.either_day else of_month and of_week

    def times(self) -> Iterator[tuple[int, int]]:
        return ((hour, minute) for hour in sorted(self.hours) for minute in sorted(self.minutes))


@dataclass(frozen=True, slots=True)
class Schedule:
    """`text` as it was written, and either an interval or days and times."""

    text: str
    every: timedelta | None = None
    cron: Cron | None = None

    def after(self, moment: datetime, zone: tzinfo | None = None) -> datetime:
        """The next time strictly later than `moment` (which has a zone); `zone` None = this machine's local time."""
        if self.every is not None:
            return moment + self.every
        if self.cron is None:
            raise AssertionError("a schedule has an interval or times")
        local = moment.astimezone(zone)
        for ahead in range(_SEARCH_DAYS):
            day = local.date() + timedelta(days=ahead)
            if not self.cron.on(day):
                continue
            for hour, minute in self.cron.times():
                due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(
                    moment.tzinfo
                )
                if due > moment:
                    return due
        raise AssertionError("a schedule that never comes is refused when it is read")


def parse_schedule(text: str) -> Schedule:
    """Raises `ValueError` with a sentence that says what is wrong."""
    said = " ".join(text.lower().split())
    if match := _EVERY.fullmatch(said):
        interval = timedelta(seconds=int(match[1]) * _UNIT_S[match[2]])
        if not _SHORTEST <= interval <= _LONGEST:
            raise ValueError("an interval is at least 10 seconds and at most 366 days")
        return Schedule(said, every=interval)
    if match := _AT.fullmatch(said):
        return Schedule(said, cron=_cron(f"{int(match[2])} {int(match[1])} * * *"))
    if len(said.split(" ")) == 5:
        return Schedule(said, cron=_cron(said))
    raise ValueError("write `every 15m`, `at 02:30`, or five cron fields such as `0 2 * * 1-5`")


def _cron(text: str) -> Cron:
    minute, hour, day, month, weekday = text.split(" ")
    cron = Cron(
        minutes=_values(minute, 0, 59),
        hours=_values(hour, 0, 23),
        days=_values(day, 1, 31),
        months=_values(month, 1, 12, _MONTHS, 1),
        weekdays=frozenset(value % 7 for value in _values(weekday, 0, 7, _DAYS)),
        either_day=not day.startswith("*") and not weekday.startswith("*"),
    )
    start = date(2024, 1, 1)
    if not any(cron.on(start + timedelta(days=ahead)) for ahead in range(_SEARCH_DAYS)):
        raise ValueError(f"`{text}` names a day that never comes")
    return cron


def _values(field: str, low: int, high: int, names: list[str] | None = None, base: int = 0) -> frozenset[int]:
    """`*`, `*/5`, `1-5`, `1-10/3`, `mon,wed`."""
    found: set[int] = set()
    for part in field.split(","):
        match = _FIELD.fullmatch(part)
        if match is None:
            raise ValueError(f"`{part}` is not a field of cron")
        step = int(match[3] or 1)
        if match[1] == "*":
            if match[2]:
                raise ValueError(f"`{part}` is not a field of cron")
            first, last = low, high
        else:
            first = _number(match[1], names, base)
            last = _number(match[2], names, base) if match[2] else (high if match[3] else first)
        if not low <= first <= last <= high or step < 1:
            raise ValueError(f"`{part}` is outside {low}-{high}")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, names: list[str] | None, base: int) -> int:
    if names and text in names:
        return names.index(text) + base
    if not text.isdigit():
        raise ValueError(f"`{text}` is not a field of cron")
    return int(text)
