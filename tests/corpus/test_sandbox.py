from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from countersign.corpus import confine
from countersign.corpus.sandbox import Job, Outcome, Sandbox
from countersign.corpus.seccomp import build

HERE = Path(__file__).parent


@asynccontextmanager
async def sandbox(temp: Path, workers: int = 2) -> AsyncGenerator[Sandbox, None]:
    box = Sandbox(temp, workers=workers, preload=("hostile_entries",), search_path=(HERE,))
    await box.start()
    try:
        yield box
    finally:
        await box.close()


async def attempt(box: Sandbox, name: str, source: Path, **options: Any) -> Outcome:
    # Far more than any of them needs on however busy a machine: who tests a limit names it.
    settings: dict[str, Any] = {"wall_s": 60.0, "cpu_s": 30, "memory_bytes": 1 << 30} | options
    handle = os.open(source, os.O_RDONLY)
    try:
        return await box.run(Job(f"hostile_entries:{name}", **settings), handle)
    finally:
        os.close(handle)


async def children_of(box: Sandbox) -> list[psutil.Process]:
    """The parser processes, as soon as there is one."""
    async with asyncio.timeout(60):
        while box.zygote_pid is None or not (children := psutil.Process(box.zygote_pid).children()):
            await asyncio.sleep(0.02)
    return children


async def over(processes: list[psutil.Process]) -> None:
    """Returns when none of them runs; one that nobody has buried yet does not."""

    def runs(process: psutil.Process) -> bool:
        try:
            return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.NoSuchProcess:
            return False

    async with asyncio.timeout(60):
        while any(runs(process) for process in processes):
            await asyncio.sleep(0.02)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "input.bin"
    path.write_bytes(b"contents")
    return path


@pytest.mark.anyio
async def test_a_child_sees_its_input_and_an_empty_environment(tmp_path: Path, source: Path) -> None:
    os.environ["COUNTERSIGN_TEST_SECRET"] = "hunter2"
    async with sandbox(tmp_path / "s") as box:
        outcome = await attempt(box, "echo", source, params={"a": 1})
    del os.environ["COUNTERSIGN_TEST_SECRET"]
    first = outcome.records()[0]
    assert outcome.end == "finished"
    assert first["text"] == "contents" and first["params"] == {"a": 1}
    assert "hunter2" not in str(first["environment"]) and set(first["environment"]) < {
        "PATH", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX", "LC_CTYPE",
    } | {"x"}  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "options", "end", "status", "reason"),
    [
        ("hang", {"wall_s": 0.3}, "timeout", "timeout", "wall_clock"),
        ("spin", {"cpu_s": 1, "wall_s": 120.0}, "timeout", "timeout", "cpu_time"),
        ("flood", {"max_output_bytes": 1 << 20}, "overflow", "refused_limit", "output_size"),
        # Far fewer pages than its CPU seconds could touch, on however slow a machine.
        ("eat_memory", {"memory_bytes": 256 << 20}, "refused", "refused_limit", "memoryerror"),
        ("abort", {}, "limit", "refused_limit", "memory"),
        ("crash", {}, "crashed", "corrupt", "parser_exit_-11"),
        ("lie", {}, "refused", "corrupt", "parser_output"),
        ("refuse", {}, "refused", "encrypted", "password"),
        ("fail", {}, "refused", "corrupt", "KeyError"),
    ],
)
async def test_every_misbehaviour_has_its_name(
    tmp_path: Path, source: Path, name: str, options: dict[str, Any], end: str, status: str, reason: str
) -> None:
    async with sandbox(tmp_path / "s") as box:
        outcome = await attempt(box, name, source, **options)
        after = await attempt(box, "echo", source)
    if name == "lie":
        assert outcome.records() == [
            {"end": "finished"}
        ]  # what is not an object on a line of its own is dropped
    else:
        assert (outcome.end, outcome.status, outcome.reason) == (end, status, reason)
    assert after.end == "finished"


