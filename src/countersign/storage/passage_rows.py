"""The row and vector half of the embedded passage index: append-only files, mapped into memory, scanned exactly.

    rows.bin      one fixed record a row version; the last record of a passage is its truth, `live` 0 removes it
    names.jsonl   document ids, sources and languages, interned by line number
    codes.i8      int8 vectors, one a record, each with its own scale
    vectors.f32   the same in float32, read only to rescore the best

Only the first `count` records named by the manifest exist; anything behind them is the rest of a crash and is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countersign.domain.documents import Language
from countersign.retrieval.seams import Hit, IndexRow, Scope, Vector
from countersign.retrieval.statistics import SAMPLE, LanguageStatistics, estimate

RECORD = np.dtype(
    [
        ("passage", "<i8"),
        ("seq", "<i8"),
        ("rights", "<i8"),
        ("document", "<u4"),
        ("source", "<u4"),
        ("language", "<u4"),
        ("from_day", "<i4"),
        ("to_day", "<i4"),
        ("words", "<u4"),
        ("grams", "<u4"),
        ("scale", "<f4"),
        ("live", "u1"),
        ("has_vector", "u1"),
        ("spare", "<u2"),
    ]
)

_GATHER_BELOW = 0.15
"""Share of admitted rows under which gathering them beats scanning everything and masking."""

_RESCORE = 50
_GROWTH = 1.25

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Table:
    """Columns of every record, grown by doubling. `cell` 0 = removed or superseded; `place` finds a passage's record."""

    passage: NDArray[np.int64]
    cell: Ints
    document: Ints
    language: Ints
    scale: Floats
    words: Ints
    grams: Ints
    place: dict[int, int]
    count: int = 0

    @classmethod
    def empty(cls) -> Table:
        ints = [np.zeros(1024, np.int32) for _ in range(5)]
        return cls(
            np.zeros(1024, np.int64),
            ints[0],
            ints[1],
            ints[2],
            np.zeros(1024, np.float32),
            ints[3],
            ints[4],
            {},
        )

    def reserve(self, more: int) -> None:
        need = self.count + more
        if need <= len(self.passage):
            return
        size = max(need, 2 * len(self.passage))
        for name in ("passage", "cell", "document", "language", "scale", "words", "grams"):
            old = getattr(self, name)
            new = np.zeros(size, old.dtype)
            new[: self.count] = old[: self.count]
            setattr(self, name, new)


class Cells:
    """Rows that share rights, source and validity share a cell; a scope is then one truth value a cell."""

    def __init__(self) -> None:
        self._number: dict[tuple[int, int, int, int], int] = {}
        self._columns = np.zeros((4, 256), np.int64)
        self.count = 1  # cell 0 is never admitted

    def number(self, rights: int, source: int, from_day: int, to_day: int) -> int:
        key = (rights, source, from_day, to_day)
        known = self._number.get(key)
        if known is not None:
            return known
        if self.count == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        self._columns[:, self.count] = key
        self._number[key] = self.count
        self.count += 1
        return self.count - 1

    def admitted(self, scope: Scope, sources: Iterable[int]) -> Bools:
        """Shape (cells,)."""
        rights, source, from_day, to_day = self._columns[:, : self.count]
        mask = np.isin(rights, np.fromiter(scope.rights_ids, np.int64, len(scope.rights_ids)))
        mask &= np.isin(source, np.array(list(sources), np.int64))
        if scope.ended:
            mask &= to_day <= scope.day + 1
        else:
            mask &= (from_day <= scope.day) & (scope.day < to_day)
        mask[0] = False
        return mask

    def values(self, column: int) -> set[int]:
        return set(self._columns[column, 1 : self.count].tolist())

    def periods(self) -> set[tuple[int, int]]:
        return set(zip(*self._columns[2:, 1 : self.count].tolist(), strict=True))


