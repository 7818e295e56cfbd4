"""Statements that every question runs, compiled once and handed to SQLite's driver as they are.

What SQLAlchemy does around one execution (a context, a cursor, a result, the caches between them) costs many times what
such a statement does. On Postgres, where the way to the server is what costs, they run like any other statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import orjson
from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement


class Prepared:
    """A statement whose parameters are all named and need no conversion: text, numbers, nulls. Columns come back as the
    driver gives them: see `loaded`."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._sql = ""
        self._names: tuple[str, ...] = ()

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        if connection.dialect.name != "sqlite":
            return [tuple(row) for row in connection.execute(self._statement, values)]
        return self._driver(connection, "execute", self._bound(values)).fetchall()

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """How many rows it changed."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).rowcount
        return int(self._driver(connection, "execute", self._bound(values)).rowcount)

    def run_each(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> None:
        if connection.dialect.name != "sqlite":
            connection.execute(self._statement, list(values))
            return
        self._driver(connection, "executemany", [self._bound(each) for each in values])

    def _bound(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        if not self._sql:
            self._compile(values)
        return tuple([values[name] for name in self._names])

    def _compile(self, values: Mapping[str, Any]) -> None:
        statement = self._statement
        assert isinstance(statement, ClauseElement)
        dialect = sqlite.dialect(paramstyle="qmark")  # type: ignore[no-untyped-call]
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(values))
        self._names = tuple(compiled.positiontup)
        self._sql = str(compiled)

    def _driver(self, connection: Connection, method: str, bound: Any) -> Any:
        driver: Any = connection.connection.driver_connection
        try:
            return getattr(driver, method)(self._sql, bound)
        except connection.dialect.loaded_dbapi.Error as error:
            self._fail(connection, error)

    def _fail(self, connection: Connection, error: Exception) -> NoReturn:
        """As SQLAlchemy would tell it, without the values."""
        base = connection.dialect.loaded_dbapi.Error
        raise DBAPIError.instance(
            self._sql, None, error, base, hide_parameters=True, dialect=connection.dialect
        ) from error


def loaded(value: Any) -> Any:
    """A JSON column, which SQLite's driver gives as text."""
    return orjson.loads(value) if isinstance(value, str) else value
