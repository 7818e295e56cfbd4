"""Text formats: HTML, Markdown, CSV, plain text in old encodings, RTF and mail."""

from __future__ import annotations

import csv
import io
from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from source import Block, Bullet, Document, Heading, Paragraph, Table


def _html_block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Bullet(text):
            return f"<ul><li>{escape(text)}</li></ul>"
        case Table(rows):
            head, *rest = rows
            top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
            lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rest]
            return f"<table><tr>{top}</tr>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
        case _:
            return "<hr>"


def render_html(doc: Document) -> bytes:
    body = "\n".join(_html_block(block) for block in doc.blocks).replace("</ul>\n<ul>", "\n")
    page = (
        f'<!doctype html>\n<html lang="{doc.language}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(doc.title)}</title>\n"
        "<style>body{font-family:sans-serif}td,th{border:1px solid #999;padding:4px}</style>\n</head>\n"
        f'<body>\n<nav><a href="index.html">Intranet</a> | <a href="search.html">Search</a></nav>\n'
        f"<main>\n{body}\n</main>\n<footer>{escape(str(doc.head.get('footer', 'Tolkyn')))}</footer>\n"
        "</body>\n</html>\n"
    )
    return page.encode()


def render_raw(doc: Document) -> bytes:
    return doc.body.encode()


def render_csv(doc: Document) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=str(doc.head.get("delimiter", ",")), lineterminator="\r\n")
    for block in doc.blocks:
        if isinstance(block, Table):
            writer.writerows(block.rows)
    return out.getvalue().encode("utf-8-sig")


def render_txt(doc: Document) -> bytes:
    """Plain text in the encoding of the head; line ends as an old Windows editor leaves them."""
    return doc.body.replace("\n", "\r\n").encode(str(doc.head.get("encoding", "utf-8")))


def _rtf_text(text: str) -> str:
    out: list[str] = []
    for char in text:
        if char in "\\{}":
            out.append("\\" + char)
        elif ord(char) < 128:
            out.append(char)
        else:
            code = ord(char) if ord(char) < 32768 else ord(char) - 65536
            out.append(f"\\u{code}?")
    return "".join(out)


def _rtf_table(table: Table) -> str:
    lines: list[str] = []
    for row in table.rows:
        edges = "".join(f"\\cellx{(index + 1) * 4200}" for index in range(len(row)))
        cells = "".join(f"\\intbl {_rtf_text(cell)}\\cell " for cell in row)
        lines.append(f"\\trowd{edges} {cells}\\row")
    return "\n".join(lines) + "\n\\pard\n"


def render_rtf(doc: Document) -> bytes:
    parts = ["{\\rtf1\\ansi\\ansicpg1251\\deff0\\uc1{\\fonttbl{\\f0\\fcharset204 Noto Serif;}}\\f0\\fs22"]
    for block in doc.blocks:
        match block:
            case Heading(_, text):
                parts.append(f"{{\\b\\fs28 {_rtf_text(text)}}}\\par")
            case Paragraph(text):
                parts.append(f"{_rtf_text(text)}\\par")
            case Bullet(text):
                parts.append(f"\\u8226? {_rtf_text(text)}\\par")
            case Table():
                parts.append(_rtf_table(block))
            case _:
                parts.append("\\page")
    return ("\n".join(parts) + "\n}\n").encode("ascii")


def render_eml(doc: Document, attachments: list[tuple[str, str, bytes]]) -> bytes:
    """`attachments`: (name, MIME type, content). Fixed boundary and ids, so a rebuild gives the same bytes."""
    mail = EmailMessage(policy=SMTP)
    for name, value in doc.head["mail"].items():
        mail[str(name).title()] = str(value)
    mail["Message-ID"] = f"<{doc.head['mail_id']}@tolkyn.example>"
    mail.set_content(doc.body, cte="base64")
    for name, mime, content in attachments:
        main, _, sub = mime.partition("/")
        mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
    if attachments:
        mail.set_boundary(f"=_{doc.head['mail_id']}")
    return mail.as_bytes()
