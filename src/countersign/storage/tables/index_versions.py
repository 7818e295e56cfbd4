"""Index versions: which there are, which one answers, and what is known of one that is only tried out."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table

from countersign.storage.tables.metadata import metadata

index_version = Table(
    "index_version",
    metadata,
    Column("id", String, primary_key=True, comment="of the manifest: the same value is the same version"),
    Column("name", String, nullable=False, default="", comment="for people; may be empty"),
    Column("manifest", JSON, nullable=False, comment="IndexVersion.manifest"),
    Column("chunking", String, nullable=False, comment="Chunking.key: whose passages it reads"),
    Column("embedder", String, nullable=False, comment="model id; empty = words only"),
    Column("dimension", Integer, nullable=False, default=0, comment="length of its vectors; 0 = words only"),
    Column("state", String, nullable=False, comment="building, ready, live, retired"),
    Column("actor", String, nullable=False),
    Column("created", String, nullable=False),
    Column("changed", String, nullable=False, comment="when its state changed last"),
    Column("turn", Integer, nullable=False, default=0, comment="counts switches; 0 = it never answered"),
    Column("documents", Integer, comment="to be cut for it; null while they are not yet counted"),
    Index("ix_index_version_state", "state"),
    comment="at most one is live",
)

shadow_result = Table(
    "shadow_result",
    metadata,
    Column("index_version", ForeignKey("index_version.id", ondelete="CASCADE"), primary_key=True),
    Column("live", String, primary_key=True, comment="the version that answered"),
    Column("day", String, primary_key=True),
    Column("questions", Integer, nullable=False),
    Column("overlap", Float, nullable=False, comment="sum of overlap@10"),
    Column("cited", Integer, nullable=False, comment="documents that the answers cited"),
    Column("cited_found", Integer, nullable=False, comment="of them, found among the first ten"),
    Column("cited_rank", Integer, nullable=False, comment="sum of the ranks (from 1) of those found"),
    Column("live_ms", Float, nullable=False, comment="sum"),
    Column("shadow_ms", Float, nullable=False, comment="sum"),
    comment="counts and sums only: no text, no person, no question",
)
