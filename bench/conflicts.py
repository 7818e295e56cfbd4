"""Whether documents that contradict each other are shown as such, and how often agreement is taken for a conflict.

    python -m bench.conflicts [--quick] [--half a|b] [set …]

`--half` takes the questions whose id hashes to one half: whoever works on the rules looks at half a only, and half b is
the figure that means something.

Every question of a set is asked over the eight best passages of a plain word BM25. On `ramdocs-conflict` a case counts
where a right and a listed wrong answer are both among those passages: `shown` is the share of them with a conflict,
`exact` those whose conflict names a value of each side, and `wrong_unshown` the share of all questions that are
answered with a listed wrong answer and without a conflict. On `rgb-counterfactual` half of the documents are doctored, so
`false_conflicts` there is no fault. On the other sets nothing contradicts: it is the share of questions with one. `ms` is the mean time of looking for conflicts.
Data: `COUNTERSIGN_DATA` (or `../shared/data`); sets that are not there are skipped.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.answers import WordIndex, data_folder, lines_of
from countersign.answer.conflicts import Conflict, find_conflicts
from countersign.corpus.terms import fold
from countersign.domain.documents import Passage
from countersign.gateway.extractive import ExtractiveSettings, select
from countersign.gateway.seams import ModelRequest

CONFLICTING = "ramdocs-conflict"
AGREEING = ("xquad-en", "mtragun", "rgb-counterfactual", "xquad-ru", "kazqad", "policyqa")
_TOP = 8


def measure(name: str, folder: Path, sample: int, show: bool = False, half: str = "") -> dict[str, Any]:
    rows = lines_of(folder / "corpus.jsonl")
    questions = [q for q in lines_of(folder / "queries.jsonl") if half in ("", _half_of(q["id"]))]
    random.Random(11).shuffle(questions)
    gold = _gold(folder) if name == CONFLICTING else {}
    index = WordIndex(rows, questions[0]["lang"])
    counts: Counter[str] = Counter()
    spent = 0.0
    for question in questions[:sample]:
        passages = _passages(question, index)
        said = _say(question, passages)
        started = time.perf_counter()
        notes = find_conflicts(passages, question["text"])
        spent += time.perf_counter() - started
        _count(counts, question, passages, said, notes, gold.get(question["id"], {}), show)
    return {"set": name, **_figures(name, counts), "ms": round(1000 * spent / max(1, counts["asked"]), 1)}


def _half_of(identity: str) -> str:
    return "ab"[sha256(identity.encode()).digest()[0] % 2]


def _passages(question: dict[str, Any], index: WordIndex) -> list[Passage]:
    hits = index.search(question["text"], _TOP)
    top = hits[0][1] if hits else 1.0
    return [
        Passage(
            index.rows[place]["id"], index.rows[place]["id"], 1, "", "", "", index.rows[place].get("title", ""),
            index.rows[place]["text"], 0, index.rows[place]["lang"], score=score / top,
        )
        for place, score in hits
    ]  # fmt: skip


def _say(question: dict[str, Any], passages: list[Passage]) -> str:
    request = ModelRequest((), 800, question["text"], tuple(passages), question["lang"])
    return "\n".join(f"{c.text} [{c.passage + 1}]" for c in select(request, ExtractiveSettings()))


def _count(
    counts: Counter[str],
    question: dict[str, Any],
    passages: list[Passage],
    said: str,
    notes: tuple[Conflict, ...],
    gold: dict[str, int],
    show: bool,
) -> None:
    answers, wrongs = _flat(question.get("answer")), _flat(question.get("wrong"))
    texts = [passage.text for passage in passages]
    counts["asked"] += 1
    counts["conflicts"] += bool(notes)
    counts["answered"] += bool(said)
    said_wrong = any(_holds(said, wrong) for wrong in wrongs)
    counts["wrong_unshown"] += said_wrong and not notes
    both = any(_any(texts, answers)) and any(_any(texts, wrongs))
    if gold:
        grades = {gold.get(passage.passage_id) for passage in passages}
        both = {1, 2} <= grades
    counts["both"] += both
    counts["shown"] += both and bool(notes)
    values = [value for note in notes for value in note.values]
    exact = any(_near(v, a) for v in values for a in answers) and any(
        _near(v, w) for v in values for w in wrongs
    )
    counts["exact"] += both and exact
    if show and ((both and not notes) or (not wrongs and notes and not question.get("disambig"))):
        _show(question, passages, notes)


def _show(question: dict[str, Any], passages: list[Passage], notes: tuple[Conflict, ...]) -> None:
    print("\nQ", question["text"], "|", question.get("answer"), "|", question.get("wrong"))
    for note in notes:
        print("   CONFLICT", note.values, "|", note.text)
    for side in ("answer", "wrong") if question.get("wrong") else ():
        for passage in passages:
            found = [alias for alias in _flat(question[side]) if _holds(passage.text, alias)]
            if found:
                at = re.search(re.escape(fold(found[0])), fold(passage.text))
                place = at.start() if at else 0
                print(f"   {side}: {passage.passage_id}", passage.text[max(0, place - 160) : place + 60])


def _gold(folder: Path) -> dict[str, dict[str, int]]:
    """Question → passage → 2 with a right answer, 1 with a wrong one."""
    gold: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        question, passage, grade = line.split("\t")
        gold.setdefault(question, {})[passage] = int(grade)
    return gold


def _flat(aliases: Any) -> list[str]:
    if isinstance(aliases, list):
        return [alias for inner in aliases for alias in _flat(inner)]
    return [str(aliases)] if aliases else []


def _any(texts: list[str], aliases: list[str]) -> list[bool]:
    return [_holds(text, alias) for text in texts for alias in aliases]


def _holds(text: str, alias: str) -> bool:
    wanted = re.escape(" ".join(fold(str(alias)).split()))
    return bool(alias) and re.search(rf"(?<!\w){wanted}(?!\w)", " ".join(fold(text).split())) is not None


def _near(value: str, alias: str) -> bool:
    return _holds(value, alias) or _holds(alias, value)


def _figures(name: str, counts: Counter[str]) -> dict[str, Any]:
    def share(part: str, whole: str) -> float:
        return round(counts[part] / counts[whole], 3) if counts[whole] else 0.0

    if name != CONFLICTING:
        return {"questions": counts["asked"], "false_conflicts": share("conflicts", "asked")}
    return {
        "questions": counts["asked"],
        "both_retrieved": counts["both"],
        "shown": share("shown", "both"),
        "exact": share("exact", "both"),
        "answered": share("answered", "asked"),
        "wrong_unshown": share("wrong_unshown", "asked"),
        "any_conflict": share("conflicts", "asked"),
    }


def run(
    quick: bool, names: tuple[str, ...] = (CONFLICTING, *AGREEING), show: bool = False, half: str = ""
) -> dict[str, Any]:
    """Quick: 40 questions a set."""
    folder = data_folder()
    present = [name for name in names if (folder / name / "queries.jsonl").exists()]
    return {"sets": [measure(name, folder / name, 40 if quick else 250, show, half) for name in present]}


def main() -> None:
    half = sys.argv[sys.argv.index("--half") + 1] if "--half" in sys.argv else ""
    named = tuple(word for word in sys.argv[1:] if not word.startswith("-") and word != half)
    for name in named or (CONFLICTING, *AGREEING):
        for row in run("--quick" in sys.argv, (name,), "--show" in sys.argv, half)["sets"]:
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
