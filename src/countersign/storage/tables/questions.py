"""Question sets: what retrieval is measured against. A question's own words are all that is kept of a document."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from countersign.storage.tables.metadata import metadata

question_set = Table(
    "question_set",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("created", String, nullable=False),
    Column("created_by", String, nullable=False),
    UniqueConstraint("tenant", "name"),
)

question = Table(
    "question",
    metadata,
    Column("id", String, primary_key=True),
    Column("set_id", ForeignKey("question_set.id", ondelete="CASCADE"), nullable=False),
    Column("n", Integer, nullable=False, comment="its place in the set, from 1"),
    Column("text", Text, nullable=False, comment="empty once what it was drafted from is erased"),
    Column("first_text", Text, nullable=False, default="", comment="as drafted, when a person changed it"),
    Column("language", String, nullable=False),
    Column("origin", String, nullable=False, comment="own, imported, drafted"),
    Column("state", String, nullable=False, comment="draft, confirmed, dropped"),
    Column("document_id", String, nullable=False, default="", index=True, comment="what it was drafted from"),
    Column("page", Integer),
    Column(
        "answer_id", String, nullable=False, default="", index=True, comment="the answer that it asked for"
    ),
    Column("made", String, nullable=False),
    Column("made_by", String, nullable=False),
    Column("decided", String),
    Column("decided_by", String, nullable=False, default=""),
    UniqueConstraint("set_id", "n"),
    Index("ix_question_state", "set_id", "state", "n"),
)

question_expected = Table(
    "question_expected",
    metadata,
    Column("question_id", ForeignKey("question.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("source", String, nullable=False),
    Column("external_id", String, nullable=False, comment="forgotten with the document"),
    Column("page", Integer),
    Index("ix_question_expected_document", "source", "external_id"),
)
