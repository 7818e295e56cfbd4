"""One of several processes leads: a row in the database says which, until when, and as the how-manieth.

Time is the database server's, so clocks of different machines need not agree. A holder that stood still may wake up
after another has followed it; whatever it then does carries its old epoch, and that is what is refused.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, func, insert, select, update

from countersign.storage.database import Database
from countersign.storage.tables import lease


class SqlLease:
    """`holder` is a name of this process; `ttl_s` how long it may be silent before another takes over."""

    def __init__(self, database: Database, name: str, holder: str, *, ttl_s: float = 15.0) -> None:
        self.ttl_s = ttl_s
        self._database = database
        self._name = name
        self._holder = holder

    async def take(self) -> int | None:
        """The epoch of this reign; None while somebody else's has not run out."""
        return await self._database.write(_take, self._name, self._holder, self.ttl_s)

    async def keep(self, epoch: int) -> bool:
        """Lead on for another `ttl_s`; False when another has followed."""
        return await self._database.write(_keep, self._name, self._holder, epoch, self.ttl_s)

    async def release(self, epoch: int) -> None:
        """Whoever waits may follow at once."""
        await self._database.write(_keep, self._name, self._holder, epoch, 0.0)

    async def is_held(self) -> bool:
        """Whether anybody leads at this moment."""
        return await self._database.read(_is_held, self._name)


def _now(connection: Connection) -> float:
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())


def _take(connection: Connection, name: str, holder: str, ttl_s: float) -> int | None:
    now = _now(connection)
    row = connection.execute(select(lease).where(lease.c.name == name).with_for_update()).first()
    if row is not None and row.until > now:
        return None
    # Counted from the clock, so that a database restored from a backup gives no epoch that was given before.
    epoch = max(int(now), int(row.epoch) + 1 if row is not None else 0)
    values = {"holder": holder, "epoch": epoch, "until": now + ttl_s}
    if row is None:
        connection.execute(insert(lease).values(name=name, **values))
    else:
        connection.execute(update(lease).where(lease.c.name == name).values(**values))
    return epoch


def _keep(connection: Connection, name: str, holder: str, epoch: int, ttl_s: float) -> bool:
    mine = lease.c.name == name, lease.c.holder == holder, lease.c.epoch == epoch
    return connection.execute(update(lease).where(*mine).values(until=_now(connection) + ttl_s)).rowcount == 1


def _is_held(connection: Connection, name: str) -> bool:
    until = connection.execute(select(lease.c.until).where(lease.c.name == name)).scalar()
    return until is not None and until > _now(connection)
