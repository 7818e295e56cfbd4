"""The passage index on shared storage: one LanceDB table a tenant, one process that leads, any number that read.

    manifest.json                what counts: generation, version of the table, mutation it was applied to, who leads
    statistics-…                 see `lance_statistics`
    g7.lance/                    the table

The manifest names a *version* of the table, and that version answers. Whatever is committed to the table and not named
(a leader killed between two steps, one that was followed by another while it stood still) is undone by the next write.
A leader replaces the manifest only where it is still the one that it wrote, so two of them cannot both go on.
Everything here is derived from the database: the answer to any damage is a rebuild.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar

from countersign.domain.errors import Conflict, StorageError
from countersign.retrieval.analysis import ANALYZER_VERSION, Analyzer
from countersign.retrieval.seams import Hit, IndexRow, PassageSearch, Scope, Vector
from countersign.storage import lance_table as table_of
from countersign.storage.lance_snapshot import MANIFEST, Manifest, Snapshot
from countersign.storage.lance_statistics import NOTHING, Statistics, measure
from countersign.storage.lance_table import lance_errors
from countersign.storage.passage_tail import TailSearch
from countersign.storage.shared_place import Place

T = TypeVar("T")

_KEEP_VERSIONS = timedelta(hours=1)
"""How long a reader that asks nothing may stay behind."""
_AT_ONCE = timedelta(milliseconds=1)
_MAX_COMMITS, _MIN_PENDING, _PENDING_SHARE = 64, 1_000, 0.05
"""After so many commits, or rows outside the indexes, they are brought up to date."""
_RETRAIN_GROWTH = 4


class LanceIndex:
    """Implements `retrieval.seams.PassageIndex` on a `Place`. `dimension` None = lexical only.

    `epoch` None = a reader. A leader brings the number of its lease; `Conflict` when another with the same or a higher
    one leads. `settings` is what, besides analyzer and dimension, the rows depend on: another value starts empty.
    """

    def __init__(
        self, place: Place, dimension: int | None, *, epoch: int | None = None, settings: str = ""
    ) -> None:
        self._place = place
        self._dimension = dimension
        self._analyzer = Analyzer()
        self._version = f"{ANALYZER_VERSION}/{dimension or 'lexical'}/{settings}"
        self._database = table_of.connect(place)
        self._changing = threading.RLock()
        self._snapshot: Snapshot | None = None
        self._ahead = 0
        """Up to where nothing of this index changed since it was published; only its leader knows."""
        self._epoch = epoch
        self._tag: str | None = None
        self._table: Any = None
        if epoch is None:
            self.refresh()
        else:
            self._lead(epoch)

    # -- state ------------------------------------------------------------------------------------------------
    @property
    def owner(self) -> bool:
        return self._epoch is not None

    @property
    def version(self) -> str:
        return self._version

    @property
    def applied_seq(self) -> int:
        return max(self._snapshot.manifest.applied_seq if self._snapshot else 0, self._ahead)

    def passage_ids(self) -> set[int]:
        return self._read(Snapshot.passage_ids, set[int]())

    # -- leading ----------------------------------------------------------------------------------------------
    def _lead(self, epoch: int) -> None:
        found, self._tag = Manifest.read(self._place)
        if found is not None and found.epoch >= epoch:
            raise Conflict(
                "another process leads this passage index",
                code="index_owned",
                hint="One process writes, all others read: stop the other one, or open the index as a reader.",
            )
        usable = found if found is not None and found.version == self._version else None
        if usable is not None:
            # From here on whoever led before can publish nothing more.
            self._swap(replace(usable, epoch=epoch))
            usable = self._reopened(replace(usable, epoch=epoch))
        manifest = usable or self._emptied(epoch, found.generation + 1 if found else 1)
        self._publish(manifest)
        self._remove_old(manifest)

    def _reopened(self, manifest: Manifest) -> Manifest | None:
        """At the version that answers; None when the table is not there any more, or not readable."""
        try:
            with lance_errors():
                self._table = self._database.open_table(manifest.table)
                return self._settled(manifest)
        except StorageError:
            return None

    def _emptied(self, epoch: int, generation: int) -> Manifest:
        manifest = Manifest(self._version, epoch, generation)
        self._table = table_of.create(self._database, manifest.table, self._dimension)
        return replace(manifest, table_version=int(self._table.version))

    def _settled(self, manifest: Manifest) -> Manifest:
        """Undo what was committed to the table and never published."""
        with lance_errors():
            if int(self._table.version) != manifest.table_version:
                self._table.restore(manifest.table_version)
                self._table.checkout_latest()
            return replace(manifest, table_version=int(self._table.version))

    def _swap(self, manifest: Manifest) -> None:
        self._tag = self._place.swap(MANIFEST, manifest.to_bytes(), self._tag)

    def _publish(self, manifest: Manifest) -> None:
        if manifest.outgrown() or not manifest.statistics:
            manifest = self._measured(manifest)
        self._swap(manifest)
        self._snapshot = self._open(manifest)

    def _measured(self, manifest: Manifest) -> Manifest:
        statistics = measure(self._table, self._dimension)
        name = f"statistics-{manifest.epoch}-{manifest.generation}-{manifest.table_version}.npz"
        self._place.write(name, statistics.to_bytes())
        known = statistics.languages
        counted = dict(zip(known.languages, known.counts, strict=True)) if known else {}
        counted = {language: counted.get(language, 0) for language in {*counted, *manifest.counted}}
        missing = {name: n for name, n in manifest.written.items() if name not in counted}
        return replace(manifest, statistics=name, counted=counted | missing, written={})

    def _writable(self) -> Manifest:
        if self._epoch is None or self._snapshot is None:
            raise Conflict(
                "this process only reads the index",
                code="index_not_owned",
                hint="Send the change to the process that owns the workspace.",
            )
        return self._snapshot.manifest

    def apply(self, rows: Sequence[IndexRow], seq: int) -> None:
        with self._changing:
            manifest = self._writable()
            if (
                not rows
            ):  # other tenants' mutations: replaying costs nothing, so nothing needs to be published
                self._ahead = max(seq, self.applied_seq)
                return
            latest = list({row.passage_id: row for row in rows}.values())
            written = self._write(self._settled(manifest), latest)
            manifest = replace(written, applied_seq=max(seq, self.applied_seq))
            self._publish(self._optimised(manifest))
            self._remove_statistics()

    def _write(self, manifest: Manifest, rows: Sequence[IndexRow]) -> Manifest:
        """Replace and remove `rows` in the table, and see that it holds what it then must."""
        live = [row for row in rows if row.live]
        dead = [row.passage_id for row in rows if not row.live]
        expected = manifest.rows
        with lance_errors():
            if live:
                upsert = self._table.merge_insert("passage").when_matched_update_all()
                done = upsert.when_not_matched_insert_all().execute(
                    table_of.records(live, self._analyzer, self._dimension)
                )
                expected += int(done.num_inserted_rows)
            if dead:
                expected -= int(self._table.count_rows(table_of.passages(dead)))
                self._table.delete(table_of.passages(dead))
            count, version = int(self._table.count_rows()), int(self._table.version)
        if count != expected or version > manifest.table_version + 2:
            raise StorageError(
                f"the table holds {count} passages where {expected} were expected",
                code="index_inconsistent",
                hint="It is put right by itself; if it stays, rebuild the index: it loses nothing.",
            )
        return replace(manifest, table_version=version, rows=count).noted(live)

    def _optimised(self, manifest: Manifest) -> Manifest:
        """Bring indexes up to date and remove old versions, now and then."""
        due = manifest.pending >= max(_MIN_PENDING, _PENDING_SHARE * manifest.rows)
        if not due and manifest.commits < _MAX_COMMITS:
            return manifest
        divided = manifest.partitioned_at
        with lance_errors():
            if self._dimension is not None and manifest.rows >= _RETRAIN_GROWTH * divided:
                divided = manifest.rows if table_of.index_vectors(self._table, manifest.rows) else divided
            self._table.optimize(cleanup_older_than=_KEEP_VERSIONS)
            version = int(self._table.version)
        return replace(manifest, table_version=version, commits=0, pending=0, partitioned_at=divided)

    def rebuild(self) -> Rebuild:
        manifest = self._writable()
        return Rebuild(
            self, replace(Manifest(self._version), epoch=manifest.epoch, generation=manifest.generation + 1)
        )

    def take_over(self, manifest: Manifest, table: Any) -> None:
        """Publish a rebuilt generation and remove every file of the old one; used by `Rebuild`."""
        with self._changing:
            self._writable()
            self._table = table
            self._ahead = 0
            self._publish(manifest)
            self._remove_old(manifest)

    def new_table(self, name: str) -> Any:
        return table_of.create(self._database, name, self._dimension)

    def records(self, rows: Sequence[IndexRow]) -> Any:
        return table_of.records(rows, self._analyzer, self._dimension)

    @property
    def has_vectors(self) -> bool:
        return self._dimension is not None

    def _remove_old(self, manifest: Manifest) -> None:
        keep = f"{manifest.table}.lance"
        folders = {name.split("/", 1)[0] for name in self._place.names() if ".lance/" in name}
        for folder in sorted(folders - {keep}):
            self._place.remove(folder)
        self._remove_statistics()

    def _remove_statistics(self) -> None:
        assert self._snapshot is not None
        for name in self._place.names():
            if name.startswith("statistics-") and name != self._snapshot.manifest.statistics:
                self._place.remove(name)

    # -- reading ----------------------------------------------------------------------------------------------
    def refresh(self) -> None:
        if self._epoch is None:
            self._refresh()

    def _refresh(self) -> bool:
        """True when there is something newer than what this reader had."""
        with self._changing:
            manifest, tag = Manifest.read(self._place)
            if manifest is None or tag == self._tag:
                return False
            if manifest.version != self._version:
                raise StorageError(
                    "the index was built with other settings than this process uses",
                    code="index_version_differs",
                    hint="Start this process with the same configuration as the index owner, or rebuild the index.",
                )
            self._snapshot = self._open(manifest)
            self._tag = tag
            return True

    def _open(self, manifest: Manifest) -> Snapshot:
        with lance_errors():
            table = self._database.open_table(manifest.table)
            table.checkout(manifest.table_version)
        known = self._snapshot
        if known is not None and known.manifest.statistics == manifest.statistics:
            statistics = known.statistics
        else:
            found = self._place.read(manifest.statistics) if manifest.statistics else None
            statistics = Statistics.from_bytes(found[0]) if found else NOTHING
        return Snapshot(manifest, table, statistics, self._analyzer)

    def _read(self, search: Callable[[Snapshot], T], nothing: T) -> T:
        snapshot = self._snapshot
        if snapshot is None:
            return nothing
        try:
            return search(snapshot)
        except StorageError:
            # A generation may go away under a reader that is behind; what has taken its place answers.
            if self._epoch is not None or not self._refresh():
                raise
        assert self._snapshot is not None
        return search(self._snapshot)

    def search_text(self, text: str, scope: Scope, limit: int) -> list[Hit]:
        return self._read(lambda snapshot: snapshot.search_text(text, scope, limit), list[Hit]())

    def search_vector(
        self,
        vector: Vector,
        scope: Scope,
        limit: int,
        *,
        also: Sequence[int] = (),
        query_mean: Vector | None = None,
    ) -> list[Hit]:
        if self._dimension is None:
            return []
        return self._read(
            lambda snapshot: snapshot.search_vector(vector, scope, limit, also, query_mean), list[Hit]()
        )

    def with_tail(self, rows: Sequence[IndexRow]) -> PassageSearch:
        return TailSearch(self, self._snapshot, self._analyzer, rows) if rows else self

    def close(self) -> None:
        with self._changing:
            self._snapshot = None
            self._table = None
            self._epoch = None


class Rebuild:
    """A fresh generation filled beside the one that answers; nothing is visible before `publish()`."""

    def __init__(self, index: LanceIndex, manifest: Manifest) -> None:
        self._index = index
        self._manifest = manifest
        self._table = index.new_table(manifest.table)
        self._held: set[int] = set()

    def apply(self, rows: Sequence[IndexRow], seq: int) -> None:
        latest = {row.passage_id: row for row in rows}
        again = sorted(self._held & latest.keys())
        live = [row for row in latest.values() if row.live]
        with lance_errors():
            if again:
                self._table.delete(table_of.passages(again))
            if live:
                self._table.add(self._index.records(live))
        self._held = (self._held - set(again)) | {row.passage_id for row in live}
        applied = max(seq, self._manifest.applied_seq)
        self._manifest = replace(self._manifest, applied_seq=applied).noted(live)

    def publish(self) -> None:
        divided = 0
        with lance_errors():
            if self._index.has_vectors and table_of.index_vectors(self._table, len(self._held)):
                divided = len(self._held)
            # Nobody reads it yet, so nothing that is not its newest version is needed.
            self._table.optimize(cleanup_older_than=_AT_ONCE, delete_unverified=True)
            version = int(self._table.version)
        done = replace(
            self._manifest,
            table_version=version,
            rows=len(self._held),
            commits=0,
            pending=0,
            partitioned_at=divided,
        )
        self._index.take_over(done, self._table)


class LanceIndexes:
    """One index a tenant under one place, opened when first asked for. `epoch` None = readers."""

    def __init__(
        self, place: Place, dimension: int | None, *, epoch: int | None = None, settings: str = ""
    ) -> None:
        self._place, self._dimension, self._epoch, self._settings = place, dimension, epoch, settings
        self._open: dict[str, LanceIndex] = {}
        self._opening = threading.Lock()

    def of(self, tenant: str) -> LanceIndex:
        with self._opening:
            index = self._open.get(tenant)
            if index is None:
                # A tenant's name is not trusted to be a file name.
                place = self._place.below(sha256(tenant.encode()).hexdigest()[:24])
                index = LanceIndex(place, self._dimension, epoch=self._epoch, settings=self._settings)
                self._open[tenant] = index
            return index

    def close(self) -> None:
        with self._opening:
            for index in self._open.values():
                index.close()
            self._open.clear()
