"""What the head of a message says: who wrote it, who got it, what about, when. Every line of it is the sender's claim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError, MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import HeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from typing import Protocol

from countersign.domain.documents import SourceDocument
from countersign.domain.errors import ConfigError
from countersign.domain.text import made_storable
from countersign.sources.sidecar import term_of

HEADERS = ("From", "Sender", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To")
MAX_HEAD_BYTES = 64 * 1024
_MAX_PEOPLE = 1_000
_PEOPLE = ("From", "Sender", "To", "Cc")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[a-z0-9.-]{1,253}")
_LOCAL = re.compile(r"[a-z0-9._-]+")
_PREFIX = re.compile(
    r"\s*(?:re|fwd?|aw|wg|sv|vs|на|ответ|отв|перес(?:л|ылка)?|пер|жауап|қайта)(?:\s*\[\d+\])?\s*:\s*", re.I
)


@dataclass(frozen=True, slots=True)
class Head:
    people: frozenset[str]
    """Addresses in small letters: sender and open recipients, never who was copied blindly."""
    subject: str
    """Without `Re:`, `Fwd:`, `Ответ:`: the same for every message of a thread."""
    date: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in its box. `head` is its header block as bytes; `received` is the server's word, not the sender's."""

    external_id: str
    head: bytes
    size: int
    revision: str
    received: datetime | None = None
    document: SourceDocument | None = None
    """What the files connector says of it, where it lies in a folder."""
    problem: str = ""


class Box(Protocol):
    """Where messages lie. Both raise `SourceError`; `letters` never ends early without it."""

    def letters(self) -> Iterator[Letter]: ...

    def read(self, external_id: str, max_bytes: int) -> bytes: ...

    def close(self) -> None: ...


class People:
    """Addresses and domains → rights terms. Raises `ConfigError` for what is no address or no term."""

    def __init__(self, said: Mapping[str, str], source: str) -> None:
        self._terms: dict[str, tuple[str, ...]] = {}
        for who, terms in said.items():
            self._terms[who.strip().casefold()] = _checked(who, terms, source)

    @property
    def known(self) -> bool:
        return bool(self._terms)

    def terms(self, addresses: Iterable[str]) -> set[str]:
        return {term for address in addresses for term in self._of(address)}

    def _of(self, address: str) -> list[str]:
        local, _, domain = address.rpartition("@")
        known = self._terms.get(address) or self._terms.get(f"@{domain}") or ()
        if not _LOCAL.fullmatch(local):
            known = tuple(term for term in known if "{local}" not in term)
        return [term.replace("{local}", local) for term in known]


def _checked(who: str, said: str, source: str) -> tuple[str, ...]:
    terms = [term_of(term.strip()) for term in said.split(",")]
    address = who.strip().casefold()
    is_who = _ADDRESS.fullmatch(address) or (address.startswith("@") and _ADDRESS.fullmatch(f"x{address}"))
    if not is_who or not terms or None in terms:
        raise ConfigError(
            f"source {source}: people: `{who}: {said}` does not say whose address means whom",
            hint='Write `olga@bank.kz: user:olga` or `"@bank.kz": group:staff`.',
        )
    return tuple(term for term in terms if term)


def read_head(raw: bytes) -> Head:
    """Whatever cannot be read grants nobody and names nothing."""
    message = HeaderParser().parsestr(_text(raw[:MAX_HEAD_BYTES]))
    return Head(
        people=frozenset(_people(message)),
        subject=thread_subject(_decoded(message, "Subject")),
        date=_date(message),
    )


def thread_subject(subject: str) -> str:
    before = ""
    while before != subject:
        before, subject = subject, _PREFIX.sub("", subject, count=1) if _PREFIX.match(subject) else subject
    return subject[:300]


def _text(raw: bytes) -> str:
    """Heads are ASCII or, where nobody encoded them, UTF-8 or an old code page."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1251", "replace")


def _people(message: Message) -> Iterable[str]:
    values = [str(value) for name in _PEOPLE for value in message.get_all(name, [])]
    try:
        found = getaddresses(values)
    except (MessageError, ValueError, IndexError):
        return
    for _name, address in found[:_MAX_PEOPLE]:
        if _ADDRESS.fullmatch(folded := address.casefold()):
            yield folded


def _decoded(message: Message, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    try:
        text = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        text = str(value)
    return made_storable(" ".join(text.split()))


def _date(message: Message) -> datetime | None:
    try:
        moment = parsedate_to_datetime(str(message.get("Date", "")))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
