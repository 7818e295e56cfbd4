"""What the stages of an audit hand on: a profile of each document, kept on disk, compared with all others at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from countersign.domain.documents import Element, Language
from countersign.domain.readiness import DocumentKey, ReadinessFinding


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing a document says with a figure or a date in it. `subject` is what it is about, normalised for comparing
    across documents; `value` is normalised too; `text` (at most 200 characters) is how the document puts it."""

    subject: str
    value: str
    kind: str
    """`number`, `money`, `percent`, `date`, `duration`."""
    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What comparing needs of one document; its text is not kept."""

    key: DocumentKey
    title: str
    sha256: str
    text_sha256: str
    """Of the normalised text; empty when there is none."""
    signature: bytes
    """128 little-endian uint32 of a MinHash over word shingles; empty when there is too little text."""
    words: int
    language: Language
    rights: str
    """`Rights.canonical()`."""
    modified: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    supersedes: str = ""
    parent: str = ""


class ProfileStore(Protocol):
    """Every profile of the audit under way, in a stable order, and the statements of one document."""

    def profiles(self) -> Iterator[Profile]: ...

    def statements(self, key: DocumentKey) -> Sequence[Statement]: ...


class TextCheck(Protocol):
    """A check over a document's text that another room knows how to make: personal data, secrets, orders to a machine."""

    def __call__(self, key: DocumentKey, elements: Sequence[Element]) -> Iterator[ReadinessFinding]: ...
