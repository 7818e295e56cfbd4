"""From findings to a report: codes counted, sources scored with their reasons, the worst of each code.

The score of a source is the mean over its documents of what is left of each, in per cent. A document begins whole and
loses 1 for each code that it has as an error, 0.2 for each warning and 0.01 for each note, never more than it has; what
was lost is shared among its codes in proportion. So a code's points are what the score would gain without it, a source
in which every document has an error scores 0, and accepted findings weigh nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from countersign.corpus.readiness.catalogue import CODES, SEVERITIES, strictest
from countersign.corpus.readiness.check_origin import kind_of
from countersign.corpus.readiness.working import Told
from countersign.domain.readiness import (
    CodeSummary,
    DocumentKey,
    Policy,
    ReadinessFinding,
    ReadinessReport,
    ScoreReason,
    Severity,
    SourceScore,
)

WEIGHTS: Final[Mapping[Severity, float]] = {"error": 1.0, "warning": 0.2, "info": 0.01}
WORST: Final = 20
MAX_FINDINGS: Final = 50_000
"""In a report; beyond that the worst of each code and the counts remain."""
_HELD: Final = frozenset({"personal_data", "secret_present"})

PolicyOf = Callable[[str, str], Policy]
"""(source, code) → what is done with a document that has such a finding."""


def usual_policy(source: str, code: str) -> Policy:
    return CODES[code].policy


def policy_of(findings: Sequence[ReadinessFinding], policy: PolicyOf) -> Policy:
    """A finding milder than its code usually is asks for a warning at most. Accepted findings ask for nothing."""
    wanted: list[Policy] = []
    for finding in findings:
        if finding.accepted is None:
            asked = policy(finding.document.source, finding.code)
            mild = SEVERITIES.index(finding.severity) > SEVERITIES.index(CODES[finding.code].severity)
            wanted.append("warn" if asked == "quarantine" and mild else asked)
    return strictest(wanted)


@dataclass(slots=True)
class _Source:
    documents: int = 0
    lost: float = 0.0
    points: Counter[str] = field(default_factory=Counter[str])
    by_code: Counter[str] = field(default_factory=Counter[str])
    policies: Counter[str] = field(default_factory=Counter[str])


@dataclass(slots=True)
class _Code:
    documents: int = 0
    findings: int = 0
    accepted: int = 0
    severity: Severity = "info"
    worst: list[tuple[tuple[int, int, int], ReadinessFinding]] = field(
        default_factory=list[tuple[tuple[int, int, int], ReadinessFinding]]
    )


class Summary:
    """Add every document once, in any order; `report` may be asked for at any moment."""

    def __init__(self, policy: PolicyOf = usual_policy, sources: Sequence[str] = ()) -> None:
        self._policy = policy
        self._sources: dict[str, _Source] = {name: _Source() for name in sources}
        self._codes: defaultdict[str, _Code] = defaultdict(_Code)
        self._kept: list[ReadinessFinding] = []
        self._statuses: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._formats: Counter[str] = Counter()
        self._personal: Counter[str] = Counter()
        self._documents = self._pages = self._bytes = self._added = 0

    def add(self, told: Told, findings: Sequence[ReadinessFinding]) -> None:
        self._documents += 1
        self._bytes += told.size
        self._count_contents(told, findings)
        source = self._sources.setdefault(told.document.source, _Source())
        source.documents += 1
        source.policies[policy_of(findings, self._policy)] += 1
        self._score(source, findings)
        for code in {finding.code for finding in findings}:
            self._add_code(self._codes[code], [finding for finding in findings if finding.code == code])
        self._kept.extend(findings[: max(0, MAX_FINDINGS - len(self._kept))])

    def recount(self, source: str, findings: Sequence[ReadinessFinding]) -> None:
        """Score one document of `source` by what was found in it, shown or withheld, without counting it as read."""
        self._sources[source].policies[policy_of(findings, self._policy)] += 1
        self._score(self._sources[source], findings)
        for code in {finding.code for finding in findings}:
            self._add_code(self._codes[code], [finding for finding in findings if finding.code == code])
        self._kept.extend(findings)

    def again(self, report: ReadinessReport) -> ReadinessReport:
        """`report` with the codes, scores and findings that were recounted; documents without findings are in its counts."""
        self._documents = report.documents
        for score in report.sources:
            source = self._sources[score.source]
            source.documents = score.documents
            source.policies["index"] += score.documents - source.policies.total()
        sources = tuple(self._source(name, source) for name, source in sorted(self._sources.items()))
        codes = tuple(sorted((self._code(*item) for item in self._codes.items()), key=_worst_first))
        return replace(report, sources=sources, codes=codes, findings=tuple(self._kept))

    def _count_contents(self, told: Told, findings: Sequence[ReadinessFinding]) -> None:
        contents = told.contents
        self._statuses[contents.status if contents else "unreadable"] += 1
        if contents is not None:
            self._pages += contents.pages or 0
            self._formats[contents.mime or "application/octet-stream"] += 1
            if contents.words:
                self._languages[contents.language] += 1
        self._personal.update({kind_of(finding) for finding in findings if finding.code in _HELD})

    def _score(self, source: _Source, findings: Sequence[ReadinessFinding]) -> None:
        weights: dict[str, float] = {}
        for finding in findings:
            if finding.accepted is None:
                weight = WEIGHTS[finding.severity]
                weights[finding.code] = max(weights.get(finding.code, 0.0), weight)
        asked = sum(weights.values())
        lost = min(1.0, asked)
        source.lost += lost
        for code, weight in weights.items():
            source.points[code] += weight * lost / asked  # type: ignore[assignment]
            source.by_code[code] += 1

    def _add_code(self, code: _Code, findings: Sequence[ReadinessFinding]) -> None:
        open_ones = [finding for finding in findings if finding.accepted is None]
        code.documents += bool(open_ones)
        code.findings += sum(finding.count for finding in open_ones)
        code.accepted += sum(finding.count for finding in findings) - sum(f.count for f in open_ones)
        for finding in findings:
            if SEVERITIES.index(finding.severity) < SEVERITIES.index(code.severity):
                code.severity = finding.severity
            self._added += 1
            rank = (-SEVERITIES.index(finding.severity), finding.count, -self._added)
            if finding.accepted is None:
                heapq.heappush(code.worst, (rank, finding))
                if len(code.worst) > WORST:
                    heapq.heappop(code.worst)

    # -- the report -----------------------------------------------------------------------------------------------
    def report(
        self,
        audit_id: str,
        started: datetime,
        finished: datetime | None,
        problems: Mapping[str, str],
        cpu_s: float,
    ) -> ReadinessReport:
        return ReadinessReport(
            id=audit_id,
            started=started,
            finished=finished,
            sources=tuple(self._source(name, source) for name, source in sorted(self._sources.items())),
            documents=self._documents,
            pages=self._pages,
            bytes_read=self._bytes,
            codes=tuple(sorted((self._code(*item) for item in self._codes.items()), key=_worst_first)),
            findings=tuple(self._kept),
            parse_statuses=_ordered(self._statuses),
            languages=_ordered(self._languages),
            formats=_ordered(self._formats),
            personal=_ordered(self._personal),
            cpu_s=round(cpu_s, 2),
            problems=dict(problems),
        )

    def _source(self, name: str, source: _Source) -> SourceScore:
        count = source.documents
        if not count:
            return SourceScore(name, 0, None, (), {})
        reasons = tuple(
            ScoreReason(
                code, round(100 * points / count, 2), source.by_code[code], source.by_code[code] / count
            )
            for code, points in source.points.most_common()
        )
        return SourceScore(
            name, count, round(100 * (1 - source.lost / count), 1), reasons, dict(source.policies)
        )

    def _code(self, name: str, code: _Code) -> CodeSummary:
        worst = tuple(finding for _, finding in sorted(code.worst, key=lambda item: item[0], reverse=True))
        share = code.documents / self._documents if self._documents else 0.0
        return CodeSummary(name, code.severity, code.documents, code.findings, code.accepted, share, worst)


def recounted(
    report: ReadinessReport,
    findings: Sequence[ReadinessFinding],
    keys: Sequence[DocumentKey],
    policy: PolicyOf = usual_policy,
) -> ReadinessReport:
    """`report` by what is accepted now. `keys` say which document each of `findings` is about, where it is withheld too."""
    summary = Summary(policy, [score.source for score in report.sources])
    by_document: dict[DocumentKey, list[ReadinessFinding]] = {}
    for key, finding in zip(keys, findings, strict=True):
        by_document.setdefault(key, []).append(finding)
    for key, found in by_document.items():
        if key.source in {score.source for score in report.sources}:
            summary.recount(key.source, found)
    return summary.again(report)


def _worst_first(summary: CodeSummary) -> tuple[int, int, str]:
    return SEVERITIES.index(summary.severity), -summary.documents, summary.code


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())
