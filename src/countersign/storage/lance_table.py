"""The table behind the index on shared storage: its columns, its indexes, and a scope as a filter.

Settings are those of `docs/decisions/0011`: text pre-analysed by our own analyzer and split at spaces, no positions;
IVF_FLAT, which keeps vectors as they are, and no stable row ids; conditions are applied before each leg, never after.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from countersign.domain.errors import StorageError
from countersign.retrieval.analysis import Analyzer
from countersign.retrieval.seams import IndexRow, Scope
from countersign.storage.shared_place import Place, missing

SCOPE_COLUMNS = ("rights", "source", "document", "from_day", "to_day")
LEGS = ("words", "grams")
_VECTORS_INDEXED_FROM = 20_000
"""Below, a scan of the admitted rows is exact and as fast."""
_ROWS_IN_PARTITION, _MOST_PARTITIONS = 800, 256
_MIN_PROBES = 20
_CACHE_BYTES = 1 << 30


def connect(place: Place) -> Any:
    """Every handle reads what is newest when it is asked; which version answers is the manifest's to say."""
    from datetime import timedelta

    try:
        import lancedb
    except ImportError:
        raise missing("lancedb") from None
    with lance_errors():
        return lancedb.connect(
            place.uri,
            read_consistency_interval=timedelta(0),
            storage_options=dict(place.options) or None,
            session=lancedb.Session(index_cache_size_bytes=_CACHE_BYTES),
        )


@contextmanager
def lance_errors() -> Generator[None]:
    """The library raises plain errors of many kinds; their text may hold addresses and terms, so it stays in the cause."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise StorageError(
            "the passage index on the shared storage could not be used",
            code="index_unavailable",
            hint="Check the storage; if it stays, `countersign index rebuild` makes the index anew from the database.",
        ) from error


def schema(dimension: int | None) -> Any:
    """Columns in Arrow's types."""
    import pyarrow as pa

    columns = [
        ("passage", pa.int64()),
        ("rights", pa.int64()),
        ("source", pa.string()),
        ("document", pa.string()),
        ("language", pa.string()),
        ("from_day", pa.int32()),
        ("to_day", pa.int32()),
        ("words", pa.string()),
        ("grams", pa.string()),
    ]
    if dimension is not None:
        columns += [("has_vector", pa.bool_()), ("vector", pa.list_(pa.float32(), dimension))]
    return pa.schema(columns)


def records(rows: Sequence[IndexRow], analyzer: Analyzer, dimension: int | None) -> Any:
    import pyarrow as pa

    terms = [analyzer.document(row.text, row.language) for row in rows]
    columns: dict[str, Any] = {
        "passage": [row.passage_id for row in rows],
        "rights": [row.rights_id for row in rows],
        "source": [row.source for row in rows],
        "document": [row.document_id for row in rows],
        "language": [row.language for row in rows],
        "from_day": [row.valid_from_day for row in rows],
        "to_day": [row.valid_to_day for row in rows],
        "words": [" ".join(each.words) for each in terms],
        "grams": [" ".join(each.grams) for each in terms],
    }
    if dimension is not None:
        columns["has_vector"] = [row.vector is not None for row in rows]
        columns["vector"] = _vectors(rows, dimension)
    return pa.table(columns, schema=schema(dimension))


def _vectors(rows: Sequence[IndexRow], dimension: int) -> Any:
    """A missing vector is zero, and `has_vector` says so: the library takes no empty ones."""
    import pyarrow as pa

    values = np.zeros((len(rows), dimension), np.float32)
    for place, row in enumerate(rows):
        if row.vector is not None:
            if row.vector.shape != (dimension,):
                raise StorageError(
                    f"a vector of {row.vector.shape} came to an index of dimension {dimension}",
                    code="index_dimension",
                    hint="The embedding model changed: rebuild the index.",
                )
            values[place] = row.vector
    return pa.FixedSizeListArray.from_arrays(values.reshape(-1), dimension)


# -- indexes ----------------------------------------------------------------------------------------------------
def create(database: Any, name: str, dimension: int | None) -> Any:
    """An empty table whose text can be searched from its first row on."""
    with lance_errors():
        database.drop_table(name, ignore_missing=True)
        table = database.create_table(name, schema=schema(dimension))
    index_text(table)
    return table


