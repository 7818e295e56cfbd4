"""What comes from documents cannot steer the terminal, and answers have one shape at every door."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.app.shapes import jsonable
from countersign.cli.ask import readable
from countersign.cli.terminal import one_line, plain, table
from countersign.domain.answers import (
    Answer,
    AnswerStatus,
    Citation,
    Claim,
    Confidence,
    ConflictNote,
    Cost,
    RefusalReason,
    Usage,
)
from countersign.domain.workspace import Secret

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CITATION = Citation(
    n=1, citation_id="cit_1", passage_id="7", document_id="doc_1", external_id="a\x1b[2Jb.pdf", source="files",
    version=1, title="A \x1b]0;owned\x07title", quote="the fee\u202e is 990", page=2, bbox=(0.1, 0.2, 0.3, 0.4),
)  # fmt: skip


def answer(status: AnswerStatus, refusal: RefusalReason | None = None) -> Answer:
    return Answer(
        answer_id="ans_1", tenant="bank", user="aigerim", assistant="staff-help", task="answer", status=status,
        text="The fee is 990. [1]\x1b[31m", release="rel_1", created=NOW, as_of=NOW, language="en",
        draft="what waits", confidence=Confidence(0.5, "medium"), citations=(CITATION,),
        claims=(Claim("The fee is 990.", 0, 15, False, "none", (1,), ("low_overlap",)),),
        conflicts=(ConflictNote("fee", ("990", "1,490"), (1,)),), warnings=("unsupported_claims",),
        hold_reasons=("conflicts",) if status is AnswerStatus.HELD else (), refusal=refusal, model="main",
        usage=Usage(10, 5, True), cost=Cost(0.001, "USD"),
    )  # fmt: skip


@given(st.text())
def test_no_control_character_reaches_a_terminal(text: str) -> None:
    shown = plain(text)
    assert "\x1b" not in shown
    assert not any(ord(character) < 32 and character not in "\n\t" for character in shown)
    assert len(one_line(text, 20)) <= 20


@pytest.mark.parametrize("text", ["\u202e", "\u2066", "\x9b31m", "\x07", "\u200b", "\U000e0041"])
def test_text_that_hides_or_turns_is_made_visible(text: str) -> None:
    assert plain(f"a{text}b")[1] == "\ufffd"


def test_kazakh_and_persian_stay_as_they_are() -> None:
    assert plain("Өтініш қаралады") == "Өтініш қаралады"
    assert plain("می\u200cخواهم") == "می\u200cخواهم"


def test_a_table_has_one_line_a_row() -> None:
    shown = table(("a", "b"), [("x\ny", 1), ("longer", "z" * 200)])
    assert len(shown.splitlines()) == 3
    assert table(("a",), []) == "a"


def test_a_readable_answer_is_harmless_and_marks_what_is_not_borne_out() -> None:
    shown = readable(answer(AnswerStatus.DELIVERED))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "page 2" in shown
    assert "not borne out by the sources" in shown
    assert "the sources disagree on fee: 990 / 1,490" in shown


def test_a_held_answer_shows_nothing_of_what_waits() -> None:
    shown = readable(answer(AnswerStatus.HELD))
    assert "what waits" not in shown
    assert "a.pdf" not in shown


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(TypeError):
        jsonable({"key": Secret("${env:X}", "value")})
