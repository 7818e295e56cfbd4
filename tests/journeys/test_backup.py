"""Backup, erase, restore: the house comes back whole and ready, and what was erased since does not come with it."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from countersign.access.principal import Principal
from countersign.app.founding import found, make_keys
from countersign.app.house import House, open_house
from countersign.app.office import open_office
from countersign.domain.answers import AnswerStatus
from countersign.domain.clock import SystemClock
from countersign.domain.errors import Conflict, CountersignError, IntegrityError, UsageError
from countersign.domain.workspace import Workspace
from countersign.storage import backup as backups
from countersign.storage.backup import Estate, backup, is_restoring, open_backup, restore
from countersign.storage.blobs import open_blobs
from countersign.storage.byte_scan import scan
from countersign.storage.database import Database
from countersign.storage.erased_text import leftovers
from tests.journeys.parts import AheadClock, ask, index_agrees, push, row_of, said_in
from tests.workspaces import opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

CODE = "# Codes\n\nThe opening code of the north vault is 7741 since the last inspection."
TARIFF = "# Tariff\n\nThe tariff of a Silver card is 12 tenge."
ASK_CODE, ASK_TARIFF = "What is the opening code of the north vault?", "What is the tariff of a Silver card?"
GONE = "vault is 7741 since the last"


@dataclass(frozen=True, slots=True)
class Taken:
    """A workspace that was backed up and then erased from; its house is closed."""

    settings: Workspace
    archive: Path
    document: str
    answer: str
    tokens: dict[str, str]


def estate_of(settings: Workspace, database: Database) -> Estate:
    config = settings.root / "countersign.yaml"
    return Estate(settings.name, database, open_blobs(f"{settings.storage}/blobs"), settings.state, config)


async def furnish(house: House) -> tuple[Principal, Principal]:
    operator = await person(house, "operator", ["vault"], ["operator", "auditor"])
    guard = await person(house, "guard", ["vault"])
    await push(house, operator, "codes", CODE, any_of=("group:vault",))
    await push(house, operator, "tariff", TARIFF)
    return operator, guard


@pytest.fixture
async def taken(tmp_path: Path) -> AsyncIterator[Taken]:
    write_files(tmp_path / "old" / "files", {}, [])
    settings = workspace(tmp_path / "old")
    (tmp_path / "safe").mkdir()
    archive = tmp_path / "safe" / "one.tar"
    async with opened(settings, tmp_path / "cache") as house:
        operator, guard = await furnish(house)
        told = await ask(house, guard, ASK_CODE)
        assert "7741" in told.text
        await house.checkpointer.sign()
        await backup(estate_of(settings, house.database), archive, SystemClock(), actor="ops", with_keys=True)
        tokens = {name: (await house.people.create_key(name)).token for name in ("operator", "guard")}
        codes = await row_of(house, "codes")
        await house.library.erase(operator, codes["id"])
        await house.worker.drain()
        later = await push(house, operator, "late", "# Late\n\nThis came after the backup was taken.")
        assert later.document_id
    yield Taken(settings, archive, codes["id"], told.answer_id, tokens)


def empty_place(tmp_path: Path) -> Workspace:
    write_files(tmp_path / "new" / "files", {}, [])
    settings = workspace(tmp_path / "new")
    settings.state.mkdir(parents=True)
    return settings


async def bring_back(archive: Path, settings: Workspace, **more: Any) -> Any:
    database = Database(settings.database)
    try:
        async with open_backup(archive, settings.root / "unpack") as opened_backup:
            return await restore(
                opened_backup, estate_of(settings, database), SystemClock(), actor="ops", **more
            )
    finally:
        database.close()


async def test_a_restored_house_answers_without_what_was_erased_since(taken: Taken, tmp_path: Path) -> None:
    settings = empty_place(tmp_path)
    restored = await bring_back(taken.archive, settings)
    assert restored.erased_again == 1
    assert all(v.ok for v in restored.verifications)
    assert list(scan([settings.state], [GONE]).found) == [], "before anything can be asked"
    make_keys(settings.state)
    async with opened(settings, tmp_path / "cache", ingest=False) as house:
        guard = await person(house, "guard", ["vault"])
        assert "12 tenge" in (await ask(house, guard, ASK_TARIFF)).text
        refused = await ask(house, guard, ASK_CODE)
        assert refused.status is AnswerStatus.REFUSED
        stored = await house.desk.answer(guard, taken.answer)
        assert stored.withheld
        assert "7741" not in said_in(stored.answer)
        assert dict(await house.database.read(leftovers, [GONE])) == {}
        assert await index_agrees(house)
        operator = await person(house, "operator", ["vault"], ["operator", "auditor"])
        await house.checkpointer.sign()
        verified = await house.ledger.verify(operator)
        assert verified.ok, verified.discrepancies
        assert verified.unanchored == 0
        await push(
            house,
            await person(house, "operator", ["vault"], ["operator"]),
            "new",
            "# New\n\nThe new rule is 33.",
        )
        assert "33" in (await ask(house, guard, "What is the new rule?")).text


async def test_keys_and_people_of_the_moment_of_the_backup_come_back(taken: Taken, tmp_path: Path) -> None:
    settings = empty_place(tmp_path)
    await bring_back(taken.archive, settings)
    found(settings)
    async with opened(settings, tmp_path / "cache", ingest=False) as house:
        assert {p.name for p in await house.people.list_people()} == {"operator", "guard"}
        for token in taken.tokens.values():  # made after the backup
            with pytest.raises(CountersignError) as told:
                await house.people.authenticate(token)
            assert told.value.code == "not_authenticated"


async def test_a_house_does_not_open_in_the_middle_of_a_restore(
    taken: Taken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = empty_place(tmp_path)

    async def dies(*_: Any) -> int:
        raise RuntimeError("killed before the ledger was replayed")

    monkeypatch.setattr(backups, "_erase_again", dies)
    with pytest.raises(RuntimeError):
        await bring_back(taken.archive, settings)
    assert is_restoring(settings.state)
    make_keys(settings.state)
    with pytest.raises(Conflict) as told:
        open_office(settings)
    assert told.value.code == "restore_unfinished"
    with pytest.raises(Conflict) as told:
        await open_house(settings, model_cache=tmp_path / "cache", owner=True)
    assert told.value.code == "restore_unfinished"
    monkeypatch.undo()
    with pytest.raises(Conflict):
        await bring_back(taken.archive, settings)


async def test_without_its_ledger_a_backup_is_not_restored_by_mistake(taken: Taken, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    archive = Path(shutil.copy(taken.archive, alone / "one.tar"))
    settings = empty_place(tmp_path)
    with pytest.raises(UsageError) as told:
        await bring_back(archive, settings)
    assert told.value.code == "erasure_ledger_missing"
    ledger = taken.settings.state / "erasures.jsonl"
    assert (await bring_back(archive, settings, ledger=ledger)).erased_again == 1


@pytest.mark.parametrize("where", [0.02, 0.3, 0.6, 0.9])
async def test_a_changed_archive_is_refused_and_nothing_is_there(
    taken: Taken, tmp_path: Path, where: float
) -> None:
    content = bytearray(taken.archive.read_bytes())
    with tarfile.open(taken.archive) as archive:
        silent = {member.offset + 155 for member in archive}  # the space behind a checksum says nothing
    filled = [i for i, byte in enumerate(content) if byte and i not in silent]  # nor does what pads
    at = filled[int(len(filled) * where)]
    content[at] ^= 0x01
    damaged = taken.archive.with_name("damaged.tar")
    damaged.write_bytes(bytes(content))
    settings = empty_place(tmp_path)
    with pytest.raises(IntegrityError):
        await bring_back(damaged, settings)
    assert not is_restoring(settings.state)
    assert not (settings.state / "blobs").exists()
    assert list(scan([settings.state], ["north vault", "12 tenge"]).found) == []


async def test_a_backup_while_questions_are_answered_is_of_one_moment(tmp_path: Path) -> None:
    import asyncio

    write_files(tmp_path / "old" / "files", {}, [])
    settings = workspace(tmp_path / "old")
    archive = tmp_path / "safe.tar"
    async with opened(settings, tmp_path / "cache") as house:
        _, guard = await furnish(house)
        asking = asyncio.create_task(_ask_on(house, guard))
        await asyncio.sleep(0.1)
        await backup(estate_of(settings, house.database), archive, SystemClock(), actor="ops", with_keys=True)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    target = empty_place(tmp_path)
    restored = await bring_back(archive, target)
    assert all(v.ok for v in restored.verifications)
    found(target)
    clock = AheadClock(timedelta(minutes=2))
    house = await open_house(replace(target), model_cache=tmp_path / "cache", owner=True, clock=clock)
    try:
        assert "7741" in (await ask(house, guard, ASK_CODE)).text
    finally:
        await house.close()


async def _ask_on(house: House, guard: Principal) -> None:
    while True:
        await ask(house, guard, ASK_CODE)
