"""Values that people type: durations, moments, names."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import click

from countersign.domain.clock import from_iso

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6})([mhdw])", str(value).strip())
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is not a duration: write 30m, 24h, 90d or 2w", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Moment(click.ParamType[datetime]):
    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return from_iso(str(value).strip())
        except ValueError:
            self.fail(f"{value!r} is not a date: write 2025-04-10 or 2025-04-10T12:00:00+05:00", param, ctx)


DURATION = Duration()
MOMENT = Moment()
