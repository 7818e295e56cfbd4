"""What every wrapper of a model shares: it goes by the name, region and price of what it wraps."""

from __future__ import annotations

from countersign.domain.workspace import Price
from countersign.gateway.seams import ChatModel


class Wrapper:
    def __init__(self, model: ChatModel) -> None:
        self._model = model

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def region(self) -> str:
        return self._model.region

    @property
    def price(self) -> Price | None:
        return self._model.price
