"""A source that is pushed to, read from what was taken in: for an audit, which reads every other source where it lies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from countersign.corpus.blobs import Blobs
from countersign.domain.documents import SourceDocument
from countersign.domain.errors import CountersignError, SourceError
from countersign.domain.workspace import SourceSettings, Workspace
from countersign.sources.connector import Listed
from countersign.storage.blobs import open_blobs
from countersign.storage.database import Database
from countersign.storage.stored_documents import Stored, blob_of, stored_documents

_AT_A_TIME: Final = 500


def open_stored(database: Database, workspace: Workspace, settings: SourceSettings) -> StoredSource:
    blobs = open_blobs(f"{workspace.storage.rstrip('/')}/blobs", workspace.object_storage)
    return StoredSource(database, blobs, settings.name, settings.tenants or workspace.tenants)


class StoredSource:
    """`list` and `read` are called on threads that have no loop, as those of every connector."""

    def __init__(self, database: Database, blobs: Blobs, source: str, tenants: Sequence[str]) -> None:
        self._database = database
        self._blobs = blobs
        self._source = source
        self._tenants = tenants

    def list(self) -> Iterator[Listed]:
        for tenant in self._tenants:
            after = ""
            while some := self._some(tenant, after, _AT_A_TIME):
                yield from (Listed(each.document, each.size, each.sha256) for each in some)
                after = some[-1].document.external_id

    def read(self, document: SourceDocument, max_bytes: int) -> bytes:
        """Raises `SourceError` (`source_file_gone` when it was deleted since, `source_file_too_large`)."""
        blob = self._database.read_now(blob_of, document.tenant, document.source, document.external_id)
        if not blob:
            raise _gone(document)
        try:
            content = asyncio.run(
                self._blobs.get(blob)
            )  # a loop of its own: the other may wait for this thread
        except CountersignError as error:
            raise _gone(document) from error
        if len(content) > max_bytes:
            raise SourceError(f"{document.external_id} is too large", code="source_file_too_large")
        return content

    def _some(self, tenant: str, after: str, limit: int) -> list[Stored]:
        return self._database.read_now(stored_documents, tenant, self._source, after, limit)


def _gone(document: SourceDocument) -> SourceError:
    return SourceError(f"{document.external_id} is not there any more", code="source_file_gone")
