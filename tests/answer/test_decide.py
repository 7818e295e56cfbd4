from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.answer.confidence import WEIGHTS, judge_confidence
from countersign.answer.conflicts import find_conflicts
from countersign.answer.decide import decide
from countersign.answer.language import answer_language
from countersign.answer.phrases import (
    mark_of_generation,
    notice_of_degradation,
    sentence_for_hold,
    sentence_for_refusal,
)
from countersign.domain.answers import AnswerStatus, Citation, Claim, Confidence, ConflictNote, RefusalReason
from countersign.domain.workspace import Assistant, HoldRules, Process, RefuseRules, Risk
from tests.answer.passages import at, passage

GOOD = Claim("The fee is 500 tenge. [1]", 0, 25, supported=True, support="literal", citations=(1,))
BAD = replace(GOOD, supported=False, support="none", reasons=("number_missing:500",))
SURE = Confidence(0.9, "high")
UNSURE = Confidence(0.2, "low")
CONFLICT = ConflictNote("fee", ("500", "700"), (1,))
PLAIN = passage("The fee is 500 tenge.")


def assistant(
    risk: Risk = "low", hold: HoldRules | None = None, refuse: RefuseRules | None = None
) -> Assistant:
    process = Process("staff", "advice", "a complaint", risk, ("quality",))
    return Assistant(
        "help",
        process,
        ("intranet",),
        ("main",),
        hold_when=hold,
        refuse_when=refuse or RefuseRules(),
    )


@pytest.mark.parametrize(
    ("risk", "claims", "confidence", "conflicts", "reasons"),
    [
        ("low", [GOOD], SURE, [], ()),
        ("low", [BAD], UNSURE, [CONFLICT], ()),
        ("medium", [GOOD], SURE, [], ()),
        ("medium", [BAD], UNSURE, [CONFLICT], ("unsupported_claims", "conflicts", "low_confidence")),
        ("high", [GOOD], SURE, [], ("risk_high",)),
    ],
)
def test_risk_sets_what_the_file_does_not_say(
    risk: Risk,
    claims: list[Claim],
    confidence: Confidence,
    conflicts: list[ConflictNote],
    reasons: tuple[str, ...],
) -> None:
    decision = decide(assistant(risk), claims, confidence, conflicts, [PLAIN])
    assert decision.hold_reasons[: len(reasons)] == reasons
    assert decision.status is (AnswerStatus.HELD if reasons else AnswerStatus.DELIVERED)


def test_low_risk_delivers_marked() -> None:
    decision = decide(
        assistant(), [GOOD, BAD], UNSURE, [CONFLICT], [PLAIN], degraded_because="main: provider_timeout"
    )
    assert decision.status is AnswerStatus.DEGRADED
    assert decision.warnings == ("unsupported_claims", "conflicts", "low_confidence", "degraded")


def test_a_classification_holds() -> None:
    rules = HoldRules(classification=("board",))
    decision = decide(assistant(hold=rules), [GOOD], SURE, [], [replace(PLAIN, classification="board")])
    assert decision.hold_reasons == ("classification:board",)


@pytest.mark.parametrize(
    ("age", "refused"), [(timedelta(days=8), True), (None, True), (timedelta(days=1), False)]
)
def test_an_old_or_unknown_age_refuses(age: timedelta | None, refused: bool) -> None:
    rules = RefuseRules(source_older_than=timedelta(days=7))
    decision = decide(assistant(refuse=rules), [GOOD], SURE, [], [PLAIN], data_age=age)
    assert (decision.refusal is RefusalReason.SOURCE_TOO_OLD) is refused


def test_no_evidence_refuses_and_a_blocked_output_refuses_first() -> None:
    assert decide(assistant(), [], SURE, [], []).refusal is RefusalReason.NO_EVIDENCE
    blocked = decide(assistant("high"), [GOOD], SURE, [], [PLAIN], guard_blocked=RefusalReason.OUTPUT_BLOCKED)
    assert blocked.refusal is RefusalReason.OUTPUT_BLOCKED


