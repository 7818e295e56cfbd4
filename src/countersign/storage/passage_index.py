"""The embedded passage index of one tenant: postings in tantivy, rows and vectors in mapped files, one manifest.

    manifest.json        what counts: generation, version, number of records, the mutation they were applied to
    owner.lock           held by the one process that writes
    g7/text/             tantivy
    g7/rows.bin …        see `passage_rows`

A batch is written in the order postings, vectors, records, manifest, each synced; the manifest's atomic rename is the
moment it has happened. A crash before leaves records behind the manifest's count, which the next owner cuts off, and
perhaps postings that no record knows, which searches drop and replaying replaces. Everything here is derived from the
database: the answer to any damage is `rebuild()`.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import IO

from countersign.domain.documents import Language
from countersign.domain.errors import Conflict, StorageError
from countersign.retrieval.analysis import ANALYZER_VERSION, Analyzer
from countersign.retrieval.seams import Hit, IndexRow, Leg, PassageSearch, Scope, Vector
from countersign.storage.passage_rows import Comparison, Rows, load_statistics, save_statistics
from countersign.storage.passage_tail import TailSearch
from countersign.storage.passage_text import LEGS, TextIndex

_FORMAT = 1
_OPEN_ATTEMPTS = 5
_COMPACT_ABOVE = 0.5
"""Share of superseded records above which the next start rebuilds."""


@dataclass(frozen=True, slots=True)
class Manifest:
    version: str
    generation: int = 1
    dimension: int | None = None
    records: int = 0
    names: int = 0
    applied_seq: int = 0
    statistics: str = ""
    """File name of the language statistics, empty before the first."""
    format: int = _FORMAT

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        try:
            data = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StorageError(
                "the index manifest is damaged",
                code="index_damaged",
                hint="Remove the index folder; it is rebuilt from the database.",
            ) from error
        return cls(**data) if data.get("format") == _FORMAT else None

    def write(self, folder: Path) -> None:
        scratch = folder / "manifest.json.new"
        with scratch.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(folder / "manifest.json")
        _sync_folder(folder)


class Generation:
    """One complete index in one folder: the published one, or one being rebuilt."""

    def __init__(self, root: Path, manifest: Manifest, analyzer: Analyzer, *, writable: bool) -> None:
        self.manifest = manifest
        self.folder = root / f"g{manifest.generation}"
        if writable:
            self.folder.mkdir(parents=True, exist_ok=True)
        self._analyzer = analyzer
        self.rows = Rows(self.folder, manifest.dimension, manifest.records, manifest.names)
        self.text = TextIndex(self.folder / "text", create=writable)
        if writable:
            self.rows.cut(manifest.records, manifest.names)
            self.text.open_writer()
        self._load_statistics()

    def _load_statistics(self) -> None:
        if self.manifest.statistics:
            self.rows.statistics = load_statistics(self.folder / self.manifest.statistics)

    def follow(self, manifest: Manifest) -> None:
        """A reader's side of the owner's commit."""
        before, self.manifest = self.manifest, manifest
        self.text.reload()
        self.rows.extend(manifest.records, manifest.names)
        if manifest.statistics != before.statistics:
            self._load_statistics()

    def apply(self, rows: Sequence[IndexRow], seq: int) -> None:
        """Everything but the manifest. The last of several versions of a passage wins."""
        latest = list({row.passage_id: row for row in rows}.values())
        _check_vectors(latest, self.manifest.dimension)
        known = [row for row in latest if row.live or row.passage_id in self.rows.table.place]
        lengths = self.text.apply(latest, self._analyzer.document)
        by_id = dict(zip((row.passage_id for row in latest), lengths, strict=True))
        if known:
            self.rows.append(known, [by_id[row.passage_id] for row in known])
        statistics = self.manifest.statistics
        if self.rows.statistics_outgrown():
            statistics = self._new_statistics()
        self.manifest = replace(
            self.manifest,
            records=self.rows.count,
            names=len(self.rows.names),
            applied_seq=max(seq, self.manifest.applied_seq),
            statistics=statistics,
        )

    # -- what a tail is scored with ---------------------------------------------------------------------------
    def size(self, leg: Leg) -> tuple[int, int]:
        table = self.rows.table
        live = table.cell[: table.count] > 0
        column = table.words if leg == "words" else table.grams
        return int(live.sum()), int(column[: table.count][live].sum())

    def frequency(self, leg: Leg, term: str) -> int:
        return self.text.frequency(leg, term)

    def scorer(self, vector: Vector, query_mean: Vector | None) -> Callable[[Vector, Language], float]:
        return Comparison(self.rows, vector, query_mean).one

    def _new_statistics(self) -> str:
        self.rows.statistics = self.rows.estimate_statistics()
        if self.rows.statistics is None:
            return ""
        name = f"languages-{self.rows.count}.npz"
        save_statistics(self.folder / name, self.rows.statistics)
        return name

    def close(self) -> None:
        self.text.close()


class TantivyIndex:
    """Implements `retrieval.seams.PassageIndex`. `dimension` None = lexical only.

    `owner=True` takes the one writer's lock (`Conflict` when another process has it); a reader opens beside the owner and
    follows its commits with `refresh()`. `settings` is what, besides analyzer and dimension, the rows depend on (embedding
    model, chunker): another value starts an empty index that must be filled from the database.
    """

    def __init__(self, folder: Path, dimension: int | None, *, owner: bool, settings: str = "") -> None:
        self._folder = folder
        self._owner = owner
        self._analyzer = Analyzer()
        self._version = f"{ANALYZER_VERSION}/{dimension or 'lexical'}/{settings}"
        self._dimension = dimension
        self._writing = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _take_lock(folder) if owner else None
        self._current: Generation | None = None
        self._published = Manifest("")
        try:
            if owner:
                self._open_as_owner()
            else:
                self.refresh()
        except BaseException:
            self._unlock()
            raise

    def _open_as_owner(self) -> None:
        manifest = Manifest.read(self._folder)
        if manifest is None or manifest.version != self._version:
            manifest = Manifest(self._version, manifest.generation + 1 if manifest else 1, self._dimension)
            shutil.rmtree(self._folder / f"g{manifest.generation}", ignore_errors=True)
        self._current = Generation(self._folder, manifest, self._analyzer, writable=True)
        self._published = manifest
        manifest.write(self._folder)
        self._remove_old_generations()

    # -- state ------------------------------------------------------------------------------------------------
    @property
    def owner(self) -> bool:
        return self._owner

    @property
    def version(self) -> str:
        return self._version

    @property
    def applied_seq(self) -> int:
        return self._current.manifest.applied_seq if self._current else 0

    @property
    def wasteful(self) -> bool:
        """More than half of the records are superseded: a rebuild would make it smaller and faster."""
        rows = self._current.rows if self._current else None
        return rows is not None and rows.count > 1000 and rows.live < (1 - _COMPACT_ABOVE) * rows.count

    def passage_ids(self) -> set[int]:
        """Live in both halves; a passage that only one half holds counts as missing."""
        if self._current is None:
            return set()
        return set(self._current.rows.table.place) & self._current.text.ids()

    def stray_ids(self) -> set[int]:
        """Passages that only one half holds: what a crash can leave until it is replayed."""
        if self._current is None:
            return set()
        return set(self._current.rows.table.place) ^ self._current.text.ids()

    # -- writing ----------------------------------------------------------------------------------------------
    def apply(self, rows: Sequence[IndexRow], seq: int) -> None:
        current = self._writable()
        with self._writing:
            if not rows:  # other tenants' mutations: replaying costs nothing, so nothing needs to be synced
                current.manifest = replace(
                    current.manifest, applied_seq=max(seq, current.manifest.applied_seq)
                )
                return
            current.apply(rows, seq)
            current.manifest.write(self._folder)
            self._published = current.manifest

    def _writable(self) -> Generation:
        if not self._owner or self._current is None:
            raise Conflict(
                "this process only reads the index",
                code="index_not_owned",
                hint="Send the change to the process that owns the workspace.",
            )
        return self._current

    def rebuild(self) -> Rebuild:
        current = self._writable()
        manifest = Manifest(self._version, current.manifest.generation + 1, self._dimension)
        shutil.rmtree(self._folder / f"g{manifest.generation}", ignore_errors=True)
        return Rebuild(self, Generation(self._folder, manifest, self._analyzer, writable=True))

    def take_over(self, fresh: Generation) -> None:
        """Publish a rebuilt generation and remove the old one's files; used by `Rebuild`."""
        with self._writing:
            old = self._writable()
            fresh.manifest.write(self._folder)
            self._current, self._published = fresh, fresh.manifest
            old.close()
            self._remove_old_generations()

    def _remove_old_generations(self) -> None:
        keep = f"g{self._published.generation}"
        for path in self._folder.glob("g*"):
            if path.name != keep and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
        self._remove_old_statistics()

    def _remove_old_statistics(self) -> None:
        folder = self._folder / f"g{self._published.generation}"
        for path in folder.glob("languages-*.npz"):
            if path.name != self._published.statistics:
                path.unlink(missing_ok=True)

    # -- reading ----------------------------------------------------------------------------------------------
    def refresh(self) -> None:
        if self._owner:
            return
        with self._writing:
            for attempt in range(_OPEN_ATTEMPTS):
                try:
                    self._follow(Manifest.read(self._folder))
                    return
                except (FileNotFoundError, ValueError):
                    # The owner published a new generation between our reading the manifest and opening its files.
                    if attempt + 1 == _OPEN_ATTEMPTS:
                        raise

    def _follow(self, manifest: Manifest | None) -> None:
        if manifest is None or manifest == self._published:
            return
        if manifest.version != self._version:
            raise StorageError(
                "the index was built with other settings than this process uses",
                code="index_version_differs",
                hint="Start this process with the same configuration as the index owner, or rebuild the index.",
            )
        if self._current is None or manifest.generation != self._published.generation:
            self._current = Generation(self._folder, manifest, self._analyzer, writable=False)
        else:
            self._current.follow(manifest)
        self._published = manifest

    def search_text(self, text: str, scope: Scope, limit: int) -> list[Hit]:
        current = self._current
        if current is None:
            return []
        terms, rows = self._analyzer.query(text), current.rows
        sources = {name: n for name in self._source_names(rows) if (n := rows.number_of(name)) is not None}
        filters = current.text.scope_filters(scope, rows.cells, sources)
        found = [
            current.text.search(leg, wanted, filters, limit)
            for leg, wanted in zip(LEGS, (terms.words, terms.grams), strict=True)
        ]
        inside = rows.inside([pid for scored in found for pid, _ in scored], scope)
        return [
            Hit(pid, score, leg, rows.names[rows.table.language[inside[pid]]])
            for leg, scored in zip(LEGS, found, strict=True)
            for pid, score in scored
            if pid in inside
        ]

    @staticmethod
    def _source_names(rows: Rows) -> set[str]:
        return {rows.names[number] for number in rows.cells.values(1)}

    def search_vector(
        self,
        vector: Vector,
        scope: Scope,
        limit: int,
        *,
        also: Sequence[int] = (),
        query_mean: Vector | None = None,
    ) -> list[Hit]:
        return self._current.rows.search(vector, scope, limit, also, query_mean) if self._current else []

    def with_tail(self, rows: Sequence[IndexRow]) -> PassageSearch:
        return TailSearch(self, self._current, self._analyzer, rows) if rows else self

    def close(self) -> None:
        with self._writing:
            if self._current is not None:
                self._current.close()
                if self._owner and self._current.manifest != self._published:
                    self._current.manifest.write(self._folder)
            self._current = None
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class Rebuild:
    """A fresh generation filled beside the one that answers; nothing is visible before `publish()`."""

    def __init__(self, index: TantivyIndex, generation: Generation) -> None:
        self._index = index
        self._generation = generation

    def apply(self, rows: Sequence[IndexRow], seq: int) -> None:
        self._generation.apply(rows, seq)

    def publish(self) -> None:
        self._index.take_over(self._generation)


