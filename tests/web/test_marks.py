"""An answer cut into sentences and marks is the same answer again; a quote is found where it stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.answers import Claim
from countersign.web.marks import cut, highlight

TEXT = "The fee is 990 tenge. [1] It is charged monthly. [2]"


def claim(text: str, within: str = TEXT, **said: object) -> Claim:
    start = within.index(text)
    return Claim(text, start, start + len(text), **{"supported": True, "support": "literal", **said})  # type: ignore[arg-type]


def test_a_sentence_carries_its_support_and_its_numbers() -> None:
    claims = [
        claim("The fee is 990 tenge. [1]", citations=(1,)),
        claim("It is charged monthly. [2]", supported=False, support="none", reasons=("low_overlap",)),
    ]
    first, between, second = cut(TEXT, claims, {1, 2})
    assert (first.state, between.state, second.state) == ("literal", "plain", "none")
    assert [piece.n for piece in first.pieces] == [0, 1]
    assert second.reasons == ("low_overlap",)


def test_claims_of_another_text_mark_nothing() -> None:
    [whole] = cut(
        "The fee is 1,290 tenge. [1] It is charged monthly.", [claim("The fee is 990 tenge. [1]")], {1}
    )
    assert whole.state == "plain"
    assert [piece.n for piece in whole.pieces] == [0, 1, 0]


def test_a_number_that_is_no_citation_stays_text() -> None:
    [only] = cut("See item [7] of the list.", [], {1})
    assert [piece.n for piece in only.pieces] == [0]


@given(
    st.text(alphabet="ab .[]123\nқ", max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=5),
    st.sets(st.integers(1, 3)),
)
def test_nothing_is_lost_or_added(text: str, spans: list[tuple[int, int]], numbers: set[int]) -> None:
    claims = [Claim(text[a:b], a, b, False, "none") for a, b in spans if a < b <= len(text)]
    pieces = [piece.text for sentence in cut(text, claims, numbers) for piece in sentence.pieces]
    assert "".join(pieces) == text


@given(st.text(max_size=40), st.text(max_size=10))
def test_a_highlight_is_the_passage(passage: str, quote: str) -> None:
    before, inside, behind = highlight(passage, quote)
    assert before + inside + behind == passage
    assert inside in ("", quote)
