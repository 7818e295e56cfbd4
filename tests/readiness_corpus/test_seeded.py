"""The audit over a corpus with known defects: every one found by its code, hardly a false error on clean documents."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from countersign.app.readiness import audit, plan_sources
from countersign.cli.main import run
from countersign.corpus.readiness.walk import Origin
from countersign.domain.readiness import ReadinessFinding, ReadinessReport
from countersign.domain.workspace import SourceSettings
from countersign.testing.jobs_suite import MovableClock
from tests.readiness_corpus.clean import clean_files
from tests.readiness_corpus.defects import NOW, Planted, SeededCorpus, seeded
from tests.workspaces import workspace, write_files

MAX_FALSE_ERRORS = 0.02
PAIRS = ("exact_duplicate", "near_duplicate", "versions_differ", "contradiction", "superseded_present")


def _nothing_pushed(settings: SourceSettings) -> Origin:
    raise AssertionError(settings)


async def audited(corpus: SeededCorpus, root: Path) -> ReadinessReport:
    write_files(root / "files", corpus.files, corpus.manifest())
    plan = plan_sources(workspace(root), ["intranet"], ocr=False, stored=_nothing_pushed)
    return (await audit(plan, MovableClock(NOW), lambda step: None)).report


def found(planted: Planted, findings: list[ReadinessFinding]) -> bool:
    for finding in findings:
        places = {finding.document.external_id, finding.other.external_id if finding.other else ""}
        if finding.code == planted.code and {planted.file, planted.other} - {""} <= places:
            return True
    return False


def table(corpus: SeededCorpus, missed: list[Planted], false: list[ReadinessFinding]) -> str:
    planted, lost = Counter(p.code for p in corpus.planted), Counter(p.code for p in missed)
    wrong = Counter((finding.code, finding.severity) for finding in false)
    lines = [f"{len(corpus.files)} files, {len(corpus.clean)} clean, {len(corpus.planted)} defects"]
    lines += [
        f"{code:28} planted {count:2}  found {count - lost[code]:2}"
        for code, count in sorted(planted.items())
    ]
    lines += [f"missed: {planted}" for planted in missed]
    lines += [
        f"{code:28} on clean documents: {count} ({severity})"
        for (code, severity), count in sorted(wrong.items())
    ]
    return "\n".join(lines)


@pytest.mark.anyio
async def test_every_planted_defect_is_found_and_clean_documents_are_left_alone(tmp_path: Path) -> None:
    corpus = seeded()
    report = await audited(corpus, tmp_path)
    findings = list(report.findings)
    missed = [planted for planted in corpus.planted if not found(planted, findings)]
    expected = {(planted.code, path) for planted in corpus.planted for path in (planted.file, planted.other)}
    false = [
        finding
        for finding in findings
        if finding.document.external_id in corpus.clean
        and (finding.code, finding.document.external_id) not in expected
    ]
    print(table(corpus, missed, false))
    assert len(corpus.clean) >= 150 and len(corpus.planted) >= 60
    assert missed == []
    wronged = {finding.document.external_id for finding in false if finding.severity == "error"}
    assert len(wronged) <= MAX_FALSE_ERRORS * len(corpus.clean), wronged


def test_clean_documents_pass_every_limit_at_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COUNTERSIGN_WORKSPACE", raising=False)
    folder = tmp_path / "documents"
    write_files(folder, clean_files(), [])
    (folder / "manifest.jsonl").unlink()
    limits = [part for code in ("error", "stale", *PAIRS) for part in ("--fail-on", code)]
    exit_code = run(["audit", "data", str(folder), "--json", *limits])
    told = json.loads(capfd.readouterr().out)
    assert (exit_code, told["failed_on"]) == (0, [])
    assert told["documents"] >= 150


def test_the_corpus_is_the_same_every_time() -> None:
    first, second = seeded(), seeded()
    assert first.planted == second.planted and first.manifest() == second.manifest()
    told = {path: content for path, content in first.files.items() if not path.endswith(("x", "m"))}
    assert all(second.files[path] == content for path, content in told.items())
    assert len({planted.code for planted in first.planted}) >= 35
