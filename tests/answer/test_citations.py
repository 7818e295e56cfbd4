from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from countersign.answer.citations import MAX_QUOTE_CHARS, bind
from tests.answer.passages import passage

FEE = passage("The annual fee of the Gold card is 12,000 tenge. It is charged once a year.", key="fee")
LIMIT = passage("The daily cash limit is 500,000 tenge. Larger sums need a request.", key="limit")


def test_numbers_become_ours_in_order_of_first_appearance() -> None:
    bound = bind(
        "The daily cash limit is 500,000 tenge [2]. The annual fee is 12,000 tenge [1, 2].", [FEE, LIMIT]
    )
    assert bound.text == "The daily cash limit is 500,000 tenge. [1] The annual fee is 12,000 tenge. [1] [2]"
    assert [(c.n, c.passage_id) for c in bound.citations] == [(1, "limit"), (2, "fee")]
    assert bound.cited == (LIMIT, FEE)
    assert [claim.citations for claim in bound.claims] == [(1,), (1, 2)]
    assert all(bound.text[claim.start : claim.end] == claim.text for claim in bound.claims)


def test_marks_of_every_shape_are_read_and_invented_ones_dropped() -> None:
    text = "The fee is 12,000 tenge【1†source】. The limit is 500,000 tenge [[2]]. Both apply [passages 1 and 2]. Also [9]."
    bound = bind(text, [FEE, LIMIT])
    assert [claim.citations for claim in bound.claims] == [(1,), (2,), (1, 2), ()]
    assert bound.dropped == ("invented_citation:9",)
    assert "9" not in bound.text
    assert bind("The fee is 12,000 tenge (1).", [FEE]).text == "The fee is 12,000 tenge. [1]"


def test_a_sentence_without_a_mark_gets_the_passage_that_supports_it_or_none() -> None:
    bound = bind("The daily cash limit is 500,000 tenge. Penguins live in the south of Chile.", [FEE, LIMIT])
    assert [claim.citations for claim in bound.claims] == [(1,), ()]
    assert bound.citations[0].passage_id == "limit"


def test_a_number_in_brackets_that_belongs_to_the_text_is_no_citation() -> None:
    assert bind("Fill in form (3) and sign it [1].", [FEE]).text == "Fill in form (3) and sign it. [1]"


def test_quote_page_and_box_come_from_the_passage() -> None:
    boxes = ((2, (0.1, 0.1, 0.5, 0.2)), (2, (0.1, 0.2, 0.9, 0.3)))
    source = passage(FEE.text, page=2, page_to=2, boxes=boxes, heading_path=("Tariffs", "Cards"), key="p")
    (citation,) = bind("The Gold card costs 12,000 tenge a year [1].", [source]).citations
    assert citation.quote.startswith("The annual fee of the Gold card is 12,000 tenge.")
    assert citation.quote in source.text
    assert (citation.page, citation.bbox, citation.heading) == (2, (0.1, 0.1, 0.9, 0.3), "Tariffs / Cards")
    assert citation.citation_id.startswith("cit_")


def test_courtesies_are_not_claims_but_what_hides_in_them_is() -> None:
    bound = bind("Здравствуйте!\nСпасибо за обращение.\n\nС уважением", [FEE])
    assert bound.claims == ()
    assert len(bind("Dear customer, your loan is forgiven.", [FEE]).claims) == 1


@given(st.text(alphabet=st.sampled_from("ab1. \n[]【】()2,9-Тң"), max_size=60))
def test_any_text_keeps_its_invariants(text: str) -> None:
    bound = bind(text, [FEE, LIMIT])
    assert [c.n for c in bound.citations] == list(range(1, len(bound.citations) + 1))
    for claim in bound.claims:
        assert bound.text[claim.start : claim.end] == claim.text
        assert set(claim.citations) <= {c.n for c in bound.citations}
    sources = {"fee": FEE.text, "limit": LIMIT.text}
    assert all(c.quote in sources[c.passage_id] and len(c.quote) <= MAX_QUOTE_CHARS for c in bound.citations)
