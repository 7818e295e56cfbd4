"""What a source of documents is: it lists what it has, and opens one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from countersign.domain.documents import SourceDocument


@dataclass(frozen=True, slots=True)
class Listed:
    """A document and its size in bytes, before anything was read."""

    document: SourceDocument
    size: int
    revision: str = ""
    """What changes whenever the content may have changed: an ETag, a commit, `size-mtime`, a row's version. As long as
    it stays the same the content is not read again; empty = read it every time. Rights and other metadata are compared
    at every pass whatever it says."""
    problem: str = ""
    """A reason code why it cannot be taken in at all, not even into quarantine (`source_name_unreadable`)."""


class SourceConnector(Protocol):
    """Reads one configured source. Raises `SourceError` when the source as a whole cannot be read.

    One that holds connections may also have `close()`, which is called when a pass is over.

    What is wrong with a single document is said in `SourceDocument.quarantine`, so that one bad row hides no other.
    """

    def list(self) -> Iterator[Listed]:
        """Every document the source holds now; a document that is not listed counts as removed."""
        ...

    def read(self, external_id: str, max_bytes: int) -> bytes:
        """Its content. Raises `SourceError` (`source_file_gone`, `source_file_too_large`)."""
        ...
