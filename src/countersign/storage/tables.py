"""Every table, once. SQLite and Postgres read the same definitions; times are ISO 8601 text in UTC, lists are JSON.

Times as text sort and compare the same on both databases, and a reader of the file needs no tool to understand them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# -- the workspace ----------------------------------------------------------------------------------------------
setting = Table(
    "setting", metadata, Column("name", String, primary_key=True), Column("value", Text, nullable=False)
)

counter = Table(
    "counter", metadata, Column("name", String, primary_key=True), Column("value", BigInteger, nullable=False),
    comment="`mutation` numbers every change of the corpus; its row lock keeps numbers and commits in one order",
)  # fmt: skip

lease = Table(
    "lease", metadata, Column("name", String, primary_key=True), Column("holder", String, nullable=False),
    Column("epoch", BigInteger, nullable=False, comment="grows with every holder; what is older may not write"),
    Column("until", Float, nullable=False, comment="seconds since 1970 by the database server's clock"),
)  # fmt: skip

# -- access -----------------------------------------------------------------------------------------------------
person = Table(
    "person",
    metadata,
    Column("name", String, primary_key=True),
    Column("tenant", String, nullable=False, index=True),
    Column("groups", JSON, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("password_hash", Text),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("created", String, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", String, primary_key=True),
    Column("prefix", String, nullable=False, unique=True),
    Column("digest", String, nullable=False),
    Column("person", ForeignKey("person.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", String, nullable=False, default=""),
    Column("created", String, nullable=False),
    Column("expires", String),
    Column("revoked", String),
)

web_session = Table(
    "web_session",
    metadata,
    Column("digest", String, primary_key=True),
    Column("person", ForeignKey("person.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", String, nullable=False),
    Column("created", String, nullable=False),
    Column("expires", String, nullable=False),
)

rights = Table(
    "rights",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", String, nullable=False, index=True),
    Column("canonical", Text, nullable=False),
    Column("clause_count", Integer, nullable=False),
    UniqueConstraint("tenant", "canonical"),
    comment="interned right sets; clause_count 0 means nobody",
)

rights_term = Table(
    "rights_term",
    metadata,
    Column("rights_id", ForeignKey("rights.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("clause", Integer, primary_key=True, autoincrement=False),
    Column("term", String, primary_key=True),
    Index("ix_rights_term_term", "term", "rights_id"),
)

# -- corpus -----------------------------------------------------------------------------------------------------
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
    Index("ix_passage_document", "document_id", "version", "ordinal"),
    Index("ix_passage_tail", "tenant", "seq"),
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

source_state = Table(
    "source_state",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("since", String, nullable=False, comment="when this workspace first knew of it"),
    Column("synced", String, comment="end of the last complete pass"),
    Column("attempted", String, comment="begin of the newest pass"),
    Column("ended", String, comment="end of the newest pass that ended"),
    Column("error", String, nullable=False, default="", comment="a stable code; empty after a complete pass"),
    Column("hint", Text, nullable=False, default=""),
    Column("failures", Integer, nullable=False, default=0, comment="failed passes in a row"),
    Column("documents", Integer, nullable=False, default=0, comment="listed by the last complete pass"),
    Column(
        "pass_number", BigInteger, nullable=False, default=0, comment="of the newest pass; older ones stop"
    ),
    Column("running", Boolean, nullable=False, default=False),
    Column("beat", String, comment="when the running pass last told that it lives"),
    Column("asked", String, comment="when somebody or a watch last asked for a pass"),
    Column("asked_by", String, nullable=False, default="", comment="`watch` or `asked`"),
    Column("held_absent", Integer, nullable=False, default=0, comment="removals that wait to be accepted"),
    Column("held_of", Integer, nullable=False, default=0),
    Column("accepted", Integer, nullable=False, default=0, comment="as many removals as somebody accepted"),
    Column("alerted", String, comment="when it was told that `max_age` is breached; null = it is not"),
)

source_pass = Table(
    "source_pass",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("trigger", String, nullable=False, comment="schedule, watch, asked, command"),
    Column("begun", String, nullable=False),
    Column("ended", String),
    Column("outcome", String, nullable=False, comment="running, complete, held, failed, overtaken"),
    Column("error", String, nullable=False, default=""),
    Column("listed", Integer, nullable=False, default=0),
    Column("new", Integer, nullable=False, default=0),
    Column("changed", Integer, nullable=False, default=0),
    Column("unchanged", Integer, nullable=False, default=0),
    Column("removed", Integer, nullable=False, default=0),
    Column("quarantined", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("bytes_read", BigInteger, nullable=False, default=0),
    Column("problems", JSON, nullable=False, default=list, comment="examples: [external_id, code]"),
    comment="the newest passes over each source",
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

# -- answers ----------------------------------------------------------------------------------------------------
answer = Table(
    "answer",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False, index=True),
    Column("person", String, nullable=False, index=True),
    Column("assistant", String, nullable=False),
    Column("task", String, nullable=False),
    Column("status", String, nullable=False),
    Column("release", String, nullable=False),
    Column("created", String, nullable=False),
    Column("question", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("draft", Text, nullable=False, default=""),
    Column("body", JSON, nullable=False, comment="everything else of domain.answers.Answer"),
    Column("erased", String),
)

answer_passage = Table(
    "answer_passage",
    metadata,
    Column("answer_id", ForeignKey("answer.id", ondelete="CASCADE"), primary_key=True),
    Column("passage_id", BigInteger, primary_key=True, autoincrement=False),
    Column("document_id", String, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    comment="every passage that the model saw: reading the answer re-checks the reader's rights on each",
)

citation = Table(
    "citation",
    metadata,
    Column("id", String, primary_key=True),
    Column("answer_id", ForeignKey("answer.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("n", Integer, nullable=False),
    Column("passage_id", BigInteger, nullable=False),
    Column("document_id", String, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("quote", Text, nullable=False),
    Column("body", JSON, nullable=False),
)

review = Table(
    "review",
    metadata,
    Column("id", String, primary_key=True),
    Column("answer_id", ForeignKey("answer.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("tenant", String, nullable=False, index=True),
    Column("assistant", String, nullable=False),
    Column("state", String, nullable=False, comment="open, claimed, escalated, decided"),
    Column("reasons", JSON, nullable=False),
    Column("groups", JSON, nullable=False, comment="who may review"),
    Column("created", String, nullable=False),
    Column("deadline", String),
    Column("claimed_by", String),
    Column("claimed", String),
    Column("decided_by", String),
    Column("decided", String),
    Column("decision", String),
    Column("decision_text", Text, nullable=False, default=""),
    Column("decision_reason", Text, nullable=False, default=""),
    Index("ix_review_queue", "tenant", "state", "created"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", String, primary_key=True),
    Column("answer_id", ForeignKey("answer.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("person", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("text", Text, nullable=False, default=""),
    Column("created", String, nullable=False),
)

# -- money ------------------------------------------------------------------------------------------------------
budget = Table(
    "budget",
    metadata,
    Column(
        "scope",
        String,
        primary_key=True,
        comment="`tenant/assistant/user:NAME/2026-11-22` or `…/month/2026-11`",
    ),
    Column("currency", String, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    CheckConstraint("reserved >= 0", name="reserved"),
    CheckConstraint("spent >= 0", name="spent"),
    comment="amounts in millionths of the currency",
)

reservation = Table(
    "reservation",
    metadata,
    Column("id", String, primary_key=True),
    Column("scopes", Text, nullable=False, comment="one a line"),
    Column("amount", BigInteger, nullable=False, comment="millionths of the currency"),
    Column("created", String, nullable=False, index=True),
)

# -- release ----------------------------------------------------------------------------------------------------
release = Table(
    "release",
    metadata,
    Column("id", String, primary_key=True, comment="hash of everything that shapes an answer"),
    Column("assistant", String, nullable=False, index=True),
    Column("manifest", JSON, nullable=False),
    Column("created", String, nullable=False),
    Column("active", Boolean, nullable=False, default=False),
)

# -- record -----------------------------------------------------------------------------------------------------
event = Table(
    "event",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("request_id", String, nullable=False, default=""),
    Column("facts", Text, nullable=False, comment="canonical JSON, exactly the bytes that were hashed"),
    Column(
        "commitment", String, nullable=False, comment="HMAC of the personal part under its salt, or empty"
    ),
    Column("prev", String, nullable=False),
    Column("hash", String, nullable=False),
    Index("ix_event_subject", "tenant", "subject", "seq"),
    Index("ix_event_kind", "tenant", "kind", "seq"),
)

event_personal = Table(
    "event_personal",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("salt", String, nullable=False),
    Column("payload", Text, nullable=False, comment="canonical JSON; deleting the row erases text and salt"),
)

chain_head = Table(
    "chain_head",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String, nullable=False),
    comment="one row a tenant; its lock serialises the chain",
)

# -- readiness --------------------------------------------------------------------------------------------------
readiness_audit = Table(
    "readiness_audit",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, primary_key=True),
    Column("started", String, nullable=False),
    Column("finished", String, comment="null = a source could not be read to its end"),
    Column("sources", JSON, nullable=False),
    Column(
        "body", JSON, nullable=False, comment="the report's figures, without anything that quotes a document"
    ),
    Column("complete", Boolean, nullable=False, comment="every finding is kept below"),
    Index("ix_readiness_audit_newest", "tenant", "started"),
)

readiness_finding = Table(
    "readiness_finding",
    metadata,
    Column("audit_id", String, primary_key=True),
    Column("tenant", String, primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("source", String, nullable=False),
    Column("external_id", String, nullable=False),
    Column("rights", Text, nullable=False, comment="canonical, as the source said them when it was audited"),
    Column("other_source", String, nullable=False, default=""),
    Column("other_external_id", String, nullable=False, default=""),
    Column("other_rights", Text, nullable=False, default=""),
    Column("body", JSON, nullable=False, comment="quotes the document: erased with it"),
    Index("ix_readiness_finding_document", "tenant", "source", "external_id"),
    Index("ix_readiness_finding_other", "tenant", "other_source", "other_external_id"),
)

readiness_acceptance = Table(
    "readiness_acceptance",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("external_id", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("reason", Text, nullable=False),
    Column("by", String, nullable=False),
    Column("at", String, nullable=False),
    Column("expires", String, nullable=False),
)
