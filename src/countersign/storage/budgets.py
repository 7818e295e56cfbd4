"""The account of the gateway's budgets: reservations and spending in the relational database.

A scope's row is changed by one conditional statement, so two processes cannot both take the last of it; several scopes
are taken in sorted order inside one transaction, so they cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from countersign.domain.clock import Clock, iso
from countersign.domain.errors import BudgetExceeded
from countersign.domain.ids import new_id
from countersign.gateway.budget import Limit
from countersign.storage.database import Database
from countersign.storage.prepared import Prepared
from countersign.storage.tables import budget, reservation

STALE_AFTER = timedelta(minutes=15)
"""Longer than any call may last: a reservation this old belonged to a process that is gone."""


class SqlBudgets:
    """A `gateway.budget.BudgetLedger`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def reserve(self, limits: Sequence[Limit], amount_micro: int) -> str:
        return await self._database.write(_reserve, tuple(limits), amount_micro, iso(self._clock.now()))

    async def settle(self, reservation_id: str, amount_micro: int) -> int:
        return await self._database.write(_settle, reservation_id, amount_micro)

    async def release(self, reservation_id: str) -> None:
        await self._database.write(_settle, reservation_id, 0)

    async def settle_stale(self, older_than: timedelta = STALE_AFTER) -> int:
        """Charge reservations that a killed process left behind, in full: its calls may have been made. Call at start-up
        and now and then. Returns how many."""
        return await self._database.write(_settle_stale, iso(self._clock.now() - older_than))

    async def used(self, scope: str) -> tuple[int, int]:
        """(reserved, spent) of a scope in micro-units."""
        return await self._database.read(_used, scope)


_TAKE = Prepared(
    update(budget)
    .where(
        budget.c.scope == bindparam("in_scope"),
        budget.c.currency == bindparam("in_currency"),
        budget.c.reserved + budget.c.spent + bindparam("amount", type_=BigInteger) <= bindparam("cap"),
    )
    .values(reserved=budget.c.reserved + bindparam("amount", type_=BigInteger))
)
_TURN = Prepared(
    update(budget)
    .where(budget.c.scope == bindparam("in_scope"))
    .values(
        reserved=budget.c.reserved - bindparam("amount", type_=BigInteger),
        spent=budget.c.spent + bindparam("charged", type_=BigInteger),
    )
)
_REMEMBER = Prepared(insert(reservation))
_FORGET = Prepared(
    delete(reservation)
    .where(reservation.c.id == bindparam("gone"))
    .returning(reservation.c.scopes, reservation.c.amount)
)


def _reserve(connection: Connection, limits: tuple[Limit, ...], amount: int, now: str) -> str:
    if amount < 0:
        raise ValueError("a reservation cannot be negative")
    # Always in this order, so that two processes cannot wait for each other.
    for limit in sorted(limits, key=lambda limit: limit.scope):
        if not _take(connection, limit, amount):
            _open_account(connection, limit)
            if not _take(connection, limit, amount):
                raise _refusal(connection, limit)
    reservation_id = new_id("rsv")
    scopes = "\n".join(sorted({limit.scope for limit in limits}))
    _REMEMBER.run(connection, {"id": reservation_id, "scopes": scopes, "amount": amount, "created": now})
    return reservation_id


def _take(connection: Connection, limit: Limit, amount: int) -> bool:
    row = {
        "in_scope": limit.scope,
        "in_currency": limit.currency,
        "amount": amount,
        "cap": limit.cap_micro,
    }
    return _TAKE.run(connection, row) == 1


def _open_account(connection: Connection, limit: Limit) -> None:
    new = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    row: dict[str, Any] = {"scope": limit.scope, "currency": limit.currency, "reserved": 0, "spent": 0}
    connection.execute(new(budget).values(row).on_conflict_do_nothing(index_elements=["scope"]))


def _refusal(connection: Connection, limit: Limit) -> BudgetExceeded:
    currency = connection.execute(select(budget.c.currency).where(budget.c.scope == limit.scope)).scalar()
    if currency != limit.currency:
        return BudgetExceeded(
            f"this period's account is kept in {currency}, the budget is in {limit.currency}",
            code="currency_mismatch",
            hint="Keep the currency until the period ends.",
        )
    return BudgetExceeded(
        "the budget for this period is used up or reserved by calls that are running",
        hint="Wait for the next period, or ask an operator to raise the budget.",
    )


def _settle(connection: Connection, reservation_id: str, amount: int) -> int:
    found = _FORGET.rows(connection, {"gone": reservation_id})
    if not found:
        return 0
    [(scopes, reserved)] = found
    charged = min(max(amount, 0), reserved)
    turns = [{"in_scope": scope, "amount": reserved, "charged": charged} for scope in scopes.splitlines()]
    if turns:
        _TURN.run_each(connection, turns)
    return charged


def _settle_stale(connection: Connection, before: str) -> int:
    stale = connection.execute(
        select(reservation.c.id, reservation.c.amount).where(reservation.c.created < before)
    ).all()
    for row in stale:
        _settle(connection, row.id, row.amount)
    return len(stale)


def _used(connection: Connection, scope: str) -> tuple[int, int]:
    row = connection.execute(select(budget.c.reserved, budget.c.spent).where(budget.c.scope == scope)).first()
    return (row.reserved, row.spent) if row else (0, 0)
