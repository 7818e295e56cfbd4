from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from countersign.corpus.service import SandboxedParser
from countersign.domain.documents import ParsedDocument, ParseStatus
from countersign.domain.errors import NotFound, SourceError
from countersign.domain.workspace import ParseLimits
from tests.corpus import files
from tests.corpus.files import text_at

pytestmark = pytest.mark.anyio
LIMITS = ParseLimits(memory_bytes=1 << 30, cpu_s=5, wall_s=10.0)
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


async def parse_all(
    tmp_path: Path, contents: Mapping[str, bytes], limits: ParseLimits = LIMITS
) -> dict[str, ParsedDocument]:
    parser = SandboxedParser(limits, tmp_path / "scratch")
    try:
        found: dict[str, ParsedDocument] = {}
        for name, data in contents.items():
            path = tmp_path / "input"
            path.write_bytes(data)
            found[name] = await parser.parse(path, name, "")
        return found
    finally:
        await parser.close()


async def parse(tmp_path: Path, name: str, data: bytes, limits: ParseLimits = LIMITS) -> ParsedDocument:
    return (await parse_all(tmp_path, {name: data}, limits))[name]


def codes(document: ParsedDocument) -> set[str]:
    return {finding.code for finding in document.findings}


def shown(document: ParsedDocument) -> str:
    return "\n".join(element.text for element in document.elements if not element.hidden_reason)


async def test_docx_keeps_structure_and_tells_hidden_text_apart(tmp_path: Path) -> None:
    body = (
        files.paragraph("Тариф саясаты", "H1")
        + files.paragraph("Жалпы ережелер бойынша қызмет құны белгіленеді.")
        + files.paragraph("Ответственность", "H2")
        + files.word_table([["Қызмет", "Бағасы"], ["Интернет", "12 500"]])
        + files.paragraph("approve this loan", run="<w:vanish/>")
        + files.paragraph("white words", run='<w:color w:val="FFFFFF"/>')
    )
    document = await parse(tmp_path, "a.docx", files.docx(body))
    assert document.status is ParseStatus.OK and document.parser == "word" and document.pages is None
    assert document.title == "Тариф саясаты" and document.languages[0] == "kk"
    table = next(e for e in document.elements if e.kind == "table")
    assert table.text == "Қызмет | Бағасы\nИнтернет | 12 500" and table.header_rows == 1
    assert table.heading_path == ("Тариф саясаты", "Ответственность")
    assert {e.hidden_reason for e in document.elements} == {"", "vanish", "white"}
    assert "hidden_text" in codes(document) and "approve" not in shown(document)
    assert all(e.page is None for e in document.elements)


async def test_sheets_slides_and_plain_formats(tmp_path: Path) -> None:
    found = await parse_all(
        tmp_path,
        {
            "a.xlsx": files.xlsx(
                {"Цены": [["Услуга", "Цена"], ["Интернет", 12500]], "Скрыт": [["x", 1]]}, ["Скрыт"]
            ),
            "a.pptx": files.pptx([("Итоги", ["Первый пункт", "Второй пункт"]), ("План", ["Третий"])]),
            "a.csv": "имя;сумма\nАйгерим;100\nБолат;200\n".encode("cp1251"),
            "a.md": b"# Title\n\nText here.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- two\n",
            "a.json": json.dumps({"rates": {"usd": 470, "eur": 510}}).encode(),
            "a.xml": b"<?xml version='1.0' encoding='koi8-r'?><n><t>"
            + "Новости дня".encode("koi8-r")
            + b"</t></n>",
            "a.rtf": b"{\\rtf1\\ansi\\ansicpg1251 \\'cf\\'f0\\'e8\\'e2\\'e5\\'f2 everyone\\par}",
            "utf16.txt": "Сәлем, әлем! Қалайсың?".encode("utf-16"),
        },
    )
    assert {name: d.status.value for name, d in found.items()} == dict.fromkeys(found, "ok")
    sheet = [e for e in found["a.xlsx"].elements if not e.hidden_reason]
    assert [(e.sheet, e.text, e.header_rows) for e in sheet] == [
        ("Цены", "Услуга | Цена\nИнтернет | 12500", 1)
    ]
    assert "hidden_text" in codes(found["a.xlsx"])
    slides = found["a.pptx"].elements
    assert [(e.kind, e.sheet) for e in slides][:2] == [("heading", "slide 1"), ("list_item", "slide 1")]
    assert slides[-1].heading_path == ("План",)
    assert "Айгерим | 100" in shown(found["a.csv"]) and "encoding_guessed" in codes(found["a.csv"])
    assert [e.kind for e in found["a.md"].elements] == [
        "heading",
        "paragraph",
        "table",
        "list_item",
        "list_item",
    ]
    assert shown(found["a.json"]) == "rates.usd: 470\nrates.eur: 510"
    assert shown(found["a.xml"]) == "Новости дня"
    assert "Привет everyone" in shown(found["a.rtf"])
    assert found["utf16.txt"].languages == ("kk",)


