"""Sources over HTTP: state, passes, asking for one; metrics."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from countersign.api.serve import running
from tests.api.conftest import Served
from tests.workspaces import opened, workspace, write_files

pytestmark = pytest.mark.anyio


@pytest.fixture
async def served(tmp_path: Path):
    import aiohttp

    write_files(tmp_path / "files", {f"n{n:02}.md": f"The code of note {n} is {n}." for n in range(30)}, [
        {"file": f"n{n:02}.md", "acl": ["group:staff"]} for n in range(30)
    ])  # fmt: skip
    plain = workspace(tmp_path)
    sources = {**plain.sources, "intranet": replace(
        plain.sources["intranet"], max_age=timedelta(days=1), publisher_groups=("editors",)
    )}  # fmt: skip
    async with (
        opened(replace(plain, sources=sources), tmp_path / "cache") as house,
        running(house) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Served(house, url, http)


async def test_state_passes_and_asking(served: Served, tmp_path: Path) -> None:
    operator, editor = (
        await served.key("op", roles=["operator"]),
        await served.key("ed", ["editors"], ["publisher"]),
    )
    reader = await served.key("aigerim", ["staff"])
    _, body, _ = await served.call("GET", "/api/sources", operator)
    found = {item["source"]: item for item in body["items"]}
    assert (found["push"]["status"], found["push"]["synced"]) == ("pushed", None)
    intranet = found["intranet"]
    assert (intranet["status"], intranet["documents"], intranet["coverage"]) == ("fresh", 30, 1.0)
    assert intranet["last_pass"]["new"] == 30
    _, plain, _ = await served.call("GET", "/api/sources", reader)
    assert {frozenset(item) for item in plain["items"]} == {
        frozenset(("source", "connector", "synced", "documents", "error"))
    }
    for path in ("/api/sources/intranet/passes",):
        assert (await served.call("GET", path, reader))[0] == 403
    assert (await served.call("POST", "/api/sources/intranet/sync", reader))[0] == 403
    assert (await served.call("POST", "/api/sources/push/sync", operator))[0] == 400
    assert (await served.call("POST", "/api/sources/none/sync", operator))[0] == 404
    no = await served.call("POST", "/api/sources/intranet/sync", operator, json={"accept_removals": True})
    assert (no[0], no[1]["error"]["code"]) == (400, "removals_not_held")

    for n in range(25):
        (tmp_path / "files" / f"n{n:02}.md").unlink()
    status, asked, _ = await served.call("POST", "/api/sources/intranet/sync", editor)
    assert (status, asked["source"]) == (202, "intranet")
    await served.house.worker.drain()
    _, job, _ = await served.call("GET", f"/api/jobs/{asked['job_id']}", operator)
    assert (job["state"], job["result"]["held"]) == ("done", 25)
    _, body, _ = await served.call("GET", "/api/sources", operator)
    held = {item["source"]: item for item in body["items"]}["intranet"]
    assert (held["status"], held["error"], held["held"]) == (
        "held",
        "source_shrunk",
        {"absent": 25, "of": 30},
    )
    assert held["hint"]
    denied = await served.call("POST", "/api/sources/intranet/sync", editor, json={"accept_removals": True})
    assert denied[0] == 403
    await served.call("POST", "/api/sources/intranet/sync", operator, json={"accept_removals": True})
    await served.house.worker.drain()
    _, page, _ = await served.call("GET", "/api/sources/intranet/passes?limit=2", operator)
    assert [one["outcome"] for one in page["items"]] == ["complete", "held"]
    assert page["items"][0]["removed"] == 25
    _, page, _ = await served.call(
        "GET", f"/api/sources/intranet/passes?limit=2&cursor={page['next_cursor']}", operator
    )
    assert ([one["new"] for one in page["items"]], page["next_cursor"]) == ([30], None)


async def test_metrics_tell_of_every_source(served: Served) -> None:
    operator = await served.key("op", roles=["operator"])
    _, text, _ = await served.call("GET", "/metrics", operator)
    lines = dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
    mine = '{source="intranet",tenant="bank"}'
    assert float(lines[f"countersign_source_lag_seconds{mine}"]) < 600
    assert lines[f"countersign_source_late{mine}"] == "0.0"
    assert lines[f"countersign_source_coverage_ratio{mine}"] == "1.0"
    assert lines['countersign_source_documents{source="intranet",status="indexed",tenant="bank"}'] == "30.0"
    assert lines['countersign_source_pass_documents{source="intranet",tenant="bank",what="listed"}'] == "30.0"
    assert 'countersign_source_lag_seconds{source="push",tenant="bank"}' not in lines
