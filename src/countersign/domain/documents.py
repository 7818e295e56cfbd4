"""What the corpus is made of: rights, source documents, parsed elements, chunks and passages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

Language = str
"""ISO 639-1 code (`kk`, `ru`, `en`, …) or `und` when it could not be told."""

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the page, origin top left."""


@dataclass(frozen=True, slots=True)
class Rights:
    """A conjunction of any-of clauses over `group:…`, `user:…` and `tenant:*`.

    Every clause must be satisfied by at least one of its terms. No clause, or an empty clause, means nobody.
    """

    clauses: tuple[frozenset[str], ...] = ()

    @classmethod
    def of(cls, any_of: list[str] | tuple[str, ...] = (), all_of: list[str] | tuple[str, ...] = ()) -> Rights:
        """`any_of` is one clause; each entry of `all_of` is one more clause of its own."""
        return cls((frozenset(any_of), *(frozenset({term}) for term in all_of)))

    def intersect(self, other: Rights) -> Rights:
        """Rights of a part inside a whole: both must be satisfied; nobody stays nobody."""
        if self.nobody or other.nobody:
            return Rights()
        return Rights(tuple(sorted(set(self.clauses) | set(other.clauses), key=sorted)))

    @classmethod
    def from_canonical(cls, text: str) -> Rights:
        """The reverse of `canonical`."""
        return cls(tuple(frozenset(clause.split(",")) for clause in text.split(";"))) if text else cls()

    @property
    def nobody(self) -> bool:
        return not self.clauses or not all(self.clauses)

    def canonical(self) -> str:
        """One text per set of rights, whatever the order they were written in: what interning compares."""
        if self.nobody:
            return ""
        return ";".join(sorted({",".join(sorted(clause)) for clause in self.clauses}))


class ParseStatus(StrEnum):
    OK = "ok"
    PARTIAL = "partial"
    NEEDS_OCR = "needs_ocr"
    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    REFUSED_LIMIT = "refused_limit"
    TIMEOUT = "timeout"
    EMPTY = "empty"
    UNSUPPORTED = "unsupported"


class DocumentStatus(StrEnum):
    QUEUED = "queued"
    INDEXED = "indexed"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed about a document; `code` is stable and documented, `evidence` is short and inert."""

    code: str
    severity: Literal["info", "warning", "error"]
    message: str
    page: int | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One version of a document as its source hands it over. `content_ref` is whatever the connector can open again."""

    source: str
    external_id: str
    tenant: str
    title: str
    filename: str
    mime: str
    rights: Rights
    rights_origin: str
    """Where the rights came from, for `why`: `sidecar manifest.jsonl line 12`, `rule hr/**`, `request`."""
    residency: str = ""
    classification: str = ""
    owner: str = ""
    modified: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    supersedes: str = ""
    parent: str = ""
    """external_id of the mail or archive that contains this one."""
    parts: tuple[SourceDocument, ...] = ()
    """What the source says of attachments inside this file, by filename; their content comes out of the parse."""
    quarantine: str = ""
    """A reason code when the connector could not express or trust something (`rights_unsupported`, `wrong_tenant`)."""


ElementKind = Literal[
    "heading",
    "paragraph",
    "list_item",
    "table",
    "caption",
    "code",
    "header",
    "footer",
    "image",
    "mail_header",
]


@dataclass(frozen=True, slots=True)
class Element:
    """A typed piece of a parsed document, in reading order.

    `page` is 1-based and None where the format has no pages: it is never invented. A table's `text` is one line a
    row with cells joined by ` | `; `header_rows` says how many leading rows are its header.
    """

    kind: ElementKind
    text: str
    page: int | None = None
    box: Box | None = None
    heading_path: tuple[str, ...] = ()
    level: int = 0
    language: Language = "und"
    ocr_confidence: float | None = None
    hidden_reason: str = ""
    header_rows: int = 0
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    filename: str
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    status: ParseStatus
    reason: str = ""
    mime: str = ""
    parser: str = ""
    title: str = ""
    pages: int | None = None
    languages: tuple[Language, ...] = ()
    elements: tuple[Element, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    findings: tuple[Finding, ...] = ()
    links: tuple[str, ...] = ()
    """Relative links out of it, and `#place` for links to a place inside it that is not there."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A retrievable piece: `text` is what is shown and cited, `index_text` adds title and heading path for search."""

    ordinal: int
    text: str
    index_text: str
    page: int | None
    page_to: int | None
    boxes: tuple[tuple[int, Box], ...]
    """(page, box) of every element in it."""
    heading_path: tuple[str, ...]
    sheet: str
    language: Language
    token_count: int
    is_table: bool = False
    ocr_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that this principal may see now, re-checked in the database, with what a citation needs."""

    passage_id: str
    document_id: str
    version: int
    external_id: str
    source: str
    tenant: str
    title: str
    text: str
    ordinal: int
    language: Language
    page: int | None = None
    page_to: int | None = None
    boxes: tuple[tuple[int, Box], ...] = ()
    heading_path: tuple[str, ...] = ()
    sheet: str = ""
    residency: str = ""
    classification: str = ""
    modified: datetime | None = None
    synced: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    is_table: bool = False
    ocr_confidence: float | None = None
    score: float = 0.0
    features: dict[str, float] = field(default_factory=dict[str, float])
    """Per-leg scores (`dense`, `lexical`, …) that confidence may use; never shown to the asker."""
