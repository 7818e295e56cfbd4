"""What a deployment learns of its own questions: it only orders, falls back, and is the same every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.documents import Passage
from countersign.retrieval.learning import (
    LEAST_LESSONS,
    Lesson,
    folds_of,
    learn,
    learn_means,
    learn_order,
)
from countersign.retrieval.prior import question_prior
from countersign.retrieval.rerank import FEATURES, Reranker, describe
from countersign.retrieval.retrieve import Retriever
from countersign.retrieval.settings import RetrievalSettings, settings_from_json, settings_to_json
from countersign.storage.passage_index import PassageIndexes
from countersign.storage.passages import SqlPassageStore
from tests.retrieval.library import DIMENSION, MODEL, BagOfGrams, Library, ask, group, person

WORDS = st.lists(st.sampled_from(["leave", "fee", "12", "отпуск", "демалыс", "LN-7", "days", ""]), max_size=8)
PASSAGES = st.lists(
    st.tuples(WORDS, st.floats(0, 1), st.floats(0, 1), st.sampled_from(["kk", "ru", "en", "und"])),
    max_size=12,
)
WEIGHTS = st.dictionaries(st.sampled_from(FEATURES), st.floats(-5, 5), max_size=len(FEATURES))


def _passage(number: int, text: str, score: float = 0.5, language: str = "en", **legs: float) -> Passage:
    return Passage(
        str(number), f"d{number}", 1, f"d{number}", "files", "main", f"Title {number}", text, 0, language,
        score=score, features=legs,
    )  # fmt: skip


@given(WORDS, PASSAGES, WEIGHTS)
def test_an_order_brings_nothing_in_and_leaves_nothing_out(
    question: list[str], given_: list[tuple[list[str], float, float, str]], weights: dict[str, float]
) -> None:
    scores = sorted((score for _, score, _, _ in given_), reverse=True)
    passages = [
        _passage(n, " ".join(words), score, language, dense=leg, words=leg, cosine=leg)
        for n, ((words, _, leg, language), score) in enumerate(zip(given_, scores, strict=True))
    ]
    asked = " ".join(question)
    order = Reranker(weights).order(asked, "en", passages)
    assert sorted(p.passage_id for p in order) == sorted(p.passage_id for p in passages)
    assert [p.score for p in order] == scores
    assert order == Reranker(weights).order(asked, "en", passages)
    if not passages:
        return
    assert np.isfinite(describe(asked, "en", passages)).all()
    assert Reranker({}).order(asked, "en", passages) == passages


def test_nothing_to_learn_from_leaves_settings_as_they_are() -> None:
    settings = RetrievalSettings()
    assert learn_means(settings, {}, "any") == settings
    few = np.ones((19, 4), np.float32)
    assert learn_means(settings, {"kk": few}, "any") == settings
    for lessons in ([], _lessons(LEAST_LESSONS - 1), [replace(one, right=("",) * 4) for one in _lessons(60)]):
        learned = learn_order(settings, lessons)
        assert learned.settings == settings and not learned.taken


def test_an_order_that_noise_taught_is_not_taken() -> None:
    rng = np.random.default_rng(7)
    lessons = []
    for number in range(80):
        passages = tuple(
            _passage(n, "word " * int(rng.integers(1, 40)), 1 - n / 10, dense=float(rng.random()))
            for n in range(8)
        )
        lessons.append(Lesson(f"question {number}", passages, ("", "d", *[""] * 6)))
    shuffled = [replace(one, right=tuple(rng.permutation(np.array(one.right)).tolist())) for one in lessons]
    assert not learn_order(RetrievalSettings(), shuffled).taken


def _lessons(count: int) -> list[Lesson]:
    """The answer is the passage that says the question's figure, never the first one found."""
    lessons = []
    for number in range(count):
        texts = ["fee of a card", "fees and cards", f"fee is {number}", "cards"]
        passages = tuple(
            _passage(4 * number + n, text, 1 - n / 10, dense=1 - n / 10) for n, text in enumerate(texts)
        )
        lessons.append(Lesson(f"card fee {number}", passages, ("", "", "answer", "")))
    return lessons