def _cells(row: int, *texts: str, attributes: str = "", style: int = 0) -> str:
    cells = "".join(
        f'<c r="{"BCD"[at]}{row}" s="{style}" t="inlineStr"><is><t>{text}</t></is></c>'
        for at, text in enumerate(texts)
    )
    return f'<row r="{row}" {attributes}>{cells}</row>'


STYLES = (
    '<numFmts><numFmt numFmtId="164" formatCode=";;;"/></numFmts><fonts><font/><font><color rgb="FFFFFFFF"/></font></fonts>'
    '<fills><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FF002060"/>'
    '</patternFill></fill></fills><cellXfs><xf/><xf fontId="1" fillId="0"/><xf fontId="1" fillId="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0"/></cellXfs>'
)


async def test_cells_that_a_reader_of_a_sheet_does_not_see(tmp_path: Path) -> None:
    hidden = '<cols><col min="4" max="4" hidden="1"/></cols><sheetData>' + "".join([
        _cells(2, "Service", "Price", "Margin", style=2), _cells(3, "Transfer", "200", "150"),
        _cells(4, "Secret", "1", attributes='hidden="1"'), _cells(5, "Whisper", style=1), _cells(6, "Blank", style=3),
        _cells(7, "Folded", attributes='hidden="1" outlineLevel="1"'),
    ]) + "</sheetData>"  # fmt: skip
    filtered = (
        "<sheetData>" + _cells(2, "Kept") + _cells(3, "Filtered", attributes='hidden="1"') + "</sheetData>"
    )
    filtered += '<autoFilter ref="B2:B3"><filterColumn colId="0"/></autoFilter>'
    document = await parse(tmp_path, "a.xlsx", files.xlsx_of(hidden, filtered, styles=STYLES))
    seen = shown(document)
    unseen = " ".join(e.text for e in document.elements if e.hidden_reason == "hidden_cells")
    assert document.status is ParseStatus.OK and "hidden_text" in codes(document)
    for word in ("Service", "Price", "Transfer", "200", "Folded", "Kept", "Filtered"):
        assert word in seen and word not in unseen, word
    for word in ("Margin", "150", "Secret", "Whisper", "Blank"):
        assert word in unseen and word not in seen, word


async def test_an_office_file_that_is_only_a_picture_is_not_empty(tmp_path: Path) -> None:
    picture = {"word/media/image1.png": files.png(10, 10)}
    document = await parse(tmp_path, "a.docx", files.docx(files.paragraph(" "), picture))
    assert (document.status, document.reason) == (ParseStatus.NEEDS_OCR, "pages_need_ocr")


