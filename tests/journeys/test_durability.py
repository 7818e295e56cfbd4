"""kill -9 at any moment of ingestion: nothing that was acknowledged is lost, and nothing is indexed twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from countersign.domain.answers import AnswerStatus, Question
from countersign.retrieval.upkeep import catch_up, compare
from countersign.storage.passages import SqlPassageStore
from countersign.storage.tables import document, document_version, passage
from tests.journeys.parts import run_child
from tests.workspaces import opened, person, workspace, write_files

FILES = 40


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


@pytest.mark.anyio
async def test_every_document_is_indexed_exactly_once_whatever_is_killed(tmp_path: Path) -> None:
    names = {
        f"note-{i:02}.md": f"# Note {i}\n\nThe opening code of branch {i} is {1000 + i}."
        for i in range(FILES)
    }
    write_files(tmp_path / "files", names, [{"file": name, "acl": ["tenant:*"]} for name in names])
    chance = random.Random(7)
    for _ in range(5):
        process = run_child("ingest_forever", tmp_path)
        assert process.stdout is not None
        process.stdout.readline()  # the first file was received, however slow the machine
        time.sleep(chance.uniform(0.0, 1.0))
        kill(process)
    last = run_child("ingest_forever", tmp_path)
    output, _ = last.communicate(timeout=240)
    assert output.endswith("done\n")

    settings = workspace(tmp_path)
    async with opened(settings, tmp_path / "cache", ingest=False) as house:

        def state(connection):  # type: ignore[no-untyped-def]
            documents = connection.execute(
                select(document.c.status, func.count()).group_by(document.c.status)
            ).all()
            live = connection.execute(
                select(func.count(), func.count(func.distinct(passage.c.document_id))).where(passage.c.live)
            ).one()
            versions = connection.execute(select(func.max(document_version.c.version))).scalar_one()
            return dict(documents.copy()), tuple(live), versions

        statuses, (passages, covered), versions = await house.database.read(state)
        assert statuses == {"indexed": FILES}
        assert (passages, covered, versions) == (FILES, FILES, 1)

        index = house.indexes.of("bank")
        store = SqlPassageStore(house.database, None)
        await catch_up(store, index, "bank")
        assert (await compare(store, index, "bank")).equal

        clerk = await person(house, "aigerim")
        answer = await house.asking.ask(
            clerk, Question("staff-help", "What is the opening code of branch 17?")
        )
        assert answer.status is AnswerStatus.DELIVERED
        assert "1017" in answer.text
