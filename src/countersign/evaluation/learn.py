"""The share of meaning for each language, learned from a question set and judged by cross-validation.

Questions of one language are ordered by that language's share alone, so what a learned choice would have done for a
question stands in the runs already made: for every fold, the share that was best for the questions outside it is chosen,
and the fold is judged by the run with that share. No question is judged by what it taught.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from countersign.evaluation.candidates import LANGUAGES, LEARNED, shared
from countersign.evaluation.runs import Judged, Run
from countersign.retrieval.version import IndexVersion

FOLDS: Final = 5
LEAST_TAUGHT: Final = 15
"""Questions of a language that a share may be learned from; with fewer, the live share stays."""


def learned_shares(runs: Mapping[float | None, Run], live: IndexVersion) -> Run:
    """`runs` by share, the live one under None, all asked the same questions. The version has what all of them teach."""
    judged: list[Judged] = []
    for place, one in enumerate(runs[None].judged):
        fold = fold_of(one.question_id)
        taught = [
            at
            for at, each in enumerate(runs[None].judged)
            if each.language == one.language and fold_of(each.question_id) != fold
        ]
        judged.append(runs[_best(runs, taught)].judged[place])
    shares: dict[str, float] = {}
    for language in LANGUAGES:
        every = [at for at, each in enumerate(runs[None].judged) if each.language == language]
        share = _best(runs, every)
        if share is not None:
            shares[language] = share
    weights = shared(live.settings.weights, shares)
    version = replace(live, settings=replace(live.settings, weights=weights))
    return Run(LEARNED, version, tuple(judged), runs[None].built, fitted=True)


def fold_of(question_id: str) -> int:
    """The same for the same question, whatever else is in the set."""
    return sha256(question_id.encode()).digest()[0] % FOLDS


def _best(runs: Mapping[float | None, Run], taught: Sequence[int]) -> float | None:
    if len(taught) < LEAST_TAUGHT:
        return None
    score = {share: sum(run.judged[at].scores.ndcg_10 for at in taught) for share, run in runs.items()}
    return max(score, key=lambda share: (score[share], share is None))
