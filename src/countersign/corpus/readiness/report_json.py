"""A readiness report as JSON, and back: what stands beside the page, what the API answers, what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from countersign.domain.clock import from_iso, iso
from countersign.domain.readiness import (
    Acceptance,
    CodeSummary,
    DocumentKey,
    ReadinessFinding,
    ReadinessReport,
    ScoreReason,
    SourceScore,
)


def report_to_json(report: ReadinessReport) -> dict[str, Any]:
    """Plain values; times are ISO 8601. `report_from_json` is the exact reverse."""
    return {
        "id": report.id,
        "started": iso(report.started),
        "finished": iso(report.finished) if report.finished else None,
        "documents": report.documents,
        "pages": report.pages,
        "bytes_read": report.bytes_read,
        "cpu_s": report.cpu_s,
        "problems": dict(report.problems),
        "sources": [_score(score) for score in report.sources],
        "codes": [_code(code) for code in report.codes],
        "parse_statuses": dict(report.parse_statuses),
        "languages": dict(report.languages),
        "formats": dict(report.formats),
        "personal": dict(report.personal),
        "findings": [finding_to_json(finding) for finding in report.findings],
    }


def report_from_json(said: Mapping[str, Any]) -> ReadinessReport:
    return ReadinessReport(
        id=said["id"],
        started=from_iso(said["started"]),
        finished=from_iso(said["finished"]) if said["finished"] else None,
        sources=tuple(
            SourceScore(
                each["source"], each["documents"], each["score"],
                tuple(ScoreReason(**reason) for reason in each["reasons"]), dict(each["policies"]),
            )
            for each in said["sources"]
        ),
        documents=said["documents"],
        pages=said["pages"],
        bytes_read=said["bytes_read"],
        codes=tuple(
            CodeSummary(
                each["code"], each["severity"], each["documents"], each["findings"], each["accepted"], each["share"],
                tuple(finding_from(found) for found in each["worst"]),
            )
            for each in said["codes"]
        ),
        findings=tuple(finding_from(found) for found in said["findings"]),
        parse_statuses=said["parse_statuses"],
        languages=said["languages"],
        formats=said["formats"],
        personal=said["personal"],
        cpu_s=said["cpu_s"],
        problems=said["problems"],
    )  # fmt: skip


def _score(score: SourceScore) -> dict[str, Any]:
    reasons = [
        {"code": r.code, "points": r.points, "documents": r.documents, "share": r.share}
        for r in score.reasons
    ]
    return {
        "source": score.source,
        "documents": score.documents,
        "score": score.score,
        "reasons": reasons,
        "policies": dict(score.policies),
    }


def _code(code: CodeSummary) -> dict[str, Any]:
    return {
        "code": code.code,
        "severity": code.severity,
        "documents": code.documents,
        "findings": code.findings,
        "accepted": code.accepted,
        "share": code.share,
        "worst": [finding_to_json(finding) for finding in code.worst],
    }


def _key(key: DocumentKey) -> dict[str, str]:
    return {"source": key.source, "external_id": key.external_id, "tenant": key.tenant}


def finding_to_json(finding: ReadinessFinding) -> dict[str, Any]:
    said: dict[str, Any] = {
        "code": finding.code,
        "severity": finding.severity,
        "document": _key(finding.document),
        "page": finding.page,
        "evidence": finding.evidence,
        "count": finding.count,
    }
    if finding.said:
        said["said"] = list(finding.said)
    if finding.other is not None:
        said |= {
            "other": _key(finding.other),
            "other_page": finding.other_page,
            "other_evidence": finding.other_evidence,
        }
    if finding.accepted is not None:
        said["accepted"] = acceptance_to_json(finding.accepted)
    return said


def finding_from(said: Mapping[str, Any]) -> ReadinessFinding:
    other, accepted = said.get("other"), said.get("accepted")
    return ReadinessFinding(
        code=said["code"],
        severity=said["severity"],
        document=DocumentKey(**said["document"]),
        page=said["page"],
        evidence=said["evidence"],
        count=said["count"],
        other=DocumentKey(**other) if other else None,
        other_page=said.get("other_page"),
        other_evidence=said.get("other_evidence", ""),
        accepted=_acceptance(accepted) if accepted else None,
        said=tuple(said.get("said", ())),
    )


def acceptance_to_json(acceptance: Acceptance) -> dict[str, Any]:
    return {
        "code": acceptance.code,
        "document": _key(acceptance.document),
        "reason": acceptance.reason,
        "by": acceptance.by,
        "at": iso(acceptance.at),
        "expires": iso(acceptance.expires),
    }


def acceptances_to_json(acceptances: Sequence[Acceptance]) -> list[dict[str, Any]]:
    return [acceptance_to_json(each) for each in acceptances]


def _acceptance(said: Mapping[str, Any]) -> Acceptance:
    return Acceptance(
        said["code"], DocumentKey(**said["document"]), said["reason"], said["by"], from_iso(said["at"]),
        from_iso(said["expires"]),
    )  # fmt: skip
