"""Whether it is known when there is no answer, and whether what is cited is the right page.

    python -m bench.abstention [set …]          figures
    python -m bench.abstention --fit            the weights that `answer/answerable.py` ships

Questions that nobody can answer from the set are there in mtragun and finbench; elsewhere every question is asked twice,
the second time with its answering documents taken out. `apart` judges a set by weights fitted on the other sets, `within`
by weights fitted on the others and seven eighths of the set's own talks or companies; `shipped` is what everyone gets.
`false refusals`: of questions whose answer is in the set. Pages: of what the extractive generator cites, and of sentences of
a gold page that a model wrote without a mark, how many are bound to a gold page.
Data: `COUNTERSIGN_DATA` (or `../shared/data`); vectors are cached outside the repository.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.collections import Query, VectorCache, cache_folder, data_folder, read
from bench.retrieval_quality import Bench
from countersign.answer.answerable import NEAR, WORDS_ONLY, Answerability, absent, features, logistic
from countersign.answer.citations import bind
from countersign.corpus.embedding import EmbeddedE5
from countersign.corpus.language import detect
from countersign.corpus.sentences import split_sentences
from countersign.domain.answers import HistoryTurn
from countersign.domain.documents import Passage
from countersign.gateway.extractive import ExtractiveSettings, select
from countersign.gateway.seams import ModelRequest
from countersign.retrieval.fusion import FusionWeights
from countersign.retrieval.prior import with_prior
from countersign.retrieval.settings import RetrievalSettings

SETS = ("mtragun", "finbench", "kazqad", "xquad-ru", "xquad-en", "legal-ru", "policyqa")
NATURAL = ("mtragun", "finbench")
COUNTS = {
    "mtragun": 2.0,
    "finbench": 2.0,
    "xquad-ru": 0.7,
    "xquad-en": 0.7,
    "legal-ru": 0.5,
    "policyqa": 0.25,
}
"""What a set counts: more where people asked what nobody can answer, less where other documents answer too."""
_TOP, _PARTS, _STIFFNESS, _MAX_QUESTIONS = 8, 8, 1.0, 260


@dataclass(frozen=True, slots=True)
class Case:
    question: str
    group: str
    passages: tuple[Passage, ...]
    gold: frozenset[str]
    answerable: bool
    seen: Mapping[str, float]


def cases_of(name: str) -> list[Case]:
    embedder = EmbeddedE5(cache_folder() / "models", threads=2)
    settings = with_prior(RetrievalSettings(), EmbeddedE5.model_id)
    with tempfile.TemporaryDirectory() as folder:
        collection = read(name, embedder)
        labels = _with_unanswerable(name, collection.queries)
        bench = Bench.of(Path(folder), collection, VectorCache(embedder))
        found = [
            case
            for place in _sample(len(collection.queries))
            for case in _cases(bench, place, bench.passages(bench.search(place, settings)), labels)
        ]
        bench.index.close()
    embedder.close()
    return found


def _sample(count: int) -> list[int]:
    order = np.random.default_rng(3).permutation(count)
    return sorted(order[:_MAX_QUESTIONS].tolist())


def _with_unanswerable(name: str, queries: list[Query]) -> dict[str, bool]:
    """Adds the questions that have no answer in the set; says of each whether it has one, where the set does."""
    folder = data_folder()
    assert folder is not None
    lines = (folder / "retrieval" / name / "queries.jsonl").read_text("utf-8").splitlines()
    rows = {row["id"]: row for row in map(json.loads, lines)}
    known = {query.id for query in queries}
    roles = {"user": "user", "agent": "assistant"}
    for key, row in rows.items() if name in NATURAL else ():
        if key not in known:
            turns = tuple(HistoryTurn(roles[role], text) for role, text in row.get("history") or ())
            group = str(row.get("company") or row.get("conv") or "")
            queries.append(Query(key, row["text"], row["lang"], turns, {}, group))
    return {query.id: bool(query.gold) for query in queries} if name in NATURAL else {}


def _cases(
    bench: Bench, place: int, found: tuple[Passage, ...], labels: Mapping[str, bool]
) -> Iterator[Case]:
    query = bench.collection.queries[place]
    named = any(bench.routing.route(text) is not None for _, text in bench.asked[place])
    gold = frozenset(document for document, grade in query.gold.items() if grade)

    def case(passages: Sequence[Passage], answerable: bool) -> Case:
        best = tuple(passages[:_TOP])
        seen = features(query.text, detect(query.text), best, query.history, named=named)
        return Case(query.text, query.group or query.id, best, gold, answerable, seen)

    if query.id in labels:
        yield case(found, labels[query.id])
        return
    if any(passage.document_id in gold for passage in found[:_TOP]):
        yield case(found, True)
    yield case(_without(found, gold, detect(query.text)), False)


def _without(found: Sequence[Passage], gold: frozenset[str], language: str) -> list[Passage]:
    """What would have been found without the answering documents: every leg's scores are stretched anew."""
    rest = [passage for passage in found if passage.document_id not in gold]
    most = {
        leg: max((p.features[leg] for p in rest), default=0.0) or 1.0 for leg in ("dense", "words", "grams")
    }
    weights = FusionWeights()
    again: list[Passage] = []
    for passage in rest:
        dense, words, grams = (passage.features[leg] / most[leg] for leg in ("dense", "words", "grams"))
        share = weights.dense(language, passage.language)
        lexical = weights.words_share * words + (1 - weights.words_share) * grams
        again.append(replace(passage, score=share * dense + (1 - share) * lexical))
    return sorted(again, key=lambda passage: -passage.score)


