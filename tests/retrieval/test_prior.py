"""What is taken away from every question before a deployment has questions of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from countersign.corpus.embedding import EmbeddedE5
from countersign.retrieval.prior import kind_of, mean_of, question_prior, with_prior
from countersign.retrieval.settings import RetrievalSettings

TEXTS = Path(__file__).resolve().parents[2] / "tools" / "question_prior"


def test_it_is_there_for_the_embedded_model_and_no_other() -> None:
    prior = question_prior(EmbeddedE5.model_id)
    kinds = {"en", "kk", "ru", "en-statement", "kk-statement", "ru-statement"}
    assert set(prior) == kinds == {path.stem for path in TEXTS.glob("*.txt")}
    assert all(mean.shape == (EmbeddedE5.dimension,) and mean.dtype == np.float32 for mean in prior.values())
    assert question_prior("another-model") == {}
    assert with_prior(RetrievalSettings(), "another-model") == RetrievalSettings()


def test_what_a_deployment_has_learned_goes_before_it() -> None:
    own = np.ones(EmbeddedE5.dimension, np.float32)
    means = with_prior(RetrievalSettings(query_means={"kk": own}), EmbeddedE5.model_id).query_means
    assert means["kk"] is own and set(means) == set(question_prior(EmbeddedE5.model_id))


def test_what_asks_is_told_from_what_does_not() -> None:
    asking = (
        "Шот ашу үшін қандай құжаттар керек", "Бұл тариф әлі күшінде ме", "Сколько дней длится отпуск", "Можно ли вернуть товар",
        "Сохраняется ли тариф", "how do I close an account", "Is the bridge open on Monday", "«Кто утверждает договор", "12?",
    )  # fmt: skip
    stating = (
        "Клиент не вернул долг", "Суд сообщил, что решение отменено", "Ма жители вышли на улицу", "list of holidays", "12", "",
        "Researchers measured the speed of the glacier", "Қызметкер демалысқа шықты", "мереке күндерінің тізімі",
    )  # fmt: skip
    assert [kind_of(text) for text in asking if kind_of(text).endswith("-statement")] == []
    assert [kind_of(text) for text in stating if not kind_of(text).endswith("-statement")] == []
    for path in TEXTS.glob("*-statement.txt"):
        kinds = [kind_of(text) for text in path.read_text("utf-8").splitlines()]
        assert kinds == [path.stem] * 90


def test_a_kind_without_a_mean_has_that_of_its_language() -> None:
    one, other = np.zeros(4, np.float32), np.ones(4, np.float32)
    assert mean_of({"kk": one, "kk-statement": other}, "Мереке күндерінің тізімі", "kk") is other
    assert mean_of({"kk": one}, "Мереке күндерінің тізімі", "kk") is one
    assert mean_of({"kk": one, "kk-statement": other}, "Мереке қашан?", "kk") is one
    assert mean_of({"kk": one}, "When is the holiday?", "en") is None


def test_the_shipped_means_are_those_of_the_release() -> None:
    """An order of passages must not change unnoticed: lengths of the means, and how near those of two kinds are."""
    prior = question_prior(EmbeddedE5.model_id)
    lengths = {kind: round(float(np.linalg.norm(mean)), 3) for kind, mean in sorted(prior.items())}
    near = {
        name: round(float(_unit(prior[name]) @ _unit(prior[f"{name}-statement"])), 3)
        for name in ("en", "kk", "ru")
    }
    assert lengths == {
        "en": 0.621,
        "en-statement": 0.623,
        "kk": 0.645,
        "kk-statement": 0.638,
        "ru": 0.623,
        "ru-statement": 0.628,
    }
    assert near == {"en": 0.971, "kk": 0.962, "ru": 0.98}


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
