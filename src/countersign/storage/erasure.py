"""Erasing a document: every store that held its text is cleaned, then searched, and the proof says what was found.

Order, so that a crash at any point leaves nothing that answers and a second run ends the same: gravestone (nothing of
it answers from that commit on) → ledger (no backup brings it back) → files → index rebuilt without it → rows cleaned →
database compacted → search. Rows go last because the search strings come from them.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from countersign.corpus.blobs import Blobs
from countersign.domain.clock import Clock, iso
from countersign.domain.errors import NotFound
from countersign.domain.events import Event, EventKind
from countersign.record.ledger import ErasureLedger
from countersign.storage import erased_caches, object_scan
from countersign.storage.backup_register import BackupRegister, TakenBackup
from countersign.storage.byte_scan import Scan, scan
from countersign.storage.compaction import Compaction, compact
from countersign.storage.database import Database
from countersign.storage.erased_text import CLEANED_TABLES, Erasing, clean, gather, leftovers, tombstone
from countersign.storage.events import append_in
from countersign.storage.shared_place import ObjectPlace


@dataclass(frozen=True, slots=True)
class CleanedStore:
    """`cleaned` counts rows or files; `clean` is what the check afterwards found."""

    store: str
    cleaned: int
    how: str
    checked: str
    clean: bool


@dataclass(frozen=True, slots=True)
class ErasureProof:
    document_id: str
    documents: tuple[str, ...]
    """The document and everything that was inside it."""
    erased_at: str
    complete: bool
    """Every check was made and found nothing."""
    stores: tuple[CleanedStore, ...]
    scan: Scan
    remains: tuple[str, ...]
    """What this workspace cannot clean, and until when it lasts."""
    backups: tuple[TakenBackup, ...]
    """Backups that were taken while the text was there. Restoring one replays the erasure."""

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the workspace keeps files: `folders` are searched, `page_images` hold one folder a document id, and below
    `state` connectors and audits keep what they can make again."""

    folders: tuple[Path, ...]
    page_images: tuple[Path, ...] = ()
    state: Path | None = None
    objects: ObjectPlace | None = None
    """Shared storage that is no folder: it is searched as well."""


