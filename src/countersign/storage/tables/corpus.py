"""Documents, their versions and passages, and the work on them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from countersign.storage.tables.metadata import metadata

document = Table(
    "document",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("source", String, nullable=False),
    Column("external_id", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("status", String, nullable=False, index=True),
    Column("reason", String, nullable=False, default=""),
    Column("version", Integer, nullable=False),
    Column("rights_id", BigInteger, nullable=False, index=True),
    Column("rights_origin", Text, nullable=False),
    Column(
        "own_rights",
        Text,
        nullable=False,
        default="",
        comment="canonical rights before a parent's were joined",
    ),
    Column("residency", String, nullable=False, default=""),
    Column("classification", String, nullable=False, default=""),
    Column("owner", String, nullable=False, default=""),
    Column("modified", String),
    Column("valid_from", String),
    Column("valid_to", String),
    Column(
        "supersedes", String, nullable=False, default="", comment="external_id in the same tenant and source"
    ),
    Column("superseded_at", String, comment="when a successor took over; ends validity like valid_to"),
    Column("parent_id", String, index=True),
    Column(
        "parts", JSON, nullable=False, default=dict, comment="what the source says of attachments, by name"
    ),
    Column("created", String, nullable=False),
    Column("updated", String, nullable=False),
    Column("synced", String, comment="when the source last confirmed this document"),
    Column(
        "revision",
        String,
        nullable=False,
        default="",
        comment="what the source called this content; see Listed",
    ),
    Column("seen_pass", BigInteger, nullable=False, default=0, comment="the newest pass that listed it"),
    Column(
        "problem", String, nullable=False, default="", comment="code: why the newest pass could not read it"
    ),
    Column("deleted", String),
    Column("seq", BigInteger, nullable=False, index=True),
    UniqueConstraint("tenant", "source", "external_id"),
)

document_version = Table(
    "document_version",
    metadata,
    Column("document_id", ForeignKey("document.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column(
        "state", String, nullable=False, index=True, comment="queued, indexed, quarantined, failed, replaced"
    ),
    Column("sha256", String, nullable=False),
    Column("blob", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("filename", Text, nullable=False),
    Column("mime", String, nullable=False),
    Column("parse_status", String, nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("parser", String, nullable=False, default=""),
    Column("pages", Integer),
    Column("languages", JSON, nullable=False, default=list),
    Column("findings", JSON, nullable=False, default=list),
    Column(
        "settings", String, nullable=False, default="", comment="index version that this was chunked under"
    ),
    Column("job_id", String, nullable=False, default=""),
    Column("created", String, nullable=False),
    Column("indexed", String),
)

passage = Table(
    "passage",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("document_id", ForeignKey("document.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column(
        "chunking",
        String,
        nullable=False,
        default="220/300",
        comment="how it was cut, see Chunking.key; empty = in no index, kept for the answers that cite it",
    ),
    Column("ordinal", Integer, nullable=False),
    Column("tenant", String, nullable=False),
    Column("source", String, nullable=False),
    Column("rights_id", BigInteger, nullable=False),
    Column("language", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("index_text", Text, nullable=False),
    Column("text_hash", String, nullable=False, index=True),
    Column("page", Integer),
    Column("page_to", Integer),
    Column("boxes", JSON, nullable=False, default=list),
    Column("heading_path", JSON, nullable=False, default=list),
    Column("sheet", String, nullable=False, default=""),
    Column("is_table", Boolean, nullable=False, default=False),
    Column("ocr_confidence", Float),
    Column("token_count", Integer, nullable=False, default=0),
    Column("valid_from", String, comment="in force from (inclusive); null = always was"),
    Column(
        "valid_to", String, comment="in force until (exclusive), the earlier of valid_to and superseded_at"
    ),
    Column(
        "live", Boolean, nullable=False, comment="false once its version was replaced or its document deleted"
    ),
    Column("seq", BigInteger, nullable=False),
    Index("ix_passage_document", "document_id", "version", "chunking", "ordinal"),
    Index("ix_passage_tail", "tenant", "chunking", "seq"),
    sqlite_autoincrement=True,
    comment="an id is never given twice, not even after erasure: stored answers and rights checks refer to it",
)

embedding = Table(
    "embedding",
    metadata,
    Column("text_hash", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False, comment="little-endian float32, L2 norm 1"),
    comment="vectors by model and text, so that an unchanged text is never embedded twice",
)

job = Table(
    "job",
    metadata,
    Column("id", String, primary_key=True, comment="derived from kind and subject: enqueueing twice is once"),
    Column("kind", String, nullable=False),
    Column("tenant", String, nullable=False),
    Column("subject", String, nullable=False, comment="an id; never text of a document or a person"),
    Column("state", String, nullable=False, comment="queued, running, done, failed"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", String, nullable=False),
    Column("lease_owner", String),
    Column("lease_until", String),
    Column("error", String, nullable=False, default="", comment="a stable code"),
    Column("result", JSON),
    Column("created", String, nullable=False),
    Column("finished", String),
    Index("ix_job_queue", "state", "not_before"),
)
