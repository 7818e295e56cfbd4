"""What a row, a mail or a page says of itself, read without trust: rights, tenant, dates. What cannot be understood is
a reason code for quarantine, never a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from countersign.domain.documents import Rights
from countersign.domain.errors import SourceError
from countersign.domain.text import made_storable, storable
from countersign.domain.workspace import Secret
from countersign.sources.sidecar import term_of

MAX_ID_CHARS = 500
_MAX_TEXT = 1_000
_AHEAD = timedelta(days=1)
"""How far a clock may run ahead of ours before its dates count as lies."""


@dataclass(frozen=True, slots=True)
class Given:
    """`options:` of one source, already of the kinds that its connector declares."""

    values: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        return str(self.values.get(name, default))

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(self.values.get(name, ()))

    def whole(self, name: str, default: int) -> int:
        return int(self.values.get(name, default))

    def yes(self, name: str) -> bool:
        return bool(self.values.get(name, False))

    def seconds(self, name: str, default: float) -> float:
        value = self.values.get(name)
        return value.total_seconds() if isinstance(value, timedelta) else default

    def mapping(self, name: str) -> Mapping[str, str]:
        return dict(self.values.get(name, {}))

    def secret(self, name: str) -> str:
        value = self.values.get(name)
        return value.value if isinstance(value, Secret) else ""


class Recent:
    """What was listed lately, by id: what is read must still be what was listed. Older entries are forgotten."""

    def __init__(self, most: int = 5_000) -> None:
        self._most = most
        self._kept: dict[str, str] = {}

    def note(self, external_id: str, what: str) -> None:
        self._kept.pop(external_id, None)
        self._kept[external_id] = what
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def require(self, external_id: str, what: str) -> None:
        """Raises `SourceError` when something else was listed: rights of the one would be given to the other."""
        if self._kept.get(external_id, what) != what:
            raise SourceError(
                f"{external_id} changed after it was listed",
                code="source_changed_while_read",
                hint="The next pass reads it again.",
            )


def tenant_of(named: str, tenants: tuple[str, ...]) -> tuple[str, str]:
    """(tenant, reason to quarantine): one that is named must be among `tenants`; several need one to be named."""
    if not named:
        return tenants[0], "" if len(tenants) == 1 else "tenant_missing"
    return (named, "") if named in tenants else (tenants[0], "wrong_tenant")


def said_text(value: object) -> str:
    """A short text of whatever a column or header holds."""
    return "" if value is None else made_storable(str(value))[:_MAX_TEXT].strip()


def usable_id(text: str) -> bool:
    """Whether a text may name a document: not empty, not absurdly long, nothing unprintable."""
    return bool(text.strip()) and len(text) <= MAX_ID_CHARS and storable(text) and text.isprintable()


def rights_of(any_of: object, all_of: object = None, deny: object = None) -> tuple[Rights, str]:
    """(rights, reason to quarantine) of three lists, each a list, JSON or text with commas; nothing said = nobody."""
    if _denies(deny):
        return Rights(), "rights_unsupported"
    one, every = _terms(any_of), _terms(all_of)
    if one is None or every is None:
        return Rights(), "rights_unsupported"
    return Rights.of(one, every), ""


def _denies(value: object) -> bool:
    if value is None or value is False or value == 0:
        return False
    return not isinstance(value, str | list | tuple | set | frozenset) or _items(value) != []


def _terms(value: object) -> list[str] | None:
    items = _items(value)
    if items is None:
        return None
    terms = [term_of(item) for item in items]
    return None if None in terms else [term for term in terms if term]


def _items(value: object) -> list[object] | None:
    """None for what is no list of anything."""
    if value is None:
        return []
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)  # pyright: ignore[reportUnknownArgumentType]
    if not isinstance(value, str):
        return None
    if value.lstrip().startswith(("[", "{", '"')):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return None
        return list(read) if isinstance(read, list) else None
    return [item.strip() for item in value.split(",") if item.strip()]


def moment_of(value: object) -> datetime | None:
    """A moment from a date, a time or ISO 8601; without a zone it is UTC. Raises `ValueError`."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    elif isinstance(value, str):
        moment = datetime.fromisoformat(value.strip())
    else:
        raise ValueError("not a date")
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("not a date that can be compared") from None


def believable(moment: datetime | None, now: datetime) -> bool:
    """A document cannot have changed tomorrow, nor before there were computers."""
    return moment is None or (moment.year >= 1970 and moment <= now + _AHEAD)
