"""PDF pages by PDFium: positioned text with its style, what is hidden, drawn lines, images; and page pictures."""

from __future__ import annotations

import ctypes
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from countersign.corpus.parsers.layout import Block, Rulings, Segment, blocks_of
from countersign.corpus.parsers.pdf_drawn import Box, Drawn, Projection, as_address, drawn_on
from countersign.corpus.zygote import Output, Refusal

MAX_CHARS_PER_PAGE = 200_000
TINY_PT = 2.5
RECOGNITION_PX = 4_500
"""Longest side of a picture for recognition: A4 at 380 dots per inch; posters get fewer dots."""
_SPACES = frozenset((32, 9, 160, 0x2002, 0x2003, 0x2009))
_ENDS = frozenset((13, 10))
_BROKEN = re.compile("[\ufffd\ue000-\uf8ff]")
_HYPHEN = 2
"""What PDFium calls a hyphen at a line's end, character by character; in its text it is U+FFFE."""


def parse(source: int, params: Mapping[str, Any], output: Output) -> None:
    """Records: `{"pages": n}`, then one `{"page", "blocks", …}` for each page of `first`..`last` (1-based)."""
    document = _open(source)
    count = len(document)
    if count == 0:
        raise Refusal("corrupt", "no_pages")
    metadata = document.get_metadata_dict(skip_empty=True)
    output.record(
        {"pages": count, "title": str(metadata.get("Title", ""))[:300], "restricted": _restricted(document)}
    )
    for number in range(int(params["first"]), min(int(params["last"]), count) + 1):
        output.record(_page_record(document, number))


def render(source: int, params: Mapping[str, Any], output: Output) -> None:
    """Raw PNG of one page. `width_px`, or `dpi` with `grey` for recognition."""
    document = _open(source)
    number = int(params["page"])
    if not 1 <= number <= len(document):
        raise Refusal("empty", "no_such_page")
    page = document[number - 1]
    width, height = page.get_size()
    scale = float(params["dpi"]) / 72 if "dpi" in params else int(params["width_px"]) / max(1.0, width)
    most = RECOGNITION_PX if params.get("grey") else 10_000
    scale = min(scale, (40_000_000 / max(1.0, width * height)) ** 0.5, most / max(1.0, width, height))
    bitmap = page.render(scale=scale, grayscale=bool(params.get("grey")), may_draw_forms=False)
    buffer = io.BytesIO()
    dpi = round(72 * scale)
    bitmap.to_pil().save(buffer, "PNG", compress_level=1, dpi=(dpi, dpi))
    output.raw(buffer.getvalue())


def _open(source: int) -> Any:
    try:
        import pypdfium2
    except ImportError:
        raise Refusal("unsupported", "extra_documents_missing") from None
    import os

    stream = os.fdopen(os.dup(source), "rb")
    try:
        return pypdfium2.PdfDocument(stream, autoclose=True)
    except pypdfium2.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code in (4, 5) or "assword" in str(error):
            raise Refusal("encrypted", "password") from None
        raise Refusal("corrupt", "pdf_structure") from None


def _restricted(document: Any) -> bool:
    """Whether the owner forbade copying its text."""
    import pypdfium2.raw as raw

    revision = raw.FPDF_GetSecurityHandlerRevision(document)
    return revision > 0 and not raw.FPDF_GetDocPermissions(document) & 0b1_0000


