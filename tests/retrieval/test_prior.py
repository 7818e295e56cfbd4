"""What is taken away from every question before a deployment has questions of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from countersign.corpus.embedding import EmbeddedE5
from countersign.retrieval.prior import question_prior, with_prior
from countersign.retrieval.settings import RetrievalSettings

TEXTS = Path(__file__).resolve().parents[2] / "tools" / "question_prior"


def test_it_is_there_for_the_embedded_model_and_no_other() -> None:
    prior = question_prior(EmbeddedE5.model_id)
    assert set(prior) == {"en", "kk", "ru"} == {path.stem for path in TEXTS.glob("*.txt")}
    assert all(mean.shape == (EmbeddedE5.dimension,) and mean.dtype == np.float32 for mean in prior.values())
    assert question_prior("another-model") == {}
    assert with_prior(RetrievalSettings(), "another-model") == RetrievalSettings()


def test_what_a_deployment_has_learned_goes_before_it() -> None:
    own = np.ones(EmbeddedE5.dimension, np.float32)
    means = with_prior(RetrievalSettings(query_means={"kk": own}), EmbeddedE5.model_id).query_means
    assert means["kk"] is own and set(means) == {"en", "kk", "ru"}
