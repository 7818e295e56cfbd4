"""The ladder: the best rung that may, can and is paid to answer serves; every step down has a recorded reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from countersign.domain.errors import (
    BudgetExceeded,
    ConfigError,
    LimitExceeded,
    ProviderError,
    ProviderGarbled,
)
from countersign.gateway.breaker import Breaker
from countersign.gateway.budget import Budget, Limit, cost_of
from countersign.gateway.residency import may_go
from countersign.gateway.seams import (
    ChatModel,
    Delta,
    Done,
    Exhausted,
    LadderEvent,
    ModelRequest,
    Restart,
    RungChosen,
    RungSkipped,
)
from countersign.gateway.streams import closing

_LEAST_DEADLINE_S = 5.0
"""What a lower rung is given at least, when the rungs above have used up the request's time."""


@dataclass(frozen=True, slots=True)
class Rung:
    """`in_process` models send nothing anywhere, so residency never removes them."""

    model: ChatModel
    in_process: bool = False
    breaker: Breaker | None = None
    """To be shown on the health page and in metrics."""


class Ladder:
    """Rungs, best first. Stateless: what is remembered (breakers, places, money) lives in the rungs and the budget."""

    def __init__(self, rungs: Sequence[Rung], *, home_region: str, budget: Budget | None = None) -> None:
        self._rungs = tuple(rungs)
        self._home_region = home_region
        self._budget = budget

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """Best first, for the health page."""
        return self._rungs

    async def stream(
        self,
        request: ModelRequest,
        *,
        allowed_regions: frozenset[str] | None = None,
        limits: tuple[Limit, ...] = (),
    ) -> AsyncGenerator[LadderEvent, None]:
        """`RungChosen`, then `Delta`s, then `Done`; a `Restart` voids the text since the last `RungChosen` and another
        `RungChosen` or `Exhausted` follows. Raises only what is not a model's failure (the database's, say)."""
        clock = asyncio.get_running_loop()
        ends = clock.time() + request.deadline_s
        skipped: list[RungSkipped] = []
        for index, rung in enumerate(self._rungs):
            name = rung.model.name
            if not rung.in_process and not may_go(rung.model.region, allowed_regions, self._home_region):
                skipped.append(RungSkipped(name, "residency_not_allowed"))
                continue
            left = max(ends - clock.time(), _LEAST_DEADLINE_S)
            served = replace(request, deadline_s=min(request.deadline_s, left))
            chosen = RungChosen(name, index, tuple(skipped))
            started = False
            try:
                async with closing(self._paid(rung.model, limits).stream(served)) as values:
                    async for value in values:
                        if not started:
                            started = True
                            yield chosen
                        yield _with_cost(value, rung.model)
                        if isinstance(value, Done):
                            return
                raise ProviderGarbled(f"model {name!r} ended its stream without `Done`")
            except (ProviderError, BudgetExceeded, LimitExceeded) as error:
                skipped.append(RungSkipped(name, error.code))
                if started:
                    yield Restart(name, error.code)
        yield Exhausted(tuple(skipped))

    def _paid(self, model: ChatModel, limits: tuple[Limit, ...]) -> ChatModel:
        if not limits:
            return model
        if self._budget is None:
            raise ConfigError("a budget is set, but nothing keeps its account", code="budget_without_ledger")
        return self._budget.wrap(model, limits)


def _with_cost(value: Delta | Done, model: ChatModel) -> Delta | Done:
    """A rung without a budget still says what it cost, or that its price is unknown."""
    if isinstance(value, Done) and value.cost is None:
        return replace(value, cost=cost_of(model.price, value.usage))
    return value
