"""The walk of an audit: list everything, read what is new or changed, keep what was found; stop anywhere, go on later."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from countersign.corpus.readiness.checks import VERSION, Contents, examine
from countersign.corpus.readiness.inside import MAX_DEPTH, part_of
from countersign.corpus.readiness.seams import TextCheck
from countersign.corpus.readiness.subject import Subject
from countersign.corpus.readiness.working import Listing, Part, WorkingFile
from countersign.domain.documents import Attachment, ParsedDocument, SourceDocument
from countersign.domain.errors import SourceError

_LISTED_AT_ONCE: Final = 500
LOST: Final = "worker_lost"
"""Reading ended by no fault of the document's: it is read again next time, changed or not."""


class Reader(Protocol):
    """What an audit needs of a connector's listing entry; `sources.connector.Listed` is one."""

    @property
    def document(self) -> SourceDocument: ...
    @property
    def size(self) -> int: ...
    @property
    def revision(self) -> str: ...
    @property
    def problem(self) -> str: ...


class Origin(Protocol):
    """What an audit needs of a source: its listing, and the content of one document of it."""

    def list(self) -> Iterator[Reader]: ...

    def read(self, document: SourceDocument, max_bytes: int) -> bytes:
        """Raises `SourceError`."""
        ...


class DocumentParser(Protocol):
    async def parse(self, path: Path, filename: str, mime: str) -> ParsedDocument: ...


@dataclass(frozen=True, slots=True)
class Step:
    """Progress: `done` of `total` documents, the newest one; `listing` while the total still grows."""

    done: int
    total: int
    external_id: str
    listing: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """How documents are read: `settings` names everything that a result depends on besides the content."""

    max_bytes: int
    workers: int
    settings: str

    @property
    def settings_id(self) -> str:
        return f"{VERSION}|{self.settings}"


class Walk:
    """`served` tells the languages that assistants over a source serve. `temp` is a private folder for copies being read."""

    def __init__(
        self,
        working: WorkingFile,
        parser: DocumentParser,
        text_checks: Sequence[TextCheck],
        way: Way,
        temp: Path,
        served: Callable[[str], frozenset[str]],
        watch: Callable[[Step], None],
    ) -> None:
        self._working = working
        self._parser = parser
        self._text_checks = text_checks
        self._way = way
        self._temp = temp
        self._served = served
        self._watch = watch

    async def list_source(self, name: str, origin: Origin) -> None:
        """A source that dies on the way is noted with its code; what it listed until then is read all the same."""
        try:
            listed = 0
            found = batched_listing(origin.list())
            while batch := await asyncio.to_thread(next, found, None):
                listed += self._working.note(batch)
                self._watch(Step(0, listed, batch[-1][0].external_id, listing=True))
        except SourceError as error:
            self._working.stopped(name, error.code)
            return
        self._working.stopped(name, "")

    async def read_all(self, origins: dict[str, Origin]) -> None:
        """Read whatever waits, several at a time."""
        waiting = self._working.waiting()
        done, total = self._working.counts()
        self._watch(Step(done, total, ""))

        async def work() -> None:
            nonlocal done
            for listing in waiting:  # shared: each takes the next one, on one thread
                await self._one(origins[listing.document.source], listing)
                done += 1
                self._watch(Step(done, total, listing.document.external_id))

        tasks = [asyncio.create_task(work()) for _ in range(max(1, self._way.workers))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, origin: Origin, listing: Listing) -> None:
        same_way = listing.settings == self._way.settings_id
        if same_way and listing.revision and listing.read_revision == listing.revision:
            self._working.keep(listing)
            return
        if listing.problem:
            self._tell(listing, "", listing.problem)
            return
        try:
            content = await asyncio.to_thread(origin.read, listing.document, self._way.max_bytes)
        except SourceError as error:
            self._tell(listing, "", error.code)
            return
        digest = sha256(content).hexdigest()
        if same_way and listing.sha256 == digest:
            self._working.keep(listing)
            return
        parts: list[Part] = []
        await self._take(listing.document, content, digest, "", "", parts)
        lost = any(part.contents is not None and part.contents.reason == LOST for part in parts)
        self._working.store(listing, "" if lost else self._way.settings_id, parts)

    def _tell(self, listing: Listing, digest: str, problem: str) -> None:
        part = Part(listing.document, "", "", listing.size, digest, None, problem)
        self._working.store(listing, "", [part])

    async def _take(
        self, document: SourceDocument, content: bytes, digest: str, path: str, inside: str, parts: list[Part]
    ) -> None:
        """One file and whatever is inside it, carriers first."""
        async with self._copy(content, document.filename) as copy:
            parsed = await self._parser.parse(copy, document.filename, document.mime)
        subject = Subject(document, parsed, len(content), self._served(document.source))
        contents = await asyncio.to_thread(self._examine, subject)
        parts.append(Part(document, path, inside, len(content), digest, contents))
        if path.count("\n") >= MAX_DEPTH:
            return
        for number, attachment in enumerate(_named_apart(parsed.attachments)):
            part = part_of(document, attachment.filename, attachment.mime)
            below = f"{path}\n{number}"
            await self._take(part, attachment.content, _digest(attachment.content), below, path, parts)

    def _examine(self, subject: Subject) -> Contents:
        return examine(subject, self._text_checks)

    @asynccontextmanager
    async def _copy(self, content: bytes, filename: str) -> AsyncGenerator[Path]:
        """A private copy: what was hashed is what is parsed, whatever happens in the source meanwhile."""
        handle, name = await asyncio.to_thread(tempfile.mkstemp, dir=self._temp)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            yield Path(name)
        finally:
            _remove(name)


def batched_listing(listed: Iterable[Reader]) -> Iterator[list[tuple[SourceDocument, int, str, str]]]:
    """What a source lists, some hundreds at a time: a million tiny files are never all in memory."""
    batch: list[tuple[SourceDocument, int, str, str]] = []
    try:
        for item in listed:
            batch.append((item.document, item.size, item.revision, item.problem))
            if len(batch) >= _LISTED_AT_ONCE:
                yield batch
                batch = []
    except SourceError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _named_apart(attachments: Sequence[Attachment]) -> Iterator[Attachment]:
    """Two attachments of one name are two documents only if they differ in name; the first keeps it."""
    seen: set[str] = set()
    for attachment in attachments:
        if attachment.filename not in seen:
            seen.add(attachment.filename)
            yield attachment


def _remove(name: str) -> None:
    with suppress(FileNotFoundError):
        Path(name).unlink()


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
