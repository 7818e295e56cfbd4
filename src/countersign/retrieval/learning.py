"""What a deployment can learn of its own questions: what they have in common, and the order of what they find.

Everything here falls back to what was there before: too few questions move nothing much, and an order that is not
better on questions that did not teach it is not taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from countersign.domain.documents import Passage
from countersign.retrieval.analysis import question_language
from countersign.retrieval.prior import question_prior
from countersign.retrieval.rerank import FEATURES, Reranker, describe
from countersign.retrieval.seams import Vector
from countersign.retrieval.settings import RetrievalSettings

Floats = NDArray[np.float64]

LEAST_LESSONS = 50
"""Answered questions that an order may be learned from."""
FOLDS = 5
STRENGTHS = (0.01, 0.1, 1.0)
"""How strongly weights are held near zero; the one that orders other questions best is taken."""
OWN_SHARE = 0.85
"""Of the mean of a deployment's own questions that is taken away: what they have in common is partly their matter."""
_PRIOR_QUESTIONS = 60
"""The general mean counts as this many questions of the deployment's own."""
_LEAST_QUESTIONS = 20
_SEED = 5
_TOP = 10


@dataclass(frozen=True, slots=True)
class Lesson:
    """A confirmed question. `passages` are what it finds, best first, as `Retriever.retrieve` gives them (without
    neighbours); `right` says of each what it answers: one name for all that answer the same (a document or a page), empty
    where it does not answer. `wanted`: how many different things answer it, found or not; 0 = as many as were found.
    Lessons of one `group` (a company, an article) never judge each other; empty = alone."""

    question: str
    passages: tuple[Passage, ...]
    right: tuple[str, ...]
    wanted: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Learned:
    """`before` and `after` are nDCG at 10 of each lesson, `after` with nothing learned from what is judged; `taught`: how
    many of them found an answer; `taken`: whether `settings` has the new order."""

    settings: RetrievalSettings
    taught: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    taken: bool

    @property
    def scores(self) -> tuple[float, ...]:
        """Of each lesson under `settings`."""
        return self.after if self.taken else self.before


def learn_means(
    settings: RetrievalSettings, questions: Mapping[str, NDArray[np.float32]], model_id: str
) -> RetrievalSettings:
    """Take away what a deployment's own questions have in common: `questions` are vectors of its traffic by
    `prior.kind_of`, shape (n, dimension); nobody has to judge them. The fewer there are, the more the general mean counts;
    under 20 of a kind, nothing changes for it."""
    prior = question_prior(model_id)
    means: dict[str, Vector] = dict(settings.query_means)
    for kind, vectors in questions.items():
        if len(vectors) < _LEAST_QUESTIONS:
            continue
        general = prior.get(kind)
        held = _PRIOR_QUESTIONS if general is not None else _LEAST_QUESTIONS
        own = OWN_SHARE * vectors.sum(axis=0, dtype=np.float64)
        base = general if general is not None else np.zeros(vectors.shape[1])
        means[kind] = ((own + held * base) / (len(vectors) + held)).astype(np.float32)
    return replace(settings, query_means=means)


def learn_order(settings: RetrievalSettings, lessons: Sequence[Lesson]) -> Learned:
    """A reranker from confirmed questions, or `settings` as they are where it is not better by more than its own
    uncertainty. `lessons` were searched with `settings` without a reranker. Deterministic."""
    described = [_Described.of(lesson) for lesson in lessons]
    before = np.array([one.ndcg(-np.arange(len(one.keys))) for one in described])
    taught = sum(bool(one.target.any()) for one in described)
    plain = Learned(replace(settings, reranker=None), taught, _floats(before), _floats(before), False)
    if taught < LEAST_LESSONS:
        return plain
    scale = np.concatenate([one.values for one in described]).std(axis=0)
    scale = np.where(scale > 1e-9, scale, np.inf)  # what never differs teaches nothing
    folds = folds_of([lesson.group for lesson in lessons])
    apart = {strength: _judged_apart(described, scale, folds, strength) for strength in STRENGTHS}
    strength = max(STRENGTHS, key=lambda each: (float(apart[each].mean()), each))
    if not _surely_better(apart[strength], before):
        return replace(plain, after=_floats(apart[strength]))
    weights = _fit(described, scale, strength)
    order = Reranker(dict(zip(FEATURES, weights.tolist(), strict=True)))
    return Learned(replace(settings, reranker=order), taught, _floats(before), _floats(apart[strength]), True)


def learn(tries: Sequence[tuple[RetrievalSettings, Sequence[Lesson]]]) -> Learned:
    """The best of several beginnings, for example general question means and the deployment's own: settings, each with
    the same confirmed questions in the same order, searched with them. A later one must be better by more than its own
    uncertainty."""
    best, *others = [learn_order(settings, lessons) for settings, lessons in tries]
    for other in others:
        if _surely_better(np.array(other.scores), np.array(best.scores)):
            best = other
    return best


