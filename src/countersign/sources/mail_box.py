"""Mailboxes that are files: an mbox, or a folder of .eml and .msg files read through the files connector."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from countersign.domain.errors import SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.facts import Recent
from countersign.sources.mail_cache import HeadCache, Known
from countersign.sources.mail_head import MAX_HEAD_BYTES, Letter
from countersign.sources.mail_msg import outlook_head
from countersign.sources.registry import Surroundings, open_connector

_MAX_LINE = 64 * 1024
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_VOLATILE = re.compile(rb"(?i)(?:x-)?status:|x-(?:mozilla-|keywords:|uid:|imap)")
"""Header lines that mail programs rewrite while a message stays the same."""
_SEPARATOR = b"From "
_QUOTED = re.compile(rb"(?m)^>(>*From )")


@dataclass(slots=True)
class _Span:
    """One message while it is scanned, and where it lies afterwards."""

    start: int
    separator: bytes
    head: bytes
    end: int
    digest: str


class MboxBox:
    """A message is named by its content: what moves up when others are deleted keeps its name."""

    def __init__(self, source: str, path: Path) -> None:
        self._source = source
        self._path = path
        self._places: dict[bytes, tuple[int, int]] = {}

    def letters(self) -> Iterator[Letter]:
        places: dict[bytes, tuple[int, int]] = {}
        with self._opened() as file:
            before = os.fstat(file.fileno())
            for span in self._spans(file, before.st_size):
                name = bytes.fromhex(span.digest)
                if name not in places:  # the same message twice is one document
                    yield self._letter(span)
                places[name] = (span.start, span.end)
            after = self._path.stat() if self._path.exists() else None
            if after is None or after.st_ino != before.st_ino or after.st_size < before.st_size:
                raise SourceError(
                    f"source {self._source}: the mbox was rewritten while it was read",
                    code="source_changed_while_read",
                    hint="The next pass reads it again; nothing was removed from the index.",
                )
        self._places = places

    def read(self, external_id: str, max_bytes: int) -> bytes:
        name = self._name(external_id)
        if name not in self._places:
            for _ in self.letters():
                pass
        start, end = self._places.get(name, (0, 0))
        if end - start > max_bytes:
            raise SourceError(
                f"{external_id} is larger than {max_bytes} bytes",
                code="source_file_too_large",
                hint="Raise `parsing.max_bytes`.",
            )
        with self._opened() as file:
            file.seek(start)
            span = next(self._spans(file, end), None) if end else None
            if span is None or span.digest != name.hex():
                self._places = {}
                raise SourceError(f"{external_id} is no longer in the mbox", code="source_file_gone")
            file.seek(start)
            content = file.read(end - start)
        return _QUOTED.sub(rb"\1", content.partition(b"\n")[2])

    def close(self) -> None:
        self._places = {}

    def _name(self, external_id: str) -> bytes:
        try:
            return bytes.fromhex(external_id.rpartition("/")[2])
        except ValueError:
            raise SourceError(f"{external_id!r} is not in the mbox", code="source_file_gone") from None

    def _letter(self, span: _Span) -> Letter:
        delivered = parsedate(span.separator.decode("latin-1").partition(" ")[2].partition(" ")[2].strip())
        received = None
        if delivered is not None:
            try:
                received = datetime(*delivered[:6], tzinfo=UTC)
            except ValueError:
                received = None
        return Letter(
            external_id=f"{self._path.name}/{span.digest}",
            head=span.head,
            size=span.end - span.start,
            revision=span.digest,
            received=received if received and received <= datetime.now(UTC) else None,
        )

    def _opened(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise SourceError(
                f"source {self._source}: the mbox cannot be read: {error.strerror}",
                code="source_folder_missing",
                hint="Check `url` and the rights of the service's user; nothing was removed from the index.",
            ) from None

    def _spans(self, file: BinaryIO, until: int) -> Iterator[_Span]:
        """Messages from here to byte `until`, one line in memory at a time."""
        scan: _Scan | None = None
        blank, at = True, file.tell()
        while at < until and (line := file.readline(min(_MAX_LINE, until - at))):
            if blank and line.startswith(_SEPARATOR):
                if scan is not None:
                    yield scan.span(at)
                scan = _Scan(at, line)
            elif scan is None:
                raise SourceError(
                    f"source {self._source}: the file is not an mbox",
                    code="source_not_a_mailbox",
                    hint="An mbox begins with a line `From …`; nothing was removed from the index.",
                )
            else:
                scan.add(line)
            blank, at = not line.strip(b"\r\n"), at + len(line)
        if scan is not None:
            yield scan.span(at)


class _Scan:
    def __init__(self, start: int, separator: bytes) -> None:
        self._start, self._separator = start, separator
        self._head: list[bytes] = []
        self._head_bytes = 0
        self._in_head, self._skipping = True, False
        self._digest = sha256()
        self._blank = b""

    def add(self, line: bytes) -> None:
        if self._in_head and not line.strip(b"\r\n"):
            self._in_head = False
        if self._in_head:
            if not line.startswith((b" ", b"\t")):
                self._skipping = _VOLATILE.match(line) is not None
            if self._skipping:
                return
            if self._head_bytes < MAX_HEAD_BYTES:
                self._head.append(line)
                self._head_bytes += len(line)
        if not line.strip(b"\r\n"):
            self._blank += line[-2:]  # blank lines at the end belong to the separator, not to the message
            return
        self._digest.update(self._blank + line)
        self._blank = b""

    def span(self, end: int) -> _Span:
        return _Span(self._start, self._separator, b"".join(self._head), end, self._digest.hexdigest()[:32])


class FolderBox:
    """Files keep what the files connector says of them: manifest, rules, tenant, and parts of a manifest."""

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        self._files = open_connector(replace(settings, connector="files", options={}), around)
        self._cache = HeadCache(around.cache)
        self._seen = Recent()

    def close(self) -> None:
        close = getattr(self._files, "close", None)
        if close is not None:
            close()

    def letters(self) -> Iterator[Letter]:
        with self._cache.box("folder") as shelf:
            for item in self._files.list():
                name = item.document.external_id
                if not name.lower().endswith((".eml", ".msg")):
                    continue
                known = shelf.known([name]).get(name) if item.revision else None
                if item.problem or (known is not None and known.revision == item.revision):
                    head, problem = known.head if known else b"", item.problem
                else:
                    head, problem = self._head(name)
                    shelf.keep([] if problem else [Known(name, item.revision, head, item.size)])
                self._seen.note(name, sha256(head).hexdigest())
                yield Letter(name, head, item.size, item.revision, document=item.document, problem=problem)

    def _head(self, name: str) -> tuple[bytes, str]:
        """(head, reason why there is none). A message whose head cannot be read is shown to nobody it is not said of."""
        try:
            return _head_of(name, self._files.read(name, _MAX_MESSAGE_BYTES)), ""
        except SourceError as error:
            return b"", error.code

    def read(self, external_id: str, max_bytes: int) -> bytes:
        content = self._files.read(external_id, max_bytes)
        self._seen.require(external_id, sha256(_head_of(external_id, content)).hexdigest())
        return content


def _head_of(name: str, content: bytes) -> bytes:
    return outlook_head(content) if name.lower().endswith(".msg") else content[:MAX_HEAD_BYTES]
