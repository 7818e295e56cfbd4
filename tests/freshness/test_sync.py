"""Passes over a source: batches, revisions, rights, removals, and everything that a source can do wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countersign.app import sync as passes
from countersign.app.pace import Pace
from countersign.app.sync import SyncStep
from countersign.domain.documents import Rights
from countersign.domain.errors import Conflict, SourceError
from countersign.domain.readiness import DocumentKey
from countersign.domain.workspace import RateLimit
from countersign.testing.scripted_source import Held, ManyEntries, ScriptedSource
from tests.freshness.parts import FEE, SOURCE, answer, fee, joined, state, sync
from tests.journeys.parts import index_agrees, row_of, rows_of, without_ids
from tests.workspaces import person

pytestmark = pytest.mark.anyio


def source_of(*names: str) -> ScriptedSource:
    source = ScriptedSource(SOURCE)
    for number, name in enumerate(names):
        source.put(name, f"# Note {number}\n\nThe code of note {number} is {1000 + number}.", "staff")
    return source


async def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    source = source_of("a", "b", "c")
    source.documents["c"].revision = ""
    async with joined(tmp_path, source) as house:
        first = await sync(house)
        assert (first.listed, first.new, sorted(source.reads)) == (3, 3, ["a", "b", "c"])
        source.reads.clear()
        second = await sync(house)
        assert (second.unchanged, source.reads) == (3, ["c"])
        source.put("a", "# Note 0\n\nThe code of note 0 is 2000.", "staff")
        third = await sync(house)
        assert (third.changed, third.unchanged) == (1, 2)
        assert "2000" in (await answer(house, "What is the code of note 0?", "staff")).text
        assert await index_agrees(house)


async def test_metadata_counts_although_the_content_is_not_read(tmp_path: Path) -> None:
    source = source_of("a")
    async with joined(tmp_path, source) as house:
        await sync(house)
        source.documents["a"].rights = Rights.of(["group:board"])
        report = await sync(house)
        assert (report.changed, len(source.reads)) == (1, 1)
        assert "1000" not in (await answer(house, "What is the code of note 0?", "staff")).text
        assert "1000" in (await answer(house, "What is the code of note 0?", "board", name="boss")).text


async def test_content_that_cannot_be_read_keeps_its_version_and_takes_the_narrower_rights(
    tmp_path: Path,
) -> None:
    source = ScriptedSource(SOURCE)
    source.put("fee", fee(990), "staff", "board")
    async with joined(tmp_path, source) as house:
        await sync(house)
        before = await row_of(house, "fee")
        source.put("fee", fee(1500), "board", "public")
        source.unreadable.add("fee")
        report = await sync(house)
        assert report.problems == (("fee", "source_file_gone"),)
        row = await row_of(house, "fee")
        assert (row["version"], row["problem"], row["synced"]) == (1, "source_file_gone", before["synced"])
        assert "990" in (await answer(house, FEE, "board", "staff", name="both")).text
        for group in ("staff", "public"):
            assert "990" not in without_ids((await answer(house, FEE, group, name=f"of-{group}")).text)
        found = await state(house)
        assert (found.status, found.last and found.last.failed) == ("fresh", 1)
        source.unreadable.clear()
        await sync(house)
        assert "1500" in (await answer(house, FEE, "public", name="of-public")).text
        assert (await row_of(house, "fee"))["problem"] == ""


async def test_new_content_for_more_people_never_opens_the_old(tmp_path: Path) -> None:
    source = ScriptedSource(SOURCE)
    source.put("fee", fee(990), "board")
    async with joined(tmp_path, source) as house:
        await sync(house)
        source.put("fee", fee(1500), "staff", "board")
        await house.sync(SOURCE, lambda step: None)  # received, and not yet searchable
        assert "990" not in without_ids((await answer(house, FEE, "staff")).text)
        assert "990" in (await answer(house, FEE, "board", name="boss")).text
        assert await index_agrees(house)
        await house.worker.drain()
        assert "1500" in (await answer(house, FEE, "staff")).text
        assert await index_agrees(house)


async def test_single_removals_act_at_once_and_many_are_held_until_accepted(tmp_path: Path) -> None:
    source = source_of(*(f"n{number:02}" for number in range(40)))
    async with joined(tmp_path, source) as house:
        await sync(house)
        del source.documents["n00"]
        assert (await sync(house)).removed == 1
        assert "1000" not in (await answer(house, "What is the code of note 0?", "staff")).text
        for number in range(1, 30):
            del source.documents[f"n{number:02}"]
        held = await sync(house)
        assert (held.removed, held.held) == (0, 29)
        found = await state(house)
        assert (found.status, found.error, found.held_absent, found.held_of) == (
            "held",
            "source_shrunk",
            29,
            39,
        )
        assert "1005" in (await answer(house, "What is the code of note 5?", "staff")).text
        assert await house.reading.accept_removals(SOURCE, "owner") == 29
        for number in range(30, 35):
            del source.documents[f"n{number:02}"]
        again = await sync(house)
        assert (again.removed, again.held) == (0, 34), "what was accepted was fewer"
        await house.reading.accept_removals(SOURCE, "owner")
        assert (await sync(house)).removed == 34
        assert (await state(house)).status == "fresh"
        assert await index_agrees(house)


async def test_renaming_everything_loses_and_doubles_nothing(tmp_path: Path) -> None:
    source = source_of(*(f"n{number:02}" for number in range(30)))
    async with joined(tmp_path, source) as house:
        await sync(house)
        source.documents = {f"moved/{name}": held for name, held in source.documents.items()}
        source.documents["moved/n03"].rights = Rights.of(["group:board"])
        report = await sync(house)
        assert (report.new, report.removed, report.held) == (30, 30, 0)
        assert "1003" not in (await answer(house, "What is the code of note 3?", "staff")).text
        assert "1004" in (await answer(house, "What is the code of note 4?", "staff")).text


@pytest.mark.parametrize(
    "error", [SourceError("gone", code="source_unavailable", hint="Look."), KeyError("x")]
)
async def test_a_source_that_dies_midway_loses_nothing_and_is_gone_on_with(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "BATCH", 4)
    source = source_of(*(f"n{number}" for number in range(10)))
    async with joined(tmp_path, source) as house:
        source.die_after, source.error = 8, error
        with pytest.raises(type(error)):
            await house.sync(SOURCE, lambda step: None)
        await house.worker.drain()
        found = await state(house)
        assert (found.status, found.failures, found.synced) == ("failing", 1, None)
        assert found.error == ("source_unavailable" if isinstance(error, SourceError) else "internal")
        assert found.hint
        assert "1002" in (await answer(house, "What is the code of note 2?", "staff")).text
        source.die_after = None
        source.reads.clear()
        report = await sync(house)
        assert (report.new, report.unchanged, source.reads) == (2, 8, ["n8", "n9"])
        del source.documents["n1"]
        source.die_after = 9
        with pytest.raises(type(error)):
            await house.sync(SOURCE, lambda step: None)
        assert (await row_of(house, "n1"))["deleted"] is None, "the listing did not end"
        source.die_after = None
        assert (await sync(house)).removed == 1
        assert (await state(house)).failures == 0


async def test_a_newer_pass_ends_the_older_one(tmp_path: Path) -> None:
    source = source_of("a")
    async with joined(tmp_path, source) as house:
        await sync(house)
        waits, goes_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold(number: int) -> None:
            source.before_entry = lambda number: None
            stale = source.documents["a"]
            source.documents = {"a": replace(stale, rights=Rights.of(["group:board"]))}
            loop.call_soon_threadsafe(waits.set)
            asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result(30)

        source.before_entry = hold
        older = asyncio.create_task(house.sync(SOURCE, lambda step: None))
        await waits.wait()
        await sync(house)
        goes_on.set()
        with pytest.raises(Conflict) as told:
            await older
        assert told.value.code == "sync_overtaken"
        assert "1000" not in (await answer(house, "What is the code of note 0?", "staff")).text
        boss = await person(house, "operator", roles=["operator"])
        outcomes = [one.outcome for one in await house.freshness.passes(boss, SOURCE)]
        assert outcomes == ["complete", "overtaken", "complete"]
        assert (await state(house)).status == "fresh"


async def test_the_same_document_twice_is_for_those_who_may_see_it_both_times(tmp_path: Path) -> None:
    source = source_of("a", "b")
    source.twice.append(("a", replace(source.documents["a"], rights=Rights.of(["group:board"]))))
    async with joined(tmp_path, source) as house:
        for _ in range(2):
            await sync(house)
            assert "1000" not in (await answer(house, "What is the code of note 0?", "staff")).text
            assert (
                "1000"
                in (await answer(house, "What is the code of note 0?", "staff", "board", name="x")).text
            )


async def test_a_listing_that_goes_in_a_circle_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_MAX_REPEATED", 20)
    source = source_of("a", "b")
    source.twice = [(name, held) for _ in range(100) for name, held in source.documents.items()]
    async with joined(tmp_path, source) as house:
        with pytest.raises(SourceError) as told:
            await house.sync(SOURCE, lambda step: None)
        assert told.value.code == "source_listing_loops"


async def test_a_sign_in_page_in_the_place_of_a_file_does_not_replace_it(tmp_path: Path) -> None:
    source = source_of("a")
    source.put("scan.pdf", b"%PDF-1.4 nothing", "staff")
    async with joined(tmp_path, source) as house:
        await sync(house)
        source.put("scan.pdf", "\n<!DOCTYPE html><title>Sign in</title>", "staff")
        source.put("new.docx", "<html><body>502</body></html>", "staff")
        report = await sync(house)
        assert dict(report.problems) == {"scan.pdf": "source_error_page", "new.docx": "source_error_page"}
        assert (await row_of(house, "scan.pdf"))["version"] == 1
        assert await rows_of(house, "new.docx") == []


def page(title: str, text: str) -> str:
    return f"<!doctype html><html><title>{title}</title><h1>{title}</h1><p>{text}</p></html>"


async def test_an_error_page_in_the_place_of_a_page_or_a_text_does_not_replace_it(tmp_path: Path) -> None:
    source = ScriptedSource(SOURCE)
    for name in ("fee.html", "note.txt", "help.html", "old.xls"):
        source.put(name, page("Cards", f"The code of {name} is 1000."), "staff")
    async with joined(tmp_path, source) as house:
        await sync(house)
        source.put("fee.html", page("404 Not Found", "nginx"), "staff")
        source.put("note.txt", page("Ошибка 404", "Страница не найдена."), "staff")
        source.put(
            "help.html", page("Error 404: what to do", "The page is not found. Check the address."), "staff"
        )
        source.put("old.xls", page("Вход в систему", '<input type="password">'), "staff")
        source.put("new.html", page("Қате 404", "Бет табылмады."), "staff")
        report = await sync(house)
        assert dict(report.problems) == dict.fromkeys(
            ("fee.html", "note.txt", "old.xls"), "source_error_page"
        )
        assert [(await row_of(house, name))["version"] for name in ("fee.html", "help.html")] == [1, 2]
        new = await row_of(house, "new.html")
        assert (new["status"], new["reason"]) == ("quarantined", "error_page"), "nothing was there before"
        key = DocumentKey(SOURCE, "fee.html", "bank")
        boss = await person(house, "boss", roles=["operator"])
        await house.audits.accept(boss, "error_page", key, "It is our page for visitors", timedelta(days=9))
        await sync(house)
        assert (await row_of(house, "fee.html"))["version"] == 2, "somebody said that it is the document"


async def test_one_page_in_the_place_of_several_documents_is_none_of_them(tmp_path: Path) -> None:
    source = ScriptedSource(SOURCE)
    names = [f"{number}.html" for number in range(4)]
    for name in names:
        source.put(name, page("Cards", f"The code of {name} is 1000."), "staff")
    for name in ("copy-1.html", "copy-2.html", "copy-3.html"):
        source.put(name, page("Form", "The form of the year before."), "staff")
    async with joined(tmp_path, source) as house:
        await sync(house)
        for name in names:
            source.put(name, page("Tolkyn", f"Our site is being renewed. {name}"), "staff")
        for name in ("copy-1.html", "copy-2.html", "copy-3.html"):
            source.put(name, page("Form", "The form of this year."), "staff")
        source.put("new.html", page("Tolkyn", "Our site is being renewed. new.html"), "staff")
        report = await sync(house)
        assert {name for name, _ in report.problems} >= set(names)
        assert {code for _, code in report.problems} == {"source_error_page"}
        assert [(await row_of(house, name))["version"] for name in names] == [1] * 4
        assert (await row_of(house, "copy-2.html"))["version"] == 2, "copies that change together are copies"
        source.put(names[0], page("Cards", "The code is 2000."), "staff")
        source.put(names[1], page("Cards", "The code is 2000."), "staff")
        await sync(house)
        assert (await row_of(house, names[0]))["version"] == 2, "two alike are not many"


async def test_names_rights_tenants_and_dates_that_cannot_be(tmp_path: Path) -> None:
    source = source_of("good")
    long_ago = datetime(2020, 1, 1)  # noqa: DTZ001 - that is the lie
    source.put("nul\0name", "x", "staff")
    source.put("n" * 2000, "x", "staff")
    source.put("tenant", "The code of the tenant is 77412.", "staff", tenant="other")
    source.put("rights", "The code of the rights is 78.", "a;b", "staff")
    source.put("dates", "The code of the dates is 79.", "staff", title="t\ud800", more={
        "modified": datetime.now(UTC) + timedelta(days=400), "valid_from": long_ago,
    })  # fmt: skip
    async with joined(tmp_path, source) as house:
        report = await sync(house)
        assert sorted(code for _, code in report.problems) == ["source_name_unreadable"] * 2
        assert report.quarantined == 2
        assert (await row_of(house, "tenant"))["reason"] == "wrong_tenant"
        assert (await row_of(house, "rights"))["reason"] == "rights_unsupported"
        assert (await row_of(house, "dates"))["modified"] is None
        assert "79" in (await answer(house, "What is the code of the dates?", "staff")).text
        assert "77412" not in (await answer(house, "What is the code of the tenant?", "staff")).text


async def test_a_document_that_changes_its_tenant_leaves_the_other_at_once(tmp_path: Path) -> None:
    source = source_of("a", "b")
    async with joined(tmp_path, source, tenants=("bank", "telecom")) as house:
        await sync(house)
        source.documents["a"].tenant = "telecom"
        source.die_after = 2  # the listing never ends, the move counts all the same
        with pytest.raises(SourceError):
            await house.sync(SOURCE, lambda step: None)
        assert "1000" not in (await answer(house, "What is the code of note 0?", "staff")).text
        source.die_after = None
        report = await sync(house)
        assert (report.removed, report.listed) == (0, 2)
        assert (await state(house, tenant="telecom")).documents == 1
        assert (await state(house)).documents == 1


async def test_quarantine_comes_before_the_content(tmp_path: Path) -> None:
    source = source_of("a")
    async with joined(tmp_path, source) as house:
        await sync(house)
        source.put("a", "# Note 0\n\nThe code of note 0 is 2000.", more={"quarantine": "rights_unsupported"})
        source.unreadable.add("a")
        await sync(house)
        assert (await row_of(house, "a"))["status"] == "quarantined"
        assert "1000" not in (await answer(house, "What is the code of note 0?", "staff")).text


async def test_successors_may_be_listed_before_and_after(tmp_path: Path) -> None:
    source = ScriptedSource(SOURCE)
    source.put("fee-3", fee(1700), "staff", more={"supersedes": "fee-2"})
    source.put("fee-1", fee(990), "staff")
    source.put("fee-2", fee(1500), "staff", more={"supersedes": "fee-1"})
    async with joined(tmp_path, source) as house:
        await sync(house)
        told = await answer(house, FEE, "staff")
        assert "1700" in told.text
        assert {citation.external_id for citation in told.citations} == {"fee-3"}


async def test_a_manifest_that_moved_its_rows_changes_nothing(tmp_path: Path) -> None:
    source = source_of("a", "b")
    async with joined(tmp_path, source) as house:
        await sync(house)
        before = await house.database.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM event").scalar())
        seq = (await row_of(house, "a"))["seq"]
        origin = "the script, line 7"
        original = source._listed

        def moved(external_id: str, held: Held):
            item = original(external_id, held)
            return replace(item, document=replace(item.document, rights_origin=origin))

        source._listed = moved  # type: ignore[method-assign]
        report = await sync(house)
        row = await row_of(house, "a")
        assert (report.unchanged, row["seq"], row["rights_origin"]) == (2, seq, origin)
        after = await house.database.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM event").scalar())
        assert after - before <= 3, "the record tells of the pass and not of each row"


async def test_attachments_are_as_fresh_as_what_holds_them(tmp_path: Path) -> None:
    from tests.journeys.parts import mail

    source = ScriptedSource(SOURCE)
    source.put(
        "letter.eml", mail("See inside.", {"note.txt": "The code of the attachment is 4711."}), "staff"
    )
    async with joined(tmp_path, source) as house:
        await sync(house)
        before = await row_of(house, "letter.eml#note.txt")
        await sync(house)
        after = await row_of(house, "letter.eml#note.txt")
        assert after["synced"] > before["synced"]
        assert after["version"] == 1


async def test_a_large_listing_takes_little_memory_and_no_reading(tmp_path: Path) -> None:
    """`bench/freshness.py` does the same with a million."""
    many = ManyEntries("many", 3_000)
    async with joined(tmp_path, many) as house:
        steps = 0
        ahead = 0

        def note(step: SyncStep) -> None:
            nonlocal steps, ahead
            steps = step.done
            ahead = max(ahead, many.listed - step.done)

        first = await house.sync("many", note)
        assert (first.new, steps) == (3_000, 3_000)
        assert ahead <= passes.BATCH, "never more than a batch is held"
        second = await house.sync("many", note)
        assert second.unchanged == 3_000


async def test_a_source_is_read_no_faster_than_allowed() -> None:
    now, slept = 100.0, 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now, slept
        now += seconds
        slept += seconds

    pace = Pace(RateLimit(documents_per_s=2, bytes_per_s=100), now=lambda: now, sleep=sleep)
    for _ in range(5):
        await pace.before_document()
        await pace.after_bytes(50)
    assert slept == pytest.approx(4.0)
    now += 1000
    await pace.before_document()
    assert slept == pytest.approx(4.0), "time that passed is not saved up, and not owed"
    free = Pace(RateLimit(), now=lambda: now, sleep=sleep)
    await free.before_document()
    await free.after_bytes(10**9)
    await free.before_document()
    assert slept == pytest.approx(4.0)


async def test_erased_documents_do_not_come_back(tmp_path: Path) -> None:
    source = source_of("a", "b")
    async with joined(tmp_path, source) as house:
        await sync(house)
        boss = await person(house, "operator", roles=["operator"])
        await house.library.erase(boss, (await row_of(house, "a"))["id"])
        await house.worker.drain()
        report = await sync(house)
        assert report.problems == (("a", "erased"),)
        assert await rows_of(house, "a") == []