def _surely_better(new: Floats, old: Floats) -> bool:
    """By more than one standard error of the paired difference."""
    gain = new - old
    return len(gain) > 0 and bool(gain.mean() > gain.std() / np.sqrt(len(gain)))


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values.tolist())


def folds_of(groups: Sequence[str]) -> NDArray[np.int64]:
    """The fold of each lesson; those of a group are together, unless there are too few groups to part."""
    names = [group or f"\0{place}" for place, group in enumerate(groups)]
    if len(set(names)) < 2 * FOLDS:
        names = [str(place) for place in range(len(groups))]
    known = sorted(set(names))
    fold = dict(zip(known, np.random.default_rng(_SEED).permutation(len(known)) % FOLDS, strict=True))
    return np.array([fold[name] for name in names])


@dataclass(frozen=True, slots=True, eq=False)
class _Described:
    """A lesson in numbers. `target` sums to 1 over the best passage of each thing that answers; `counts` leaves out the
    other passages of such a thing, which are neither right nor wrong to put first."""

    values: Floats
    wanted: int
    keys: tuple[str, ...]
    target: Floats
    counts: NDArray[np.bool_]

    @classmethod
    def of(cls, lesson: Lesson) -> _Described:
        values = describe(lesson.question, question_language(lesson.question), lesson.passages)
        target, counts = np.zeros(len(lesson.right)), np.ones(len(lesson.right), np.bool_)
        seen: set[str] = set()
        for place, name in enumerate(lesson.right):
            if name in seen:
                counts[place] = False
            elif name:
                seen.add(name)
                target[place] = 1.0
        keys = tuple(
            f"right:{name}" if name else passage.document_id
            for name, passage in zip(lesson.right, lesson.passages, strict=True)
        )
        wanted = lesson.wanted or len(seen)
        return cls(values, wanted, keys, target / max(1.0, target.sum()), counts)

    def ndcg(self, scores: NDArray[np.generic]) -> float:
        """At 10, each document or page once."""
        order = np.argsort(-scores.astype(np.float64), kind="stable").tolist()
        keys = list(dict.fromkeys(self.keys[place] for place in order))[:_TOP]
        discounts = 1.0 / np.log2(np.arange(2, _TOP + 2))
        gains = np.array([float(key.startswith("right:")) for key in keys])
        best = discounts[: min(_TOP, self.wanted)].sum()
        return float(gains @ discounts[: len(gains)] / best) if best else 0.0


def _judged_apart(
    described: Sequence[_Described], scale: Floats, folds: NDArray[np.int64], strength: float
) -> Floats:
    """nDCG of each lesson under weights that lessons of the other folds taught."""
    judged = np.zeros(len(described))
    for fold in sorted(set(folds.tolist())):
        weights = _fit(
            [one for one, own in zip(described, folds, strict=True) if own != fold], scale, strength
        )
        for place in np.flatnonzero(folds == fold).tolist():
            judged[place] = described[place].ndcg(described[place].values @ weights)
    return judged


def _fit(described: Sequence[_Described], scale: Floats, strength: float) -> Floats:
    """Weights of a conditional logit (the chance that a passage is the right one among those found), by Newton's method
    with step halving; `strength` is the ridge a lesson, on features of unit spread."""
    data = [(one.values[one.counts] / scale, one.target[one.counts]) for one in described if one.target.any()]
    ridge = strength * len(data)
    weights = np.zeros(len(scale))
    loss, slope, curve = _logit(data, weights, ridge)
    for _ in range(50):
        step = np.linalg.solve(curve, slope)
        size, new = 1.0, _logit(data, weights - step, ridge)
        while new[0] > loss and size > 1e-4:
            size /= 2
            new = _logit(data, weights - size * step, ridge)
        done = loss - new[0] < 1e-9 * max(1.0, abs(loss))
        if new[0] <= loss:
            weights, (loss, slope, curve) = weights - size * step, new
        if done:
            break
    return weights / scale


def _logit(
    data: Sequence[tuple[Floats, Floats]], weights: Floats, ridge: float
) -> tuple[float, Floats, Floats]:
    """Loss, gradient and Hessian."""
    loss = ridge * float(weights @ weights) / 2
    slope, curve = ridge * weights, ridge * np.eye(len(weights))
    for values, target in data:
        energy = values @ weights
        top = energy.max()
        chance = np.exp(energy - top)
        total = chance.sum()
        chance /= total
        loss -= float(target @ energy - (top + np.log(total)))
        mean = chance @ values
        slope = slope - (target @ values - mean)
        curve = curve + (values * chance[:, None]).T @ values - np.outer(mean, mean)
    return loss, slope, curve
