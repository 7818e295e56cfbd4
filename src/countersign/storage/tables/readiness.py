"""Audits of data, their findings, and what was accepted."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from countersign.storage.tables.metadata import metadata

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
