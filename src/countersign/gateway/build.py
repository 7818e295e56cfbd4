"""From settings to a guarded model. Own dialects and those of other packages come through the same kind of door."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from countersign.domain.errors import ConfigError
from countersign.domain.workspace import ModelSettings
from countersign.gateway.breaker import Breaker
from countersign.gateway.bulkhead import Bulkhead
from countersign.gateway.deadline import FirstByteDeadline
from countersign.gateway.http import HttpClient
from countersign.gateway.ladder import Rung
from countersign.gateway.seams import ChatModel

GROUP = "countersign.chat_models"
"""Entry point group: the name is the `dialect`, the object a function `(ModelSettings, HttpClient) -> ChatModel`."""

ModelFactory = Callable[[ModelSettings, HttpClient], ChatModel]

_OWN = {
    name: EntryPoint(name, f"countersign.gateway.{module}:build", GROUP)
    for name, module in (
        ("openai", "openai_dialect"),
        ("anthropic", "anthropic_dialect"),
        ("extractive", "extractive"),
    )
}
"""A foreign package cannot replace these."""


def dialects() -> dict[str, EntryPoint]:
    """Every installed dialect by name."""
    return {**{point.name: point for point in entry_points(group=GROUP)}, **_OWN}


def build_model(settings: ModelSettings, http: HttpClient) -> ChatModel:
    """The model of these settings behind its deadline, breaker and bulkhead; an in-process one as it is."""
    return build_rung(settings, http).model


def build_rung(settings: ModelSettings, http: HttpClient) -> Rung:
    """The same with its breaker at hand. Build once per process: a breaker that is built anew remembers nothing."""
    model = _factory(settings)(settings, http)
    if in_process(settings):
        return Rung(model, in_process=True)
    breaker = Breaker(FirstByteDeadline(model, settings.first_byte_timeout_s))
    # The bulkhead is outermost: a caller that waited for a place still meets the breaker before the model.
    return Rung(Bulkhead(breaker, settings.max_concurrent), breaker=breaker)


def in_process(settings: ModelSettings) -> bool:
    """Only the extractive generator sends nothing anywhere."""
    return settings.dialect == "extractive"


def _factory(settings: ModelSettings) -> ModelFactory:
    known = dialects()
    point = known.get(settings.dialect)
    if point is None:
        raise ConfigError(
            f"models.{settings.name}.dialect: {settings.dialect!r} is not installed",
            code="dialect_unknown",
            hint=f"Known: {', '.join(sorted(known))}.",
        )
    return point.load()
