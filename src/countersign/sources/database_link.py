"""A relational database that is only ever read: read-only transactions, a limit on each statement, errors without data."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from countersign.domain.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Subquery

BATCH_ROWS = 100
_READ_ONLY = {
    "postgresql": ("SET TRANSACTION READ ONLY",),
    "mysql": ("SET TRANSACTION READ ONLY",),
    "mariadb": ("SET TRANSACTION READ ONLY",),
    "oracle": ("SET TRANSACTION READ ONLY",),
    "sqlite": ("PRAGMA query_only = ON",),
}
_SECRET_IN_QUERY = re.compile(r"(?i)pass|pwd|secret|token")
_BIND = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_QUERY_IS_WRONG = re.compile(r"\(42\w{3}\)|no such|syntax|ambiguous|incomplete input|readonly")
_SQLITE_STEPS = 20_000


class Link:
    """Opens a connection for each piece of work. Nothing is connected before the first of them."""

    def __init__(
        self,
        source: str,
        url: str,
        password: str,
        root: Path,
        timeout_s: float,
        *,
        account_is_read_only: bool = False,
    ) -> None:
        self._source = source
        self._url = url
        self._password = password
        self._root = root
        self._timeout_s = timeout_s
        self._trusted = account_is_read_only
        self._made: Engine | None = None
        self._until = 0.0

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A read-only transaction, ended without a trace. Raises `SourceError`; the driver's own words are told only
        where they cannot hold data or a password."""
        from sqlalchemy.exc import SQLAlchemyError

        engine = self._engine()
        try:
            with engine.connect() as connection:
                for statement in self._preamble(engine.dialect.name):
                    connection.exec_driver_sql(statement)
                try:
                    yield connection
                finally:
                    connection.rollback()
        except SQLAlchemyError as error:
            _fail(self._source, error)

    def rows(self, connection: Connection, statement: Any, values: Any = None) -> Iterator[Mapping[str, Any]]:
        """Rows as they come, a batch in memory at a time; each batch has the whole time limit."""
        self._begin()
        found = connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS).execute(
            statement, values or {}
        )
        with found:
            while batch := found.mappings().fetchmany(BATCH_ROWS):
                for row in batch:
                    yield {str(name): value for name, value in row.items()}
                self._begin()

    def query(self, written: str) -> Subquery:
        """What was configured, word for word (a colon in it is a colon), to select from. Raises `ConfigError`."""
        from sqlalchemy import text

        plain = written.strip().rstrip(";").rstrip() + "\n"  # a comment may end it
        clause = text(_BIND.sub(r"\\:\1", plain))
        if str(clause.compile(dialect=self._engine().dialect)).replace("%%", "%") != plain.replace("%%", "%"):
            raise ConfigError(
                f"source {self._source}: its query cannot be sent as it is written",
                code="source_query_unusable",
                hint="A word between two colons is the reason; put the query into a view.",
            )
        return clause.columns().subquery("source_rows")

    def close(self) -> None:
        if self._made is not None:
            self._made.dispose()
            self._made = None

    def _begin(self) -> None:
        self._until = time.monotonic() + self._timeout_s

    def _preamble(self, dialect: str) -> tuple[str, ...]:
        timeout_ms = int(self._timeout_s * 1000)
        if dialect == "postgresql":
            return (*_READ_ONLY[dialect], f"SET LOCAL statement_timeout = {timeout_ms}")
        if dialect == "mysql":
            return (f"SET SESSION max_execution_time = {timeout_ms}", *_READ_ONLY[dialect])
        if dialect not in _READ_ONLY and not self._trusted:
            raise ConfigError(
                f"source {self._source}: this kind of database is not known to have read-only transactions",
                code="source_database_not_read_only",
                hint="Give the account no right but to read, and say `account_is_read_only: true`.",
            )
        return _READ_ONLY.get(dialect, ())

    def _engine(self) -> Engine:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _make(self) -> Engine:
        from sqlalchemy import create_engine, event, make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        from sqlalchemy.pool import NullPool

        try:
            url = make_url(self._url)
            _no_secret(self._source, url.query)
            if url.drivername in ("postgresql", "postgres"):
                url = url.set(drivername="postgresql+psycopg")
            if self._password and url.get_backend_name() != "sqlite":
                url = url.set(password=self._password)
            arguments: dict[str, Any] = {}
            if url.get_backend_name() == "sqlite":
                url, arguments = self._sqlite(url)
            engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
        except (ArgumentError, NoSuchModuleError, ImportError):
            raise ConfigError(
                f"source {self._source}: its address is not one of a database whose driver is installed",
                code="source_database_unknown",
                hint="Write postgresql://USER@HOST/NAME or sqlite:///FILE, or install the driver of yours.",
            ) from None
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", self._limit_sqlite)
        return engine

    def _sqlite(self, url: Any) -> tuple[Any, dict[str, Any]]:
        """Opened so that nothing can be written and no empty file appears where none was."""
        path = (self._root / str(url.database or "")).resolve()
        file = f"file:{quote(str(path))}"
        return url.set(database=file, query={"mode": "ro", "uri": "true"}), {"check_same_thread": False}

    def _limit_sqlite(self, connection: Any, _record: Any) -> None:
        self._begin()
        connection.set_progress_handler(lambda: int(time.monotonic() > self._until), _SQLITE_STEPS)


def _no_secret(source: str, query: Mapping[str, Any]) -> None:
    if any(_SECRET_IN_QUERY.search(name) for name in query):
        raise ConfigError(
            f"source {source}: a password may not stand in an address",
            code="secret_in_file",
            hint="Say it as `options: {password: ${env:NAME}}`.",
        )


def _fail(source: str, error: Any) -> NoReturn:
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    told = _told(getattr(error, "orig", None))
    if "(57014)" in told or told.endswith(": interrupted"):
        raise SourceError(
            f"source {source}: the database took longer than allowed",
            code="source_timeout",
            hint="Raise `timeout`, or give the query an index. Nothing was removed from the index.",
        ) from None
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if (isinstance(error, OperationalError | InterfaceError) or lost) and not _QUERY_IS_WRONG.search(told):
        raise SourceError(
            f"source {source}: the database cannot be read{told}",
            hint="Check that it runs, `url`, and the account. Nothing was removed from the index.",
        ) from None
    raise SourceError(
        f"source {source}: its query failed{told}",
        code="source_query_failed",
        hint="Run the query by hand with the same account. Nothing was removed from the index.",
    ) from None


def _told(cause: Any) -> str:
    """What may be repeated of a driver's error: its class and SQLSTATE; its words only where they speak of the query
    and not of values or of the connection."""
    if cause is None:
        return ""
    state = str(getattr(cause, "sqlstate", None) or "")
    told = f" ({state})" if state else f" ({type(cause).__name__})"
    words = ""
    if state.startswith("42"):
        words = str(getattr(getattr(cause, "diag", None), "message_primary", "") or "")
    elif type(cause).__module__ == "sqlite3":
        words = str(cause)
    return f"{told}: {words[:200]}" if words else told
