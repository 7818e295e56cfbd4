"""What questions of a language have in common as vectors, before a deployment has questions of its own.

An encoder such as multilingual-e5 gives every question much the same direction, which says what a question is and not
what it asks; passages that happen to lie that way rank too high. Where it is taken away, what is left is the matter. A
deployment learns its own (`learning`); until then a part of a general one is taken away: the mean of 48 questions a
language of our own, in `tools/question_prior`, from which `tools/question_prior.py` makes `question_prior.json`. What
does not ask (a headline, a sentence to be checked, words to be found) has another direction: the mean of 90 such texts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files

import numpy as np

from countersign.domain.documents import Language
from countersign.retrieval.analysis import is_question, question_language
from countersign.retrieval.seams import Vector
from countersign.retrieval.settings import RetrievalSettings

PRIOR_SHARE = 0.7
"""How much of the general mean is taken away: any share from 0.5 to 0.9 does about as well, the whole does harm where
questions are unlike ours."""


def question_prior(model_id: str) -> Mapping[str, Vector]:
    """What to take away from a question's vector, by `kind_of`; nothing for a model that none was made for."""
    model, means = _shipped()
    return means if model_id == model else {}


def kind_of(text: str, language: Language = "") -> str:
    """The key of its mean: `kk` for a question, `kk-statement` for what does not ask (`language` where it is known)."""
    language = language or question_language(text)
    return language if is_question(text, language) else f"{language}{_STATEMENT}"


def mean_of(means: Mapping[str, Vector], text: str, language: Language) -> Vector | None:
    """What to take away from the vector of `text`: that of its kind, or else of its language."""
    return means.get(kind_of(text, language), means.get(language))


def with_prior(settings: RetrievalSettings, model_id: str) -> RetrievalSettings:
    """Settings as they are applied: what a deployment has learned of its questions goes before the general mean."""
    prior = question_prior(model_id)
    return replace(settings, query_means={**prior, **settings.query_means}) if prior else settings


def encode(mean: Vector) -> str:
    """Half precision, little-endian, base64: a thousandth of a unit is far below what changes an order."""
    return base64.b64encode(mean.astype("<f2").tobytes()).decode()


_STATEMENT = "-statement"


@lru_cache(maxsize=1)
def _shipped() -> tuple[str, Mapping[str, Vector]]:
    stored = json.loads(files("countersign.retrieval").joinpath("question_prior.json").read_text("utf-8"))
    means = {
        name: PRIOR_SHARE * np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32)
        for name, text in stored["means"].items()
    }
    return stored["model"], means
