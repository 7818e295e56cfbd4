"""One way to reach the relational database, SQLite or Postgres: plain functions that take a connection.

Reads run on a small pool of threads. Writes are queued to one writer thread that runs everything waiting in a single
transaction: many small writes share one commit (group commit), one failure undoes only itself, and a write has happened
when its `await` returns. A write's function may run twice before that, the first time undone: when another write of its
batch failed, or two processes were in each other's way.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Engine, create_engine, event, func, select, update
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, OperationalError

from countersign.domain.errors import StorageError, UsageError
from countersign.storage.tables import counter, metadata

P = ParamSpec("P")
T = TypeVar("T")

_MAX_BATCH = 64
_MAX_WAITING = 4096
_READERS = 4
_DEADLOCK_ATTEMPTS = 5
_WRITERS_TURN = 0x636F756E746572  # any number that other programs in the same Postgres are unlikely to lock


@dataclass(slots=True)
class _Work:
    """`waiter` is told on its loop, together with everybody else of that loop whose write was in the batch."""

    function: Callable[[Connection], Any]
    done: Future[Any]
    waiter: asyncio.Future[Any] | None = None


class Database:
    """`url` is `sqlite:///path` or `postgresql+psycopg://…`. Call `close()` when done."""

    def __init__(self, url: str, *, busy_timeout_s: float = 10.0) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._engine = _engine(url, busy_timeout_s)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="db-read")
        self._waiting: queue.Queue[_Work | None] = queue.Queue(_MAX_WAITING)
        self._writer = threading.Thread(target=self._write_forever, name="db-write", daemon=True)
        self._writer.start()
        self._closed = False
        self._look_ups: Connection | None = None
        self._looking_up = threading.Lock()

    @property
    def engine(self) -> Engine:
        """For migrations and backup only; everything else goes through `read` and `write`."""
        return self._engine

    def create_tables(self) -> None:
        """Create the schema directly: for tests; a workspace goes through migrations."""
        metadata.create_all(self._engine)

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(connection, …)` in a read-only snapshot on a reader thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.read_now(function, *args, **kwargs))

    async def look_up(
        self, function: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a `function` that asks one `Prepared` statement for a row or two by their key.

        On SQLite it runs where it is asked: such a look-up takes some microseconds and waits for no writer, and handing
        it to another thread would cost ten times as much.
        """
        if not self.is_sqlite:
            return await self.read(function, *args, **kwargs)
        with self._looking_up:
            if self._look_ups is None:
                self._look_ups = self._engine.connect()
            try:
                return function(self._look_ups, *args, **kwargs)
            except DatabaseError as error:
                raise _storage_error(error) from error
            except UnicodeEncodeError as error:
                raise _no_text() from error

    def read_now(
        self, function: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same, on the calling thread."""
        try:
            with self._engine.connect() as connection:
                return function(connection, *args, **kwargs)
        except DatabaseError as error:
            failure = _storage_error(error)
            if failure is error:
                raise
            raise failure from error
        except UnicodeEncodeError as error:
            raise _no_text() from error

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(connection, …)`; when this returns it is committed. An exception undoes only this function."""
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done = self._submit(lambda c: function(c, *args, **kwargs), waiter)
        try:
            return await waiter
        finally:
            done.cancel()  # of a write that has begun or is done this changes nothing
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # taken, also by a caller that was cancelled in this very moment

    def write_now(
        self, function: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same for a caller on a thread of its own (jobs, commands)."""
        return self._submit(lambda c: function(c, *args, **kwargs)).result()

    def _submit(
        self, function: Callable[[Connection], T], waiter: asyncio.Future[T] | None = None
    ) -> Future[T]:
        if self._closed:
            raise StorageError("the database is closed", code="database_closed")
        work = _Work(function, Future(), waiter)
        try:
            self._waiting.put_nowait(work)
        except queue.Full:
            raise StorageError(
                "too many writes are waiting for the database",
                code="database_busy",
                hint="The disk is slower than the load; retry shortly.",
            ) from None
        return work.done

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._writer.join(timeout=30)
        self._readers.shutdown(wait=True)
        with self._looking_up:
            if self._look_ups is not None:
                self._look_ups.close()
        self._engine.dispose()

    # -- the writer thread ------------------------------------------------------------------------------------
    def _write_forever(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            batch, more = self._drain(first)
            # Whoever stopped waiting is left out; from here on nobody can, so that every outcome has a taker.
            if wanted := [work for work in batch if work.done.set_running_or_notify_cancel()]:
                self._commit(wanted)
                _tell(wanted)
            if not more:
                return

    def _drain(self, first: _Work) -> tuple[list[_Work], bool]:
        batch = [first]
        while len(batch) < _MAX_BATCH:
            try:
                work = self._waiting.get_nowait()
            except queue.Empty:
                return batch, True
            if work is None:
                return batch, False
            batch.append(work)
        return batch, True

    def _commit(self, batch: list[_Work], attempts: int = _DEADLOCK_ATTEMPTS) -> None:
        outcomes: list[tuple[_Work, Any, BaseException | None]] = []
        try:
            try:
                outcomes = self._run(batch, _run_bare)
            except _WriteFailed as failed:
                if len(batch) == 1:  # its own transaction already was the savepoint
                    raise failed.error from None
                outcomes = self._run(batch, _run_in_savepoint)
        except DBAPIError as error:
            if attempts and _deadlocked(error):
                self._one_by_one(batch, attempts - 1)
                return
            # Nothing of this batch is in the database: say so to everyone who waits.
            for work in batch:
                work.done.set_exception(_storage_error(error))
            return
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for this write
            for work in batch:
                work.done.set_exception(_outcome(error))
            return
        for work, value, error in outcomes:
            if error is None:
                work.done.set_result(value)
            elif attempts and _deadlocked(error):
                self._one_by_one([work], attempts - 1)
            else:
                work.done.set_exception(_outcome(error))

    def _run(
        self, batch: list[_Work], run: Callable[[Connection, _Work], tuple[Any, BaseException | None]]
    ) -> list[tuple[_Work, Any, BaseException | None]]:
        """One transaction; what it returns is committed."""
        with self._engine.connect() as connection, connection.begin():
            self._take_turn(connection)
            return [(work, *run(connection, work)) for work in batch]

    def _take_turn(self, connection: Connection) -> None:
        """Batches of several processes commit one after the other, as on SQLite.

        They would lock the same few rows (mutation number, chain heads) in different orders, and Postgres takes a
        second to notice each deadlock.
        """
        if not self.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(_WRITERS_TURN)))

    def _one_by_one(self, batch: list[_Work], attempts: int) -> None:
        """Two processes' batches lock rows in different orders; one write alone holds few enough to get through."""
        for work in batch:
            self._commit([work], attempts)


def _tell(batch: list[_Work]) -> None:
    """Wake each event loop once, however many of its writes are done."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Future[Any]]]] = {}
    for work in batch:
        if work.waiter is not None:
            by_loop.setdefault(work.waiter.get_loop(), []).append((work.waiter, work.done))
    for loop, told in by_loop.items():
        with suppress(RuntimeError):  # its loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle_waiters, told)


def _settle_waiters(told: list[tuple[asyncio.Future[Any], Future[Any]]]) -> None:
    for waiter, done in told:
        if waiter.done():  # it was cancelled meanwhile
            continue
        if (error := done.exception()) is not None:
            waiter.set_exception(error)
        else:
            waiter.set_result(done.result())


class _WriteFailed(Exception):
    """Ends a transaction whose writes have no savepoints; each of them then runs again inside its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _run_bare(connection: Connection, work: _Work) -> tuple[Any, None]:
    """Savepoints cost a small write a quarter of its time, and hardly any write fails."""
    try:
        return work.function(connection), None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        raise _WriteFailed(error) from error
    except Exception as error:
        raise _WriteFailed(error) from error


def _run_in_savepoint(connection: Connection, work: _Work) -> tuple[Any, BaseException | None]:
    try:
        with connection.begin_nested():
            return work.function(connection), None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return None, error
    except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for this write
        return None, error


def _outcome(error: BaseException) -> BaseException:
    if isinstance(error, UnicodeEncodeError):
        return _no_text()
    return _storage_error(error) if isinstance(error, DBAPIError) else error


def _deadlocked(error: BaseException) -> bool:
    """Postgres gave up this transaction in favour of another; running it again is the remedy."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") in ("40P01", "40001")


def _no_text() -> UsageError:
    """NUL and lone surrogates: the databases cannot hold them, and no honest text contains them."""
    return UsageError(
        "a value holds characters that are no text",
        code="text_invalid",
        hint="Remove NUL and unpaired surrogates.",
    )


def _storage_error(error: DBAPIError) -> BaseException:
    if isinstance(error, DataError):
        return _no_text()
    reason = str(error.orig)
    if "locked" in reason or "busy" in reason:
        return StorageError(
            "the database is locked by another process",
            code="database_locked",
            hint="Nothing was written. Retry; if it stays, find the process that holds the file.",
        )
    if "disk is full" in reason or "No space left" in reason:
        return StorageError(
            "the disk is full",
            code="disk_full",
            hint="Nothing was written. Free space on the workspace's disk.",
        )
    if "file is not a database" in reason or "malformed" in reason:
        return StorageError(
            "the database file is damaged",
            code="database_damaged",
            hint="Keep the file for the investigation and restore the newest backup into an empty folder.",
        )
    if isinstance(error, OperationalError):
        return StorageError(
            "the database did not answer",
            code="database_unavailable",
            hint="Nothing was written. Check that it runs and that the workspace may reach it.",
        )
    return error


def _engine(url: str, busy_timeout_s: float) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=_READERS + 1, max_overflow=4, pool_pre_ping=True)
    engine = create_engine(
        url, connect_args={"timeout": busy_timeout_s, "check_same_thread": False}, pool_size=8
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        # The driver must not begin transactions by itself, or BEGIN IMMEDIATE below would come too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if threading.current_thread().name == "db-write":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # takes no lock, so it cannot fail; every read begins with it
            driver: Any = connection.connection.driver_connection
            driver.execute("BEGIN")

    return engine


def only_filter(column: Column[str]) -> ColumnElement[str]:
    """A column that narrows a result and never begins the search for it.

    SQLite does not know how many rows have a value; told to compare a tenant, it would rather read everything of that
    tenant by its index than look up a dozen rows by their keys.
    """
    return func.coalesce(column, "")


# Built once: putting a statement together costs more than running it.
_NEXT = (
    update(counter)
    .where(counter.c.name == "mutation")
    .values(value=counter.c.value + 1)
    .returning(counter.c.value)
)
_LAST = select(counter.c.value).where(counter.c.name == "mutation")


def next_seq(connection: Connection) -> int:
    """Take the next mutation number inside the caller's transaction; the row's lock orders commits like numbers."""
    value = connection.execute(_NEXT).scalar()
    if value is None:
        connection.execute(counter.insert().values(name="mutation", value=1))
        return 1
    return int(value)


def last_seq(connection: Connection) -> int:
    """The number of the newest committed mutation, 0 in an empty workspace."""
    return int(connection.execute(_LAST).scalar() or 0)
