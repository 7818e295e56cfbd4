"""The record: a chain of events, and what in them is about people."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    String,
    Table,
    Text,
)

from countersign.storage.tables.metadata import metadata

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
