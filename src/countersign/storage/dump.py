"""Tables as JSON lines, the same for both databases: what a backup holds and a restore reads."""

from __future__ import annotations

import gzip
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, LargeBinary, Table, func, insert, select, text

from countersign.domain.errors import IntegrityError
from countersign.storage.database import Database
from countersign.storage.tables import answer_passage, citation, metadata, passage, web_session

_FETCH = 1000
_FAST = 1


def dumped_tables() -> tuple[Table, ...]:
    """Parents before children. Sign-ins are left out: a restored workspace asks everybody to sign in again."""
    return tuple(table for table in metadata.sorted_tables if table is not web_session)


def dump(database: Database, folder: Path) -> Mapping[str, int]:
    """Write every table, as of one moment, to `{folder}/{table}.jsonl.gz`; returns row counts."""
    options: dict[str, Any] = {} if database.is_sqlite else {"isolation_level": "REPEATABLE READ"}
    with database.engine.connect() as connection:
        snapshot = connection.execution_options(**options)
        return {f"{table.name}": _dump_table(snapshot, table, folder) for table in dumped_tables()}


def _dump_table(connection: Connection, table: Table, folder: Path) -> int:
    binary = _binary_columns(table)
    names = [f"{column.name}" for column in table.columns]  # plain str: the encoder takes no subclass
    rows = 0
    query = select(table).order_by(*table.primary_key.columns)
    with gzip.open(folder / f"{table.name}.jsonl.gz", "wb", compresslevel=_FAST) as file:
        for row in connection.execute(query, execution_options={"yield_per": _FETCH}):
            values = dict(zip(names, row, strict=True))
            for name in binary:
                values[name] = b64encode(values[name]).decode()
            file.write(orjson.dumps(values) + b"\n")
            rows += 1
    return rows


def load(connection: Connection, folder: Path) -> Mapping[str, int]:
    """Insert what `dump` wrote into empty tables, inside the caller's transaction. Raises `IntegrityError`."""
    counts = {f"{table.name}": _load_table(connection, table, folder) for table in dumped_tables()}
    _continue_numbering(connection)
    return counts


def _load_table(connection: Connection, table: Table, folder: Path) -> int:
    rows, batch = 0, list[dict[str, Any]]()
    for values in _lines(folder / f"{table.name}.jsonl.gz", table):
        batch.append(values)
        if len(batch) == _FETCH:
            connection.execute(insert(table), batch)
            rows, batch = rows + len(batch), []
    if batch:
        connection.execute(insert(table), batch)
    return rows + len(batch)


def _lines(path: Path, table: Table) -> Iterator[dict[str, Any]]:
    binary, columns = _binary_columns(table), set(table.columns.keys())
    with gzip.open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                values = orjson.loads(line)
                for name in binary:
                    values[name] = b64decode(values[name])
            except (ValueError, KeyError, TypeError) as error:
                raise _unreadable(table.name, number) from error
            if set(values) != columns:
                raise _unreadable(table.name, number)
            yield values


def _unreadable(table: str, number: int) -> IntegrityError:
    return IntegrityError(f"line {number} of table {table} cannot be read", code="backup_damaged")


def _binary_columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if isinstance(column.type, LargeBinary))


def _continue_numbering(connection: Connection) -> None:
    """A passage id is never given twice, not even one that only a stored answer still remembers."""
    ids = (passage.c.id, answer_passage.c.passage_id, citation.c.passage_id)
    highest = max(int(connection.execute(select(func.max(column))).scalar() or 0) for column in ids)
    if not highest:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'passage'"))
        connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES ('passage', :n)"), {"n": highest}
        )
    else:
        connection.execute(text("SELECT setval(pg_get_serial_sequence('passage', 'id'), :n)"), {"n": highest})
