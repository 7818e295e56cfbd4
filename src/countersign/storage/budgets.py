"""The account of the gateway's budgets: reservations and spending in the relational database.

A scope's row is changed by one conditional statement, so two processes cannot both take the last of it; several scopes
are taken in sorted order inside one transaction, so they cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Insert, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from countersign.domain.clock import Clock, iso
from countersign.domain.errors import BudgetExceeded
from countersign.domain.ids import new_id
from countersign.gateway.budget import Limit
from countersign.storage.database import Database
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


def _reserve(connection: Connection, limits: tuple[Limit, ...], amount: int, now: str) -> str:
    if amount < 0:
        raise ValueError("a reservation cannot be negative")
    for limit in sorted(limits, key=lambda limit: limit.scope):
        connection.execute(_open_account(connection, limit))
        taken = connection.execute(
            update(budget)
            .where(
                budget.c.scope == limit.scope,
                budget.c.currency == limit.currency,
                budget.c.reserved + budget.c.spent + amount <= limit.cap_micro,
            )
            .values(reserved=budget.c.reserved + amount)
        )
        if taken.rowcount != 1:
            raise _refusal(connection, limit)
    reservation_id = new_id("rsv")
    scopes = sorted({limit.scope for limit in limits})
    connection.execute(
        reservation.insert().values(id=reservation_id, scopes=scopes, amount=amount, created=now)
    )
    return reservation_id


def _open_account(connection: Connection, limit: Limit) -> Insert:
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    row: dict[str, Any] = {"scope": limit.scope, "currency": limit.currency, "reserved": 0, "spent": 0}
    return insert(budget).values(row).on_conflict_do_nothing(index_elements=["scope"])


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
    row = connection.execute(
        delete(reservation)
        .where(reservation.c.id == reservation_id)
        .returning(reservation.c.scopes, reservation.c.amount)
    ).first()
    if row is None:
        return 0
    charged = min(max(amount, 0), row.amount)
    for scope in sorted(row.scopes):
        connection.execute(
            update(budget)
            .where(budget.c.scope == scope)
            .values(reserved=budget.c.reserved - row.amount, spent=budget.c.spent + charged)
        )
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
