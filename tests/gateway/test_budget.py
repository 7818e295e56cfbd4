"""Money on a real SQLite file: never overspent, never negative, never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from countersign.domain.answers import Usage
from countersign.domain.errors import BudgetExceeded, ProviderGarbled, ProviderUnavailable
from countersign.domain.workspace import BudgetRules, Money, Price
from countersign.gateway.budget import Budget, Limit, cost_micro, cost_of, limits_of
from countersign.gateway.build import build_rung
from countersign.gateway.http import HttpClient
from countersign.gateway.ladder import Ladder, Rung
from countersign.gateway.seams import ChatModel, Done, Exhausted, Restart, RungChosen, RungSkipped
from countersign.gateway.streams import closing
from countersign.storage.budgets import STALE_AFTER, SqlBudgets
from countersign.storage.database import Database
from countersign.storage.tables import budget as budget_table
from countersign.testing.chat_model_suite import REQUEST, collect
from countersign.testing.faulty_model import Fault, FaultyModel
from tests.gateway.parts import FakeModel, settings, wire

pytestmark = pytest.mark.anyio

USD = Price("USD", 1.0, 4.0)
USER, MONTH = "bank/staff-help/user:aida/2026-11-22", "bank/staff-help/month/2026-11"


class Moment:
    def __init__(self) -> None:
        self.value = datetime(2026, 11, 22, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.value


@contextmanager
def opened(url: str) -> Generator[Database, None, None]:
    database = Database(url)
    database.create_tables()
    try:
        yield database
    finally:
        database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def clock() -> Moment:
    return Moment()


@pytest.fixture
def ledger(url: str, clock: Moment) -> Generator[SqlBudgets, None, None]:
    with opened(url) as database:
        yield SqlBudgets(database, clock)


@pytest.fixture
async def budget(ledger: SqlBudgets, anyio_backend: str) -> AsyncGenerator[Budget, None]:
    made = Budget(ledger)
    yield made
    await made.close()


def limits(user: int = 10_000, month: int = 100_000) -> tuple[Limit, ...]:
    return Limit(USER, user, "USD"), Limit(MONTH, month, "USD")


def test_limits_come_from_the_rules() -> None:
    rules = BudgetRules(Money(1.0, "USD"), Money(300.1, "USD"))
    now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert limits_of(rules, tenant="bank", assistant="staff-help", user="aida", now=now) == (
        Limit(USER, 1_000_000, "USD"),
        Limit(MONTH, 300_100_000, "USD"),
    )
    assert limits_of(BudgetRules(), tenant="bank", assistant="a", user="u", now=now) == ()


def test_a_name_cannot_reach_into_another_scope() -> None:
    rules = BudgetRules(per_user_per_day=Money(1.0, "USD"))
    now = datetime(2026, 11, 22, tzinfo=UTC)
    scopes = {
        limits_of(rules, tenant=tenant, assistant=assistant, user="u", now=now)[0].scope
        for tenant, assistant in [("a/b", "c"), ("a", "b/c"), ("a", "b"), ("a%2Fb", "c")]
    }
    assert len(scopes) == 4


@pytest.mark.parametrize(
    ("price", "usage", "micro"),
    [
        (USD, Usage(1_000_000, 0), 1_000_000),
        (USD, Usage(3, 2), 11),
        (Price("USD", 0.15, 0.6), Usage(1, 0), 1),
        (Price("USD", 0.1, 0.0), Usage(30, 0), 3),
        (Price(unmetered=True), Usage(10**9, 10**9), 0),
    ],
)
def test_cost_is_exact_and_rounded_up(price: Price, usage: Usage, micro: int) -> None:
    assert cost_micro(price, usage) == micro


def test_an_unknown_price_stays_unknown() -> None:
    assert cost_of(None, Usage(1, 1)).amount is None
    assert cost_of(Price(unmetered=True), Usage(1, 1)).unmetered


async def test_reserves_everywhere_or_nowhere(ledger: SqlBudgets) -> None:
    with pytest.raises(BudgetExceeded) as caught:
        await ledger.reserve(limits(user=10, month=5), 6)
    assert caught.value.code == "budget_exceeded"
    assert await ledger.used(USER) == await ledger.used(MONTH) == (0, 0)
    await ledger.reserve(limits(user=6, month=6), 6)
    assert await ledger.used(USER) == await ledger.used(MONTH) == (6, 0)


async def test_settles_once_and_never_more_than_reserved(ledger: SqlBudgets) -> None:
    first, second = await ledger.reserve(limits(), 100), await ledger.reserve(limits(), 100)
    assert await ledger.settle(first, 40) == 40
    assert await ledger.settle(first, 40) == 0
    assert await ledger.settle(second, 10**9) == 100
    assert await ledger.used(USER) == (0, 140)
    third = await ledger.reserve(limits(), 100)
    await ledger.release(third)
    await ledger.release(third)
    assert await ledger.used(MONTH) == (0, 140)


async def test_another_currency_is_refused(ledger: SqlBudgets) -> None:
    await ledger.reserve(limits(), 1)
    with pytest.raises(BudgetExceeded) as caught:
        await ledger.reserve((Limit(MONTH, 10**9, "KZT"),), 1)
    assert caught.value.code == "currency_mismatch"


async def test_the_database_itself_refuses_negative_money(ledger: SqlBudgets) -> None:
    await ledger.reserve(limits(), 5)
    with pytest.raises(DBAPIError, match=r"(?i)check"):
        await ledger._database.write(  # pyright: ignore
            lambda connection: connection.execute(budget_table.update().values(reserved=-1))
        )


async def test_what_a_killed_process_reserved_counts_as_spent(url: str, clock: Moment) -> None:
    with opened(url) as database:
        await SqlBudgets(database, clock).reserve(limits(), 700)
    with opened(url) as database:
        ledger = SqlBudgets(database, clock)
        assert await ledger.settle_stale() == 0
        assert await ledger.used(USER) == (700, 0)  # still counted, it may be running elsewhere
        clock.value += STALE_AFTER + timedelta(seconds=1)
        fresh = await ledger.reserve(limits(), 5)
        assert await ledger.settle_stale() == 1
        assert await ledger.used(USER) == await ledger.used(MONTH) == (5, 700)
        assert await ledger.settle(fresh, 5) == 5


async def test_two_processes_cannot_both_take_the_last_of_it(url: str, clock: Moment) -> None:
    async def take(ledger: SqlBudgets, n: int) -> int:
        taken = 0
        for step in range(15):
            # Scopes in opposite orders: they must not wait for each other for ever.
            caps = limits(user=1000, month=1000)[:: 1 if n % 2 else -1]
            try:
                reservation = await ledger.reserve(caps, 70)
            except BudgetExceeded:
                continue
            taken += await ledger.settle(reservation, 35 + step)
        return taken

    with opened(url) as one, opened(url) as other:
        ledgers = [SqlBudgets(one, clock), SqlBudgets(other, clock)]
        taken = await asyncio.gather(*(take(ledgers[n % 2], n) for n in range(6)))
        assert await ledgers[0].used(USER) == await ledgers[1].used(MONTH) == (0, sum(taken))
    assert 900 < sum(taken) <= 1000


# -- around a model -------------------------------------------------------------------------------------------------
def spender(
    *acts: str | float | Exception, usage: Usage | None = None, price: Price | None = USD
) -> FakeModel:
    return FakeModel(lambda _: list(acts), price=price, usage=usage)


async def test_charges_what_was_used(budget: Budget, ledger: SqlBudgets) -> None:
    _, [done], _ = await collect(budget.wrap(spender("ok", usage=Usage(100, 20, reported=True)), limits()))
    assert done.cost and done.cost.amount == pytest.approx(180e-6)
    assert await ledger.used(USER) == await ledger.used(MONTH) == (0, 180)


async def test_a_call_that_does_not_fit_is_not_made(budget: Budget) -> None:
    model = spender("ok")
    with pytest.raises(BudgetExceeded):
        await collect(budget.wrap(model, limits(user=800)))  # 200 output tokens at 4 alone are 800
    assert model.calls == 0


@pytest.mark.parametrize(
    ("price", "code"), [(None, "price_unknown"), (Price("KZT", 1.0, 1.0), "currency_mismatch")]
)
async def test_prices_that_no_budget_can_cover(price: Price | None, code: str, budget: Budget) -> None:
    model = spender("ok", price=price)
    with pytest.raises(BudgetExceeded) as caught:
        await collect(budget.wrap(model, limits()))
    assert caught.value.code == code
    assert model.calls == 0


async def test_unmetered_needs_no_money(budget: Budget, ledger: SqlBudgets) -> None:
    _, [done], _ = await collect(budget.wrap(spender("ok", price=Price(unmetered=True)), limits(user=0)))
    assert done.cost and done.cost.unmetered
    assert await ledger.used(USER) == (0, 0)


async def test_failure_before_text_is_free_and_after_it_is_not(budget: Budget, ledger: SqlBudgets) -> None:
    with pytest.raises(ProviderUnavailable):
        await collect(budget.wrap(spender(ProviderUnavailable("x")), limits()))
    assert await ledger.used(USER) == (0, 0)
    with pytest.raises(ProviderGarbled):
        await collect(budget.wrap(spender("written " * 5, ProviderGarbled("x")), limits()))
    reserved, spent = await ledger.used(USER)
    assert reserved == 0
    assert spent > 40


async def test_a_caller_that_leaves_or_is_cancelled_leaves_no_reservation(
    budget: Budget, ledger: SqlBudgets
) -> None:
    async with closing(budget.wrap(spender("a", 60.0), limits()).stream(REQUEST)) as stream:
        await anext(stream)
    assert (await ledger.used(USER))[0] == 0
    for pause in (0.0, 0.001, 0.05):
        caller = asyncio.ensure_future(collect(budget.wrap(spender(60.0), limits())))
        await asyncio.sleep(pause)
        caller.cancel()
        await asyncio.wait([caller])
        await budget.close()
        assert (await ledger.used(USER))[0] == 0


@pytest.mark.parametrize(
    "fault", [Fault.UNDERSTATED_USAGE, Fault.OVERSTATED_USAGE, Fault.ENDLESS, Fault.NO_USAGE]
)
async def test_lies_about_usage_neither_hide_nor_exceed_the_money(
    fault: Fault, budget: Budget, ledger: SqlBudgets, http: HttpClient
) -> None:
    async with FaultyModel(fault) as server:
        _, [done], _ = await collect(budget.wrap(wire(server, http), limits()))
    reserved, spent = await ledger.used(USER)
    assert reserved == 0
    assert 50 < spent <= 2_000
    assert done.cost and done.cost.amount == pytest.approx(spent / 1e6)


async def test_the_ladder_steps_down_when_the_money_is_gone(budget: Budget) -> None:
    free = FakeModel(lambda _: ["quoted"], name="extractive", price=Price(unmetered=True))
    unknown = FakeModel(lambda _: ["x"], name="unknown")
    models: list[ChatModel] = [spender("paid"), unknown, free]
    ladder = Ladder([Rung(model) for model in models], home_region="kz", budget=budget)
    events = [event async for event in ladder.stream(REQUEST, limits=limits(user=10))]
    because = (RungSkipped("fake", "budget_exceeded"), RungSkipped("unknown", "price_unknown"))
    assert events[0] == RungChosen("extractive", 2, because)
    assert isinstance(events[-1], Done)
    short = Ladder([Rung(model) for model in models[:2]], home_region="kz", budget=budget)
    [event] = [event async for event in short.stream(REQUEST, limits=limits(user=10))]
    assert isinstance(event, Exhausted)
    assert event.cause == "budget"


async def test_a_restart_pays_for_both_rungs(budget: Budget, ledger: SqlBudgets) -> None:
    ladder = Ladder(
        [
            Rung(spender("half an answer", ProviderGarbled("cut"))),
            Rung(spender("whole", usage=Usage(100, 20, reported=True))),
        ],
        home_region="kz",
        budget=budget,
    )
    events = [event async for event in ladder.stream(REQUEST, limits=limits())]
    assert any(isinstance(event, Restart) for event in events)
    reserved, spent = await ledger.used(USER)
    assert reserved == 0
    assert spent > 180


# -- the property ---------------------------------------------------------------------------------------------------
Call = tuple[int, int, str]
calls = st.lists(
    st.tuples(
        st.integers(0, 400), st.integers(0, 5), st.sampled_from(["done", "fail", "cut", "cancel", "lie"])
    ),
    min_size=50,
    max_size=50,
)


@given(calls, st.integers(0, 12_000), st.integers(0, 12_000))
@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_fifty_parallel_requests_never_overspend(plan: list[Call], user_cap: int, month_cap: int) -> None:
    async def one(budget: Budget, call: Call, caps: tuple[Limit, ...]) -> None:
        tokens, pause, ending = call
        wait = pause / 1000
        acts: list[str | float | Exception] = [wait, "text", wait]
        if ending == "fail":
            acts = [wait, ProviderUnavailable("x")]
        elif ending == "cut":
            acts.append(ProviderGarbled("x"))
        said = Usage(10**7, 10**7, reported=True) if ending == "lie" else Usage(100, tokens, reported=True)
        task = asyncio.ensure_future(collect(budget.wrap(spender(*acts, usage=said), caps)))
        if ending == "cancel":
            await asyncio.sleep(wait)
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            assert isinstance(error, BudgetExceeded | ProviderUnavailable | ProviderGarbled)

    async def watch(ledger: SqlBudgets) -> None:
        while True:
            for scope, cap in ((USER, user_cap), (MONTH, month_cap)):
                reserved, spent = await ledger.used(scope)
                assert reserved >= 0 and spent >= 0 and reserved + spent <= cap
            await asyncio.sleep(0.002)

    async def scenario(ledger: SqlBudgets) -> None:
        budget = Budget(ledger)
        watching = asyncio.ensure_future(watch(ledger))
        caps = limits(user_cap, month_cap)
        await asyncio.gather(*(one(budget, call, caps) for call in plan))
        await budget.close()
        assert not watching.done() or watching.exception() is None
        watching.cancel()
        await asyncio.wait([watching])
        for scope, cap in ((USER, user_cap), (MONTH, month_cap)):
            reserved, spent = await ledger.used(scope)
            assert reserved == 0
            assert spent <= cap

    with TemporaryDirectory() as folder, opened(f"sqlite:///{folder}/state.db") as database:
        asyncio.run(scenario(SqlBudgets(database, Moment())))


async def test_a_request_that_a_server_cancels_leaves_nothing_behind(
    budget: Budget, ledger: SqlBudgets, http: HttpClient
) -> None:
    """A web server cancels a whole scope when its client goes: every further `await` in it fails as well."""
    import anyio

    async with FaultyModel(Fault.SLOW_DRIP) as server:
        rung = build_rung(settings(server, max_concurrent=1), http)
        ladder = Ladder([rung], home_region="kz", budget=budget)

        async def ask(started: asyncio.Event) -> None:
            async for _ in ladder.stream(REQUEST, limits=limits()):
                started.set()

        for _ in range(3):
            started = asyncio.Event()
            async with anyio.create_task_group() as group:
                group.start_soon(ask, started)
                await started.wait()
                group.cancel_scope.cancel()
            await budget.close()
            assert (await ledger.used(USER))[0] == 0
        connector = http.session.connector
        assert connector and not connector._acquired  # pyright: ignore
