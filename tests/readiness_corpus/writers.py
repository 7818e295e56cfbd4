"""Whole documents in every format from the same plan: a title and blocks of text. Made by hand, so no writer is needed."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from html import escape

from tests.corpus import files

Block = str | Sequence[Sequence[str]]
"""A paragraph; or a table, its first row the header."""


def text_of(title: str, blocks: Sequence[Block]) -> str:
    lines = [title, ""]
    for block in blocks:
        lines += [block, ""] if isinstance(block, str) else [" | ".join(row) for row in block] + [""]
    return "\n".join(lines)


def txt(title: str, blocks: Sequence[Block], encoding: str = "utf-8") -> bytes:
    return text_of(title, blocks).encode(encoding)


def markdown(title: str, blocks: Sequence[Block]) -> bytes:
    parts = [f"# {title}"]
    for block in blocks:
        if isinstance(block, str):
            parts.append(block)
        else:
            head, *rows = block
            table = [head, ["---"] * len(head), *rows]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in table))
    return "\n\n".join(parts).encode() + b"\n"


def html(title: str, blocks: Sequence[Block], *, body: str = "", style: str = "") -> bytes:
    parts = [f"<h1>{escape(title)}</h1>"]
    for block in blocks:
        parts.append(f"<p>{escape(block)}</p>" if isinstance(block, str) else _html_table(block))
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{style}</style>"
    return f"<!doctype html><html><head>{head}</head><body>{''.join(parts)}{body}</body></html>".encode()


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    """With a dark header row and white letters on it, as style guides like it."""
    head = "".join(f"<th style='background:#123456;color:#ffffff'>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{body}</table>"


def docx(
    title: str, blocks: Sequence[Block], *, extra: str = "", parts: Mapping[str, bytes] | None = None
) -> bytes:
    body = files.paragraph(escape(title), "H1")
    for block in blocks:
        if isinstance(block, str):
            body += files.paragraph(escape(block))
        else:
            body += files.word_table([[escape(cell) for cell in row] for row in block])
    return files.docx(body + extra, dict(parts or {}))


def pptx(title: str, blocks: Sequence[Block]) -> bytes:
    lines = [
        line for block in blocks for line in ([block] if isinstance(block, str) else map(" – ".join, block))
    ]
    slides = [lines[start : start + 3] for start in range(0, len(lines), 3)]
    return files.pptx([(escape(title), [escape(line) for line in slide]) for slide in slides])


def xlsx(sheets: Mapping[str, Sequence[Sequence[str | int]]], hidden: Sequence[str] = ()) -> bytes:
    plain = {
        name: [[escape(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
        for name, rows in sheets.items()
    }
    return files.xlsx(plain, hidden)


def csv(rows: Sequence[Sequence[str]], encoding: str = "utf-8", mark: str = ";") -> bytes:
    return "".join(mark.join(row) + "\r\n" for row in rows).encode(encoding)


def rtf(title: str, blocks: Sequence[Block]) -> bytes:
    lines = text_of(title, blocks).split("\n")
    body = "\\par\n".join("".join(_rtf_char(char) for char in line) for line in lines)
    return f"{{\\rtf1\\ansi\\ansicpg1251\\uc1 {body}\\par}}".encode("ascii")


def _rtf_char(char: str) -> str:
    if char in "\\{}":
        return f"\\{char}"
    return char if char.isascii() else f"\\u{ord(char)}?"


def eml(
    title: str,
    blocks: Sequence[Block],
    *,
    sender: str = "office@sarzhal.example",
    to: str = "staff@sarzhal.example",
    date: str = "Mon, 06 Jul 2026 09:00:00 +0500",
    number: str = "1",
    attachments: Mapping[str, bytes] | None = None,
) -> bytes:
    subject = "=?utf-8?b?" + base64.b64encode(title.encode()).decode() + "?="
    head = (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{number}@sarzhal.example>\r\n"
        "MIME-Version: 1.0\r\n"
    )
    body = base64.encodebytes(text_of("", blocks).strip().encode()).decode()
    text = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
    if not attachments:
        return (head + text).encode()
    parts = [f"--part\r\n{text}"]
    for name, content in attachments.items():
        coded = base64.encodebytes(content).decode()
        parts.append(
            f'--part\r\nContent-Type: application/octet-stream; name="{name}"\r\n'
            f'Content-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n{coded}\r\n'
        )
    return (
        f'{head}Content-Type: multipart/mixed; boundary="part"\r\n\r\n{"".join(parts)}--part--\r\n'
    ).encode()


# -- PDF with letters beyond Latin: one byte a letter, and a table that says which letter a byte is -------------------
def pdf(title: str, blocks: Sequence[Block], *, extra: str = "", lines_a_page: int = 40) -> bytes:
    """Pages of text at 11 points. `extra` are operators for the last page; `LETTERS(…)` in them is encoded."""
    lines: list[tuple[str, float]] = [(title, 16)]
    for block in blocks:
        texts = [block] if isinstance(block, str) else ["   ".join(row) for row in block]
        lines += [(line, 11) for text in texts for line in _wrapped(text)] + [("", 11)]
    coder = _Coder()
    pages: list[str] = []
    for start in range(0, len(lines), lines_a_page):
        here = lines[start : start + lines_a_page]
        pages.append("".join(_shown(line, size, 790 - 18 * n, coder) for n, (line, size) in enumerate(here)))
    if extra:
        before, found, rest = extra.partition("LETTERS(")
        if found:
            letters, _, after = rest.partition(")")
            extra = f"{before}{coder.hexed(letters)}{after}"
        pages[-1] += extra
    return _with_letters(files.pdf(pages, resources="/ExtGState << >>"), coder)


def _wrapped(text: str, width: int = 92) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _shown(line: str, size: float, y: float, coder: _Coder) -> str:
    return f"BT /F1 {size} Tf 56 {y} Td {coder.hexed(line)} Tj ET\n"


class _Coder:
    """Hands out the bytes 128 to 255 to letters that are not ASCII."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def hexed(self, text: str) -> str:
        return "<" + "".join(f"{self._code(char):02x}" for char in text) + ">"

    def _code(self, char: str) -> int:
        return ord(char) if char.isascii() else self.codes.setdefault(char, 128 + len(self.codes))