def test_what_answers_tells_the_order_and_the_same_lessons_the_same_one() -> None:
    lessons = _lessons(60)
    learned = learn_order(RetrievalSettings(), lessons)
    assert learned.taken and learned.taught == 60
    assert np.mean(learned.scores) > 0.95 > np.mean(learned.before)
    assert learned == learn_order(RetrievalSettings(), lessons)
    reranker = learned.settings.reranker
    assert reranker is not None and reranker.weights["figures"] > 0
    other = [_passage(900, "fee of a card", 0.9), _passage(901, "fee is 777", 0.8)]
    assert reranker.order("card fee 777", "en", other)[0].passage_id == "901"


def test_the_better_beginning_is_taken_and_the_first_of_equals() -> None:
    worse, better = RetrievalSettings(), RetrievalSettings(candidates=90)
    missing = [replace(one, right=("",) * 4, wanted=1) for one in _lessons(60)]
    assert learn([(worse, missing), (better, _lessons(60))]).settings.candidates == 90
    assert learn([(worse, missing), (better, missing)]).settings == worse


def test_a_group_is_never_parted() -> None:
    groups = [f"g{n % 12}" for n in range(60)]
    folds = folds_of(groups)
    assert len(set(folds.tolist())) == 5
    assert all(len({int(f) for g, f in zip(groups, folds, strict=True) if g == name}) == 1 for name in groups)
    assert len(set(folds_of(["one"] * 20).tolist())) == 5


def test_own_means_outweigh_the_general_one_as_questions_come_in() -> None:
    model = BagOfGrams.model_id
    vectors = np.tile(np.array([1, 0, 0, 0], np.float32), (400, 1))
    some = learn_means(RetrievalSettings(), {"kk": vectors[:20]}, model).query_means["kk"][0]
    many = learn_means(RetrievalSettings(), {"kk": vectors}, model).query_means["kk"][0]
    assert 0 < some < many < 0.85 and question_prior(model) == {}


def test_what_was_learned_comes_back_from_json() -> None:
    learned = learn_order(RetrievalSettings(), _lessons(60)).settings
    back = settings_from_json(json.loads(json.dumps(settings_to_json(learned))))
    assert back == learned and back.reranker is not None
    assert settings_from_json(json.loads(json.dumps(settings_to_json(RetrievalSettings())))).reranker is None


TOPICS = [f"{first}{second}" for first in ("par", "tol", "mas", "ken", "bor", "sul", "zha", "dim") for second in
          ("king", "mentor", "turn", "dela", "vista", "gano", "rique", "lont", "pada", "shire")]  # fmt: skip


@pytest.fixture
def library(tmp_path: Path) -> Iterator[tuple[Library, PassageIndexes]]:
    """About each topic a note that repeats its name, a rule that answers, and a secret rule of the board."""
    library = Library(tmp_path)
    for topic in TOPICS:
        library.put(f"note-{topic}", [f"{topic} {topic} note."], group("staff"))
        rule = (
            f"Whoever asks for {topic} files a form with the office, which decides within ten working days."
        )
        library.put(f"rule-{topic}", [rule], group("staff"))
        library.put(f"secret-{topic}", [rule + " The board may waive it."], group("board"))
    indexes = PassageIndexes(tmp_path / "index", DIMENSION, owner=True)
    yield library, indexes
    indexes.close()
    library.close()


@pytest.mark.anyio
async def test_learning_improves_what_it_did_not_see_and_opens_nothing(
    library: tuple[Library, PassageIndexes],
) -> None:
    store = SqlPassageStore(library[0].database, MODEL)

    def retriever(settings: RetrievalSettings) -> Retriever:
        return Retriever(store, library[1].of, BagOfGrams(), settings)

    plain = RetrievalSettings(neighbours=0)
    staff, questions = person("staff"), {topic: f"What about {topic}?" for topic in TOPICS}
    lessons = []
    for topic in TOPICS[:60]:
        found = (await ask(retriever(plain), staff, questions[topic], limit=50)).passages
        right = tuple("rule" if p.external_id == f"rule-{topic}" else "" for p in found)
        lessons.append(Lesson(questions[topic], found, right, 1))
    learned = learn_order(plain, lessons)
    assert learned.taken

    async def firsts(settings: RetrievalSettings) -> int:
        seen = [(await ask(retriever(settings), staff, questions[t], limit=4)).passages for t in TOPICS[60:]]
        assert all(len(each) == 4 and not any("secret" in p.external_id for p in each) for each in seen)
        return sum(each[0].external_id == f"rule-{t}" for each, t in zip(seen, TOPICS[60:], strict=True))

    assert await firsts(learned.settings) >= 18 > await firsts(plain)