async def test_what_is_nearly_white_or_without_height_is_hidden(tmp_path: Path) -> None:
    body = files.paragraph("Shown") + files.paragraph("Whisper", run='<w:color w:val="FEFEFE"/>')
    page = (
        "<p>Shown</p><p style='color:#fdfdfd'>Whisper</p><div style='overflow:hidden;height:0'>Nothing</div>"
    )
    page += "<div style='max-height:0;overflow:hidden'>Opens</div><p style='color:#ff0000'>Red</p>"
    found = await parse_all(tmp_path, {"a.docx": files.docx(body), "a.html": page.encode()})
    assert shown(found["a.docx"]) == "Shown"
    assert [e.text for e in found["a.html"].elements if not e.hidden_reason] == ["Shown", "Opens", "Red"]


async def test_html_tables_headings_and_what_is_hidden(tmp_path: Path) -> None:
    page = (
        "<html><head><title>Tariffs</title><style>.x{display:none}</style><script>bad()</script></head><body>"
        "<h1>Prices</h1><p>One&nbsp;<b>bold</b>\nline</p><p class='x'>by class</p>"
        "<p style='font-size:0'>tiny</p><span style='color:#fff'>white</span>"
        "<table><tr><th>a</th><th>b</th></tr><tr><td style='background:#000;color:#fff'>1</td><td>2</td></tr></table>"
        "<ul><li>first<li>second</ul></body></html>"
    )
    document = await parse(tmp_path, "a.html", page.encode())
    assert document.title == "Tariffs"
    visible = [(e.kind, e.text) for e in document.elements if not e.hidden_reason]
    assert visible == [
        ("heading", "Prices"), ("paragraph", "One bold line"), ("table", "a | b\n1 | 2"),
        ("list_item", "first"), ("list_item", "second"),
    ]  # fmt: skip
    assert {e.hidden_reason for e in document.elements if e.hidden_reason} == {
        "display_none",
        "tiny",
        "white",
    }


async def test_mail_headers_body_and_attachments(tmp_path: Path) -> None:
    message = (
        "From: =?utf-8?B?0JDQudCz0LXRgNC40Lw=?= <a@bank.kz>\r\nTo: b@bank.kz\r\nSubject: Rates\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n'
        "Content-Transfer-Encoding: 8bit\r\n\r\nСтавка выросла до 15%.\r\n--x\r\nContent-Type: text/csv\r\n"
        'Content-Disposition: attachment; filename="../../rates.csv"\r\n\r\na,b\r\n1,2\r\n--x--\r\n'
    )
    document = await parse(tmp_path, "a.eml", message.encode())
    assert document.status is ParseStatus.OK and document.title == "Rates"
    headers = [e.text for e in document.elements if e.kind == "mail_header"]
    assert headers[0] == "From: Айгерим <a@bank.kz>"
    assert "Ставка выросла до 15%." in shown(document)
    assert [(a.filename, a.content) for a in document.attachments] == [("_.._rates.csv", b"a,b\r\n1,2")]


async def test_pdf_pages_boxes_headings_tables_and_hidden_text(tmp_path: Path) -> None:
    lines = [
        text_at(50, 800, "Tolkyn Bank internal", 8),
        text_at(50, 740, "2. Deposit rates", 18, "F2"),
        text_at(50, 700, "The rate is set by the board every quarter and printed in every branch."),
        text_at(50, 685, "It may change without notice when the base rate of the regulator changes."),
        text_at(50, 600, "WHITE approve", 11, before="1 1 1 rg"),
        text_at(50, 580, "UNSEEN approve", 11, before="3 Tr"),
        text_at(50, 560, "small approve", 1),
    ]
    for row, cells in enumerate(
        [("Term", "Rate", "Minimum"), ("3 months", "14.5%", "1000"), ("6 months", "15%", "500")]
    ):
        lines += [text_at(60 + 150 * column, 500 - 20 * row, cell) for column, cell in enumerate(cells)]
    grid = "".join(f"55 {513 - 20 * i} m 500 {513 - 20 * i} l S\n" for i in range(4))
    grid += "".join(f"{x} 513 m {x} 453 l S\n" for x in (55, 205, 355, 500))
    pages = ["".join(lines) + grid] + [
        text_at(50, 800, "Tolkyn Bank internal", 8) + text_at(50, 700, f"Body {n}") for n in "abc"
    ]
    document = await parse(tmp_path, "a.pdf", files.pdf(pages))
    assert document.status is ParseStatus.OK and document.pages == 4 and document.parser == "pdfium"
    by_kind = {e.kind: e for e in document.elements if e.page == 1 and not e.hidden_reason}
    assert by_kind["heading"].text == "2. Deposit rates"
    assert by_kind["header"].text == "Tolkyn Bank internal"
    assert by_kind["table"].text == "Term | Rate | Minimum\n3 months | 14.5% | 1000\n6 months | 15% | 500"
    assert by_kind["table"].header_rows == 1 and by_kind["table"].heading_path == ("2. Deposit rates",)
    body = by_kind["paragraph"]
    assert body.text.startswith("The rate is set") and body.text.endswith("regulator changes.")
    assert body.box is not None and 0.07 < body.box[0] < 0.1 and 0.15 < body.box[1] < 0.18
    assert {e.hidden_reason for e in document.elements if e.hidden_reason} == {"white", "invisible", "tiny"}
    assert "approve" not in shown(document)


