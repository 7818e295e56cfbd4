"""Small files of every format, made by hand so that tests need no writer libraries."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def package(parts: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def paragraph(text: str, style: str = "", run: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:rPr>{run}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def word_table(rows: Sequence[Sequence[str]]) -> str:
    body = "".join(
        "<w:tr>" + "".join(f"<w:tc>{paragraph(c)}</w:tc>" for c in row) + "</w:tr>" for row in rows
    )
    return f"<w:tbl>{body}</w:tbl>"


def docx(body: str, extra: Mapping[str, str | bytes] | None = None, prolog: str = HEAD) -> bytes:
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="H{n}"><w:name w:val="heading {n}"/></w:style>'
        for n in (1, 2, 3)
    )
    return package({
        "[Content_Types].xml": f'{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "word/document.xml": f"{prolog}<w:document {W}><w:body>{body}</w:body></w:document>",
        "word/styles.xml": f"{HEAD}<w:styles {W}>{styles}</w:styles>",
        **(extra or {}),
    })  # fmt: skip


def xlsx_of(*sheets: str, styles: str = "") -> bytes:
    """What stands inside `<worksheet>` of each sheet, which are called S1, S2 …"""
    plain = xlsx({f"S{number}": [] for number in range(1, len(sheets) + 1)})
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        parts: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    for number, inside in enumerate(sheets, 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = f"{HEAD}<worksheet {S}>{inside}</worksheet>"
    if styles:
        parts["xl/styles.xml"] = f"{HEAD}<styleSheet {S}>{styles}</styleSheet>"
    return package(parts)


def xlsx(sheets: Mapping[str, Sequence[Sequence[str | int]]], hidden: Sequence[str] = ()) -> bytes:
    relations, listed, parts = "", "", dict[str, str | bytes]()
    for number, (name, rows) in enumerate(sheets.items(), 1):
        state = ' state="hidden"' if name in hidden else ""
        listed += f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"{state}/>'
        relations += (
            f'<Relationship Id="rId{number}" Type="{REL}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f"{HEAD}<worksheet {S}><sheetData>{_rows(rows)}</sheetData></worksheet>"
        )
    namespace = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
    return package({
        "[Content_Types].xml": f'{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'{HEAD}<Relationships {namespace}><Relationship Id="rId1" Type="{REL}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f"{HEAD}<workbook {S} {R}><sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f"{HEAD}<Relationships {namespace}>{relations}</Relationships>",
        **parts,
    })  # fmt: skip


def _rows(rows: Sequence[Sequence[str | int]]) -> str:
    text = ""
    for y, row in enumerate(rows, 1):
        cells = ""
        for x, value in enumerate(row):
            where = f"{chr(65 + x)}{y}"
            cells += (
                f'<c r="{where}"><v>{value}</v></c>'
                if isinstance(value, int)
                else f'<c r="{where}" t="inlineStr"><is><t>{value}</t></is></c>'
            )
        text += f'<row r="{y}">{cells}</row>'
    return text


def pptx(slides: Sequence[tuple[str, Sequence[str]]]) -> bytes:
    a = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    p = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    parts: dict[str, str | bytes] = {}
    ids = relations = ""
    for number, (title, lines) in enumerate(slides, 1):
        body = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
        shapes = (
            '<p:sp><p:nvSpPr><p:cNvPr id="2" name="b"/><p:nvPr><p:ph idx="1"/></p:nvPr></p:nvSpPr><p:spPr/>'
            f"<p:txBody>{body}</p:txBody></p:sp>"
            '<p:sp><p:nvSpPr><p:cNvPr id="1" name="t"/><p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr><p:spPr/>'
            f"<p:txBody><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:txBody></p:sp>"
        )
        parts[f"ppt/slides/slide{number}.xml"] = (
            f"{HEAD}<p:sld {p} {a}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
        ids += f'<p:sldId id="{255 + number}" r:id="rId{number}"/>'
        relations += f'<Relationship Id="rId{number}" Type="{REL}/slide" Target="slides/slide{number}.xml"/>'
    namespace = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
    return package({
        "ppt/presentation.xml": f"{HEAD}<p:presentation {p} {R}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": f"{HEAD}<Relationships {namespace}>{relations}</Relationships>",
        **parts,
    })  # fmt: skip


def pdf(pages: Sequence[str], *, extra: Sequence[bytes] = (), kids: str = "", resources: str = "") -> bytes:
    """A PDF with one content stream a page (operators as text), Helvetica as /F1 and Helvetica-Bold as /F2."""
    objects: list[bytes] = []
    count = len(pages)
    refs = kids or " ".join(f"{5 + 2 * i} 0 R" for i in range(count))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    objects.append(f"<< /Type /Pages /Count {count} /Kids [{refs}] >>".encode())
    for name in ("Helvetica", "Helvetica-Bold"):
        objects.append(f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} >>".encode())
    first_extra = 5 + 2 * count
    for number, content in enumerate(pages):
        stream = content.encode("latin-1")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {6 + 2 * number} 0 R "
            f"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> {resources.replace('EXTRA', str(first_extra))} >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream")
    objects += extra
    out = bytearray(b"%PDF-1.7\n")
    offsets: list[int] = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def text_at(x: float, y: float, text: str, size: float = 11, font: str = "F1", before: str = "") -> str:
    """Operators that show `text` with its baseline `y` points above the page's foot."""
    return f"q BT {before} /{font} {size} Tf {x} {y} Td ({text}) Tj ET Q\n"


def image_pdf(picture: bytes, width: int, height: int) -> bytes:
    """A PDF whose only page is a grey picture (8 bits a pixel) over the whole page."""
    packed = zlib.compress(picture)
    image = (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8 "
        b"/Filter /FlateDecode /Length %d >>\nstream\n"
        % (width, height, len(packed))
        + packed
        + b"\nendstream"
    )
    tall = 595 * height // width
    return pdf(
        [f"q 595 0 0 {tall} 0 {842 - tall} cm /Im Do Q"],
        extra=[image],
        resources="/XObject << /Im EXTRA 0 R >>",
    )


def png(width: int, height: int, rows: bytes | None = None) -> bytes:
    """A grey PNG; without `rows` only the header tells the truth about the size."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(rows if rows is not None else b"\x00" * 100)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", body) + part(b"IEND", b"")