class Rows:
    """`dimension` None = no vectors. A writer calls `append` and then `sync`; the manifest makes it last."""

    def __init__(self, folder: Path, dimension: int | None, count: int, names: int) -> None:
        self.folder = folder
        self.dimension = dimension
        self.names: list[str] = []
        self.cells = Cells()
        self.table = Table.empty()
        self.statistics: LanguageStatistics | None = None
        self.vectors_of_language: dict[int, int] = {}
        self._number_of_name: dict[str, int] = {}
        self._codes: NDArray[np.int8] = np.zeros((0, dimension or 0), np.int8)
        self._vectors: Floats = np.zeros((0, dimension or 0), np.float32)
        self.extend(count, names)

    # -- reading ----------------------------------------------------------------------------------------------
    @property
    def count(self) -> int:
        return self.table.count

    @property
    def live(self) -> int:
        return len(self.table.place)

    def number_of(self, name: str) -> int | None:
        return self._number_of_name.get(name)

    def extend(self, count: int, names: int) -> None:
        """Read the records and names that the manifest has gained since."""
        if names > len(self.names):
            with (self.folder / "names.jsonl").open(encoding="utf-8") as lines:
                for line in list(lines)[len(self.names) : names]:
                    self._name(json.loads(line))
        if count > self.count:
            records = np.fromfile(
                self.folder / "rows.bin", RECORD, count - self.count, offset=self.count * RECORD.itemsize
            )
            self._admit(records)
        self._map()

    def _name(self, name: str) -> int:
        number = self._number_of_name[name] = len(self.names)
        self.names.append(name)
        return number

    def _map(self) -> None:
        if self.dimension is None or self.count in (0, len(self._codes)):
            return
        shape = (self.count, self.dimension)
        self._codes = np.memmap(self.folder / "codes.i8", np.int8, "r", shape=shape)
        self._vectors = np.memmap(self.folder / "vectors.f32", np.float32, "r", shape=shape)

    def _admit(self, records: NDArray[Any]) -> None:
        table = self.table
        table.reserve(len(records))
        start = table.count
        span = slice(start, start + len(records))
        table.passage[span] = records["passage"]
        table.document[span] = records["document"]
        table.language[span] = records["language"]
        table.words[span] = records["words"]
        table.grams[span] = records["grams"]
        table.scale[span] = np.where(records["has_vector"], records["scale"], 0.0)
        keys = np.stack(
            [records[name].astype(np.int64) for name in ("rights", "source", "from_day", "to_day")], axis=1
        )
        for place, (passage, live, language, key) in enumerate(
            zip(
                records["passage"].tolist(),
                records["live"].tolist(),
                records["language"].tolist(),
                keys.tolist(),
                strict=True,
            ),
            start,
        ):
            old = table.place.pop(passage, None)
            if old is not None:
                table.cell[old] = 0
                self._count_vector(int(table.language[old]), old, -1)
            if live:
                table.cell[place] = self.cells.number(*key)
                table.place[passage] = place
                self._count_vector(language, place, 1)
        table.count = start + len(records)

    def _count_vector(self, language: int, place: int, change: int) -> None:
        if self.table.scale[place] > 0:
            self.vectors_of_language[language] = self.vectors_of_language.get(language, 0) + change

    # -- writing ----------------------------------------------------------------------------------------------
    def append(self, rows: Sequence[IndexRow], lengths: Sequence[tuple[int, int]]) -> None:
        """`lengths` are each row's number of words and 4-grams."""
        known = len(self.names)
        records = np.zeros(len(rows), RECORD)
        for record, row, (words, grams) in zip(records, rows, lengths, strict=True):
            record["passage"], record["seq"], record["rights"] = row.passage_id, row.seq, row.rights_id
            record["document"], record["source"] = self._intern(row.document_id), self._intern(row.source)
            record["language"] = self._intern(row.language)
            record["from_day"], record["to_day"] = row.valid_from_day, row.valid_to_day
            record["words"], record["grams"] = words, grams
            record["live"], record["has_vector"] = (
                row.live,
                self.dimension is not None and row.vector is not None,
            )
        if self.dimension is not None:
            self._append_vectors(rows, records)
        names = "".join(json.dumps(name, ensure_ascii=False) + "\n" for name in self.names[known:])
        _append(self.folder / "names.jsonl", names.encode())
        _append(self.folder / "rows.bin", records.tobytes())
        self._admit(records)
        self._map()

    def _intern(self, name: str) -> int:
        known = self._number_of_name.get(name)
        return self._name(name) if known is None else known

    def _append_vectors(self, rows: Sequence[IndexRow], records: NDArray[Any]) -> None:
        vectors = np.zeros((len(rows), self.dimension or 0), np.float32)
        for i, row in enumerate(rows):
            if row.vector is not None and row.live:
                vectors[i] = row.vector
        codes, scales = quantise(vectors)
        records["scale"] = scales
        _append(self.folder / "vectors.f32", vectors.tobytes())
        _append(self.folder / "codes.i8", codes.tobytes())

    def cut(self, count: int, names: int) -> None:
        """Remove what a crash left behind the manifest's counts."""
        sizes = {"rows.bin": count * RECORD.itemsize}
        if self.dimension is not None:
            sizes |= {"codes.i8": count * self.dimension, "vectors.f32": count * self.dimension * 4}
        for name, size in sizes.items():
            path = self.folder / name
            if path.exists() and path.stat().st_size > size:
                os.truncate(path, size)
        path = self.folder / "names.jsonl"
        if path.exists():
            with path.open("rb") as lines:
                size = sum(len(line) for _, line in zip(range(names), lines, strict=False))
            os.truncate(path, size)

    # -- searching --------------------------------------------------------------------------------------------
    def admitted(self, scope: Scope) -> Bools:
        """Shape (records,): inside the scope and live."""
        table, count = self.table, self.count
        if self.dimension is not None:  # an owner appends while we read: only what is already mapped
            count = min(count, len(self._codes))
        sources = [n for n in map(self.number_of, scope.sources) if n is not None]
        mask = self.cells.admitted(scope, sources)[table.cell[:count]]
        if scope.document_ids:
            wanted = [n for n in map(self.number_of, scope.document_ids) if n is not None]
            mask &= np.isin(table.document[:count], wanted)
        return mask

    def inside(self, passage_ids: Sequence[int], scope: Scope) -> dict[int, int]:
        """Those that the scope admits, with their places: the second look at what a text search returned."""
        places = {pid: place for pid in passage_ids if (place := self.table.place.get(pid)) is not None}
        if not places:
            return {}
        at = np.fromiter(places.values(), np.int64, len(places))
        sources = [n for n in map(self.number_of, scope.sources) if n is not None]
        mask = self.cells.admitted(scope, sources)[self.table.cell[at]]
        if scope.document_ids:
            mask &= np.isin(
                self.table.document[at], [n for n in map(self.number_of, scope.document_ids) if n is not None]
            )
        return {pid: place for (pid, place), ok in zip(places.items(), mask.tolist(), strict=True) if ok}

    def search(
        self, vector: Vector, scope: Scope, limit: int, also: Sequence[int], query_mean: Vector | None
    ) -> list[Hit]:
        if self.dimension is None or not self.count:
            return []
        vector = np.ascontiguousarray(vector, np.float32)
        mask = self.admitted(scope)
        mask &= self.table.scale[: len(mask)] > 0
        places = np.flatnonzero(mask)
        if not len(places) or limit < 1:
            return []
        compare = Comparison(self, vector, query_mean)
        approximate = compare.scores(self._scan(compare.vector, places, mask), places)
        keep = min(len(places), max(_RESCORE, 2 * limit))
        best = places[np.argpartition(-approximate, keep - 1)[:keep]] if keep < len(places) else places
        hits = self._exact(compare, vector, best, limit)
        seen = {hit.passage_id for hit in hits}
        wanted = [self.table.place.get(passage_id) for passage_id in also if passage_id not in seen]
        extra = [place for place in wanted if place is not None and place < len(mask) and mask[place]]
        if extra:
            hits += self._exact(compare, vector, np.array(extra), len(extra))
        return hits

    def _scan(self, vector: Floats, places: NDArray[np.int64], mask: Bools) -> Floats:
        """Approximate dot products of the admitted rows, from int8."""
        code, scale = quantise(vector[None])
        codes = self._codes
        if len(places) < _GATHER_BELOW * len(mask):
            dots = int8_dots(codes[places], code[0])
        else:
            dots = int8_dots(codes, code[0])[places]
        return dots * (self.table.scale[places] * scale[0])

    def _exact(self, compare: Comparison, vector: Vector, places: NDArray[np.int64], limit: int) -> list[Hit]:
        rows = self._vectors[places]
        scores, cosines = compare.scores(rows @ compare.vector, places), rows @ vector
        order = np.lexsort((self.table.passage[places], -scores))[:limit]
        best = places[order]
        columns = (self.table.passage[best], scores[order], self.table.language[best], cosines[order])
        return [
            Hit(passage_id, score, "dense", self.names[language], cosine, own)
            for passage_id, score, language, cosine, own in zip(
                *(c.tolist() for c in columns), rows[order], strict=True
            )
        ]

    def sample_vectors(self) -> tuple[dict[Language, Floats], dict[Language, int]]:
        """A spread sample of each language's live vectors."""
        samples: dict[Language, Floats] = {}
        counts: dict[Language, int] = {}
        live = (self.table.cell[: self.count] > 0) & (self.table.scale[: self.count] > 0)
        for number in np.unique(self.table.language[: self.count][live]).tolist():
            places = np.flatnonzero(live & (self.table.language[: self.count] == number))
            step = max(1, len(places) // SAMPLE)
            samples[self.names[number]] = np.array(self._vectors[places[::step][:SAMPLE]])
            counts[self.names[number]] = len(places)
        return samples, counts

    def statistics_outgrown(self) -> bool:
        """Some language has grown or shrunk by a quarter since its statistics were estimated."""
        if self.dimension is None:
            return False
        known = self.statistics
        for number, count in self.vectors_of_language.items():
            before = known.count(self.names[number]) if known else 0
            if count > _GROWTH * before or before > _GROWTH * max(count, 1):
                return True
        return False

    def estimate_statistics(self) -> LanguageStatistics | None:
        return estimate(*self.sample_vectors())


class Comparison:
    """How one question's dot products become scores that compare across languages."""

    def __init__(self, rows: Rows, vector: Vector, query_mean: Vector | None) -> None:
        self._rows = rows
        names = len(rows.names)
        self._shift, self._factor = np.zeros(names, np.float32), np.ones(names, np.float32)
        statistics = rows.statistics
        self.vector = vector if query_mean is None or statistics is None else _unit(vector - query_mean)
        if statistics is None:
            return
        for language, mean, std in zip(statistics.languages, *statistics.spread(self.vector), strict=True):
            number = rows.number_of(language)
            if number is not None:
                self._shift[number], self._factor[number] = mean, 1.0 / std

    def scores(self, dots: Floats, places: NDArray[np.int64]) -> Floats:
        language = self._rows.table.language[places]
        return (dots - self._shift[language]) * self._factor[language]

    def one(self, passage: Vector, language: Language) -> float:
        """The score of a passage that the index does not hold; an unknown language is left as it is."""
        number = self._rows.number_of(language)
        dot = float(np.dot(passage, self.vector))
        if number is None or number >= len(self._shift):
            return dot
        return (dot - float(self._shift[number])) * float(self._factor[number])


def quantise(vectors: Floats) -> tuple[NDArray[np.int8], Floats]:
    """int8 codes of shape (n, dimension) and each row's scale: vector ≈ code × scale. A zero row keeps scale 0."""
    top = np.abs(vectors).max(axis=1, initial=0.0)
    scale = (top / 127.0).astype(np.float32)
    safe = np.where(scale > 0, scale, 1.0)
    return np.rint(vectors / safe[:, None]).astype(np.int8), scale


def int8_dots(codes: NDArray[np.int8], code: NDArray[np.int8]) -> Floats:
    """Shape (n,). numkong's integer kernels where they are installed, NumPy (several times slower) where not."""
    try:
        from numkong import cdist
    except ImportError:
        out = np.empty(len(codes), np.float32)
        query = code.astype(np.float32)
        for start in range(0, len(codes), 8192):
            out[start : start + 8192] = codes[start : start + 8192].astype(np.float32) @ query
        return out
    return np.asarray(cdist(codes, code[None], "dot"), np.float32).reshape(len(codes))


def save_statistics(path: Path, statistics: LanguageStatistics) -> None:
    with path.open("wb") as file:
        np.savez(
            file,
            languages=np.array(statistics.languages),
            counts=np.array(statistics.counts),
            means=statistics.means,
            covariances=statistics.covariances,
        )
        file.flush()
        os.fsync(file.fileno())


def load_statistics(path: Path) -> LanguageStatistics:
    with np.load(path, allow_pickle=False) as file:
        data: Mapping[str, Any] = {name: file[name] for name in file.files}
    return LanguageStatistics(
        tuple(data["languages"].tolist()), tuple(data["counts"].tolist()), data["means"], data["covariances"]
    )


def _unit(vector: Floats) -> Floats:
    return (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fdatasync(file.fileno())
