"""Hostile files, a full disk, a locked database: each ends in a name, nothing is half-written, nothing else is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, select

from countersign.access.principal import Principal
from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.app.library import Submission
from countersign.domain.answers import AnswerStatus
from countersign.domain.errors import StorageError
from countersign.domain.workspace import ParseLimits
from countersign.storage.tables import metadata
from tests.corpus.test_service import HOSTILE, compound_file, locked_zip
from tests.journeys.parts import MovableClock, ask, index_agrees, push, row_of, sync
from tests.workspaces import POSTGRES, opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

FEE, ASK_FEE = (
    "# Fees\n\nThe fee for a transfer abroad is 0.5 percent.\n",
    "What is the fee for a transfer abroad?",
)
EVERYONE = ["tenant:*"]


# -- files ------------------------------------------------------------------------------------------------------
def hostile() -> tuple[dict[str, bytes], dict[str, tuple[str, str]]]:
    """File name → content, and file name → the status and reason it must end in."""
    contents: dict[str, bytes] = {}
    expected: dict[str, tuple[str, str]] = {}
    special = {
        "encrypted ooxml": compound_file("EncryptedPackage", "EncryptionInfo"),
        "encrypted zip": locked_zip(),
    }
    for key, (name, content, status, reason) in HOSTILE.items():
        if key != "too large":  # needs a limit of its own
            file = f"{key.replace(' ', '-')}{Path(name).suffix}"
            contents[file], expected[file] = special.get(key, content), (status, reason)
    return contents, expected


async def test_every_hostile_file_has_a_named_end_and_harms_no_other(tmp_path: Path) -> None:
    contents, expected = hostile()
    contents |= {
        "a-first.md": FEE.encode(),
        "z-last.md": b"# Tariff\n\nThe tariff of a Silver card is 12 tenge.\n",
    }
    write_files(tmp_path / "files", contents, [{"file": name, "acl": EVERYONE} for name in contents])
    limits = ParseLimits(workers=2, ocr=False, wall_s=20.0, cpu_s=15, memory_bytes=1 << 30)
    async with opened(workspace(tmp_path, parsing=limits), tmp_path / "cache") as house:
        clerk = await person(house, "clerk")
        views = {view.external_id: view for view in await house.library.list(clerk, limit=200)}
        assert set(views) == set(contents), "nothing is lost, nothing is silent"
        for name, (status, reason) in expected.items():
            view = views[name]
            assert (view.status, view.parse_status) == ("failed", status), name
            assert view.reason == (reason or view.reason)
            assert view.reason, name
        assert "0.5" in (await ask(house, clerk, ASK_FEE)).text
        assert "12 tenge" in (await ask(house, clerk, "What is the tariff of a Silver card?")).text
        assert await house.jobs.pending() == 0
        assert await index_agrees(house)
        report = await sync(house)
        assert (report.new, report.changed, report.removed) == (0, 0, 0), (
            "a second pass tries none of them again"
        )


async def test_a_table_of_fifty_thousand_rows_is_read_or_refused_by_name(tmp_path: Path) -> None:
    rows = "".join(f"{n},branch {n},{n * 7 % 1000}\n" for n in range(50_000))
    files = {"big.csv": "number,name,code\n" + rows, "fees.md": FEE}
    write_files(tmp_path / "files", files, [{"file": name, "acl": EVERYONE} for name in files])
    async with opened(workspace(tmp_path), tmp_path / "cache") as house:
        clerk = await person(house, "clerk")
        big = await row_of(house, "big.csv")
        view = await house.library.get(clerk, big["id"])
        assert (view.status, view.parse_status) in {
            ("indexed", "ok"),
            ("indexed", "partial"),
            ("failed", "refused_limit"),
        }
        assert view.status == "failed" or view.parse_status == "ok" or view.reason, (
            "what was left out is told"
        )
        assert "0.5" in (await ask(house, clerk, ASK_FEE)).text


async def test_a_document_that_becomes_unreadable_goes_silent_and_comes_back(tmp_path: Path) -> None:
    """A broken new version must not leave the old text answering as if it were current."""
    write_files(tmp_path / "files", {"fees.md": FEE}, [{"file": "fees.md", "acl": EVERYONE}])
    async with opened(workspace(tmp_path), tmp_path / "cache") as house:
        clerk = await person(house, "clerk")
        assert "0.5" in (await ask(house, clerk, ASK_FEE)).text
        (tmp_path / "files" / "fees.md").write_bytes(b"\x00\x01\x02\x03" * 500)
        await sync(house)
        assert (await row_of(house, "fees.md"))["status"] == "failed"
        assert (await ask(house, clerk, ASK_FEE)).status is AnswerStatus.REFUSED
        (tmp_path / "files" / "fees.md").write_text(FEE.replace("0.5", "0.7"), encoding="utf-8")
        await sync(house)
        assert "0.7" in (await ask(house, clerk, ASK_FEE)).text


@pytest.mark.parametrize("odd", ["\x00", "\u202e", "\ufeff", "\u2028", "\x1b[31m", "\ufffe", "\U0010ffff"])
async def test_odd_characters_inside_a_document_break_nothing(tmp_path: Path, odd: str) -> None:
    async with opened(workspace(tmp_path), tmp_path / "cache", ingest=False) as house:
        operator = await person(house, "operator", roles=["operator"])
        clerk = await person(house, "clerk")
        await push(house, operator, "odd", f"# Odd{odd} title\n\nFirst{odd} line.\n\n" + FEE)
        assert (await row_of(house, "odd"))["status"] in ("indexed", "failed")
        await push(house, operator, "fees", FEE)
        assert "0.5" in (await ask(house, clerk, ASK_FEE)).text
        html = f"<html><head><title>T{odd}</title></head><body><p>First{odd}.</p><p>The fee of a parcel is 77 tenge.</p></body></html>"
        await push(house, operator, "odd.html", html, mime="text/html")
        assert (await row_of(house, "odd.html"))["status"] in ("indexed", "failed")


# -- storage ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Place:
    """A house whose every transaction begins with `pragmas`: how a test makes its database fail."""

    house: House
    clock: MovableClock
    pragmas: list[str]

    @property
    def file(self) -> Path:
        return self.house.workspace.state / "countersign.db"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    settings = workspace(tmp_path)
    write_files(tmp_path / "files", {}, [])
    found(settings)
    clock, pragmas = MovableClock(), list[str]()
    joined = await open_house(settings, model_cache=tmp_path / "cache", owner=True, clock=clock)

    def begin(connection: Connection) -> None:
        for pragma in pragmas:
            connection.exec_driver_sql(f"PRAGMA {pragma}")

    event.listen(joined.database.engine, "begin", begin, insert=True)
    yield Place(joined, clock, pragmas)
    await joined.close()


@contextmanager
def locked(place: Place) -> Iterator[None]:
    place.pragmas[:] = ["busy_timeout=100"]
    other = sqlite3.connect(place.file, isolation_level=None, timeout=60)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()
        place.pragmas[:] = ["busy_timeout=10000"]


@contextmanager
def full(place: Place) -> Iterator[None]:
    """SQLite's own word for a full disk: the file may not grow by one page."""
    other = sqlite3.connect(place.file)
    pages = other.execute("PRAGMA page_count").fetchone()[0]
    other.close()
    place.pragmas[:] = [f"max_page_count={pages}"]
    try:
        yield
    finally:
        place.pragmas[:] = ["max_page_count=1073741823"]