@given(st.sampled_from(["low", "medium", "high"]), st.booleans(), st.floats(0, 1), st.booleans())
def test_a_higher_confidence_never_adds_a_hold_and_a_higher_risk_never_removes_one(
    risk: Risk, supported: bool, score: float, conflict: bool
) -> None:
    def held(at_risk: Risk, with_score: float) -> bool:
        claims = [GOOD if supported else BAD]
        confidence = Confidence(with_score, "low")
        found = decide(assistant(at_risk), claims, confidence, [CONFLICT] if conflict else [], [PLAIN])
        return found.status is AnswerStatus.HELD

    assert held(risk, score) >= held(risk, 1.0)
    assert held("high", score) >= held("medium", score) >= held("low", score)


def test_what_the_file_says_replaces_what_the_risk_would_set() -> None:
    said = assistant("medium", HoldRules(confidence_below=0.1))
    assert decide(said, [BAD], UNSURE, [], [PLAIN]).status is AnswerStatus.DELIVERED


def judged(claims: list[Claim], **changes: object) -> Confidence:
    cited = Citation(1, "cit_1", "1", "doc_1", "1.pdf", "intranet", 1, "", "The fee is 500 tenge.")
    values: dict[str, object] = {
        "question": "What is the fee?", "passages": [PLAIN], "claims": claims, "citations": [cited], "conflicts": [],
        "retrieval": {"top_score": 0.9, "leg_agreement": 1.0}, "language": "en", "now": at("2026-01-01T00:00:00+00:00"),
    }  # fmt: skip
    return judge_confidence(**{**values, **changes})  # type: ignore[arg-type]


def test_confidence_falls_with_every_doubt_and_says_that_it_is_not_calibrated() -> None:
    good = judged([GOOD])
    assert good.band == "high"
    assert not good.calibrated
    assert set(good.features) == set(WEIGHTS) - {"bias"}
    assert judged([BAD]).score < good.score
    assert judged([GOOD], conflicts=[CONFLICT]).score < good.score
    assert judged([GOOD], passages=[replace(PLAIN, ocr_confidence=0.4)]).score < good.score
    assert (
        judged([GOOD], passages=[replace(PLAIN, modified=at("2016-01-01T00:00:00+00:00"))]).score < good.score
    )
    assert judged([]).band == "low"


def test_documents_that_give_different_figures_for_one_subject_conflict() -> None:
    first = passage("The fee for a transfer abroad is 500 tenge. The limit is 900 tenge.", key="a")
    second = passage("The fee for a transfer abroad is 700 tenge.", key="b")
    (note,) = find_conflicts([first, second])
    assert set(note.values) == {"500 tenge", "700 tenge"}
    assert find_conflicts([first, replace(second, document_id=first.document_id)]) == ()
    assert find_conflicts([first, passage("The fee for a transfer abroad is 500 KZT.", key="c")]) == ()
    assert find_conflicts([first, passage("The fee for closing an account is 700 tenge.", key="d")]) == ()


def test_conflicts_across_languages_and_dates() -> None:
    kk = passage("Несиені мерзімінен бұрын өтеу комиссиясы 2% құрайды.", "kk", key="kk")
    ru = passage("Комиссия за досрочное погашение кредита составляет 3%.", "ru", key="ru")
    assert len(find_conflicts([kk, ru])) == 1
    old = passage("The password policy applies from 1 March 2025.", key="x")
    new = passage("The password policy applies from 1 April 2025.", key="y")
    assert len(find_conflicts([old, new])) == 1


@pytest.mark.parametrize("language", ["kk", "ru", "en", "de"])
def test_every_fixed_sentence_carries_the_id(language: str) -> None:
    texts = [sentence_for_refusal(reason, language, "ans_1") for reason in RefusalReason]
    texts += [f(language, "ans_1") for f in (sentence_for_hold, notice_of_degradation, mark_of_generation)]
    assert all(text.count("ans_1") == 1 for text in texts)
    assert len(set(texts)) == len(texts)


def test_the_language_of_an_answer() -> None:
    spoken = ("kk", "ru", "en")
    assert answer_language("Комиссия қанша?", languages=spoken) == "kk"
    assert answer_language("Какая комиссия?", languages=spoken) == "ru"
    assert answer_language("Какая комиссия?", asked_for="en", languages=spoken) == "en"
    assert answer_language("Какая комиссия?", asked_for="fr", languages=("kk",)) == "kk"
    assert answer_language("12345", languages=spoken) == "kk"
