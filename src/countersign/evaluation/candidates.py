"""What is compared: the live index version and versions that differ from it in one thing, or as a file says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from countersign.domain.errors import UsageError
from countersign.retrieval.fusion import FusionWeights
from countersign.retrieval.version import Chunking, IndexVersion

LIVE: Final = "live"
LEARNED: Final = "learned shares"
SHARES: Final = (0.2, 0.4, 0.6, 0.8)
"""Of the dense leg where question and passage share a language; what the learned share is chosen from."""
LANGUAGES: Final = ("kk", "ru", "en")
MAX_CANDIDATES: Final = 60
_LEARNS: Final = ("", "order", "means")
_LEAST_TOKENS, _MOST_TOKENS = 16, 500
_MAX_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Candidate:
    """`share` marks one of the runs that the learned shares are chosen from. `learns`: what confirmed questions teach it
    (an order of what is found, or what questions have in common and then an order); judged by cross-validation."""

    name: str
    version: IndexVersion
    share: float | None = None
    learns: Literal["", "order", "means"] = ""

    @property
    def chunking(self) -> str:
        return f"{self.version.chunking.target_tokens}-{self.version.chunking.max_tokens}"


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model that a candidate may be for: its `model_id`, and the length of its vectors."""

    id: str
    dimension: int


def usual(live: IndexVersion, models: Mapping[str, Model] | None = None) -> list[Candidate]:
    """The live version first; each of the others differs from it in one thing. What already is live is left out. `models`
    are those that are configured, by name: the like of the live version for each is compared."""
    candidates = [
        Candidate(LIVE, live),
        Candidate("passages of 120", replace(live, chunking=Chunking(120, 180))),
        Candidate("passages of 320", replace(live, chunking=Chunking(320, 420))),
        Candidate("words share 25 %", _settings(live, words_share=0.25)),
        Candidate("words share 75 %", _settings(live, words_share=0.75)),
        Candidate("no neighbours", _settings(live, neighbours=0)),
        Candidate("no routing", _settings(live, routed_lead=0.0)),
        Candidate("learned order", live, learns="order"),
    ]
    if live.embedder:
        candidates += [
            Candidate("words only", replace(live, embedder="", dimension=0)),
            Candidate("meaning only", _settings(live, dense_share=1.0)),
            Candidate("learned means and order", live, learns="means"),
            *(
                Candidate(f"meaning share {share:.0%}", _settings(live, dense_share=share), share)
                for share in SHARES
            ),
        ]
    candidates += [
        Candidate(f"embedder {name}", live.for_embedder(model.id, model.dimension))
        for name, model in (models or {}).items()
    ]
    return [each for each in candidates if each.name == LIVE or each.learns or each.version != live]


def said(live: IndexVersion, data: object, models: Mapping[str, Model] | None = None) -> list[Candidate]:
    """Candidates of a file: `candidates`, a list of what differs from the live version, each with a `name`. Raises
    `UsageError` (`tune_candidates_invalid`)."""
    listed = data.get("candidates") if isinstance(data, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_CANDIDATES:
        raise _invalid(f"it must hold `candidates`, a list of 1 to {MAX_CANDIDATES}")
    candidates = [Candidate(LIVE, live), *(_one(live, each, models or {}) for each in listed)]
    names = [each.name for each in candidates]
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f"the name {name!r} stands twice; `{LIVE}` is what answers now")
    return candidates


def _one(live: IndexVersion, each: object, models: Mapping[str, Model]) -> Candidate:
    if not isinstance(each, dict):
        raise _invalid("a candidate is a mapping with a `name`")
    changes: dict[str, Any] = dict(each)
    name = changes.pop("name", None)
    if not isinstance(name, str) or not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise _invalid(f"a candidate has a `name` of at most {_MAX_NAME} characters")
    tokens = [changes.pop(key, None) for key in ("target_tokens", "max_tokens")]
    live = _for_model(live, changes.pop("embedder", None), models)
    if changes.pop("words_only", False) is True:
        live = replace(live, embedder="", dimension=0)
    learns = changes.pop("learns", "")
    if learns not in _LEARNS:
        raise _invalid(f"`learns` is one of {', '.join(each for each in _LEARNS if each)}")
    version = _settings(replace(live, chunking=_chunking(live, tokens)), **_checked(changes))
    return Candidate(name.strip(), version, learns=learns)


def _for_model(live: IndexVersion, name: object, models: Mapping[str, Model]) -> IndexVersion:
    if name is None:
        return live
    if name not in models:
        raise _invalid(f"there is no embedder {name!r}; configured: {', '.join(models) or 'none'}")
    model = models[str(name)]
    return live.for_embedder(model.id, model.dimension)


def _chunking(live: IndexVersion, said_tokens: Sequence[object]) -> Chunking:
    target, most = said_tokens
    target = live.chunking.target_tokens if target is None else target
    most = live.chunking.max_tokens if most is None else most
    if not isinstance(target, int) or not isinstance(most, int):
        raise _invalid("`target_tokens` and `max_tokens` are whole numbers")
    if not _LEAST_TOKENS <= target <= most <= _MOST_TOKENS:
        raise _invalid(
            f"{_LEAST_TOKENS} ≤ target_tokens ≤ max_tokens ≤ {_MOST_TOKENS} does not hold for {target} and {most}"
        )
    return Chunking(target, most)


_NUMBERS: Mapping[str, tuple[float, float, type]] = {
    "dense_share": (0.0, 1.0, float),
    "words_share": (0.0, 1.0, float),
    "routed_lead": (0.0, 2.0, float),
    "likely_lead": (0.0, 2.0, float),
    "feedback": (0.0, 1.0, float),
    "neighbours": (0, 20, int),
    "candidates": (10, 1_000, int),
}


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        if key not in _NUMBERS:
            known = ", ".join(("target_tokens", "max_tokens", "embedder", "words_only", "learns", *_NUMBERS))
            raise _invalid(f"{key!r} is not known; known: {known}")
        low, high, kind = _NUMBERS[key]
        is_number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise _invalid(f"{key} is a number from {low} to {high}")
    return {key: _NUMBERS[key][2](value) for key, value in changes.items()}


def _settings(
    live: IndexVersion, *, dense_share: float | None = None, words_share: float | None = None, **changes: Any
) -> IndexVersion:
    weights = live.settings.weights
    if dense_share is not None:
        weights = shared(weights, dict.fromkeys(LANGUAGES, dense_share))
        if dense_share == 1.0:
            weights = replace(weights, same_script=1.0, default=1.0)
    if words_share is not None:
        weights = replace(weights, words_share=words_share)
    return replace(live, settings=replace(live.settings, weights=weights, **changes))


def shared(weights: FusionWeights, shares: Mapping[str, float]) -> FusionWeights:
    """The same weights with other shares of the dense leg within these languages."""
    return replace(weights, same_language={**weights.same_language, **shares})


def _invalid(why: str) -> UsageError:
    return UsageError(
        f"the file of candidates cannot be used: {why}",
        code="tune_candidates_invalid",
        hint="For example: candidates: [{name: small, target_tokens: 120, max_tokens: 180}]",
    )