def fit(cases: Sequence[tuple[float, Case]], names: Sequence[str]) -> dict[str, float]:
    """Weights by Newton's method, with a ridge on features of unit spread; both kinds of a set count alike."""
    values = np.array([[case.seen[name] for name in names] for _, case in cases])
    middle, spread = values.mean(0), values.std(0) + 1e-9
    seen = np.column_stack([np.ones(len(values)), (values - middle) / spread])
    answered = np.array([case.answerable for _, case in cases], float)
    counts = np.array([weight for weight, _ in cases])
    ridge = np.eye(seen.shape[1]) * _STIFFNESS
    ridge[0, 0] = 0.0
    found = np.zeros(seen.shape[1])
    for _ in range(30):
        told = 1.0 / (1.0 + np.exp(-seen @ found))
        slope = seen.T @ (counts * (told - answered)) + ridge @ found
        found = found - np.linalg.solve((seen.T * (counts * told * (1 - told))) @ seen + ridge, slope)
    plain = found[1:] / spread
    bias = float(found[0] - plain @ middle)
    return {"bias": bias, **dict(zip(names, map(float, plain), strict=True))}


def counted(sets: Mapping[str, Sequence[Case]]) -> list[tuple[float, Case]]:
    """Every case with what it counts: a set's two kinds count the same."""
    rows: list[tuple[float, Case]] = []
    for name, cases in sets.items():
        for kind in (True, False):
            of_kind = [case for case in cases if case.answerable == kind]
            rows += [(100.0 * COUNTS.get(name, 1.0) / len(of_kind), case) for case in of_kind]
    return rows


def shares(weights: Mapping[str, float], cases: Sequence[Case]) -> list[float]:
    return [absent(case.seen, logistic(weights, case.seen)) for case in cases]


def within(name: str, sets: Mapping[str, list[Case]], names: Sequence[str]) -> list[float]:
    groups = sorted({case.group for case in sets[name]})
    part = dict(zip(groups, np.random.default_rng(5).permutation(len(groups)) % _PARTS, strict=True))
    found: dict[int, float] = {}
    for fold in range(_PARTS):
        own = [case for case in sets[name] if part[case.group] != fold]
        weights = fit(counted({**sets, name: own}), names)
        for place, case in enumerate(sets[name]):
            if part[case.group] == fold:
                found[place] = shares(weights, [case])[0]
    return [found[place] for place in range(len(sets[name]))]


def figures(cases: Sequence[Case], told: Sequence[float], least: float) -> dict[str, float]:
    refused = [share < least for share in told]
    right = sum(r and not c.answerable for r, c in zip(refused, cases, strict=True))
    wrong = sum(r and c.answerable for r, c in zip(refused, cases, strict=True))
    answerable = sum(case.answerable for case in cases)
    missed = len(cases) - answerable - right
    return {
        "f1": round(2 * right / max(1, 2 * right + wrong + missed), 3),
        "false refusals": round(wrong / max(1, answerable), 3),
    }


def pages(cases: Sequence[Case], least: float) -> dict[str, float]:
    """Of answerable questions with a gold page among the passages, and of all that were answered."""
    cited, right, bound, rightly = 0, 0, 0, 0
    for case in cases:
        if case.answerable and logistic(NEAR, case.seen) >= least:
            request = ModelRequest((), 800, case.question, case.passages, "en", answerable=True)
            chosen = [case.passages[c.passage].document_id for c in select(request, ExtractiveSettings())]
            cited, right = cited + len(chosen), right + sum(document in case.gold for document in chosen)
        for passage in (p for p in case.passages if case.answerable and p.document_id in case.gold):
            spans = split_sentences(passage.text)[:5]
            for said in (" ".join(passage.text[a:b].split()) for a, b in spans if b - a > 40):
                where = {p.document_id for p in bind(said, case.passages).cited}
                bound, rightly = bound + bool(where), rightly + bool(where and where <= case.gold)
    return {
        "extractive page precision": round(right / max(1, cited), 3),
        "bound page precision": round(rightly / max(1, bound), 3),
        "sentences bound": float(bound),
    }


def run(quick: bool, names: Sequence[str] = SETS) -> dict[str, Any]:
    if data_folder() is None:
        return {"skipped": "no data folder (COUNTERSIGN_DATA)"}
    if (reason := EmbeddedE5.available()) is not None:
        return {"skipped": reason}
    if quick:
        return {"skipped": "answerability is not part of the quick run"}
    sets = {name: cases_of(name) for name in names}
    columns = [name for name in NEAR if name != "bias"]
    least = Answerability().least
    told = {
        name: {
            "shipped": shares(NEAR, cases),
            "words only": shares(WORDS_ONLY, cases),
            "apart": shares(fit(counted({o: c for o, c in sets.items() if o != name}), columns), cases),
            "within": within(name, sets, columns),
        }
        for name, cases in sets.items()
    }
    result = {
        name: {kind: figures(cases, told[name][kind], least) for kind in told[name]}
        | {"pages": pages(cases, least)}
        for name, cases in sets.items()
    }
    natural = [name for name in NATURAL if name in sets]
    joined = [case for name in natural for case in sets[name]]
    result["mtragun + finbench"] = {
        kind: figures(joined, [share for name in natural for share in told[name][kind]], least)
        for kind in ("shipped", "words only", "apart", "within")
    }
    return result


def main() -> None:
    names = [name for name in sys.argv[1:] if not name.startswith("-")] or list(SETS)
    if "--fit" in sys.argv:
        rows = counted({name: cases_of(name) for name in names})
        for kind in (NEAR, WORDS_ONLY):
            found = fit(rows, [name for name in kind if name != "bias"])
            print(json.dumps({name: round(weight, 2) for name, weight in found.items()}))
        return
    for name, result in run(False, names).items():
        print(name, json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
