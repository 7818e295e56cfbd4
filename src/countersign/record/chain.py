"""How an event becomes a link of its tenant's chain. Anyone can recompute it with SHA-256 and JSON alone.

hash = SHA-256 of the UTF-8 bytes of a compact JSON array, non-ASCII unescaped:
`["countersign-event/1", tenant, seq, at, kind, actor, subject, request_id, facts, commitment, prev]`, where `facts` is
the stored text itself (canonical JSON: sorted keys, no spaces) and `prev` the hash before it (64 zeros for the first).
commitment = HMAC-SHA256(salt, personal), where `personal` is canonical JSON and the 32-byte salt is stored beside it;
empty when there is nothing personal. Without the salt, a guess at the text cannot be confirmed.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

import orjson

from countersign.domain.clock import iso
from countersign.domain.errors import UsageError
from countersign.domain.events import Event

GENESIS = "0" * 64
FORMAT = "countersign-event/1"
_SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Link:
    """One event as it is stored and hashed."""

    tenant: str
    seq: int
    at: str
    kind: str
    actor: str
    subject: str
    request_id: str
    facts: str
    commitment: str
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class PersonalPart:
    """What lies beside the chain until it is erased. `salt` is hex, `payload` canonical JSON."""

    tenant: str
    seq: int
    salt: str
    payload: str


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link of a chain; seq 0 before the first."""

    tenant: str
    seq: int
    hash: str


def canonical(value: Mapping[str, object]) -> str:
    """Compact JSON with sorted keys. Raises `UsageError` when `value` is not made of plain values."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    try:
        return orjson.dumps(value, default=_plain, option=options).decode()
    except TypeError as error:
        if "surrogates" in str(error):
            return orjson.dumps(_without_surrogates(value), default=_plain, option=options).decode()
        raise UsageError(
            f"an event's facts must be plain values: {error}",
            code="event_not_plain",
            hint="Pass ids, counts, codes, durations and money; text belongs in `personal`.",
        ) from None


def commit(salt: str, payload: str) -> str:
    """The commitment to `payload` under the hex `salt`, as hex."""
    return hmac.digest(bytes.fromhex(salt), payload.encode(), "sha256").hex()


def link_hash(
    tenant: str,
    seq: int,
    at: str,
    kind: str,
    actor: str,
    subject: str,
    request_id: str,
    facts: str,
    commitment: str,
    prev: str,
) -> str:
    """SHA-256 over exactly these fields in this order, as hex."""
    fields = [FORMAT, tenant, seq, at, kind, actor, subject, request_id, facts, commitment, prev]
    return sha256(orjson.dumps(fields)).hexdigest()


def seal(event: Event, head: Head) -> tuple[Link, PersonalPart | None]:
    """The link that follows `head`, and the personal part to be stored beside it."""
    seq = head.seq + 1
    personal = _personal(event, seq) if event.personal else None
    fields = (
        head.tenant,
        seq,
        iso(event.at),
        str(event.kind),
        _storable(event.actor),
        _storable(event.subject),
        _storable(event.request_id),
        canonical(event.facts),
        commit(personal.salt, personal.payload) if personal else "",
        head.hash,
    )
    return Link(*fields, link_hash(*fields)), personal


def _personal(event: Event, seq: int) -> PersonalPart:
    return PersonalPart(event.tenant, seq, secrets.token_hex(_SALT_BYTES), canonical(event.personal))


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not a plain value")


def _storable(text: str) -> str:
    """`text` as every database can hold it: no lone surrogates, no NUL."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, Mapping):
        return {_storable(str(key)): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_without_surrogates(item) for item in value]
    return value
