"""Text recognition by tesseract: which program and languages there are, and how its table of words is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from countersign.corpus.outline import PageBlock
from countersign.corpus.wire import clean
from countersign.domain.documents import Finding

MIN_DPI, USUAL_DPI, MAX_DPI = 150, 300, 400
LOW_CONFIDENCE = 0.6
_MODEL_FOLDERS = (
    "/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata",
    "/usr/local/share/tessdata",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recogniser:
    """An installed tesseract: `languages` is what was asked for and is there."""

    program: str
    languages: str
    missing: tuple[str, ...] = ()

    def argv(self, dpi: int) -> tuple[str, ...]:
        """Reads a picture from standard input, writes the table of words to standard output."""
        return (
            self.program, "stdin", "stdout", "-l", self.languages, "--psm", "3", "--dpi", str(dpi),
            "-c", "tessedit_create_tsv=1", "tsv",
        )  # fmt: skip


def find(languages: str) -> Recogniser | None:
    """The system's tesseract with those of `languages` (`kaz+rus+eng`) that are installed; None when there is none."""
    program = shutil.which("tesseract", path="/usr/bin:/usr/local/bin:/bin")
    folder = next((Path(name) for name in _MODEL_FOLDERS if Path(name).is_dir()), None)
    if program is None or folder is None:
        return None
    wanted = languages.split("+")
    there = [name for name in wanted if (folder / f"{name}.traineddata").is_file()]
    if not there:
        return None
    return Recogniser(program, "+".join(there), tuple(name for name in wanted if name not in there))


def dpi_for(image_dpi: float) -> int:
    """Recognition works best on the scan's own dots: enlarging a coarse one adds errors."""
    if image_dpi < 72:
        return USUAL_DPI
    return round(min(MAX_DPI, max(MIN_DPI, image_dpi)))


@dataclass(slots=True)
class _Paragraph:
    words: list[str]
    weights: list[tuple[float, int]]
    box: list[float]
    line: str
    heights: list[float]
    lines: int = 1


def blocks(tsv: bytes, page: int) -> tuple[list[PageBlock], float]:
    """Paragraphs with boxes and confidence, and the page's mean confidence weighted by characters (0..1)."""
    width = height = 0.0
    current: tuple[str, ...] | None = None
    paragraphs: list[_Paragraph] = []
    for fields in _rows(tsv):
        level, left, top, wide, high = fields[0], *(float(value) for value in fields[6:10])
        if level == "1":
            width, height = max(1.0, wide), max(1.0, high)
        elif level == "5" and width:
            word, confidence = clean(fields[11]).strip(), float(fields[10])
            if not word or confidence < 0:
                continue
            if current != tuple(fields[1:4]):
                current = tuple(fields[1:4])
                paragraphs.append(_Paragraph([], [], [1e9, 1e9, 0.0, 0.0], fields[4], []))
            _add_word(paragraphs[-1], fields[4], word, confidence, (left, top, left + wide, top + high))
    found = [_block(paragraph, page, width, height) for paragraph in paragraphs]
    total = sum(len(block.text) for block in found)
    mean = sum((block.ocr_confidence or 0.0) * len(block.text) for block in found) / max(1, total)
    return found, mean


def _rows(tsv: bytes) -> Iterator[list[str]]:
    for line in tsv.decode("utf-8", "replace").split("\n")[1:200_000]:
        fields = line.rstrip("\r").split("\t", 11)
        if len(fields) == 12 and all(_is_number(value) for value in fields[6:11]):
            yield fields


def _is_number(value: str) -> bool:
    return len(value) < 16 and value.replace(".", "", 1).lstrip("-").isdecimal()


def _add_word(
    paragraph: _Paragraph, line: str, word: str, confidence: float, box: tuple[float, float, float, float]
) -> None:
    new_line = line != paragraph.line
    if new_line:
        paragraph.line = line
        paragraph.lines += 1
    last = paragraph.words[-1] if paragraph.words else ""
    if new_line and len(last) > 2 and last.endswith("-") and last[-2].isalpha() and word[:1].islower():
        paragraph.words[-1] = last[:-1] + word
    else:
        paragraph.words.append(word)
    paragraph.weights.append((min(1.0, confidence / 100), len(word)))
    paragraph.heights.append(box[3] - box[1])
    old = paragraph.box
    paragraph.box = [min(old[0], box[0]), min(old[1], box[1]), max(old[2], box[2]), max(old[3], box[3])]


def _block(paragraph: _Paragraph, page: int, width: float, height: float) -> PageBlock:
    total = sum(size for _, size in paragraph.weights)
    confidence = sum(value * size for value, size in paragraph.weights) / max(1, total)
    x0, y0, x1, y1 = paragraph.box
    box = (max(0.0, x0 / width), max(0.0, y0 / height), min(1.0, x1 / width), min(1.0, y1 / height))
    size = sorted(paragraph.heights)[len(paragraph.heights) // 2] / height * 842
    text = " ".join(paragraph.words)
    return PageBlock(
        "paragraph", text, page, box, size, lines=paragraph.lines, ocr_confidence=round(confidence, 3)
    )


def low_confidence(page: int, mean: float) -> Finding | None:
    """A finding when a page was recognised badly."""
    if mean >= LOW_CONFIDENCE:
        return None
    return Finding(
        "ocr_low_confidence", "warning", f"recognised with confidence {mean:.2f}", page, f"{mean:.2f}"
    )
