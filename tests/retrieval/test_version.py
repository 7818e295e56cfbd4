"""An index version names itself by its value and comes back from what is stored of it."""

from __future__ import annotations

import json

import numpy as np

from countersign.retrieval.fusion import FusionWeights
from countersign.retrieval.settings import RetrievalSettings
from countersign.retrieval.version import Chunking, IndexVersion


def test_a_version_comes_back_from_its_manifest_with_the_same_id() -> None:
    mean = np.random.default_rng(5).standard_normal(8).astype(np.float32)
    settings = RetrievalSettings(
        weights=FusionWeights({"kk": 0.2}, words_share=0.3), query_means={"kk": mean}
    )
    version = IndexVersion(Chunking(120, 200), "some-model", settings)
    back = IndexVersion.from_manifest(json.loads(json.dumps(version.manifest)))
    assert back.id == version.id
    assert back.settings.weights == settings.weights
    assert back.settings.query_means["kk"].tobytes() == mean.tobytes()


def test_whatever_decides_an_order_changes_the_id() -> None:
    plain = IndexVersion()
    others = (
        IndexVersion(Chunking(120, 300)),
        IndexVersion(embedder="some-model"),
        IndexVersion(settings=RetrievalSettings(neighbours=0)),
        IndexVersion(settings=RetrievalSettings(weights=FusionWeights(words_share=0.25))),
        IndexVersion(settings=RetrievalSettings(query_means={"ru": np.ones(8, np.float32)})),
    )
    assert len({plain.id, *(other.id for other in others)}) == 1 + len(others)
    assert IndexVersion().id == plain.id


def test_a_version_from_before_feedback_goes_on_without_it_under_its_own_name() -> None:
    before = IndexVersion().manifest
    del before["settings"]["feedback"]
    back = IndexVersion.from_manifest(json.loads(json.dumps(before)))
    assert back.settings.feedback == 0.0 and back.manifest == before
    assert back.id != IndexVersion().id
