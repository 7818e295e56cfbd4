"""Office files: DOCX, PPTX, XLSX, and the legacy DOC and XLS by LibreOffice from them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import docx
import openpyxl
import pptx
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet
from pptx.util import Emu, Pt
from source import Block, Bullet, Document, Heading, PageBreak, Paragraph, Table

STAMP = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def frozen(data: bytes) -> bytes:
    """The same zip with fixed times, so that a rebuild gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = STAMP.sub(rb"\g<1>2025-01-01T00:00:00Z\g<2>", content)
            info = zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, content)
    return out.getvalue()


def _docx_block(word: docx.document.Document, block: Block) -> None:
    match block:
        case Heading(level, text):
            word.add_heading(text, level)
        case Paragraph(text):
            word.add_paragraph(text)
        case Bullet(text):
            word.add_paragraph(text, style="List Bullet")
        case PageBreak():
            word.add_page_break()
        case Table(rows):
            grid = word.add_table(len(rows), len(rows[0]), style="Table Grid")
            for line, row in zip(grid.rows, rows, strict=True):
                for cell, text in zip(line.cells, row, strict=True):
                    cell.text = text


def render_docx(doc: Document) -> bytes:
    word = docx.Document()
    word.core_properties.title = doc.title
    word.core_properties.author = str(doc.head.get("owner", ""))
    word.core_properties.language = doc.language
    word.sections[0].footer.paragraphs[0].text = str(doc.head.get("footer", doc.title))
    for block in doc.blocks:
        _docx_block(word, block)
    out = io.BytesIO()
    word.save(out)
    return frozen(out.getvalue())


def _slides(blocks: tuple[Block, ...]) -> list[tuple[str, list[Block]]]:
    slides: list[tuple[str, list[Block]]] = []
    for block in blocks:
        if isinstance(block, Heading):
            slides.append((block.text, []))
        elif not isinstance(block, PageBreak):
            slides[-1][1].append(block)
    return slides


def _fill_slide(slide: pptx.slide.Slide, blocks: list[Block]) -> None:
    frame = slide.placeholders[1].text_frame
    texts = [block.text for block in blocks if isinstance(block, Paragraph | Bullet)]
    for index, text in enumerate(texts):
        line = frame.paragraphs[0] if index == 0 else frame.add_paragraph()
        line.text = text
        line.font.size = Pt(20)
    for table in (block for block in blocks if isinstance(block, Table)):
        shape = slide.shapes.add_table(
            len(table.rows), len(table.rows[0]), Emu(700000), Emu(3300000), Emu(7700000), Emu(2000000)
        )
        for r, row in enumerate(table.rows):
            for c, text in enumerate(row):
                shape.table.cell(r, c).text = text


def render_pptx(doc: Document) -> bytes:
    deck = pptx.Presentation()
    deck.core_properties.title = doc.title
    for title, blocks in _slides(doc.blocks):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        _fill_slide(slide, blocks)
    out = io.BytesIO()
    deck.save(out)
    return frozen(out.getvalue())


def _value(text: str) -> str | int | float:
    if not NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _fill_sheet(sheet: Worksheet, rows: tuple[tuple[str, ...], ...]) -> None:
    for row in rows:
        sheet.append([_value(cell) for cell in row])
    for cell in sheet[sheet.max_row - len(rows) + 1]:
        cell.font = Font(bold=True)
    for column in sheet.columns:
        widest = max(len(str(cell.value or "")) for cell in column)
        sheet.column_dimensions[column[0].column_letter].width = min(48, widest + 3)


def render_xlsx(doc: Document) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    book.properties.title = doc.title
    for block in doc.blocks:
        match block:
            case Heading(_, text):
                book.create_sheet(text)
            case Table(rows):
                _fill_sheet(book.worksheets[-1], rows)
            case Paragraph(text) | Bullet(text):
                book.worksheets[-1].append([text])
            case PageBreak():
                pass
    out = io.BytesIO()
    book.save(out)
    return frozen(out.getvalue())


def render_legacy(doc: Document) -> bytes | None:
    """DOC or XLS, or None when LibreOffice is not there (the stored file is then left as it is)."""
    office = shutil.which("soffice")
    if office is None:
        return None
    target = Path(doc.file).suffix.removeprefix(".")
    modern = render_docx(doc) if target == "doc" else render_xlsx(doc)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"file.{target}x")
        source.write_bytes(modern)
        subprocess.run(
            [
                office,
                f"-env:UserInstallation=file://{folder}/profile",
                "--headless",
                "--convert-to",
                target,
                "--outdir",
                folder,
                str(source),
            ],
            check=True,
            capture_output=True,
            timeout=180,
        )
        return Path(folder, f"file.{target}").read_bytes()
