"""Source texts: a YAML head between two `---` lines, then a small subset of Markdown.

Blocks of a body: `#`/`##`/`###` headings, `- ` bullets, `| a | b |` table rows, `\\page` for a page break, and
one paragraph a line otherwise. `render: raw` in the head hands the body on untouched, as do `.md`, `.txt` and mail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

MANIFEST_KEYS = (
    "title",
    "acl",
    "acl_all",
    "residency",
    "valid_from",
    "valid_to",
    "modified",
    "supersedes",
    "owner",
    "tenant",
    "classification",
)
DEFAULTS = {"residency": "kz", "classification": "internal"}


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Bullet:
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class PageBreak:
    pass


Block = Heading | Paragraph | Bullet | Table | PageBreak


@dataclass(frozen=True, slots=True)
class Document:
    head: dict[str, Any]
    body: str
    attachments: tuple[Document, ...] = field(default=())

    @property
    def file(self) -> str:
        return str(self.head["file"])

    @property
    def title(self) -> str:
        return str(self.head["title"])

    @property
    def language(self) -> str:
        return str(self.head["language"])

    @property
    def kind(self) -> str:
        """How to render: the `render` key, else the ending of the file's name."""
        return str(self.head.get("render") or Path(self.file).suffix.removeprefix("."))

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(_blocks(self.body))


def _heading(line: str) -> Heading:
    marks, _, text = line.partition(" ")
    return Heading(len(marks), text.strip())


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def _line(line: str) -> Block:
    if line.strip() == "\\page":
        return PageBreak()
    if line.startswith("#"):
        return _heading(line)
    if line.startswith("- "):
        return Bullet(line[2:].strip())
    return Paragraph(line.strip())


def _blocks(body: str) -> list[Block]:
    found: list[Block] = []
    for table, lines in groupby(body.splitlines(), key=lambda line: line.startswith("|")):
        if table:
            found.append(Table(tuple(_cells(line) for line in lines)))
        else:
            found.extend(_line(line) for line in lines if line.strip())
    return found


def _parse(text: str) -> Document:
    _, head, body = text.split("---\n", 2)
    return Document(yaml.safe_load(head), body.lstrip("\n"))


def load(folder: Path) -> list[Document]:
    """All documents under `folder`, by file name; attachments are put into the mail they belong to."""
    every = [_parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.md"))]
    mails = [doc for doc in every if "attached_in" not in doc.head]
    parts = [doc for doc in every if "attached_in" in doc.head]
    joined = [
        Document(m.head, m.body, tuple(p for p in parts if p.head["attached_in"] == m.file)) for m in mails
    ]
    return sorted(joined, key=lambda doc: doc.file)


def manifest_row(doc: Document) -> dict[str, Any] | None:
    """The row of the sidecar manifest, or None for the file that deliberately has none."""
    if doc.head.get("manifest") is False:
        return None
    head = DEFAULTS | doc.head
    row: dict[str, Any] = {"file": doc.file}
    row.update({key: head[key] for key in MANIFEST_KEYS if key in head})
    row.update({key: str(row[key]) for key in ("valid_from", "valid_to", "modified") if key in row})
    if "attached_in" in head:
        row["attached_in"] = head["attached_in"]
    return row