class Erasure:
    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        places: Places,
        ledger: ErasureLedger,
        backups: BackupRegister,
        rebuild_index: Callable[[str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._places = places
        self._ledger = ledger
        self._backups = backups
        self._rebuild_index = rebuild_index
        self._clock = clock

    async def erase(self, tenant: str, document_id: str, actor: str) -> ErasureProof:
        """Raises `NotFound` for a document that is not in this tenant. Idempotent: run again after a crash."""
        erasing = await self._database.read(gather, tenant, document_id)
        if erasing is None:
            raise NotFound("there is no such document")
        now = self._clock.now()
        await self._database.write(tombstone, erasing, actor, now)
        await asyncio.to_thread(self._remember, erasing, now)
        files = await self._clean_files(erasing)
        await self._rebuild_index(tenant)
        rows = await self._database.write(clean, erasing, now)
        compaction = await asyncio.to_thread(compact, self._database, CLEANED_TABLES)
        proof = await self._prove(erasing, now, rows, files, compaction)
        await self._database.write(append_in, [_event(tenant, actor, proof, self._clock.now())])
        return proof

    def _remember(self, erasing: Erasing, now: datetime) -> None:
        keys = [key for key in erasing.keys if not key.external_id.startswith("erased:")]
        self._ledger.add(keys, now)
        for folder in self._backups.folders():
            self._ledger.copy_to(folder)

    async def _clean_files(self, erasing: Erasing) -> Mapping[str, int]:
        blobs = sum([await self._blobs.delete(ref) for ref in erasing.blobs])
        images = await asyncio.to_thread(self._delete_page_images, erasing)
        caches = await asyncio.to_thread(erased_caches.delete, self._caches(erasing))
        return {"blobs": blobs, "page images": images, "caches": caches}

    def _caches(self, erasing: Erasing) -> list[Path]:
        return erased_caches.holding(self._places.state, erasing.keys) if self._places.state else []

    def _delete_page_images(self, erasing: Erasing) -> int:
        deleted = 0
        for folder in self._page_images(erasing):
            deleted += sum(path.is_file() for path in folder.rglob("*"))
            shutil.rmtree(folder)
        return deleted

    def _page_images(self, erasing: Erasing) -> list[Path]:
        folders = (base / document for base in self._places.page_images for document in erasing.documents)
        return [folder for folder in folders if folder.is_dir()]

    async def _prove(
        self,
        erasing: Erasing,
        now: datetime,
        rows: Mapping[str, int],
        files: Mapping[str, int],
        compaction: Compaction,
    ) -> ErasureProof:
        held = await self._database.read(leftovers, erasing.probes)
        blobs_left = [ref for ref in erasing.blobs if await self._blobs.exists(ref)]
        skip = [Path(backup.path) for backup in self._backups.existing()]
        searched = await asyncio.to_thread(scan, self._places.folders, erasing.probes, skip)
        searched, kept = await asyncio.to_thread(self._search_objects, erasing, searched)
        stores = (
            *_row_stores(rows, held, compaction, searched=bool(erasing.probes)),
            *_file_stores(
                files,
                searched,
                clean_blobs=not blobs_left and not kept,
                clean_images=not self._page_images(erasing),
                clean_caches=not await asyncio.to_thread(self._caches, erasing),
            ),
        )
        return ErasureProof(
            document_id=erasing.documents[0],
            documents=erasing.documents,
            erased_at=iso(now),
            complete=all(store.clean for store in stores) and not searched.found and not searched.unreadable,
            stores=stores,
            scan=searched,
            remains=(*compaction.remains, *kept, *_cannot_clean(erasing)),
            backups=self._backups.holding(erasing.since),
        )

    def _search_objects(self, erasing: Erasing, here: Scan) -> tuple[Scan, tuple[str, ...]]:
        """Also where no folder is; with what the store keeps or was not read there."""
        place = self._places.objects
        if place is None:
            return here, ()
        there, unread = object_scan.scan_objects(place, erasing.probes)
        kept: list[str] = []
        if object_scan.keeps_versions(place):
            kept.append(
                "old versions of deleted objects, until a lifecycle rule of the bucket removes noncurrent versions"
            )
        if unread:
            kept.append(f"{unread} object(s) of the storage were not searched: it holds too much to read")
        return object_scan.joined(here, there), tuple(kept)


def _row_stores(
    rows: Mapping[str, int], held: Mapping[str, int], compaction: Compaction, *, searched: bool
) -> tuple[CleanedStore, ...]:
    how = "; ".join(compaction.how)
    checked = (
        "every text column searched" if searched else "row counts only: no distinctive text to search for"
    )
    named = {table: (count, how) for table, count in rows.items()}
    named |= {table: (0, "nothing of it belongs here") for table in held if table not in named}
    return tuple(
        CleanedStore(f"database: {table}", count, done, checked, table not in held)
        for table, (count, done) in named.items()
    )


def _file_stores(
    files: Mapping[str, int], searched: Scan, *, clean_blobs: bool, clean_images: bool, clean_caches: bool
) -> tuple[CleanedStore, ...]:
    return (
        CleanedStore("blobs", files["blobs"], "deleted", "each asked for again", clean_blobs),
        CleanedStore("page images", files["page images"], "deleted", "folders gone", clean_images),
        CleanedStore(
            "caches of connectors and audits",
            files["caches"],
            "deleted whole; made again when they are needed",
            "folders gone",
            clean_caches,
        ),
        CleanedStore(
            "passage index",
            1,
            "rebuilt from the database without it, old files deleted",
            "files searched; tokenised files are replaced, not searched",
            not any("index" in name for name in searched.found),
        ),
    )


def _cannot_clean(erasing: Erasing) -> tuple[str, ...]:
    notes: list[str] = []
    if erasing.parent:
        notes.append(
            f"document {erasing.parent}, of which this was an attachment, still contains it: erase that too"
        )
    if erasing.shared_blobs:
        notes.append(
            f"{erasing.shared_blobs} file(s) stay because another document has exactly the same content"
        )
    if erasing.common_text:
        notes.append("all of its text also stands in other documents, so a search for it proves nothing")
    notes.append("the source it came from: if it still holds the document, the next pass may bring it back")
    return tuple(notes)


def _event(tenant: str, actor: str, proof: ErasureProof, at: datetime) -> Event:
    facts: dict[str, object] = {
        "documents": len(proof.documents),
        "complete": proof.complete,
        "cleaned": {store.store: store.cleaned for store in proof.stores},
        "searched_files": proof.scan.files,
        "search_strings": proof.scan.probes,
        "backups": len(proof.backups),
    }
    return Event(EventKind.DOCUMENT_ERASED, tenant, actor, proof.document_id, at, facts)