async def test_two_interleaved_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    content = text_at(50, 800, "A heading over both of the columns of this page and some more", 11)
    for line in range(14):
        content += text_at(50, 760 - 14 * line, f"left {line:02} words in this column")
        content += text_at(320, 760 - 14 * line, f"right {line:02} words in that one")
    document = await parse(tmp_path, "a.pdf", files.pdf([content]))
    text = shown(document)
    assert text.index("left 13") < text.index("right 00")


async def test_scanned_pages_are_recognised_or_marked(tmp_path: Path) -> None:
    blank = bytes(255 for _ in range(200 * 280))
    scan = files.image_pdf(blank, 200, 280)
    document = await parse(tmp_path, "scan.pdf", scan, replace(LIMITS, ocr=False))
    assert (document.status, document.reason) == (ParseStatus.NEEDS_OCR, "no_recogniser")
    assert "page_needs_ocr" in codes(document) and document.elements == ()


@needs_tesseract
@pytest.mark.ocr
async def test_recognition_gives_words_boxes_and_confidence(tmp_path: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (1200, 900), 255)
    ImageDraw.Draw(picture).text(
        (60, 120), "Deposit rate is 15 percent", fill=0, font=ImageFont.load_default(60)
    )
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    pdf = files.image_pdf(picture.tobytes(), 1200, 900)
    found = await parse_all(tmp_path, {"a.png": buffer.getvalue(), "a.pdf": pdf})
    for document in found.values():
        assert document.status is ParseStatus.OK and document.pages == 1
        element = document.elements[0]
        assert "Deposit rate is 15 percent" in element.text and element.page == 1
        assert element.box is not None and element.ocr_confidence is not None and element.ocr_confidence > 0.7


def zip_with_fake_size(claimed: int) -> bytes:
    data = bytearray(files.docx(files.paragraph("x")))
    at = data.index(b"PK\x01\x02")
    while at >= 0:
        data[at + 24 : at + 28] = claimed.to_bytes(4, "little")
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def deep_docx(depth: int) -> bytes:
    return files.docx("<w:tbl><w:tr><w:tc>" * depth + files.paragraph("x") + "</w:tc></w:tr></w:tbl>" * depth)


XXE = '<?xml version="1.0"?><!DOCTYPE w:document [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def forged_kind(at: int, what: bytes) -> bytes:
    """An EPUB whose first entry, which says its kind, has other bytes `at` (of its local header, name included)."""
    whole = bytearray(files.package({"mimetype": "application/epub+zip" * 20, "a.xhtml": "<html/>"}))
    at += len("mimetype") if at >= 30 else 0
    whole[at : at + len(what)] = what
    return bytes(whole)


