"""Two audits side by side: what is new, what is gone, what stayed, and when nothing can be said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from countersign.corpus.readiness import changes as module
from countersign.corpus.readiness.changes import changes, changes_to_json
from countersign.domain.readiness import ReadinessReport
from tests.web import readiness_samples as samples
from tests.web.readiness_samples import accepted, found


def _earlier(report: ReadinessReport) -> ReadinessReport:
    finished = samples.NOW - timedelta(days=7)
    return replace(report, id="aud_00", started=finished, finished=finished)


def test_new_gone_and_still_there_are_told_apart() -> None:
    before = _earlier(
        samples.report([
            found("corrupt", "a.pdf"), found("stale", "b.pdf"), found("hidden_text", "c.pdf", "one"),
            found("title_missing", "d.pdf"),
        ])
    )  # fmt: skip
    now = samples.report([
        found("stale", "b.pdf", "said otherwise"), found("hidden_text", "c.pdf", "one"), found("hidden_text", "c.pdf", "two"),
        found("personal_data", "b.pdf"), found("expired", "e.pdf"), found("empty", "f.pdf"),
    ])  # fmt: skip
    said = changes(before, now)
    assert said is not None
    assert said.since == samples.NOW - timedelta(days=7)
    assert [(f.code, f.document.external_id) for f in said.new] == [("empty", "f.pdf"), ("expired", "e.pdf")]
    assert [f.document.external_id for f in said.gone] == ["a.pdf"]
    assert said.still == 2
    assert said.new_at == {3, 4, 5}, "a note counts where new things are listed, and nowhere else"
    assert said.is_new(now.findings[5]) and not said.is_new(now.findings[0])
    assert changes_to_json(said)["still"] == 2


def test_accepting_is_not_mending() -> None:
    finding = found("corrupt", "a.pdf")
    said = changes(_earlier(samples.report([finding])), samples.report([accepted(finding)]))
    assert said is not None and (said.new, said.gone, said.still) == ((), (), 1)


def test_documents_without_a_name_for_the_reader_are_still_told_apart() -> None:
    hidden = [found("corrupt", ""), found("corrupt", "")]
    a, b, c = samples.key("a"), samples.key("b"), samples.key("c")
    said = changes(
        _earlier(samples.report(hidden)), samples.report(hidden), keys_before=[a, b], keys_now=[b, c]
    )
    assert said is not None and (len(said.new), len(said.gone), said.still) == (1, 1, 1)
    assert not any(said.is_new(finding) for finding in hidden)


def test_nothing_is_said_of_what_cannot_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    now = samples.report([found("corrupt", "a.pdf")])
    assert changes(_earlier(samples.report([found("stale", "a", source="mail")])), now) is None
    assert changes(replace(now, finished=None), now) is None
    assert changes(_earlier(now), replace(now, finished=None)) is None
    monkeypatch.setattr(module, "MAX_FINDINGS", 1)
    assert changes(_earlier(now), now) is None
