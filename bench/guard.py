"""What the guard costs and what its injection signal is worth. `run(quick)` returns plain figures.

The development set (`COUNTERSIGN_DATA/security/detector_dev.jsonl`) is for measuring only, and may be absent. The signal
is one of rules: its recall on rows written by others is low by design, its false alarms are what must stay near zero.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from countersign.guard.injection import injection_signal
from countersign.guard.output import OutputFilter, OutputRules, filter_whole
from countersign.guard.personal import find
from countersign.guard.pipeline import Guard
from tests.attacks.cases import CASES

_SENTENCES = {
    "en": "The customer asks about tariffs and limits for roaming in the region. ",
    "ru": "Клиент спрашивает о тарифах и лимитах роуминга в регионе сегодня. ",
    "kk": "Клиент бүгін өңірдегі роуминг тарифтері мен шектеулері туралы сұрайды. ",
}
_CHARS = 757
_ANSWER = "Тариф стоит 4 900 ₸ [1]. Подробнее: https://portal.example.kz/a?b=1, тел. +7 (701) 123-45-67, ИИН 900101300123. "
_RULES = OutputRules(
    canary="cs-0a1b2c3d4e5f60718293a4b5",
    secrets=("pk-Xw7qLm2Zt9Rb4Vn8Kc3Hs6Jd",),
    system_prompt="You are the assistant of a bank. Answer only from the fenced passages and cite each by number. "
    * 8,
    tenant_key=b"key",
)


def run(quick: bool = False) -> dict[str, Any]:
    return {
        "cpu": _cpu(5 if quick else 50),
        "own_attacks": _own_attacks(),
        "development_set": _development_set(600 if quick else None),
        "random_numbers": _random_numbers(1_000 if quick else 20_000),
    }


def _cpu(rounds: int) -> dict[str, float]:
    guard = Guard()
    texts = {language: (sentence * 12)[:_CHARS] for language, sentence in _SENTENCES.items()}
    figures = {
        f"question_{language}_ms": _median_ms(lambda text=text: guard.question(text), rounds)
        for language, text in texts.items()
    }
    figures["output_new_ms"] = _median_ms(lambda: OutputFilter(_RULES), rounds)
    figures["output_whole_1000_chars_ms"] = _median_ms(
        lambda: filter_whole((_ANSWER * 20)[:1000], _RULES), rounds
    )
    figures["output_chunk_of_3_ms"] = _chunk_ms(_ANSWER * 20, 3)
    figures["output_chunk_of_1_ms"] = _chunk_ms(_ANSWER * 20, 1)
    return figures


def _median_ms(call: Callable[[], object], rounds: int) -> float:
    call()
    taken: list[float] = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(rounds):
            call()
        taken.append((time.process_time() - began) / rounds * 1000)
    return round(statistics.median(taken), 4)


def _chunk_ms(text: str, size: int) -> float:
    taken: list[float] = []
    for _ in range(5):
        stream = OutputFilter(_RULES)
        began = time.process_time()
        for at in range(0, len(text), size):
            stream.feed(text[at : at + size])
        taken.append((time.process_time() - began) / (len(text) / size) * 1000)
    return round(statistics.median(taken), 4)


def _own_attacks() -> dict[str, Any]:
    seen: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case in CASES:
        keys = (f"technique {case.technique}", f"language {case.language}", "all")
        raised, false = injection_signal(case.text).raised, injection_signal(case.benign).raised
        for key in keys:
            total[key] += 1
            seen[f"{key} recall"] += raised
            seen[f"{key} false alarms"] += false
    return {
        key: round(count / total[key.rsplit(" recall")[0].rsplit(" false")[0]], 3)
        for key, count in sorted(seen.items())
    }


def _development_set(limit: int | None) -> dict[str, Any]:
    path = _data() / "security" / "detector_dev.jsonl"
    if not path.is_file():
        return {"skipped": "COUNTERSIGN_DATA has no security/detector_dev.jsonl"}
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    random.Random(7).shuffle(rows)
    raised: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for row in rows[:limit]:
        key = f"{'recall' if row['label'] else 'false alarms'} {row['kind']} {row['lang']}"
        total[key] += 1
        raised[key] += injection_signal(row["text"][:4000]).raised
    return {key: {"share": round(raised[key] / n, 4), "rows": n} for key, n in sorted(total.items())}


def _random_numbers(count: int) -> dict[str, float]:
    rng = random.Random(3)
    return {
        f"{size} digits": round(
            sum(bool(find(f"{rng.randrange(10**size):0{size}}")) for _ in range(count)) / count, 4
        )
        for size in (9, 10, 11, 12, 16, 20)
    }


def _data() -> Path:
    named = os.environ.get("COUNTERSIGN_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


if __name__ == "__main__":
    print(json.dumps(run(), ensure_ascii=False, indent=1))