def _page_record(document: Any, number: int) -> dict[str, object]:
    import pypdfium2

    try:
        page = document[number - 1]
        width, height = page.get_size()
        if width <= 0 or height <= 0:
            return {"page": number, "unreadable": "page_size"}
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError:
        return {"page": number, "unreadable": "page_structure"}
    project = _projection(page, width, height)
    drawn = drawn_on(page, project)
    segments = _segments(page, text_page, project, drawn, width, height)
    text_page.close()
    page.close()
    blocks = blocks_of(segments, width, height, Rulings(tuple(drawn.horizontal), tuple(drawn.vertical)))
    letters = sum(sum(map(str.isalnum, segment.text)) for segment in segments if not segment.hidden)
    broken = sum(len(_BROKEN.findall(segment.text)) for segment in segments if not segment.text.isascii())
    covered = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in drawn.images) / (width * height)
    unreadable_text = letters < 30 and (covered > 0.3 or drawn.paths > 300)
    unreadable_text = unreadable_text or (letters == 0 and (covered > 0.02 or drawn.paths > 60))
    return {
        "page": number,
        "needs_ocr": unreadable_text or broken > 0.4 * max(1, letters) > 8,
        "image_dpi": round(drawn.image_dpi) if covered > 0.5 else 0,
        "covered": round(min(1.0, covered), 3),
        "blocks": [_block(block, width, height) for block in blocks],
    }


def _block(block: Block, width: float, height: float) -> dict[str, object]:
    x0, y0, x1, y1 = block.box
    record: dict[str, object] = {
        "kind": block.kind, "text": block.text, "size": round(block.size, 2), "lines": block.lines,
        "box": [round(value, 4) for value in (x0 / width, y0 / height, x1 / width, y1 / height)],
    }  # fmt: skip
    if block.bold:
        record["bold"] = True
    if block.hidden:
        record["hidden"] = block.hidden
    if block.header_rows:
        record["header_rows"] = block.header_rows
    return record


def _projection(page: Any, width: float, height: float) -> Projection:
    """From page space (any rotation, any origin) to points as displayed, origin top left."""
    import pypdfium2.raw as raw

    span, big = 1000.0, 1_000_000
    found: list[tuple[float, float]] = []
    for x, y in ((0.0, 0.0), (span, 0.0), (0.0, span)):
        device_x, device_y = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page, 0, 0, big, big, 0, x, y, device_x, device_y)
        found.append((device_x.value / big * width, device_y.value / big * height))
    (e, f), (ax, ay), (bx, by) = found
    return (ax - e) / span, (ay - f) / span, (bx - e) / span, (by - f) / span, e, f


# --- text --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    """Characters on one line that look alike. `level` is bottom and top of its first one, in page space."""

    start: int
    chars: list[str] = field(default_factory=list[str])
    last: int = 0
    style: tuple[bool, str] = (False, "")
    level: tuple[float, float] | None = None


def _segments(
    page: Any, text_page: Any, project: Projection, drawn: Drawn, width: float, height: float
) -> list[Segment]:  # fmt: skip
    import pypdfium2.raw as raw

    count = raw.FPDFText_CountChars(text_page)
    if count > MAX_CHARS_PER_PAGE:
        raise Refusal("refused_limit", "page_chars")
    styles = _Styles(raw)
    boxes = _Boxes(raw, text_page, project)
    segments: list[Segment] = []
    unseen = 0
    for run in _runs(raw, text_page, count, styles, boxes):
        text = "".join(run.chars)
        if text.isspace():
            continue
        box = boxes.of(run.start, run.last)
        bold, hidden = run.style
        if hidden == "invisible":
            unseen += len(text)
        hidden = hidden or _hidden_by_place(box, width, height)
        if hidden == "white" and _on_background(box, drawn):
            hidden = ""
        _append(segments, text, box, bold, hidden, run.start)
    _forgive_recognised(segments, unseen, drawn, width * height)
    return segments


def _codes(raw: Any, handle: Any, count: int) -> list[int]:
    """The code point of every character, -1 for the first half of a pair; in one call where PDFium's text has one unit
    for each character."""
    units = (ctypes.c_ushort * (count + 1))()
    if raw.FPDFText_GetText(handle, 0, count, units) == count + 1:
        codes = [_HYPHEN if unit == 0xFFFE else unit for unit in units[:count]]
    else:
        codes = [raw.FPDFText_GetUnicode(handle, index) for index in range(count)]
    high = 0
    for index, code in enumerate(codes):
        if 0xD800 <= code < 0xDC00:
            codes[index], high = -1, code
            continue
        if 0xDC00 <= code < 0xE000:
            codes[index] = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0xFFFD
        high = 0
    return codes