FAULTS = {"database_locked": locked, "disk_full": full}


async def counts(house: House) -> dict[str, int]:
    def read(connection: Connection) -> dict[str, int]:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }

    return await house.database.read(read)


async def fill(house: House, principal: Principal) -> None:
    """Ask until the file's free pages are used, so that a full disk is met."""
    for _ in range(40):
        await ask(house, principal, "What is the fee for a transfer abroad? " + "Please be thorough. " * 300)


@pytest.mark.parametrize("code", list(FAULTS))
async def test_a_failing_database_fails_whole_and_the_house_goes_on(place: Place, code: str) -> None:
    if POSTGRES:
        pytest.skip("faults of SQLite's file")
    joined = place.house
    operator = await person(joined, "operator", roles=["operator"])
    clerk = await person(joined, "clerk")
    await push(joined, operator, "fees", FEE)
    said = Submission(filename="new.md", mime="text/markdown", any_of=("tenant:*",))
    long = ("# New\n\n" + "The rule for parcels says nothing about transfers at all. " * 20_000).encode()
    before = await counts(joined)
    with FAULTS[code](place):
        if code == "disk_full":
            with pytest.raises(StorageError) as told:
                await fill(joined, clerk)
            assert told.value.code == code
            before = await counts(joined)
        for fails in (
            lambda: fill(joined, clerk),
            lambda: joined.library.put(
                operator, "push", "n" * 900, b"x" * 10, replace(said, title="t" * 900_000)
            ),
            lambda: joined.people.create_key("clerk", label="l" * 200),
        ):
            try:
                await fails()
            except StorageError as error:
                assert error.code == code
                assert error.hint
        if code == "database_locked":
            assert await counts(joined) == before
    after = await counts(joined)
    assert after["answer"] == await joined.database.read(
        lambda c: c.exec_driver_sql("SELECT count(*) FROM event WHERE kind = 'answer.decided'").scalar()
    )
    assert "0.5" in (await ask(joined, clerk, ASK_FEE)).text
    await joined.library.put(operator, "push", "new", long, said)
    await joined.worker.drain()
    assert (await row_of(joined, "new"))["status"] == "indexed"
    assert await index_agrees(joined)
    await joined.checkpointer.sign()
    assert (await joined.ledger.verify(await person(joined, "auditor", roles=["auditor"]))).ok