def index_text(table: Any) -> None:
    from lancedb.index import FTS, Bitmap, BTree

    whole = FTS(
        with_position=False,
        base_tokenizer="whitespace",
        max_token_length=None,
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
    )
    with lance_errors():
        for leg in LEGS:
            table.create_index(leg, config=whole)
        table.create_index("passage", config=BTree())
        table.create_index("rights", config=Bitmap())


def index_vectors(table: Any, count: int) -> bool:
    """False when there are too few for an index to pay."""
    from lancedb.index import IvfFlat

    if count < _VECTORS_INDEXED_FROM:
        return False
    partitions = max(1, min(_MOST_PARTITIONS, count // _ROWS_IN_PARTITION))
    with lance_errors():
        table.create_index("vector", config=IvfFlat(distance_type="dot", num_partitions=partitions))
    return True


# -- searching --------------------------------------------------------------------------------------------------
def admits(scope: Scope) -> str:
    """The scope as a filter; the caller has made sure that it names rights and sources."""
    parts = [
        f"rights IN ({_numbers(scope.rights_ids)})",
        f"source IN ({_texts(scope.sources)})",
        f"to_day <= {scope.day + 1}" if scope.ended else f"from_day <= {scope.day} AND to_day > {scope.day}",
    ]
    if scope.document_ids:
        parts.append(f"document IN ({_texts(scope.document_ids)})")
    return " AND ".join(parts)


def with_passages(scope: Scope, passage_ids: Sequence[int]) -> str:
    return f"{admits(scope)} AND has_vector AND passage IN ({_numbers(passage_ids)})"


def with_language(scope: Scope, language: str) -> str:
    return f"{admits(scope)} AND has_vector AND language IN ({_texts([language])})"


def passages(passage_ids: Sequence[int]) -> str:
    return f"passage IN ({_numbers(passage_ids)})"


def _numbers(values: Any) -> str:
    return ", ".join(str(int(value)) for value in sorted(values))


def _texts(values: Any) -> str:
    return ", ".join("'" + str(value).replace("'", "''") + "'" for value in sorted(values))


def inside(scope: Scope, row: Mapping[str, Any]) -> bool:
    """The second look at what a leg returned, without the index's own bookkeeping."""
    return (
        row["rights"] in scope.rights_ids
        and row["source"] in scope.sources
        and scope.admits_period(row["from_day"], row["to_day"])
        and (not scope.document_ids or row["document"] in scope.document_ids)
    )


def text_leg(table: Any, leg: str, terms: Sequence[str], scope: Scope, limit: int) -> list[dict[str, Any]]:
    from lancedb import query as queries

    match: Any = queries.MatchQuery  # its defaults are not told to type checkers
    columns = ["passage", "language", *SCOPE_COLUMNS, "_score"]
    with lance_errors():
        query = table.search(match(" ".join(terms), leg), query_type="fts")
        found = query.where(admits(scope), prefilter=True).limit(limit).select(columns).to_arrow().to_pylist()
    return [row for row in found if inside(scope, row)]


def vector_leg(table: Any, vector: Any, where: str, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """Rows with their vectors, nearest first; what the index skipped because rights are narrow is probed further."""
    columns = ["passage", "language", *SCOPE_COLUMNS, "vector", "_distance"]
    with lance_errors():
        query = table.search(vector, vector_column_name="vector").distance_type("dot")
        query = query.minimum_nprobes(_MIN_PROBES).maximum_nprobes(0)
        found = query.where(where, prefilter=True).limit(limit).select(columns).to_arrow()
    return _with_vectors(found, scope)


def named_rows(table: Any, where: str, scope: Scope) -> list[dict[str, Any]]:
    columns = ["passage", "language", *SCOPE_COLUMNS, "vector"]
    with lance_errors():
        found = table.search().where(where).select(columns).to_arrow()
    return _with_vectors(found, scope)


def _with_vectors(found: Any, scope: Scope) -> list[dict[str, Any]]:
    vectors = vectors_of(found.column("vector"))
    rows = found.drop_columns(["vector"]).to_pylist()
    return [row | {"vector": vector} for row, vector in zip(rows, vectors, strict=True) if inside(scope, row)]


def vectors_of(column: Any) -> Any:
    """Shape (rows, dimension)."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32, copy=False).reshape(len(column), column.type.list_size)
