"""Two audits of the same sources side by side: what is new, what is no longer found, and what is still there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from countersign.corpus.readiness.report_json import finding_to_json
from countersign.corpus.readiness.summary import MAX_FINDINGS
from countersign.domain.clock import iso
from countersign.domain.readiness import DocumentKey, ReadinessFinding, ReadinessReport

Place = tuple[str, DocumentKey]
"""A code in a document: where one audit says it and another does not, something has changed."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Notes are not among `new`, `gone` and `still`: they ask for nothing. `gone` is mended, or its document is."""

    since: datetime
    new: tuple[ReadinessFinding, ...]
    gone: tuple[ReadinessFinding, ...]
    """As the earlier audit said it; one of each code in a document."""
    still: int
    scores: Mapping[str, float]
    """Source → its score then."""
    new_at: frozenset[int]
    """Places in the later report's findings of all that is new, notes and repetitions included."""

    new_places: frozenset[Place]

    def is_new(self, finding: ReadinessFinding) -> bool:
        """Nothing is said of what the reader is not told the name of."""
        return bool(finding.document.external_id) and (finding.code, finding.document) in self.new_places


def changes(
    before: ReadinessReport,
    now: ReadinessReport,
    *,
    keys_before: Sequence[DocumentKey] = (),
    keys_now: Sequence[DocumentKey] = (),
) -> Changes | None:
    """None where nothing can be said: another audit's sources, one that did not end, or findings that were left out.
    `keys_…` say which document each finding is about where a reader is not told its name."""
    told = (before, now)
    if {s.source for s in before.sources} != {s.source for s in now.sources}:
        return None
    if any(report.finished is None or len(report.findings) >= MAX_FINDINGS for report in told):
        return None
    places_before, places_now = _places(before, keys_before), _places(now, keys_now)
    known, found = set(places_before), set(places_now)
    new = _first(now.findings, places_now, known)
    return Changes(
        since=before.finished or before.started,
        new=new,
        gone=_first(before.findings, places_before, found),
        still=len(_urgent(now.findings, places_now) & known),
        scores={each.source: each.score for each in before.sources if each.score is not None},
        new_at=frozenset(n for n, place in enumerate(places_now) if place not in known),
        new_places=frozenset((finding.code, finding.document) for finding in new),
    )


def _places(report: ReadinessReport, keys: Sequence[DocumentKey]) -> list[Place]:
    whose = keys or [finding.document for finding in report.findings]
    return [(finding.code, key) for finding, key in zip(report.findings, whose, strict=True)]


def _urgent(findings: Sequence[ReadinessFinding], places: Sequence[Place]) -> set[Place]:
    return {place for finding, place in zip(findings, places, strict=True) if finding.severity != "info"}


def _first(
    findings: Sequence[ReadinessFinding], places: Sequence[Place], other: Collection[Place]
) -> tuple[ReadinessFinding, ...]:
    """Errors before warnings, each place once."""
    once: dict[Place, ReadinessFinding] = {}
    for finding, place in zip(findings, places, strict=True):
        if finding.severity != "info" and place not in other:
            once.setdefault(place, finding)
    return tuple(sorted(once.values(), key=lambda finding: finding.severity != "error"))


def changes_to_json(of: Changes) -> dict[str, Any]:
    return {
        "since": iso(of.since),
        "still": of.still,
        "scores": dict(of.scores),
        "new": [finding_to_json(finding) for finding in of.new],
        "gone": [finding_to_json(finding) for finding in of.gone],
    }
