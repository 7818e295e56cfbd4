"""How honest the extractive generator is: does it answer when the answer is there, and abstain when it is not?

    python -m bench.answers [--quick]

Every question of a set is asked twice over the eight best passages of a plain word BM25: as found, and with the gold
passages taken out (it should abstain). `contains`: share of its answers that hold a gold alias; `cited gold`: share of
citations that name a gold passage; `abstention F1` counts a refusal where no gold passage was given as right.
Data: `COUNTERSIGN_DATA` (or `../shared/data`); sets that are not there are skipped.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from countersign.corpus.terms import content_terms, fold
from countersign.domain.documents import Passage
from countersign.gateway.extractive import ExtractiveSettings, select
from countersign.gateway.seams import ModelRequest

SETS = ("kazqad", "xquad-ru", "xquad-en", "policyqa", "mtragun")
_TOP = 8


def data_folder() -> Path:
    default = Path(__file__).parent.parent.parent / "shared" / "data"
    return Path(os.environ.get("COUNTERSIGN_DATA", default)) / "retrieval"


class WordIndex:
    """BM25 over content stems, enough to hand a generator plausible passages."""

    def __init__(self, rows: list[dict[str, Any]], language: str) -> None:
        self.rows = rows
        self._language = language
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lengths: list[int] = []
        for place, row in enumerate(rows):
            counts = Counter(content_terms(f"{row.get('title', '')} {row['text'][:4000]}", language))
            self._lengths.append(sum(counts.values()))
            for term, count in counts.items():
                self._postings[term].append((place, count))
        self._mean = sum(self._lengths) / len(self._lengths)

    def search(self, question: str, limit: int) -> list[tuple[int, float]]:
        scores: dict[int, float] = defaultdict(float)
        for term in set(content_terms(question, self._language)):
            found = self._postings.get(term, [])
            rarity = math.log(1 + (len(self.rows) - len(found) + 0.5) / (len(found) + 0.5))
            for place, count in found:
                norm = 1.2 * (0.25 + 0.75 * self._lengths[place] / self._mean)
                scores[place] += rarity * count * 2.2 / (count + norm)
        return sorted(scores.items(), key=lambda item: -item[1])[:limit]


def measure(name: str, folder: Path, sample: int, settings: ExtractiveSettings) -> dict[str, Any]:
    rows = lines_of(folder / "corpus.jsonl")
    questions = lines_of(folder / "queries.jsonl")
    gold: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        question, document, *_ = line.split("\t")
        gold[question].add(document)
    asked = [q for q in questions if gold[q["id"]]]
    random.Random(7).shuffle(asked)
    language = asked[0]["lang"]
    index = WordIndex(rows, language)
    counts: Counter[str] = Counter()
    for question in asked[:sample]:
        _ask_twice(question, gold[question["id"]], index, settings, counts)
    return {"set": name, **_figures(counts)}


def _ask_twice(
    question: dict[str, Any],
    gold: set[str],
    index: WordIndex,
    settings: ExtractiveSettings,
    counts: Counter[str],
) -> None:
    found = index.search(question["text"], _TOP + 8)
    given = [hit for hit in found if index.rows[hit[0]]["id"] in gold][:2] + [
        hit for hit in found if index.rows[hit[0]]["id"] not in gold
    ]
    with_gold = sorted(given[:_TOP], key=lambda hit: -hit[1])
    without = [hit for hit in found if index.rows[hit[0]]["id"] not in gold][:_TOP]
    if any(index.rows[place]["id"] in gold for place, _ in with_gold):
        counts["answerable"] += 1
        chosen = _say(question, with_gold, index, settings)
        counts["answered"] += bool(chosen)
        counts["contains"] += bool(chosen) and _contains(
            question.get("answer"), " ".join(text for _, text in chosen)
        )
        counts["citations"] += len(chosen)
        counts["cited_gold"] += sum(identity in gold for identity, _ in chosen)
    counts["unanswerable"] += 1
    counts["abstained"] += not _say(question, without, index, settings)


def _say(
    question: dict[str, Any], hits: list[tuple[int, float]], index: WordIndex, settings: ExtractiveSettings
) -> list[tuple[str, str]]:
    top = hits[0][1] if hits else 1.0
    passages = tuple(
        Passage(
            index.rows[place]["id"], index.rows[place]["id"], 1, "", "", "", index.rows[place].get("title", ""),
            index.rows[place]["text"], 0, question["lang"], score=score / top,
        )
        for place, score in hits
    )  # fmt: skip
    request = ModelRequest((), 800, question["text"], passages, question["lang"])
    return [(passages[c.passage].passage_id, c.text) for c in select(request, settings)]


def _contains(answer: Any, text: str) -> bool:
    aliases = answer if isinstance(answer, list) else [answer]
    return any(alias and fold(str(alias)) in fold(text) for alias in aliases)


def _figures(counts: Counter[str]) -> dict[str, Any]:
    def share(part: float, whole: float) -> float:
        return round(part / whole, 3) if whole else 0.0

    false_refusals = counts["answerable"] - counts["answered"]
    precision = share(counts["abstained"], counts["abstained"] + false_refusals)
    recall = share(counts["abstained"], counts["unanswerable"])
    return {
        "questions": counts["answerable"],
        "false_refusals": share(false_refusals, counts["answerable"]),
        "contains": share(counts["contains"], counts["answered"]),
        "cited_gold": share(counts["cited_gold"], counts["citations"]),
        "abstention_recall": recall,
        "abstention_f1": share(2 * precision * recall, precision + recall),
    }


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def run(quick: bool) -> dict[str, Any]:
    """Quick: 20 questions a set."""
    folder = data_folder()
    present = [name for name in SETS if (folder / name / "queries.jsonl").exists()]
    settings = ExtractiveSettings()
    return {"sets": [measure(name, folder / name, 20 if quick else 120, settings) for name in present]}


def main() -> None:
    for row in run("--quick" in sys.argv)["sets"]:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
