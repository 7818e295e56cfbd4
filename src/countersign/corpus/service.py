"""The parser that the rest of the house uses: preflight, sandboxed children, recognition, and one validated result."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from countersign.corpus import language, ocr, outline, preflight, wire
from countersign.corpus.confine import IsolationFact
from countersign.corpus.sandbox import Job, Outcome, Sandbox
from countersign.domain.documents import Finding, ParsedDocument, ParseStatus
from countersign.domain.errors import LimitExceeded, NotFound, SourceError
from countersign.domain.workspace import ParseLimits

SLICE_PAGES = 50
MAX_BROKEN_SLICES = 4
MIN_TEXT_CHARS = 2
MAX_RENDER_WIDTH_PX = 4_000

_ROOM = "countersign.corpus.parsers"
_ENTRIES: dict[preflight.Kind, str] = {
    "docx": f"{_ROOM}.word:parse", "pptx": f"{_ROOM}.slides:parse", "xlsx": f"{_ROOM}.sheets:parse",
    "ods": f"{_ROOM}.sheets:parse", "ole": f"{_ROOM}.office:parse_ole", "rtf": f"{_ROOM}.office:parse",
    "epub": f"{_ROOM}.office:parse", "odt": f"{_ROOM}.office:parse", "odp": f"{_ROOM}.office:parse",
    "eml": f"{_ROOM}.mail:parse", "text": f"{_ROOM}.plain:parse", "csv": f"{_ROOM}.plain:parse",
    "markdown": f"{_ROOM}.plain:parse", "json": f"{_ROOM}.plain:parse", "xml": f"{_ROOM}.plain:parse",
    "html": f"{_ROOM}.plain:parse",
}  # fmt: skip
_SECOND_ENGINE: frozenset[preflight.Kind] = frozenset({"docx", "pptx"})
"""Kinds that `office` can try when our own reader says `corrupt`."""


@dataclass(slots=True)
class _Work:
    """One document under way."""

    source: int
    first: preflight.Preflight
    filename: str
    charset: str = ""
    reading: wire.Reading = field(default_factory=wire.Reading)
    status: ParseStatus | None = None
    reason: str = ""
    unread: set[int] = field(default_factory=set[int])
    """Pages that would need recognition and did not get it."""
    broken: tuple[str, str] = ("corrupt", "pages_unreadable")
    """Status and reason of the last slice that died."""
    worst_rss_bytes: int = 0
    cpu_s: float = 0.0


class SandboxedParser:
    """`Parser` over a `Sandbox`. Start and use it on one event loop; `parse` starts it when nobody did."""

    def __init__(self, limits: ParseLimits, temp: Path, *, sandbox: Sandbox | None = None) -> None:
        self._limits = limits
        self._sandbox = sandbox or Sandbox(temp, workers=limits.workers)
        self._recogniser = ocr.find(limits.ocr_languages) if limits.ocr else None
        self.cpu_s = 0.0
        """Processor time of all parser processes so far."""

    async def start(self) -> None:
        """Raises `StorageError` (`sandbox_unavailable`) when parser processes cannot be started."""
        await self._sandbox.start()

    async def close(self) -> None:
        await self._sandbox.close()

    async def isolation_report(self) -> tuple[IsolationFact, ...]:
        """How a parser process is confined on this machine, layer by layer; `recognition` says whether OCR is there."""
        facts = await self._sandbox.report()
        there = self._recogniser
        detail = (
            f"{there.program}: {there.languages}" if there else "no tesseract: scans are marked needs_ocr"
        )
        if there and there.missing:
            detail += f"; missing {', '.join(there.missing)}"
        return (*facts, IsolationFact("recognition", there is not None and not there.missing, detail))

    async def parse(self, path: Path, filename: str, mime: str) -> ParsedDocument:
        """Elements, findings and a named status, whatever the file holds. Raises `SourceError` when it cannot be opened."""
        source = await asyncio.to_thread(_opened, path)
        try:
            first = await asyncio.to_thread(preflight.inspect, source, filename, mime, self._limits)
            if first.status is not None:
                return ParsedDocument(first.status, first.reason, first.mime, findings=first.findings)
            work = _Work(source, first, filename, _charset(mime))
            await self._read(work)
        finally:
            os.close(source)
        self.cpu_s += work.cpu_s
        return await asyncio.to_thread(self._document, work)

    async def render_page(self, path: Path, page: int, width_px: int) -> bytes:
        """One page (1-based) as PNG, drawn in a confined child. Raises `NotFound` when there is no such page."""
        if page < 1 or not 16 <= width_px <= MAX_RENDER_WIDTH_PX:
            raise NotFound(
                "no such page", hint=f"pages count from 1, widths from 16 to {MAX_RENDER_WIDTH_PX} pixels"
            )
        source = await asyncio.to_thread(_opened, path)
        try:
            first = await asyncio.to_thread(preflight.inspect, source, path.name, "", self._limits)
            if first.kind not in ("pdf", "image") or first.status is not None:
                raise NotFound("this file has no pages", hint="only PDF and pictures are drawn")
            outcome = await self._render(source, first.kind, {"page": page, "width_px": width_px})
        finally:
            os.close(source)
        if outcome.end in ("timeout", "limit", "overflow"):
            raise LimitExceeded(
                "the page is too heavy to draw", code="page_too_heavy", hint="open the original file"
            )
        if outcome.end != "finished" or not outcome.output.startswith(b"\x89PNG"):
            raise NotFound("no such page", hint="the page does not exist or cannot be drawn")
        return outcome.output

    # --- reading -----------------------------------------------------------------------------------------------------

    def _job(self, entry: str, **params: object) -> Job:
        limits = self._limits
        return Job(
            entry, params, wall_s=limits.wall_s, cpu_s=limits.cpu_s, memory_bytes=limits.memory_bytes,
            max_output_bytes=4 * limits.max_text_chars + 96 * 1024 * 1024,
        )  # fmt: skip

    async def _read(self, work: _Work) -> None:
        if work.first.kind == "pdf":
            await self._read_pdf(work)
        elif work.first.kind == "image":
            await self._read_image(work)
        else:
            await self._read_whole(work)
        if work.reading.chars > self._limits.max_text_chars:
            work.status, work.reason = ParseStatus.REFUSED_LIMIT, "text_chars"

    async def _read_whole(self, work: _Work) -> None:
        kind = work.first.kind
        entry = _ENTRIES.get(kind)
        if entry is None:
            work.status, work.reason = ParseStatus.UNSUPPORTED, "unknown_format"
            return
        outcome = await self._run(self._job(entry, kind=kind, charset=work.charset), work)
        if outcome.status == "corrupt" and kind in _SECOND_ENGINE and outcome.reason != "document_type":
            second = await self._run(self._job(f"{_ROOM}.office:parse", kind=kind), work)
            outcome = second if second.end == "finished" else outcome
        await asyncio.to_thread(_take, outcome, work.reading)
        if outcome.end != "finished":
            self._fail(work, outcome, partial_ok=outcome.end not in ("refused", "lost"))

    def _fail(self, work: _Work, outcome: Outcome, *, partial_ok: bool) -> None:
        reading = work.reading
        work.reason = outcome.reason or outcome.end
        known = {status.value for status in ParseStatus} - {"ok", "partial"}
        named = outcome.status if outcome.status in known else "corrupt"
        if not partial_ok or not (reading.elements or reading.blocks):
            reading.elements.clear()
            reading.blocks.clear()
            reading.attachments.clear()
        work.status = ParseStatus(named)

    async def _run(self, job: Job, work: _Work) -> Outcome:
        outcome = await self._sandbox.run(job, work.source)
        work.cpu_s += outcome.cpu_s
        work.worst_rss_bytes = max(work.worst_rss_bytes, outcome.max_rss_bytes)
        if outcome.end == "lost":
            return replace(outcome, status="corrupt", reason="worker_lost")
        return outcome

    async def _read_pdf(self, work: _Work) -> None:
        """Slices of pages, each in a child of its own; a slice that dies is taken up again behind the page it died on."""
        first, broken = 1, 0
        last = min(SLICE_PAGES, self._limits.max_pages)
        while True:
            outcome = await self._run(self._job(f"{_ROOM}.pdf:parse", first=first, last=last), work)
            seen_before = len(work.reading.pages_seen)
            await asyncio.to_thread(_take, outcome, work.reading)
            total = work.reading.pages
            if outcome.end != "finished":
                if total is None or outcome.end in ("refused", "overflow"):
                    self._fail(work, outcome, partial_ok=outcome.end == "overflow")
                    return
                broken += 1
                died_on = (
                    max((page for page in work.reading.pages_seen if page >= first), default=first - 1) + 1
                )
                work.reading.unreadable_pages.add(died_on)
                work.broken = (outcome.status, outcome.reason)
                if broken >= MAX_BROKEN_SLICES or (
                    outcome.end == "timeout" and seen_before == 0 == len(work.reading.blocks)
                ):
                    self._fail(work, outcome, partial_ok=True)
                    return
                first = died_on + 1
            else:
                first = last + 1
            total = min(total or 0, self._limits.max_pages)
            if first > total or work.reading.chars > self._limits.max_text_chars:
                break
            last = min(first + SLICE_PAGES - 1, total)
        await self._recognise(work, dict(sorted(work.reading.needs_ocr.items())))

    async def _read_image(self, work: _Work) -> None:
        outcome = await self._run(self._job(f"{_ROOM}.images:count"), work)
        await asyncio.to_thread(_take, outcome, work.reading)
        if outcome.end != "finished" or not work.reading.pages:
            self._fail(work, outcome, partial_ok=False)
            return
        await self._recognise(work, dict(sorted(work.reading.needs_ocr.items())))

    # --- recognition -------------------------------------------------------------------------------------------------

    async def _recognise(self, work: _Work, pages: dict[int, float]) -> None:
        todo = list(pages.items())[: self._limits.ocr_max_pages]
        work.unread.update(page for page, _ in list(pages.items())[len(todo) :])
        if self._recogniser is None:
            work.unread.update(pages)
            return
        if self._recogniser.missing and todo:
            missing = ", ".join(self._recogniser.missing)
            note = Finding(
                "ocr_language_missing", "warning", f"tesseract lacks the models for {missing}", None, missing
            )
            work.reading.findings.append(note)
        for start in range(0, len(todo), max(1, self._limits.workers)):
            batch = todo[start : start + max(1, self._limits.workers)]
            await asyncio.gather(*(self._recognise_page(work, page, dpi) for page, dpi in batch))

    async def _recognise_page(self, work: _Work, page: int, image_dpi: float) -> None:
        dpi = ocr.dpi_for(image_dpi)
        drawn = await self._render(work.source, work.first.kind, {"page": page, "dpi": dpi, "grey": True})
        work.cpu_s += drawn.cpu_s
        work.worst_rss_bytes = max(work.worst_rss_bytes, drawn.max_rss_bytes)
        if drawn.end != "finished" or not drawn.output.startswith(b"\x89PNG") or self._recogniser is None:
            work.unread.add(page)
            work.reason = work.reason or drawn.reason
            return
        outcome = await self._recognise_picture(drawn.output, dpi)
        work.cpu_s += outcome.cpu_s
        work.worst_rss_bytes = max(work.worst_rss_bytes, outcome.max_rss_bytes)
        if outcome.end != "finished":
            work.unread.add(page)
            work.reason = work.reason or outcome.reason
            return
        found, mean = ocr.blocks(outcome.output, page)
        kept = [block for block in work.reading.blocks if block.page != page]
        work.reading.blocks[:] = [*kept, *found]
        work.reading.chars += sum(len(block.text) for block in found)
        note = ocr.low_confidence(page, mean) if found else None
        if note is not None:
            work.reading.findings.append(note)

    async def _recognise_picture(self, picture: bytes, dpi: int) -> Outcome:
        if self._recogniser is None:
            return Outcome("refused", status="needs_ocr")
        limits = self._limits
        job = Job(
            "", wall_s=limits.wall_s, cpu_s=limits.cpu_s, memory_bytes=limits.memory_bytes, raw=True,
            argv=self._recogniser.argv(dpi), max_output_bytes=32 * 1024 * 1024,
        )  # fmt: skip
        handle = await asyncio.to_thread(_in_memory, picture)
        try:
            return await self._sandbox.run(job, handle)
        finally:
            os.close(handle)

    async def _render(self, source: int, kind: str, params: dict[str, Any]) -> Outcome:
        limits = self._limits
        entry = f"{_ROOM}.pdf:render" if kind == "pdf" else f"{_ROOM}.images:render"
        job = Job(
            entry, params, wall_s=limits.wall_s, cpu_s=limits.cpu_s, memory_bytes=limits.memory_bytes, raw=True,
            max_output_bytes=128 * 1024 * 1024,
        )  # fmt: skip
        return await self._sandbox.run(job, source)

    # --- result ------------------------------------------------------------------------------------------------------

    def _document(self, work: _Work) -> ParsedDocument:
        reading = work.reading
        elements = outline.elements_of(
            sorted(reading.blocks, key=lambda block: block.page), reading.pages or 1
        )
        elements = outline.finished((*elements, *reading.elements))
        shown = [element for element in elements if not element.hidden_reason]
        status, reason = self._verdict(work, sum(len(element.text.strip()) for element in shown))
        if status not in (ParseStatus.OK, ParseStatus.PARTIAL):
            elements = tuple(element for element in elements if element.hidden_reason) if shown == [] else ()
        sizes = ((element.language, len(element.text)) for element in shown)
        title = reading.title or next((e.text for e in shown if e.kind == "heading"), "")[:300]
        return ParsedDocument(
            status, reason, reading.mime or work.first.mime, _parser_name(work), title.strip(),
            reading.pages if work.first.kind in ("pdf", "image") else None, language.of_parts(sizes), elements,
            tuple(reading.attachments), (*work.first.findings, *reading.findings, *self._notes(work, elements)),
            tuple(reading.links),
        )  # fmt: skip

    def _verdict(self, work: _Work, chars: int) -> tuple[ParseStatus, str]:
        """Empty text is never `ok`; text beside unread pages is `partial`."""
        reading = work.reading
        if work.status is not None:
            stays = (
                chars < MIN_TEXT_CHARS or work.reason == "text_chars" or work.status is ParseStatus.ENCRYPTED
            )
            return (work.status, work.reason) if stays else (ParseStatus.PARTIAL, work.reason)
        skipped = (reading.pages or 0) > self._limits.max_pages
        if chars < MIN_TEXT_CHARS:
            if work.unread:
                return ParseStatus.NEEDS_OCR, work.reason or (
                    "no_recogniser" if self._recogniser is None else ""
                )
            if reading.unreadable_pages:
                return ParseStatus(work.broken[0]), work.broken[1]
            if reading.attachments:
                return ParseStatus.OK, "attachments_only"
            if work.first.pictures:
                return ParseStatus.NEEDS_OCR, "pages_need_ocr"
            return (ParseStatus.REFUSED_LIMIT, "page_count") if skipped else (ParseStatus.EMPTY, "no_text")
        if skipped:
            return ParseStatus.PARTIAL, "page_count"
        if work.unread:
            most = len(work.unread) >= 0.9 * max(1, len(reading.pages_seen))
            return (ParseStatus.NEEDS_OCR if most else ParseStatus.PARTIAL), "pages_need_ocr"
        if reading.unreadable_pages:
            return ParseStatus.PARTIAL, "pages_unreadable"
        return ParseStatus.OK, ""

    def _notes(self, work: _Work, elements: Sequence[Any]) -> list[Finding]:
        reading = work.reading
        notes = [
            Finding("page_needs_ocr", "warning", "the page has no readable text", page)
            for page in sorted(work.unread)[:20]
        ]
        notes += [
            Finding("page_unreadable", "error", "the page could not be read", page)
            for page in sorted(reading.unreadable_pages)[:20]
        ]
        if reading.restricted:
            notes.append(Finding("copying_restricted", "info", "its author restricted copying of the text"))
        hidden: dict[tuple[str, int | None], str] = {}
        for element in elements:
            if element.hidden_reason:
                hidden.setdefault((element.hidden_reason, element.page), element.text)
        notes += [
            Finding("hidden_text", "warning", f"text a reader cannot see ({why})", page, text[:200])
            for (why, page), text in list(hidden.items())[:20]
        ]
        return notes


def _parser_name(work: _Work) -> str:
    if work.first.kind == "pdf":
        return (
            "pdfium+tesseract"
            if any(block.ocr_confidence is not None for block in work.reading.blocks)
            else "pdfium"
        )
    return work.reading.parser


def _charset(mime: str) -> str:
    for part in mime.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ")[:40]
    return ""


def _opened(path: Path) -> int:
    """An open handle on a regular file: what is looked at and what is parsed are one and the same."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return handle
        os.close(handle)
        problem = "not a regular file"
    except OSError as error:
        problem = str(error.strerror)
    raise SourceError(
        f"the file could not be read ({problem})",
        code="file_unreadable",
        hint="check that it still exists and that the service's user may read it",
    )


def _take(outcome: Outcome, reading: wire.Reading) -> None:
    wire.read(outcome.records(), reading)


def _in_memory(data: bytes) -> int:
    """An open handle on `data`, at its start."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("picture", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
    os.lseek(handle, 0, os.SEEK_SET)
    return handle
