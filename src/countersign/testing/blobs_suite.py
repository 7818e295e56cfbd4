"""What every `Blobs` must do. Inherit `BlobsSuite` and give it a `blobs` fixture of an empty store."""

from __future__ import annotations

import pytest

from countersign.corpus.blobs import Blobs
from countersign.domain.errors import CountersignError, NotFound

pytestmark = pytest.mark.anyio


class BlobsSuite:
    async def test_what_was_put_is_got_back(self, blobs: Blobs) -> None:
        ref = await blobs.put("шарт № 7".encode(), "bank")
        assert await blobs.get(ref) == "шарт № 7".encode()
        assert await blobs.exists(ref)
        async with blobs.path(ref) as path:
            assert path.read_bytes() == "шарт № 7".encode()

    async def test_nothing_and_much_are_stored_alike(self, blobs: Blobs) -> None:
        for content in (b"", bytes(range(256)) * 20_000):
            assert await blobs.get(await blobs.put(content)) == content

    async def test_the_same_content_is_stored_once_a_tenant(self, blobs: Blobs) -> None:
        first = await blobs.put(b"same", "bank")
        assert await blobs.put(b"same", "bank") == first
        other = await blobs.put(b"same", "telecom")
        assert other != first
        assert [ref async for ref in blobs.refs()] == sorted([first, other])
        assert [ref async for ref in blobs.refs("telecom")] == [other]

    async def test_deleting_takes_exactly_one_away(self, blobs: Blobs) -> None:
        gone, kept = await blobs.put(b"gone", "bank"), await blobs.put(b"kept", "bank")
        assert await blobs.delete(gone)
        assert not await blobs.delete(gone)
        assert not await blobs.exists(gone)
        assert await blobs.get(kept) == b"kept"
        with pytest.raises(NotFound):
            await blobs.get(gone)
        with pytest.raises(NotFound):
            async with blobs.path(gone):
                pass

    @pytest.mark.parametrize("ref", ["", "../../etc/passwd", "/etc/passwd", "bank/aa/" + "0" * 64, "bank\0"])
    async def test_a_ref_that_is_not_ours_is_not_found(self, blobs: Blobs, ref: str) -> None:
        with pytest.raises(NotFound):
            await blobs.get(ref)
        with pytest.raises(NotFound):
            await blobs.delete(ref)

    @pytest.mark.parametrize("tenant", ["", "..", "a/b", ".hidden", "x" * 65])
    async def test_a_tenant_never_becomes_a_path(self, blobs: Blobs, tenant: str) -> None:
        with pytest.raises(CountersignError):
            await blobs.put(b"x", tenant)
