"""kill -9 at any moment of a scheduled pass: the next owner goes on, and nothing is lost, doubled or shown too widely."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from countersign.app.founding import found
from countersign.app.house import open_house
from countersign.domain.answers import Question
from countersign.storage.tables import document, document_version
from tests.freshness.sync_forever import scheduled
from tests.workspaces import person, write_files

FILES = 60
ROOT = Path(__file__).parent.parent.parent


def child(root: Path) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(root)}
    command = [os.sys.executable, "-m", "tests.freshness.sync_forever", str(root)]  # type: ignore[attr-defined]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def until_indexed(process: subprocess.Popen[str], count: int) -> None:
    """Returns when a pass has begun and so many files are searchable; the process says it every tenth of a second."""
    assert process.stdout is not None
    for line in process.stdout:
        if int(line.split()[-1]) >= count:
            return
    raise AssertionError("it ended by itself")


@pytest.mark.anyio
async def test_a_pass_that_is_killed_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import workspaces

    monkeypatch.setattr(workspaces, "POSTGRES", [])  # one file, and one owner after the other
    names = [f"note-{number:02}.md" for number in range(FILES)]

    def write(groups: str, code: int) -> None:
        texts = {
            name: f"# Note {n}\n\nThe opening code of branch {n} is {code + n}."
            for n, name in enumerate(names)
        }
        write_files(tmp_path / "files", texts, [{"file": name, "acl": [f"group:{groups}"]} for name in names])

    write("staff", 1000)
    chance = random.Random(11)
    for least in (0, 1, FILES // 3):
        process = child(tmp_path)
        until_indexed(process, least)
        time.sleep(chance.uniform(0.0, 0.2))
        kill(process)
    write(
        "board", 3000
    )  # other content for other people, and the narrower rights count although the pass dies
    settings = scheduled(tmp_path)
    found(settings)
    house = await open_house(settings, model_cache=tmp_path / "cache", owner=True)
    try:
        await house.start()
        async with asyncio.timeout(200):
            while True:
                [one] = await house.freshness.everywhere()
                if one.last and one.last.outcome == "complete" and one.indexed == FILES:
                    rows = await house.database.read(
                        lambda c: c.execute(select(func.max(document.c.version), func.count())).one()
                    )
                    answer = await house.asking.ask(
                        await person(house, "boss", ["board"]),
                        Question("staff-help", "What is the opening code of branch 17?"),
                    )
                    if "3017" in answer.text:
                        break
                await asyncio.sleep(0.1)
        assert tuple(rows) == (2, FILES)
        texts = select(
            func.count(),
            func.count(func.distinct(document_version.c.document_id + document_version.c.sha256)),
        )
        versions, different = await house.database.read(lambda c: c.execute(texts).one())
        assert versions == different, "no content was taken in twice"
        clerk = await person(house, "clerk", ["staff"])
        answer = await house.asking.ask(
            clerk, Question("staff-help", "What is the opening code of branch 17?")
        )
        assert not {"1017", "3017"} & set(answer.text.replace(".", " ").split())
    finally:
        await house.close()