class PassageIndexes:
    """One index a tenant under one folder, opened when first asked for."""

    def __init__(self, root: Path, dimension: int | None, *, owner: bool, settings: str = "") -> None:
        self._root, self._dimension, self._owner, self._settings = root, dimension, owner, settings
        self._open: dict[str, TantivyIndex] = {}
        self._opening = threading.Lock()

    def of(self, tenant: str) -> TantivyIndex:
        with self._opening:
            index = self._open.get(tenant)
            if index is None:
                # A tenant's name is not trusted to be a file name.
                folder = self._root / sha256(tenant.encode()).hexdigest()[:24]
                index = TantivyIndex(folder, self._dimension, owner=self._owner, settings=self._settings)
                self._open[tenant] = index
            return index

    def close(self) -> None:
        with self._opening:
            for index in self._open.values():
                index.close()
            self._open.clear()


def _check_vectors(rows: Sequence[IndexRow], dimension: int | None) -> None:
    for row in rows:
        if dimension is not None and row.vector is not None and row.vector.shape != (dimension,):
            raise StorageError(
                f"a vector of {row.vector.shape} came to an index of dimension {dimension}",
                code="index_dimension",
                hint="The embedding model changed: rebuild the index.",
            )


def _take_lock(folder: Path) -> IO[str]:
    import fcntl

    file = (folder / "owner.lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Conflict(
            "another process owns this passage index",
            code="index_owned",
            hint="One process writes, all others read: stop the other one, or open the index as a reader.",
        ) from None
    return file


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