def _with_letters(data: bytes, coder: _Coder) -> bytes:
    """Replace the plain font by one whose bytes are mapped to letters, and write the table of offsets anew."""
    mapping = "\n".join(f"<{code:02x}> <{ord(char):04x}>" for char, code in coder.codes.items())
    ascii_range = "1 beginbfrange\n<20> <7e> <0020>\nendbfrange\n"
    rest = f"{len(coder.codes)} beginbfchar\n{mapping}\nendbfchar\n" if coder.codes else ""
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /L def /CMapType 2 def\n"
        "1 begincodespacerange\n<00> <ff>\nendcodespacerange\n" + ascii_range + rest + "endcmap end end"
    ).encode()
    names = " ".join(f"/afii{10000 + code}" for code in sorted(coder.codes.values()))
    encoding = f"/Encoding << /Type /Encoding /Differences [128 {names}] >> " if names else ""
    count = data.count(b" 0 obj\n")
    data = data.replace(
        b"/BaseFont /Helvetica >>",
        f"/BaseFont /Helvetica {encoding}/ToUnicode {count + 1} 0 R >>".encode(),
        1,
    )
    body = data[: data.rindex(b"xref\n0")]
    body += b"%d 0 obj\n<< /Length %d >>\nstream\n" % (count + 1, len(cmap)) + cmap + b"\nendstream\nendobj\n"
    return _with_offsets(body)


def _with_offsets(body: bytes, trailer: str = "") -> bytes:
    places: dict[int, int] = {}
    at = 0
    while (found := body.find(b" 0 obj\n", at)) >= 0:
        start = body.rindex(b"\n", 0, found) + 1
        places[int(body[start:found])] = start
        at = found + 1
    table = b"".join(b"%010d 00000 n \n" % places[number] for number in sorted(places))
    size = len(places) + 1
    end = f"trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{len(body)}\n%%EOF\n".encode()
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end


def locked_pdf(title: str, blocks: Sequence[Block]) -> bytes:
    """Needs a password that nobody knows: its keys are made up."""
    data = pdf(title, blocks)
    lock = (
        "/ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>] "
        f"/Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -3904 /O <{'5a' * 32}> /U <{'a5' * 32}> >>"
    )
    return _with_offsets(data[: data.rindex(b"xref\n0")], lock)


def picture_pdf(pages: int = 1) -> bytes:
    """Scanned lines without a letter of text: grey stripes where words would be."""
    width, height = 200, 283
    rows = b"".join(
        (b"\x20\x90\x20\xf0" * 50 if y % 12 < 5 and 20 < y < 260 else b"\xf5" * width) for y in range(height)
    )
    if pages == 1:
        return files.image_pdf(rows, width, height)
    packed = zlib.compress(rows)
    image = (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8 "
        b"/Filter /FlateDecode /Length %d >>\nstream\n"
        % (width, height, len(packed))
        + packed
        + b"\nendstream"
    )
    drawn = "q 595 0 0 842 0 0 cm /Im Do Q"
    return files.pdf([drawn] * pages, extra=[image], resources="/XObject << /Im EXTRA 0 R >>")


WRITERS: Mapping[str, Callable[[str, Sequence[Block]], bytes]] = {
    "pdf": pdf, "docx": docx, "html": html, "md": markdown, "txt": txt, "rtf": rtf, "pptx": pptx,
}  # fmt: skip
