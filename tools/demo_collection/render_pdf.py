"""Digital PDF with reportlab: embedded Noto fonts (they hold the Kazakh letters), ruled tables, page footers."""

from __future__ import annotations

import io
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BalancedColumns, BaseDocTemplate, Flowable, Frame, PageTemplate, Spacer
from reportlab.platypus import PageBreak as PdfPageBreak
from reportlab.platypus import Paragraph as PdfParagraph
from reportlab.platypus import Table as PdfTable
from source import Block, Bullet, Document, Heading, PageBreak, Paragraph, Table

NOTO = Path("/usr/share/fonts/truetype/noto")
FONTS = {"sans": "NotoSans", "serif": "NotoSerif"}
LEFT, BOTTOM, GAP = 20 * mm, 22 * mm, 8 * mm
WIDTH = A4[0] - 2 * LEFT
INK = colors.HexColor("#1d2b3a")
RULE = colors.HexColor("#7a8794")
SHADE = colors.HexColor("#e6edf3")
FOOTER = {"en": "Page {n}", "ru": "Страница {n}", "kk": "{n}-бет"}


def register_fonts() -> None:
    for family, name in FONTS.items():
        pdfmetrics.registerFont(TTFont(family, str(NOTO / f"{name}-Regular.ttf")))
        pdfmetrics.registerFont(TTFont(f"{family}-bold", str(NOTO / f"{name}-Bold.ttf")))


def _styles(family: str, columns: int) -> dict[str, ParagraphStyle]:
    size = 10 if columns == 2 else 11.5
    body = ParagraphStyle("body", fontName=family, fontSize=size, leading=size * 1.45, spaceAfter=6)
    if columns == 2:
        body.alignment = TA_JUSTIFY
    bold = f"{family}-bold"
    return {
        "body": body,
        "bullet": ParagraphStyle("bullet", parent=body, leftIndent=14, bulletIndent=3, spaceAfter=3),
        "cell": ParagraphStyle("cell", parent=body, fontSize=10, leading=14, spaceAfter=0, alignment=0),
        "head": ParagraphStyle("head", parent=body, fontName=bold, fontSize=10, leading=14, spaceAfter=0),
        "h1": ParagraphStyle("h1", fontName=bold, fontSize=19, leading=25, spaceAfter=10, textColor=INK),
        "h2": ParagraphStyle(
            "h2", fontName=bold, fontSize=14, leading=19, spaceBefore=10, spaceAfter=5, textColor=INK
        ),
        "h3": ParagraphStyle("h3", fontName=bold, fontSize=11, leading=15, spaceBefore=5, spaceAfter=4),
    }


def _table(table: Table, styles: dict[str, ParagraphStyle], width: float) -> list[Flowable]:
    rows = [
        [PdfParagraph(escape(cell), styles["head" if index == 0 else "cell"]) for cell in row]
        for index, row in enumerate(table.rows)
    ]
    count = len(table.rows[0])
    first = 0.40 if count > 2 else 0.55
    widths = [width * first, *[width * (1 - first) / (count - 1)] * (count - 1)]
    ruled = PdfTable(
        rows,
        colWidths=widths,
        repeatRows=1,
        style=[
            ("GRID", (0, 0), (-1, -1), 0.6, RULE),
            ("BACKGROUND", (0, 0), (-1, 0), SHADE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 4),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
        ],
    )
    return [ruled, Spacer(1, 9)]


def _flow(block: Block, styles: dict[str, ParagraphStyle], width: float) -> list[Flowable]:
    match block:
        case Heading(level, text):
            return [PdfParagraph(escape(text), styles[f"h{level}"])]
        case Paragraph(text):
            return [PdfParagraph(escape(text), styles["body"])]
        case Bullet(text):
            return [PdfParagraph(escape(text), styles["bullet"], bulletText="•")]
        case Table():
            return _table(block, styles, width)
        case PageBreak():
            return [PdfPageBreak()]


def _pages(doc: Document, styles: dict[str, ParagraphStyle], columns: int) -> list[Flowable]:
    """All flowables; with two columns, each page's blocks under its first heading are balanced over them."""
    width = WIDTH if columns == 1 else (WIDTH - GAP * (columns - 1)) / columns
    flow: list[Flowable] = []
    column: list[Flowable] = []
    for block in (*doc.blocks, PageBreak()):
        parts = _flow(block, styles, width)
        if columns == 1 or (isinstance(block, Heading) and block.level == 1):
            flow.extend(parts)
        elif isinstance(block, PageBreak):
            flow.extend([BalancedColumns(column, nCols=columns, innerPadding=GAP, needed=72), *parts])
            column = []
        else:
            column.extend(parts)
    return flow[:-1]


def render(doc: Document) -> bytes:
    family = str(doc.head.get("font", "sans"))
    columns = int(doc.head.get("columns", 1))
    frame = Frame(LEFT, BOTTOM, WIDTH, A4[1] - BOTTOM - LEFT, 0, 0, 0, 0, id="body")

    def footer(canvas: Canvas, template: BaseDocTemplate) -> None:
        canvas.setFont(family, 8)
        canvas.setFillColor(RULE)
        canvas.line(20 * mm, 17 * mm, A4[0] - 20 * mm, 17 * mm)
        canvas.drawString(20 * mm, 12 * mm, str(doc.head.get("footer", doc.title)))
        canvas.drawRightString(A4[0] - 20 * mm, 12 * mm, FOOTER[doc.language].format(n=template.page))

    out = io.BytesIO()
    password = doc.head.get("password")
    pdf = BaseDocTemplate(
        out,
        pagesize=A4,
        title=doc.title,
        author=str(doc.head.get("owner", "")),
        lang=doc.language,
        invariant=1,
        encrypt=StandardEncryption(str(password), ownerPassword=f"{password}-owner") if password else None,
    )
    pdf.addPageTemplates(PageTemplate("page", [frame], onPage=footer))
    styles = _styles(family, columns)
    pdf.build(_pages(doc, styles, columns))
    return out.getvalue()
