"""Every table, once. SQLite and Postgres read the same definitions; times are ISO 8601 text in UTC, lists are JSON.

Times as text sort and compare the same on both databases, and a reader of the file needs no tool to understand them.
"""

from __future__ import annotations

from countersign.storage.tables.answers import (
    answer,
    answer_passage,
    budget,
    citation,
    feedback,
    release,
    reservation,
    review,
)
from countersign.storage.tables.corpus import document, document_version, embedding, job, passage
from countersign.storage.tables.index_versions import index_version, shadow_result
from countersign.storage.tables.metadata import metadata
from countersign.storage.tables.questions import question, question_expected, question_set
from countersign.storage.tables.readiness import readiness_acceptance, readiness_audit, readiness_finding
from countersign.storage.tables.record import chain_head, event, event_personal
from countersign.storage.tables.sources import source_pass, source_state
from countersign.storage.tables.workspace import (
    api_key,
    counter,
    lease,
    person,
    rights,
    rights_term,
    setting,
    web_session,
)

__all__ = [
    "answer",
    "answer_passage",
    "api_key",
    "budget",
    "chain_head",
    "citation",
    "counter",
    "document",
    "document_version",
    "embedding",
    "event",
    "event_personal",
    "feedback",
    "index_version",
    "job",
    "lease",
    "metadata",
    "passage",
    "person",
    "question",
    "question_expected",
    "question_set",
    "readiness_acceptance",
    "readiness_audit",
    "readiness_finding",
    "release",
    "reservation",
    "review",
    "rights",
    "rights_term",
    "setting",
    "shadow_result",
    "source_pass",
    "source_state",
    "web_session",
]
