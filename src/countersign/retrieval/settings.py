"""What shapes the order of passages, as a value and as the JSON that an index version keeps of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from countersign.retrieval.fusion import FusionWeights
from countersign.retrieval.rerank import Reranker
from countersign.retrieval.seams import Vector


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """What shapes the order of passages; part of a release."""

    candidates: int = 100
    """Asked of each leg."""
    weights: FusionWeights = field(default_factory=FusionWeights)
    query_means: Mapping[str, Vector] = field(default_factory=dict[str, Vector])
    """What to take away from question vectors, by `prior.kind_of`, frozen with the index version; see `learning.learn_means`."""
    history_turns: int = 2
    """Earlier questions of the same person that are searched together with the last one."""
    history_weight: float = 0.5
    reply_weight: float = 0.25
    """Of the answer before the question, searched by meaning only, beside 1 for the questions."""
    feedback: float = 0.25
    """How much being like the best passages found counts beside a passage's own score; see `feedback`. 0 = not at all."""
    neighbours: int = 2
    """How many neighbouring passages may follow the found ones."""
    neighbour_max_chars: int = 2_000
    routed_lead: float = 0.2
    """What a passage of a document that the question names is ahead of others, in units of the best score."""
    likely_lead: float = 0.4
    """The same for the year and quarter that the question names, within those documents."""
    reranker: Reranker | None = None
    """Learned from confirmed questions; see `learning.learn_order`."""
    max_routed: int = 2_000
    """Documents that a question may name; more name nothing."""
    max_tail_rows: int = 5_000
    """A reader further behind its owner than this says so instead of answering slowly."""


def settings_to_json(settings: RetrievalSettings) -> dict[str, Any]:
    """Mean question vectors are float32, little-endian, base64: what was learned comes back bit for bit. What is off and came
    later than the others is left out, so that older versions keep their names."""
    plain = {
        f.name: getattr(settings, f.name)
        for f in fields(settings)
        if f.name not in ("weights", "query_means", "reranker")
    }
    weights = {f.name: getattr(settings.weights, f.name) for f in fields(settings.weights)}
    means = {
        name: base64.b64encode(mean.astype("<f4").tobytes()).decode()
        for name, mean in settings.query_means.items()
    }
    if not settings.feedback:
        del plain["feedback"]
    reranker = settings.reranker
    return plain | {
        "weights": weights | {"same_language": dict(settings.weights.same_language)},
        "query_means": means,
        "reranker": reranker and {"weights": dict(reranker.weights), "depth": reranker.depth},
    }


def settings_from_json(stored: Mapping[str, Any]) -> RetrievalSettings:
    """What `settings_to_json` gave. Names that this version does not know are an error (`TypeError`)."""
    means = {
        name: np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
        for name, text in stored["query_means"].items()
    }
    reranker = stored.get("reranker")
    kept: dict[str, Any] = {
        "feedback": 0.0,
        **stored,
        "weights": FusionWeights(**stored["weights"]),
        "query_means": means,
        "reranker": Reranker(**reranker) if reranker else None,
    }
    return RetrievalSettings(**kept)
