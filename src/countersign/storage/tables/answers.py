"""Answers, their evidence and reviews, what they cost, and the releases that gave them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from countersign.storage.tables.metadata import metadata

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

release = Table(
    "release",
    metadata,
    Column("id", String, primary_key=True, comment="hash of everything that shapes an answer"),
    Column("assistant", String, nullable=False, index=True),
    Column("manifest", JSON, nullable=False),
    Column("created", String, nullable=False),
    Column("active", Boolean, nullable=False, default=False),
)
