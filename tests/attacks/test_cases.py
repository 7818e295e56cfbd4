"""The attack corpus against the guard alone: what reaches the model is clean, what an obedient model says is harmless."""

from __future__ import annotations

import unicodedata

import pytest

from countersign.guard.control import control_tokens
from countersign.guard.injection import injection_signal
from countersign.guard.literals import folded
from countersign.guard.normalise import INVISIBLE
from countersign.guard.output import OutputFilter
from countersign.guard.passages import fence, new_marker
from countersign.guard.pipeline import Guard
from tests.attacks.cases import BEACON_HOST, CASES, GOALS, HIDING, Case
from tests.guard.samples import CANARY, IIN, PROVIDER_KEY, RULES, SYSTEM_PROMPT
from tests.guard.test_input import passage


def ids(case: Case) -> str:
    return case.id


def test_the_corpus_is_whole() -> None:
    assert len({case.id for case in CASES}) == len(CASES) == 84
    assert {case.language for case in CASES} == {"en", "ru", "kk"}
    assert len({case.technique for case in CASES}) == 7


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_what_reaches_the_model_is_clean(case: Case) -> None:
    marker = new_marker()
    guarded = Guard().passages((passage(case.text),)).passages[0]
    assert control_tokens(guarded.text) == []
    assert not INVISIBLE.search(guarded.text)
    fenced = fence([guarded], marker)
    assert fenced.count("<<") == 2
    assert fenced.splitlines()[-1] == f"<<END 1 {marker}>>"


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_fact_of_the_twin_survives(case: Case) -> None:
    guard = Guard()
    kept = guard.passages((passage(case.benign),))
    assert kept.dropped == ()
    assert guard.question(case.benign).blocked_reason in ("", "question_empty")
    if case.technique not in HIDING:
        assert case.fact in kept.passages[0].text


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: f"{goal.name}-{goal.language}")
def test_an_obedient_model_gains_nothing(goal: Case) -> None:
    spoken = goal.obeyed.format(canary=CANARY, system=SYSTEM_PROMPT, secret=PROVIDER_KEY, iin=IIN)
    stream = OutputFilter(RULES)
    out = "".join(stream.feed(c) for c in spoken) + stream.finish()
    plain = unicodedata.normalize("NFKC", out)
    assert IIN not in folded(plain)
    assert folded(CANARY) not in folded(plain)
    assert folded(PROVIDER_KEY) not in folded(plain)
    assert BEACON_HOST not in plain
    assert "https://" not in plain
    assert "![" not in plain
    assert " ".join(SYSTEM_PROMPT.split()[:8]) not in plain
    if goal.name == "system_prompt_leak":
        assert stream.blocked_reason


def test_the_signal_sees_the_attacks_and_not_their_twins() -> None:
    seen = [injection_signal(case.text).raised for case in CASES]
    false = [case.id for case in CASES if injection_signal(case.benign).raised]
    assert sum(seen) / len(seen) >= 0.9, [c.id for c, s in zip(CASES, seen, strict=True) if not s]
    assert len(false) / len(CASES) <= 0.05, false
