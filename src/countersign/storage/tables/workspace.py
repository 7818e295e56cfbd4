"""The workspace itself, who may enter it, and what rights are made of."""

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
    String,
    Table,
    Text,
    UniqueConstraint,
)

from countersign.storage.tables.metadata import metadata

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