def _runs(raw: Any, text_page: Any, count: int, styles: _Styles, boxes: _Boxes) -> Iterator[_Run]:
    """Cut at line ends, and where the text object changes unless it goes on within a word: PDFium puts a space where
    there is a gap, and the next object must look the same and stand as high."""
    get_object = as_address(raw.FPDFText_GetTextObject, ctypes.c_void_p, ctypes.c_int)
    place = ctypes.cast(text_page.raw, ctypes.c_void_p)
    run, pointer = _Run(0), None
    for index, code in enumerate(_codes(raw, text_page.raw, count)):
        if code in _ENDS:
            if run.chars:
                yield run
            run, pointer = _Run(index + 1), None
        elif code in _SPACES:
            if run.chars:
                run.chars.append(" ")
        elif code >= 0:
            address = get_object(place, index)
            if address != pointer:
                within = run.last == index - 1 and _goes_on(run, address, index, styles, boxes)
                if run.chars and pointer is not None and not within:
                    yield run
                    run = _Run(index)
                pointer = address
            if not run.chars:
                run.start, run.style = index, styles.of(address)
            run.chars.append(chr(code) if code else "\ufffd")
            run.last = index
    if run.chars:
        yield run


def _goes_on(run: _Run, address: Any, index: int, styles: _Styles, boxes: _Boxes) -> bool:
    """A piece of another size or place is a run of its own: it may be hidden by that alone."""
    if not run.chars or styles.of(address) != run.style:
        return False
    if run.level is None:
        run.level = boxes.level(run.start)
    here = boxes.level(index)
    slack = 0.1 * (run.level[1] - run.level[0])
    return slack > 0 and abs(here[0] - run.level[0]) < slack and abs(here[1] - run.level[1]) < slack


class _Boxes:
    """Boxes of stretches of characters, in points as displayed."""

    def __init__(self, raw: Any, text_page: Any, project: Projection) -> None:
        self._rect = raw.FS_RECTF()
        self._pointer = ctypes.byref(self._rect)
        self._get = raw.FPDFText_GetLooseCharBox
        self._page = text_page.raw
        self._project = project

    def level(self, index: int) -> tuple[float, float]:
        """Bottom and top of one character in page space; equal when PDFium does not know."""
        if not self._get(self._page, index, self._pointer):
            return (0.0, 0.0)
        return self._rect.bottom, self._rect.top

    def of(self, first: int, last: int) -> Box:
        """Box over the first and the last character; zeros when PDFium does not know."""
        if not self._get(self._page, first, self._pointer):
            return (0.0, 0.0, 0.0, 0.0)
        left, top, right, bottom = self._rect.left, self._rect.top, self._rect.right, self._rect.bottom
        if last != first and self._get(self._page, last, self._pointer):
            left, right = min(left, self._rect.left), max(right, self._rect.right)
            top, bottom = max(top, self._rect.top), min(bottom, self._rect.bottom)
        a, b, c, d, e, f = self._project
        x0, y0 = a * left + c * top + e, b * left + d * top + f
        x1, y1 = a * right + c * bottom + e, b * right + d * bottom + f
        return (x0 if x0 < x1 else x1, y0 if y0 < y1 else y1, x1 if x0 < x1 else x0, y1 if y0 < y1 else y0)


