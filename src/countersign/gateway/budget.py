"""Hard money caps: the most that a call can cost is reserved before it, what it did cost is settled after it.

Amounts are whole micro-units of a currency (1 USD = 1,000,000). The output part of a reservation cannot be passed,
because the stream is cut there whatever the provider reports; the input part is a cautious estimate.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import quote

from countersign.domain.answers import Cost, Usage
from countersign.domain.errors import BudgetExceeded
from countersign.domain.workspace import BudgetRules, Money, Price
from countersign.gateway.seams import ChatModel, Delta, Done, ModelRequest
from countersign.gateway.streams import closing
from countersign.gateway.tokens import estimate_tokens, upper_tokens
from countersign.gateway.wrapper import Wrapper

MICRO = 1_000_000

_UNBELIEVABLE = 3
"""Reported usage below a third of what the text itself suggests is not believed; the estimate is charged."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on one scope: what may be reserved and spent in it together."""

    scope: str
    cap_micro: int
    currency: str


class BudgetLedger(Protocol):
    """Where reservations live. Every method is one transaction over all scopes."""

    async def reserve(self, limits: Sequence[Limit], amount_micro: int) -> str:
        """Reserve in every scope or in none. Raises `BudgetExceeded` (`budget_exceeded`, `currency_mismatch`)."""
        ...

    async def settle(self, reservation_id: str, amount_micro: int) -> int:
        """Turn the reservation into spent money, never more than was reserved; the rest is free again.

        Returns what was charged; 0 when the reservation is gone already."""
        ...

    async def release(self, reservation_id: str) -> None:
        """Nothing was spent. Gone already is fine."""
        ...


def limits_of(
    rules: BudgetRules, *, tenant: str, assistant: str, user: str, now: datetime
) -> tuple[Limit, ...]:
    """The caps that hold for this person now. Days and months are those of UTC."""
    day = now.astimezone(UTC).date().isoformat()
    where = f"{quote(tenant, safe='')}/{quote(assistant, safe='')}"
    limits: list[Limit] = []
    if rules.per_user_per_day is not None:
        limits.append(_limit(f"{where}/user:{quote(user, safe='')}/{day}", rules.per_user_per_day))
    if rules.per_month is not None:
        limits.append(_limit(f"{where}/month/{day[:7]}", rules.per_month))
    return tuple(limits)


def _limit(scope: str, money: Money) -> Limit:
    return Limit(scope, math.floor(Decimal(str(money.amount)) * MICRO), money.currency)


def cost_micro(price: Price, usage: Usage) -> int:
    """What this usage costs at this price, rounded up. A price per million tokens is micro-units per token."""
    if price.unmetered:
        return 0
    amount = Decimal(str(price.input_per_million)) * usage.input_tokens
    amount += Decimal(str(price.output_per_million)) * usage.output_tokens
    return max(0, math.ceil(amount))


def cost_of(price: Price | None, usage: Usage) -> Cost:
    """For the answer and its record: an unknown price stays unknown."""
    if price is None:
        return Cost(amount=None, currency="")
    return Cost(cost_micro(price, usage) / MICRO, price.currency, unmetered=price.unmetered)


def believable(usage: Usage, prompt: Iterable[str], output_tokens: int) -> Usage:
    """`usage`, or estimates in place of counts that are far too low for the text that was sent and received."""
    input_tokens = sum(estimate_tokens(text) for text in prompt)
    return replace(
        usage,
        input_tokens=usage.input_tokens
        if usage.input_tokens * _UNBELIEVABLE >= input_tokens
        else input_tokens,
        output_tokens=usage.output_tokens
        if usage.output_tokens * _UNBELIEVABLE >= output_tokens
        else output_tokens,
    )


class Budget:
    """Wraps models so that they spend only what the ledger grants. One per process; `close()` waits for settlements."""

    def __init__(self, ledger: BudgetLedger) -> None:
        self._ledger = ledger
        self._settling: set[asyncio.Task[Any]] = set()

    def wrap(self, model: ChatModel, limits: tuple[Limit, ...]) -> ChatModel:
        return Budgeted(model, self, limits)

    async def reserve(self, limits: tuple[Limit, ...], amount_micro: int) -> str:
        """A caller that is cancelled meanwhile leaves no reservation behind."""
        task = self._start(self._ledger.reserve(limits, amount_micro))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._start(self._undo(task))
            raise

    async def settle(self, reservation_id: str, amount_micro: int) -> int:
        return await asyncio.shield(self._start(self._ledger.settle(reservation_id, amount_micro)))

    async def release(self, reservation_id: str) -> None:
        await asyncio.shield(self._start(self._ledger.release(reservation_id)))

    async def close(self) -> None:
        while self._settling:
            await asyncio.wait(self._settling)

    async def _undo(self, reserving: asyncio.Task[str]) -> None:
        await asyncio.wait([reserving])
        if reserving.exception() is None:
            await self._ledger.release(reserving.result())

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of its own: settling must end even when the request that pays for it is cancelled."""
        task = asyncio.ensure_future(work)
        self._settling.add(task)
        task.add_done_callback(self._settled)
        return task

    def _settled(self, task: asyncio.Task[Any]) -> None:
        self._settling.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; a reservation left behind settles as spent later


class Budgeted(Wrapper):
    """A model under caps. Raises `BudgetExceeded` before the call (`budget_exceeded`, `price_unknown`,
    `currency_mismatch`). A call that fails before its first text is released; one that fails or is left later is
    charged for what it had produced."""

    def __init__(self, model: ChatModel, budget: Budget, limits: tuple[Limit, ...]) -> None:
        super().__init__(model)
        self._budget = budget
        self._limits = limits

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Done, None]:
        price = self._checked_price()
        if price.unmetered:
            async with closing(self._model.stream(request)) as values:
                async for value in values:
                    yield (
                        replace(value, cost=cost_of(price, value.usage)) if isinstance(value, Done) else value
                    )
            return
        prompt = [message.content for message in request.messages]
        most = Usage(input_tokens=upper_tokens(prompt), output_tokens=request.max_output_tokens)
        reservation = await self._budget.reserve(self._limits, cost_micro(price, most))
        written: list[str] = []
        settled = False
        try:
            async with closing(self._model.stream(request)) as values:
                async for value in values:
                    if isinstance(value, Delta):
                        written.append(value.text)
                        yield value
                        continue
                    used = believable(value.usage, prompt, estimate_tokens("".join(written)))
                    settled = True
                    charged = await self._budget.settle(reservation, cost_micro(price, used))
                    yield replace(value, cost=Cost(charged / MICRO, price.currency))
        finally:
            if not settled:
                await self._abandon(reservation, price, prompt, written)

    async def _abandon(self, reservation: str, price: Price, prompt: list[str], written: list[str]) -> None:
        if not written:
            await self._budget.release(reservation)
            return
        used = believable(Usage(), prompt, estimate_tokens("".join(written)))
        await self._budget.settle(reservation, cost_micro(price, used))

    def _checked_price(self) -> Price:
        price = self._model.price
        if price is None:
            raise BudgetExceeded(
                f"the price of model {self.name!r} is unknown, so a budget cannot cover it",
                code="price_unknown",
                hint="Give `price` in the workspace file, or `price: unmetered` when it costs nothing per call.",
            )
        if not price.unmetered and any(limit.currency != price.currency for limit in self._limits):
            raise BudgetExceeded(
                f"model {self.name!r} is priced in {price.currency}, the budget is in another currency",
                code="currency_mismatch",
                hint="Give price and budget in the same currency.",
            )
        return price