@pytest.mark.parametrize("code", list(FAULTS))
async def test_ingestion_under_a_failing_database_is_finished_later(place: Place, code: str) -> None:
    if POSTGRES:
        pytest.skip("faults of SQLite's file")
    joined, clock = place.house, place.clock
    clerk = await person(joined, "clerk")
    names = [f"n{i:02}.md" for i in range(12)]
    text = (
        "# Note {}\n\nThe opening code of branch {} is {}. " + "Words that fill pages of a database. " * 150
    )
    contents = {name: text.format(i, i, 1000 + i) for i, name in enumerate(names)}
    write_files(
        joined.workspace.root / "files", contents, [{"file": name, "acl": EVERYONE} for name in names]
    )
    working = asyncio.create_task(joined.worker.run())
    try:
        with FAULTS[code](place), pytest.raises(StorageError) as told:
            for _ in range(3):
                await joined.sync("intranet", lambda step: None)
        assert told.value.code == code
        await asyncio.sleep(0.3)
        assert not working.done(), "the worker lives on"
        await joined.sync("intranet", lambda step: None)
        clock.ahead += timedelta(minutes=3)  # leases of what could not even be handed back run out
        async with asyncio.timeout(120):
            while await joined.jobs.pending():
                if not joined.worker._running:  # what is under way keeps its lease, however slow the machine
                    clock.ahead += timedelta(seconds=30)
                await asyncio.sleep(0.1)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    views = await joined.library.list(clerk, limit=100)
    found = sorted((view.external_id, view.status, view.version) for view in views)
    assert found == [(name, "indexed", 1) for name in names]
    assert await index_agrees(joined)
    assert "1007" in (await ask(joined, clerk, "What is the opening code of branch 7?")).text


async def test_a_blob_folder_that_cannot_be_written_is_a_clear_error(
    place: Place,
) -> None:
    joined = place.house
    operator = await person(joined, "operator", roles=["operator"])
    before = await counts(joined)
    blobs = joined.workspace.state / "blobs"
    blobs.write_text("a file where the folder should be")
    said = Submission(filename="fees.md", mime="text/markdown", any_of=("tenant:*",))
    with pytest.raises(StorageError) as told:
        await joined.library.put(operator, "push", "fees", FEE.encode(), said)
    assert (told.value.code, bool(told.value.hint)) == ("blobs_unavailable", True)
    assert await counts(joined) == before
    blobs.unlink()
    await push(joined, operator, "fees", FEE)
    assert "0.5" in (await ask(joined, await person(joined, "clerk"), ASK_FEE)).text


async def test_housekeeping_outlives_a_database_that_was_locked_for_a_while(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if POSTGRES:
        pytest.skip("faults of SQLite's file")
    from countersign.app import house as room

    joined = place.house
    monkeypatch.setattr(room, "_CARETAKER_S", 0.05)
    with locked(place):
        await joined.start()
        await asyncio.sleep(0.5)
    await asyncio.sleep(0.3)
    ended = [task.get_name() for task in joined._background if task.done() and task.get_name() != "warm-up"]
    assert ended == []
