"""What connectors and audits keep of a document goes with it, and its name out of what passes remember."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.app.reading import cache_of
from countersign.corpus.readiness.working import FILE, WorkingFile
from countersign.testing.scripted_source import ScriptedSource
from tests.freshness.parts import SOURCE, joined, operator, state, sync
from tests.journeys.parts import row_of

pytestmark = pytest.mark.anyio


async def test_caches_and_working_files_are_deleted_and_the_proof_says_so(tmp_path: Path) -> None:
    source = ScriptedSource(SOURCE)
    source.put("secret", "# Heron\n\nThe secret code word of the heron project is kept here.", "staff")
    source.put("other", "# Crane\n\nAnother matter altogether, for everybody.", "staff")
    async with joined(tmp_path, source) as house:
        await sync(house)
        source.put("secret", "# Heron\n\nAnother text.", "staff")
        source.unreadable.add("secret")
        await sync(house)
        assert (await state(house)).last.problems == (("secret", "source_file_gone"),)  # type: ignore[union-attr]
        cache = cache_of(house.workspace.state, SOURCE)
        (cache / "objects").mkdir(parents=True)
        (cache / "objects" / "pack").write_bytes(b"packed")
        kept = cache_of(house.workspace.state, "elsewhere")
        kept.mkdir(parents=True)
        audits = house.workspace.state / "audits"
        about = WorkingFile(audits / "other", "scope")
        about.close()
        (audits / "unknown").mkdir()
        (audits / "unknown" / FILE).write_bytes(b"not a database at all")
        who = await operator(house)
        job = await house.library.erase(who, (await row_of(house, "secret"))["id"])
        await house.worker.drain()
        done = await house.jobs.get(job)
        assert done is not None and done.result is not None
        proof = {store["store"]: store for store in done.result["stores"]}  # type: ignore[index]
        assert done.result["complete"] is True
        caches = proof["caches of connectors and audits"]
        assert (caches["cleaned"], caches["clean"]) == (2, True)
        assert (cache.exists(), (audits / "unknown").exists()) == (False, False)
        assert (kept.exists(), (audits / "other").exists()) == (True, True)
        assert proof["database: source_pass"]["cleaned"] == 1
        assert (await state(house)).last.problems == ()  # type: ignore[union-attr]