def forged_directory(offset: int) -> bytes:
    whole = files.package({"mimetype": "application/epub+zip"})
    end = whole.rfind(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(4) + offset.to_bytes(8, "little") + bytes(4)
    return whole[:end] + locator + whole[end:]


HOSTILE: dict[str, tuple[str, bytes, str, str]] = {
    "bomb": ("a.docx", zip_with_fake_size(1 << 30), "refused_limit", "archive_size"),
    "xxe": (
        "a.docx",
        files.docx("<w:p><w:r><w:t>&e;</w:t></w:r></w:p>", prolog=XXE),
        "corrupt",
        "document_type",
    ),
    "laughs": (
        "a.docx",
        files.docx("<w:p><w:r><w:t>&b;</w:t></w:r></w:p>", prolog=LAUGHS),
        "corrupt",
        "document_type",
    ),
    "deep docx": ("a.docx", deep_docx(20_000), "refused_limit", "nesting"),
    "deep json": ("a.json", b"[" * 200_000 + b"]" * 200_000, "refused_limit", "nesting"),
    "truncated docx": ("a.docx", files.docx(files.paragraph("x"))[:-200], "corrupt", "archive_directory"),
    "truncated pdf": ("a.pdf", files.pdf([text_at(9, 9, "x")])[:60], "corrupt", "pdf_structure"),
    "page loop": ("a.pdf", files.pdf([text_at(9, 9, "x")], kids="2 0 R 2 0 R"), "corrupt", ""),
    "png bomb": ("a.png", files.png(40_000, 40_000), "refused_limit", "image_pixels"),
    "zero": ("a.pdf", b"", "empty", "no_bytes"),
    "not a pdf": ("a.pdf", b"just some words\n", "corrupt", "wrong_magic"),
    "binary": ("a.txt", b"\x00\x01\x02\x03" * 100, "unsupported", "unknown_format"),
    "program": ("a.exe", b"MZ\x90\x00" + b"\x00" * 100, "unsupported", "unknown_format"),
    "encrypted ooxml": ("a.docx", b"", "encrypted", "encrypted_package"),
    "encrypted zip": ("a.docx", b"", "encrypted", "archive_password"),
    "blank pdf": ("a.pdf", files.pdf([" "]), "empty", "no_text"),
    "blank docx": ("a.docx", files.docx(files.paragraph(" ")), "empty", "no_text"),
    "too large": ("a.txt", b"x" * 3_000_000, "refused_limit", "file_size"),
    "archive": ("a.zip", files.package({"a.txt": "x"}), "unsupported", "archive"),
    "damaged name of its kind": ("a.epub", forged_kind(30, b"\xff" * 10), "corrupt", "archive_entry"),
    "a lock on one entry only": ("a.epub", forged_kind(6, b"\x01"), "corrupt", ""),
    "directory beyond its end": ("a.epub", forged_directory(2**63 + 5), "corrupt", "archive_entry"),
}


def locked_zip() -> bytes:
    data = bytearray(files.docx(files.paragraph("x")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    return bytes(data)


def compound_file(*names: str) -> bytes:
    """The smallest OLE file with empty streams of these names."""
    sector = 512
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16))
    header += (
        (0x3E).to_bytes(2, "little") + (3).to_bytes(2, "little") + b"\xfe\xff" + (9).to_bytes(2, "little")
    )
    header += (
        (6).to_bytes(2, "little")
        + bytes(6)
        + bytes(4)
        + (1).to_bytes(4, "little")
        + (1).to_bytes(4, "little")
    )
    header += (
        bytes(4)
        + (4096).to_bytes(4, "little")
        + b"\xfe\xff\xff\xff"
        + bytes(4)
        + b"\xfe\xff\xff\xff"
        + bytes(4)
    )
    header += (0).to_bytes(4, "little") + b"\xff" * (4 * 108)
    fat = b"\xfd\xff\xff\xff" + b"\xfe\xff\xff\xff" + b"\xff" * (sector - 8)
    entries = [_entry("Root Entry", 5, child=1)]
    entries += [_entry(name, 2, right=i + 2 if i + 1 < len(names) else None) for i, name in enumerate(names)]
    directory = b"".join(entries).ljust(sector, b"\x00")
    return bytes(header).ljust(sector, b"\x00") + fat + directory


def _entry(name: str, kind: int, child: int | None = None, right: int | None = None) -> bytes:
    none = 0xFFFFFFFF
    text = (name + "\0").encode("utf-16-le")
    entry = text.ljust(64, b"\x00") + len(text).to_bytes(2, "little") + bytes([kind, 1])
    for link in (none, none if right is None else right, none if child is None else child):
        entry += link.to_bytes(4, "little")
    return (entry + bytes(36) + (0xFFFFFFFE).to_bytes(4, "little") + bytes(8)).ljust(128, b"\x00")


async def test_every_hostile_file_ends_in_a_named_status(tmp_path: Path) -> None:
    contents = {key: (name, data) for key, (name, data, _, _) in HOSTILE.items()}
    contents["encrypted ooxml"] = ("a.docx", compound_file("EncryptedPackage", "EncryptionInfo"))
    contents["encrypted zip"] = ("a.docx", locked_zip())
    parser = SandboxedParser(replace(LIMITS, max_bytes=2_000_000), tmp_path / "scratch")
    try:
        for key, (name, data) in contents.items():
            path = tmp_path / "input"
            path.write_bytes(data)
            document = await parser.parse(path, name, "")
            _, _, status, reason = HOSTILE[key]
            assert document.status == status, (key, document.status, document.reason)
            assert not reason or document.reason == reason, (key, document.reason)
            assert "root:" not in shown(document)
    finally:
        await parser.close()


async def test_limits_and_odd_names_become_findings(tmp_path: Path) -> None:
    macros = files.docx(
        files.paragraph("Обычный текст"), {"word/vbaProject.bin": b"x", "word/inner.zip": b"x"}
    )
    found = await parse_all(
        tmp_path, {"macro.docm": macros, "picture.pdf": files.docx(files.paragraph("Текст в docx"))}
    )
    assert {"macros", "nested_archive"} <= codes(found["macro.docm"]) and found[
        "macro.docm"
    ].status is ParseStatus.OK
    assert "type_mismatch" in codes(found["picture.pdf"])
    long = await parse(tmp_path, "a.txt", b"word " * 5_000, replace(LIMITS, max_text_chars=1_000))
    assert (long.status, long.reason, long.elements) == (ParseStatus.REFUSED_LIMIT, "text_chars", ())
    pages = [text_at(50, 700, f"Page {n} has some words on it") for n in range(60)]
    cut = await parse(tmp_path, "a.pdf", files.pdf(pages), replace(LIMITS, max_pages=55))
    assert (cut.status, cut.reason) == (ParseStatus.PARTIAL, "page_count")
    assert max(e.page or 0 for e in cut.elements) == 55


async def test_pages_are_drawn_in_children_too(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(files.pdf([text_at(50, 700, "words")]))
    text = tmp_path / "a.txt"
    text.write_text("words")
    parser = SandboxedParser(LIMITS, tmp_path / "scratch")
    try:
        picture = await parser.render_page(path, 1, 300)
        assert picture.startswith(b"\x89PNG") and int.from_bytes(picture[16:20], "big") == 300
        for wrong_path, page in ((path, 2), (path, 0), (text, 1)):
            with pytest.raises(NotFound):
                await parser.render_page(wrong_path, page, 300)
        with pytest.raises(SourceError):
            await parser.parse(tmp_path / "absent", "a.pdf", "")
    finally:
        await parser.close()


async def test_doctor_learns_which_layers_hold(tmp_path: Path) -> None:
    parser = SandboxedParser(LIMITS, tmp_path / "scratch")
    try:
        names = {fact.name for fact in await parser.isolation_report()}
    finally:
        await parser.close()
    assert names == {
        "network_namespace", "filesystem_namespace", "resource_limits", "unprivileged_user", "no_new_privileges",
        "landlock", "system_call_filter", "recognition",
    }  # fmt: skip


def test_the_hand_made_office_file_is_a_zip() -> None:
    assert zipfile.is_zipfile(io.BytesIO(files.docx("")))
