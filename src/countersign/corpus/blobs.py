"""Where the bytes of documents lie: content-addressed, so that the same file is stored once and cannot change unseen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """A `ref` is opaque to callers: `{tenant}/{aa}/{sha256}`. Raises `StorageError` when the store cannot do its part."""

    async def put(self, content: bytes, tenant: str = "main") -> str:
        """Store `content` under its tenant's prefix; when this returns it survives a crash. Idempotent."""
        ...

    async def get(self, ref: str) -> bytes:
        """Raises `NotFound` when absent, `IntegrityError` when the bytes are not those that were stored."""
        ...

    def path(self, ref: str) -> AbstractAsyncContextManager[Path]:
        """A local file to read within the context; never write to it. Raises `NotFound` when absent."""
        ...

    async def exists(self, ref: str) -> bool: ...

    async def delete(self, ref: str) -> bool:
        """Remove it for good; False when it was not there."""
        ...

    def refs(self, tenant: str = "") -> AsyncIterator[str]:
        """Every stored ref, of one tenant or of all."""
        ...