@pytest.mark.anyio
async def test_what_was_written_before_the_kill_is_kept(tmp_path: Path, source: Path) -> None:
    async with sandbox(tmp_path / "s") as box:
        outcome = await attempt(box, "spin", source, cpu_s=1, wall_s=120.0)
    assert outcome.end == "timeout"
    assert outcome.records()[0]["element"]["text"] == "before"


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")
async def test_a_child_cannot_reach_files_network_or_processes(tmp_path: Path, source: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2")
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with sandbox(tmp_path / "s") as box:
            facts = {fact.name: fact.active for fact in await box.report()}
            params = {"secret": str(secret), "port": server.getsockname()[1]}
            outcome = await attempt(box, "attempts", source, params=params)
            pid = box.zygote_pid
            assert pid is not None and psutil.pid_exists(pid)
    met = outcome.records()[0]["attempts"]
    assert met.pop("big_file") != "done" and met.pop("write_source") != "done"
    if facts["system_call_filter"]:
        for name in ("connect", "unix_socket", "fork", "run_program", "kill_parent", "new_session"):
            assert met[name] == "PermissionError", name
    if facts["landlock"] or facts["filesystem_namespace"]:
        for name in ("read_passwd", "read_secret", "list_root_home", "write_outside"):
            assert met[name] != "done", name
    assert facts["resource_limits"]


@pytest.mark.anyio
async def test_the_zygote_is_restarted_when_it_is_killed(tmp_path: Path, source: Path) -> None:
    async with sandbox(tmp_path / "s") as box:
        first = box.zygote_pid
        assert first is not None
        source.write_bytes(b"hang")
        running = asyncio.create_task(attempt(box, "hang_until_told", source))
        children = await children_of(box)
        os.kill(first, signal.SIGKILL)
        source.write_bytes(b"go on")
        outcome = await running  # tried again in the new zygote
        assert outcome.end == "finished"
        assert box.zygote_pid not in (None, first)
        assert len(children) == 1
        await over(children)
        assert (await attempt(box, "echo", source)).end == "finished"


@pytest.mark.anyio
async def test_workers_run_beside_each_other_up_to_the_limit(tmp_path: Path, source: Path) -> None:
    async with sandbox(tmp_path / "s", workers=2) as box:
        source.write_bytes(b"hang")
        jobs = [asyncio.create_task(attempt(box, "hang_until_told", source)) for _ in range(4)]
        while len(both := await children_of(box)) < 2:
            await asyncio.sleep(0.02)
        for _ in range(20):  # the others wait although there is time
            await asyncio.sleep(0.01)
            assert len(await children_of(box)) == 2
        source.write_bytes(b"go on")
        for child in both:
            child.kill()
        assert sorted([(await job).end for job in jobs]) == ["finished", "finished", "limit", "limit"]


@pytest.mark.anyio
async def test_a_cancelled_job_leaves_no_process_behind(tmp_path: Path, source: Path) -> None:
    async with sandbox(tmp_path / "s") as box:
        job = asyncio.create_task(attempt(box, "hang", source, wall_s=60.0))
        children = await children_of(box)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert len(children) == 1
        await over(children)


def test_the_filter_is_built_for_known_machines_only() -> None:
    for machine in ("x86_64", "aarch64"):
        assert len(build(machine, 1, may_exec=False)) > len(build(machine, 1, may_exec=True))
        assert len(build(machine, 1, may_exec=False)) % 8 == 0
    with pytest.raises(OSError, match="no filter"):
        build("riscv64", 1, may_exec=False)


@pytest.mark.anyio
async def test_code_may_lie_where_the_new_root_is_mounted(tmp_path: Path, source: Path) -> None:
    """A checkout below /tmp, which is the first choice of a folder to cover."""
    code = Path(tempfile.mkdtemp(dir="/tmp")).resolve()
    code.chmod(0o755)
    shutil.copy(HERE / "hostile_entries.py", code)
    try:
        box = Sandbox(tmp_path / "s", workers=1, preload=("hostile_entries",), search_path=(code,))
        try:
            outcome = await attempt(box, "echo", source, params={"a": 1})
        finally:
            await box.close()
    finally:
        shutil.rmtree(code)
    assert outcome.end == "finished"
    assert confine.mount_point([code]) != "/tmp"


@pytest.mark.anyio
async def test_the_environment_may_be_reached_over_a_link(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As below `releases/current`: modules that are first needed by a job are found all the same."""
    link = tmp_path / "current"
    link.symlink_to(sys.prefix)
    monkeypatch.setattr(sys, "executable", str(link / Path(sys.executable).relative_to(sys.prefix)))
    async with sandbox(tmp_path / "s") as box:
        outcome = await attempt(box, "import_late", source, params={"module": "pypdfium2"})
    assert (outcome.end, outcome.reason) == ("finished", "")
