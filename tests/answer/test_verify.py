from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bench.verification import LANGUAGES, cases
from countersign.answer.verify import verify
from countersign.corpus.seams import Vectors
from countersign.domain.answers import Claim
from tests.answer.passages import passage

pytestmark = pytest.mark.anyio


class AllAlike:
    """An embedder for which everything means the same: what it lets pass, the other checks let pass."""

    model_id = "all-alike"
    dimension = 2
    region = ""

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.array([1.0, 0.0], dtype=np.float32), (len(texts), 1))

    async def embed_query(self, text: str) -> Vectors:
        return np.array([1.0, 0.0], dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


def claim(text: str, *numbers: int) -> Claim:
    return Claim(text, 0, len(text), supported=False, support="none", citations=numbers or (1,))


async def supported(text: str, source: str, language: str = "en", **changes: object) -> Claim:
    (checked,) = await verify([claim(text)], [passage(source, language, **changes)], language, None)
    return checked


@pytest.mark.parametrize("language", LANGUAGES)
async def test_within_a_language_the_sets_are_told_apart(language: str) -> None:
    false_support = false_alarm = 0
    for name in ("claims", "claims_held_out"):
        for _, _, text, source, true in cases(name, language, language):
            checked = await supported(text, source, language)
            false_support += checked.supported and not true
            false_alarm += true and not checked.supported
    assert false_support == 0
    assert false_alarm <= 1


@pytest.mark.parametrize(("claimed", "written"), [("kk", "ru"), ("kk", "en"), ("ru", "en")])
async def test_across_languages_figures_names_and_polarity_hold_without_any_help_of_embeddings(
    claimed: str, written: str
) -> None:
    rows = cases("claims", claimed, written)
    wrong = 0
    for _, _, text, source, true in rows:
        (checked,) = await verify([claim(text)], [passage(source, written)], claimed, AllAlike())
        wrong += checked.supported and not true
        assert checked.support in ("semantic", "none")
    assert wrong / sum(not row[-1] for row in rows) <= 0.1


async def test_without_an_embedder_nothing_is_supported_across_languages() -> None:
    (checked,) = await verify([claim("Комиссия 500 тенге.")], [passage("The fee is 500 tenge.")], "ru", None)
    assert (checked.supported, checked.reasons) == (False, ("embedding_unavailable",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The Gold card fee is 700 tenge.", "number_missing"),
        ("The Gold card fee is 500 dollars.", "unit_differs"),
        ("The Silver card fee is 500 tenge.", "number_"),
        ("The Gold card fee is not 500 tenge.", "negation_differs"),
    ],
)
async def test_a_table_row_supports_only_its_own_figures(text: str, reason: str) -> None:
    table = "Card | Fee, tenge | Rate\nGold | 500 tenge | 12%\nSilver | 300 tenge | 10%"
    assert (await supported("The Gold card fee is 500 tenge.", table, is_table=True)).support == "literal"
    checked = await supported(text, table, is_table=True)
    assert not checked.supported
    assert any(said.startswith(reason) for said in checked.reasons)


async def test_title_and_heading_are_read_with_the_passage() -> None:
    text, source = "The Gold card costs 500 tenge a month.", "It costs 500 tenge a month."
    assert not (await supported(text, source)).supported
    assert (await supported(text, source, title="Gold card", heading_path=("Tariffs",))).supported


async def test_only_the_cited_passage_counts() -> None:
    passages = [passage("The limit is 900 tenge.", key="a"), passage("The fee is 500 tenge.", key="b")]
    right, other, none = await verify(
        [claim("The fee is 500 tenge.", 2), claim("The fee is 500 tenge.", 1), replace(claim("The fee is 500."), citations=())],
        passages, "en", None,
    )  # fmt: skip
    assert right.supported
    assert not other.supported
    assert none.reasons == ("no_citation",)


async def test_an_unknown_language_is_not_verified() -> None:
    (checked,) = await verify(
        [claim("The fee is 500 tenge.")], [passage("The fee is 500 tenge.")], "und", None
    )
    assert checked.supported  # the sentence itself shows its language
    (unknown,) = await verify([claim("12345 67890")], [passage("12345 67890", "und")], "und", None)
    assert unknown.reasons == ("language_unknown",)


async def test_a_sentence_quoted_in_the_source_language_is_literal() -> None:
    (checked,) = await verify(
        [claim("Комиссия за перевод составляет 500 тенге.")],
        [passage("Комиссия за перевод составляет 500 тенге.", "ru")], "kk", None,
    )  # fmt: skip
    assert checked.support == "literal"
