"""Scanned PDF: pages drawn as grey images with a little skew, blur and noise, stored as JPEG. No text layer."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from source import Block, Bullet, Document, Heading, PageBreak, Paragraph, Table

NOTO = Path("/usr/share/fonts/truetype/noto")
DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
FACES = {
    "noto": (NOTO / "NotoSerif-Regular.ttf", NOTO / "NotoSerif-Bold.ttf"),
    "dejavu": (DEJAVU / "DejaVuSans.ttf", DEJAVU / "DejaVuSans-Bold.ttf"),
}
PAPER, INK = 247, 38


class Sheet:
    """One page at `dpi`, written from the top down."""

    def __init__(self, dpi: int, face: str) -> None:
        self.dpi = dpi
        self.image = Image.new("L", (round(8.27 * dpi), round(11.69 * dpi)), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        regular, bold = FACES[face]
        self.regular = ImageFont.truetype(str(regular), round(11.5 / 72 * dpi))
        self.bold = ImageFont.truetype(str(bold), round(13 / 72 * dpi))
        self.left, self.top = round(0.9 * dpi), round(0.9 * dpi)
        self.width = self.image.width - 2 * self.left

    def _wrap(self, text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if font.getlength(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def write(self, text: str, *, bold: bool = False, indent: int = 0, gap: float = 0.6) -> None:
        font = self.bold if bold else self.regular
        step = round(font.size * 1.5)
        for line in self._wrap(text, font, self.width - indent):
            self.draw.text((self.left + indent, self.top), line, font=font, fill=INK)
            self.top += step
        self.top += round(step * gap)

    def table(self, table: Table) -> None:
        step = round(self.regular.size * 2.1)
        each = self.width / len(table.rows[0])
        for row in table.rows:
            for index, cell in enumerate(row):
                x = self.left + index * each
                self.draw.rectangle((x, self.top, x + each, self.top + step), outline=90, width=1)
                self.draw.text((x + 8, self.top + step * 0.22), cell, font=self.regular, fill=INK)
            self.top += step
        self.top += step // 2


def _put(sheet: Sheet, block: Block) -> None:
    match block:
        case Heading(_, text):
            sheet.write(text, bold=True)
        case Paragraph(text):
            sheet.write(text)
        case Bullet(text):
            sheet.write(f"– {text}", indent=round(0.25 * sheet.dpi), gap=0.2)
        case Table():
            sheet.table(block)
        case PageBreak():
            raise AssertionError("a page break starts a new sheet")


def _worn(image: Image.Image, rng: random.Random) -> bytes:
    """Skew, blur and noise as an office scanner gives them; JPEG bytes."""
    turned = image.rotate(rng.uniform(-0.8, 0.8), resample=Image.Resampling.BICUBIC, fillcolor=PAPER)
    soft = np.asarray(turned.filter(ImageFilter.GaussianBlur(0.5)), dtype=np.float32)
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 4.0, soft.shape)
    worn = Image.fromarray(np.clip(soft + noise, 0, 255).astype(np.uint8))
    dots = ImageDraw.Draw(worn)
    for _ in range(40):
        x, y = rng.randrange(worn.width), rng.randrange(worn.height)
        dots.ellipse((x, y, x + 2, y + 2), fill=rng.randrange(60, 160))
    out = io.BytesIO()
    worn.save(out, "JPEG", quality=42, optimize=True)
    return out.getvalue()


def render(doc: Document) -> bytes:
    dpi, face = int(doc.head.get("dpi", 150)), str(doc.head.get("face", "noto"))
    sheets = [Sheet(dpi, face)]
    for block in doc.blocks:
        if isinstance(block, PageBreak):
            sheets.append(Sheet(dpi, face))
        else:
            _put(sheets[-1], block)
    rng = random.Random(doc.file)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setTitle(Path(doc.file).stem)
    for sheet in sheets:
        canvas.drawImage(ImageReader(io.BytesIO(_worn(sheet.image, rng))), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return out.getvalue()
