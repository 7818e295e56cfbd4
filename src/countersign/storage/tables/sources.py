"""What is known of each source and of the passes over it."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Integer,
    String,
    Table,
    Text,
)

from countersign.storage.tables.metadata import metadata

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
