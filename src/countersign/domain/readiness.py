"""What an audit of documents says before anything is indexed: findings, scores with their reasons, a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Severity = Literal["info", "warning", "error"]
Policy = Literal["index", "warn", "quarantine"]
"""What indexing does with a document that has such a finding."""


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """One stable code: what it says, why answers go wrong because of it, what to do, and who usually can."""

    code: str
    severity: Severity
    policy: Policy
    what: str
    why: str
    action: str
    owner: Literal["data owner", "security officer", "platform engineer"]


@dataclass(frozen=True, slots=True)
class DocumentKey:
    source: str
    external_id: str
    tenant: str = "main"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A person has looked at findings of this code on this document and takes responsibility until `expires`."""

    code: str
    document: DocumentKey
    reason: str
    by: str
    at: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class ReadinessFinding:
    """`evidence` is at most 200 characters, inert, and quotes the document: whoever may not read the document may not
    read it either. Pairs name the other document and its side of the story."""

    code: str
    severity: Severity
    document: DocumentKey
    page: int | None = None
    evidence: str = ""
    count: int = 1
    """How often in this document."""
    other: DocumentKey | None = None
    other_page: int | None = None
    other_evidence: str = ""
    accepted: Acceptance | None = None
    said: tuple[str, ...] = ()
    """Where `evidence` is no quotation but a check's own words: the name of the phrase, then its values."""


@dataclass(frozen=True, slots=True)
class CodeSummary:
    """One code over everything that was read. `share` is of documents, 0 to 1; `worst` at most 20, worst first.
    Accepted findings are counted apart and weigh nothing."""

    code: str
    severity: Severity
    documents: int
    findings: int
    accepted: int
    share: float
    worst: tuple[ReadinessFinding, ...]


@dataclass(frozen=True, slots=True)
class ScoreReason:
    """`points` were taken off because `documents` (`share` of the source's) have findings of `code`."""

    code: str
    points: float
    documents: int
    share: float


@dataclass(frozen=True, slots=True)
class SourceScore:
    """0 (unusable) to 100, and why; a source without documents has no score (None)."""

    source: str
    documents: int
    score: float | None
    reasons: tuple[ScoreReason, ...]
    policies: Mapping[str, int]
    """Policy → how many documents it would be applied to."""


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """`finished` None = stopped on the way; running the same audit again goes on from there."""

    id: str
    started: datetime
    finished: datetime | None
    sources: tuple[SourceScore, ...]
    documents: int
    pages: int
    bytes_read: int
    codes: tuple[CodeSummary, ...]
    """Worst first: errors, then warnings, then notes, each by the number of documents."""
    findings: tuple[ReadinessFinding, ...]
    parse_statuses: Mapping[str, int] = field(default_factory=dict[str, int])
    languages: Mapping[str, int] = field(default_factory=dict[str, int])
    """Language → documents in which it is the main one."""
    formats: Mapping[str, int] = field(default_factory=dict[str, int])
    personal: Mapping[str, int] = field(default_factory=dict[str, int])
    """Kind of personal data or secret → documents that hold it."""
    cpu_s: float = 0.0
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    """Source → error code of a source that could not be listed to its end: what is not listed was not read."""
