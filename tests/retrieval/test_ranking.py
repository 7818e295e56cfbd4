"""Analysis, language statistics and fusion: how passages of several languages and legs come into one order."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from countersign.retrieval.analysis import Analyzer, question_language, script_of
from countersign.retrieval.fusion import FusionWeights, fuse, mix
from countersign.retrieval.seams import ALWAYS_FROM_DAY, ALWAYS_TO_DAY, Hit, IndexRow, Scope
from countersign.storage.passage_index import TantivyIndex


def test_forms_of_a_word_share_terms() -> None:
    analyzer = Analyzer()
    for passage, language, question in (
        ("Ежегодные отпуска сотрудников", "ru", "отпуск сотрудника"),
        ("ережелерді бекіту", "kk", "ережелер"),
        ("approved contracts", "en", "contract approval"),
    ):
        document, query = analyzer.document(passage, language), analyzer.query(question)
        assert set(document.words) & set(query.words)
        assert len(set(document.grams) & set(query.grams)) >= 3


def test_words_of_every_question_are_not_asked_for_where_others_are() -> None:
    analyzer = Analyzer()
    assert set(analyzer.query("Что такое отпуск?").words).isdisjoint(analyzer.query("что").words)
    assert analyzer.query("What is The Who?").words == ("what", "is", "the", "who")
    assert len(analyzer.query("Что такое отпуск?").grams) > len(analyzer.query("отпуск").grams)


def test_text_is_folded_the_same_however_it_was_written() -> None:
    analyzer = Analyzer()
    plain = analyzer.document("Учёт счетов Й", "ru")
    odd = analyzer.document("УЧЁ\u00adТ сче\u200bтов И\u0306", "ru")
    assert plain == odd


@given(st.text(max_size=400))
def test_any_text_can_be_analysed(text: str) -> None:
    analyzer = Analyzer()
    for terms in (analyzer.document(text, "kk"), analyzer.document(text, "und"), analyzer.query(text)):
        assert not any(" " in term or not term for term in (*terms.words, *terms.grams))


def test_languages_and_scripts_are_told_by_letters() -> None:
    assert [question_language(t) for t in ("Демалыс қанша күн?", "Сколько дней?", "How many?", "12?")] == [
        "kk", "ru", "en", "und",
    ]  # fmt: skip
    assert script_of("Тариф VIP для клиентов") == "cyrl"


def _hit(passage: int, score: float, leg: str, language: str) -> Hit:
    return Hit(passage, score, leg, language)  # type: ignore[arg-type]


def test_words_count_only_within_the_script_of_the_question() -> None:
    hits = [
        _hit(1, 3.0, "dense", "en"), _hit(2, 2.0, "dense", "ru"), _hit(3, 0.0, "dense", "ru"),
        _hit(2, 9.0, "grams", "ru"), _hit(3, 1.0, "grams", "ru"), _hit(2, 5.0, "words", "ru"),
    ]  # fmt: skip
    scores = {c.passage_id: c.score for c in fuse(hits, "ru", FusionWeights({"ru": 0.5}), 100)}
    assert scores[1] == 1.0
    assert scores[2] == np.float64(0.5 * (2 / 3) + 0.5 * 1.0)
    assert 0 <= scores[3] < scores[2]


def test_without_a_dense_leg_words_decide_alone() -> None:
    hits = [_hit(1, 9.0, "grams", "en"), _hit(2, 1.0, "grams", "ru")]
    assert [c.passage_id for c in fuse(hits, "ru", FusionWeights(), 100)] == [1, 2]


def test_mixing_keeps_the_parts_of_the_last_turn() -> None:
    last = fuse([_hit(1, 2.0, "dense", "en"), _hit(2, 1.0, "dense", "en")], "en", FusionWeights(), 100)
    earlier = fuse([_hit(2, 2.0, "dense", "en"), _hit(3, 1.0, "dense", "en")], "en", FusionWeights(), 100)
    mixed = mix([(0.4, last), (0.6, earlier)])
    assert [c.passage_id for c in mixed] == [2, 1, 3]
    assert mixed[0].dense == 0.0 and abs(mixed[0].score - 0.6 * 0.5) < 1e-9


def test_a_passage_in_another_language_is_not_lost_behind_the_questions_own(tmp_path: Path) -> None:
    """Two narrow cones, as encoders make them: the z-score by language finds what the plain cosine buries."""
    rng = np.random.default_rng(4)
    cone = {"ru": rng.normal(size=64) * 1.5, "en": rng.normal(size=64) * 1.5}
    rows, vectors = [], []
    for number in range(1, 401):
        language = "ru" if number % 2 else "en"
        meaning = rng.normal(size=64)
        vectors.append(meaning)
        rows.append(_row(number, language, cone[language] + meaning))
    index = TantivyIndex(tmp_path, 64, owner=True)
    index.apply(rows, 400)
    scope = Scope("main", frozenset({1}), frozenset({"files"}), datetime(2026, 1, 1, tzinfo=UTC))
    ranks = {"z": [], "cosine": []}
    for gold in range(2, 42, 2):  # an English passage each, asked about in Russian
        question = _unit(cone["ru"] + vectors[gold - 1] + rng.normal(size=64) * 0.5)
        hits = index.search_vector(question, scope, 400)
        ranks["z"].append([h.passage_id for h in hits].index(gold))
        by_cosine = sorted(hits, key=lambda h: -h.cosine)
        ranks["cosine"].append([h.passage_id for h in by_cosine].index(gold))
    assert np.mean(np.array(ranks["z"]) < 5) >= 0.9
    assert np.mean(ranks["cosine"]) > 20
    mean = _unit(cone["ru"])
    centred = index.search_vector(_unit(cone["ru"] + vectors[1]), scope, 5, query_mean=mean)
    assert centred[0].passage_id == 2
    index.close()


def _row(number: int, language: str, vector: np.ndarray) -> IndexRow:
    return IndexRow(
        number,
        f"d{number}",
        "files",
        1,
        language,
        ALWAYS_FROM_DAY,
        ALWAYS_TO_DAY,
        True,
        number,
        "word",
        _unit(vector),
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