def _append(segments: list[Segment], text: str, box: Box, bold: bool, hidden: str, order: int) -> None:
    """Join to the last segment when it follows on the same line without a wide gap and looks alike."""
    x0, y0, x1, y1 = box
    if segments and segments[-1].hidden == hidden and segments[-1].bold == bold:
        last = segments[-1]
        old, new = last.y1 - last.y0, y1 - y0
        if (x1 - x0 < new / 3 and len(text) > 3) or (last.x1 - last.x0 < old / 3 and len(last.text) > 3):
            old, new = last.size, x1 - x0  # a line that runs up the page
        size = max(1.0, old, new)
        gap = x0 - last.x1
        shared = min(last.y1, y1) - max(last.y0, y0)
        if -0.6 * size < gap < 0.9 * size and shared > 0.45 * max(0.1, min(old, new)):
            spaced = gap >= 0.15 * size and not last.text.endswith(" ")
            last.text += f" {text}" if spaced else text
            last.x0, last.x1 = min(last.x0, x0), max(last.x1, x1)
            if new > 1.25 * old:  # a raised or lowered small piece does not make its line higher
                last.y0, last.y1 = y0, y1
            elif new > 0.8 * old:
                last.y0, last.y1 = min(last.y0, y0), max(last.y1, y1)
            return
    segments.append(Segment(text, x0, y0, x1, y1, bold, hidden, order))


class _Styles:
    """Boldness and hiding of text objects, asked once for each."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._objects: dict[Any, tuple[bool, str]] = {None: (False, "")}
        self._fonts: dict[Any, bool] = {None: False}
        self._font_of = as_address(raw.FPDFTextObj_GetFont, ctypes.c_void_p)
        self._mode_of = as_address(raw.FPDFTextObj_GetTextRenderMode, ctypes.c_void_p)
        parts = [ctypes.c_uint() for _ in range(4)]
        self._parts = parts
        self._pointers = [ctypes.addressof(part) for part in parts]
        self._color_of = as_address(raw.FPDFPageObj_GetFillColor, *[ctypes.c_void_p] * 5)

    def of(self, address: Any) -> tuple[bool, str]:
        known = self._objects.get(address)
        if known is None:
            known = self._objects[address] = (self._bold(address), self._hidden(address))
        return known

    def _bold(self, address: int) -> bool:
        font = self._font_of(address)
        if font not in self._fonts:
            handle = ctypes.cast(font, self._raw.FPDF_FONT)
            buffer = ctypes.create_string_buffer(128)
            self._raw.FPDFFont_GetBaseFontName(handle, buffer, 128)
            name = buffer.value.lower()
            heavy = any(word in name for word in (b"bold", b"black", b"heavy", b"demi", b"cmbx", b"-bd"))
            self._fonts[font] = heavy or self._raw.FPDFFont_GetWeight(handle) >= 600
        return self._fonts[font]

    def _hidden(self, address: int) -> str:
        mode = (self._mode_of(address) or 0) & 0xFFFFFFFF
        if mode in (3, 7):
            return "invisible"
        if mode in (0, 4) and (self._color_of(address, *self._pointers) or 0) & 0xFF:
            red, green, blue, alpha = self._parts
            if alpha.value < 20:
                return "transparent"
            if red.value >= 250 and green.value >= 250 and blue.value >= 250:
                return "white"
        return ""


def _hidden_by_place(box: Box, width: float, height: float) -> str:
    x0, y0, x1, y1 = box
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        return "off_page"
    return "tiny" if 0 < y1 - y0 < TINY_PT else ""


def _on_background(box: Box, drawn: Drawn) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return any(b[0] <= x <= b[2] and b[1] <= y <= b[3] for b in (*drawn.backgrounds, *drawn.images))


def _forgive_recognised(segments: list[Segment], unseen: int, drawn: Drawn, area: float) -> None:
    """A scan with a text layer has all its text in the invisible mode, over a picture: that is not hiding."""
    total = sum(len(segment.text) for segment in segments)
    covered = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in drawn.images)
    if unseen > 0.5 * total and covered > 0.3 * area:
        for segment in segments:
            if segment.hidden == "invisible":
                segment.hidden = ""
