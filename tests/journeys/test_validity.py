"""What is in force when: validity, supersession, attachments, and sources that misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from countersign.access.principal import Principal
from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.app.library import Change, Submission
from countersign.domain.answers import AnswerStatus, RefusalReason
from countersign.domain.errors import NotFound, SourceError, UsageError
from countersign.domain.workspace import SourceSettings
from countersign.sources.files import FilesConnector
from tests.journeys.parts import (
    START,
    MovableClock,
    ask,
    index_agrees,
    mail,
    push,
    row_of,
    rows_of,
    said_in,
    sync,
)
from tests.workspaces import assistant, opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

FEE = "What is the fee for a transfer abroad?"


def fee(percent: str) -> str:
    return f"# Transfer fees\n\nThe fee for a transfer abroad is {percent} percent.\n"


@pytest.fixture
async def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def house(tmp_path: Path, clock: MovableClock) -> AsyncIterator[House]:
    settings = workspace(tmp_path)
    write_files(tmp_path / "files", {}, [])
    found(settings)
    joined = await open_house(settings, model_cache=tmp_path / "cache", owner=True, clock=clock)
    yield joined
    await joined.close()


async def two_people(house: House) -> tuple[Principal, Principal]:
    """An operator who may push, and a clerk who is in `staff`."""
    return await person(house, "operator", ["staff", "board"], ["operator"]), await person(
        house, "clerk", ["staff"]
    )


def files(house: House, content: dict[str, str | bytes], rows: list[dict[str, Any]]) -> None:
    write_files(house.workspace.root / "files", content, rows)


# -- moments ----------------------------------------------------------------------------------------------------
async def test_validity_begins_inclusive_and_ends_exclusive(house: House, clock: MovableClock) -> None:
    operator, clerk = await two_people(house)
    begins, ends = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    await push(house, operator, "fees", fee("0.5"), valid_from=begins, valid_to=ends)
    tick = timedelta(milliseconds=1)
    moments = {begins - tick: False, begins: True, ends - tick: True, ends: False}
    for moment, in_force in moments.items():
        answer = await ask(house, clerk, FEE, as_of=moment)
        assert ("0.5" in answer.text) is in_force, moment
        assert (answer.refusal is RefusalReason.NO_EVIDENCE) is not in_force
    assert (await ask(house, clerk, FEE)).refusal is RefusalReason.NO_EVIDENCE, "expired today"
    clock.at = begins
    assert "0.5" in (await ask(house, clerk, FEE)).text, "the present is the clock's"


async def test_a_document_expires_while_nobody_touches_it(house: House, clock: MovableClock) -> None:
    operator, clerk = await two_people(house)
    await push(house, operator, "fees", fee("0.5"), valid_to=START + timedelta(hours=1))
    answered = await ask(house, clerk, FEE)
    assert "0.5" in answered.text
    clock.at = START + timedelta(hours=1)
    assert (await ask(house, clerk, FEE)).refusal is RefusalReason.NO_EVIDENCE
    assert "0.5" in (await house.desk.answer(clerk, answered.answer_id)).answer.text, (
        "what was said stays readable"
    )


# -- supersession -----------------------------------------------------------------------------------------------
CHAIN = [("first", "", datetime(2024, 1, 1, tzinfo=UTC)), ("second", "first", datetime(2025, 1, 1, tzinfo=UTC)),
         ("third", "second", datetime(2026, 1, 1, tzinfo=UTC))]  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
async def test_a_chain_of_three_answers_by_date_in_whatever_order_it_came(
    house: House, order: tuple[int, ...]
) -> None:
    operator, clerk = await two_people(house)
    for number in order:
        name, before, begins = CHAIN[number]
        await push(house, operator, name, fee(f"0.{number + 1}"), supersedes=before, valid_from=begins)
    for year, expected in ((2024, "0.1"), (2025, "0.2"), (2026, "0.3")):
        answer = await ask(house, clerk, FEE, as_of=datetime(year, 7, 1, tzinfo=UTC))
        assert expected in answer.text
        assert len({c.external_id for c in answer.citations}) == 1
    assert "0.3" in (await ask(house, clerk, FEE)).text
    assert (
        await ask(house, clerk, FEE, as_of=CHAIN[0][2] - timedelta(days=1))
    ).status is AnswerStatus.REFUSED
    assert await index_agrees(house)


async def test_a_successor_that_the_asker_may_not_see_ends_its_predecessor_in_silence(house: House) -> None:
    operator, clerk = await two_people(house)
    await push(house, operator, "fees-2025", fee("0.5"))
    assert "0.5" in (await ask(house, clerk, FEE)).text
    secret = await push(
        house,
        operator,
        "fees-2026-board",
        fee("0.8"),
        title="Decision HERON",
        supersedes="fees-2025",
        any_of=("group:board",),
    )
    nothing = await ask(house, clerk, "What is the fee for a parcel to the moon?")
    answer = await ask(house, clerk, FEE)
    assert answer.refusal is RefusalReason.NO_EVIDENCE
    assert answer.text.replace(answer.answer_id, "") == nothing.text.replace(nothing.answer_id, "")
    assert (answer.warnings, answer.citations, answer.conflicts, answer.confidence) == (
        nothing.warnings, nothing.citations, nothing.conflicts, nothing.confidence
    )  # fmt: skip
    for name in ("HERON", "0.8", "fees-2026-board", secret.document_id):
        assert name not in said_in(answer)
    with pytest.raises(NotFound):
        await house.library.get(clerk, secret.document_id)
    view = await house.library.get(clerk, (await row_of(house, "fees-2025"))["id"])
    assert "fees-2026-board" not in str(view)
    assert "0.8" in (await ask(house, operator, FEE)).text


async def test_only_what_could_be_read_supersedes(house: House) -> None:
    operator, clerk = await two_people(house)
    await push(house, operator, "old", fee("0.5"))
    broken = {"filename": "new.pdf", "mime": "application/pdf", "supersedes": "old"}
    await push(house, operator, "new", b"%PDF-1.7\nbroken", **broken)
    assert (await row_of(house, "new"))["status"] == "failed"
    assert "0.5" in (await ask(house, clerk, FEE)).text
    await push(house, operator, "new", b"%PDF-1.7\nbroken", **broken, title="Only its title changed")
    assert "0.5" in (await ask(house, clerk, FEE)).text


async def test_a_deleted_successor_does_not_bring_its_predecessor_back(house: House) -> None:
    """A rule that was replaced does not come into force again because its replacement was taken down."""
    operator, clerk = await two_people(house)
    await push(house, operator, "old", fee("0.5"))
    new = await push(house, operator, "new", fee("0.8"), supersedes="old")
    await house.library.delete(operator, new.document_id)
    assert (await ask(house, clerk, FEE)).refusal is RefusalReason.NO_EVIDENCE
    await push(house, operator, "old", fee("0.5"))
    assert (await ask(house, clerk, FEE)).refusal is RefusalReason.NO_EVIDENCE, "received again, unchanged"
    await push(house, operator, "old", fee("0.6"))
    assert (await ask(house, clerk, FEE)).refusal is RefusalReason.NO_EVIDENCE, (
        "a new text of a replaced rule"
    )


async def test_a_document_that_says_it_replaces_itself_stays_in_force(house: House) -> None:
    operator, clerk = await two_people(house)
    await push(house, operator, "fees", fee("0.5"), supersedes="fees")
    assert "0.5" in (await ask(house, clerk, FEE)).text


async def test_a_validity_that_ends_before_it_begins_is_refused(house: House) -> None:
    operator, clerk = await two_people(house)
    begins, ends = START - timedelta(days=2), START - timedelta(days=3)
    with pytest.raises(UsageError) as told:
        await push(house, operator, "fees", fee("0.5"), valid_from=begins, valid_to=ends)
    assert told.value.code == "validity_inverted"
    pushed = await push(house, operator, "fees", fee("0.5"), valid_from=begins)
    for said in ({"valid_to": ends}, {"valid_from": START, "valid_to": START}):
        with pytest.raises(UsageError):
            await house.library.change(operator, pushed.document_id, Change(said))
    assert "0.5" in (await ask(house, clerk, FEE)).text, "nothing was changed"
    await house.library.change(operator, pushed.document_id, Change({"valid_from": None, "valid_to": ends}))
    assert (await ask(house, clerk, FEE)).refusal is RefusalReason.NO_EVIDENCE


async def test_a_source_that_takes_its_word_back_restores_the_predecessor(house: House) -> None:
    """`supersedes` was a mistake: the successor says something else now, so what it had ended is in force again."""
    operator, clerk = await two_people(house)
    await push(house, operator, "fees", fee("0.5"))
    await push(house, operator, "tariff", "# Tariff\n\nThe tariff of a card is 12 tenge.", supersedes="fees")
    assert (await ask(house, clerk, FEE)).refusal is RefusalReason.NO_EVIDENCE
    await push(house, operator, "tariff", "# Tariff\n\nThe tariff of a card is 12 tenge.")
    assert "0.5" in (await ask(house, clerk, FEE)).text
    assert await index_agrees(house)


async def test_a_successor_that_begins_later_moves_the_end_of_its_predecessor(house: House) -> None:
    operator, clerk = await two_people(house)
    await push(house, operator, "old", fee("0.5"))
    new = await push(
        house, operator, "new", fee("0.8"), supersedes="old", valid_from=START - timedelta(days=2)
    )
    assert "0.8" in (await ask(house, clerk, FEE)).text
    later = START + timedelta(days=30)
    await house.library.change(operator, new.document_id, Change({"valid_from": later}))
    answer = await ask(house, clerk, FEE)
    assert "0.5" in answer.text
    assert "0.8" not in said_in(answer)
    assert "0.8" in (await ask(house, clerk, FEE, as_of=later)).text


async def test_of_two_successors_the_earlier_ends_the_predecessor(house: House) -> None:
    operator, clerk = await two_people(house)
    await push(house, operator, "old", fee("0.5"))
    for name, days in (("early", 20), ("late", 10)):
        begins = START - timedelta(days=days)
        await push(
            house, operator, name, f"# {name}\n\nNothing about money.", supersedes="old", valid_from=begins
        )
    between = await ask(house, clerk, FEE, as_of=START - timedelta(days=15))
    assert "0.5" not in said_in(between)


# -- attachments ------------------------------------------------------------------------------------------------
LETTER = "The annex lists the opening codes."
ANNEX = "The opening code of the north vault is 7741."
CODE = "What is the opening code of the north vault?"


def letter_rows(mail_acl: list[str], annex_acl: list[str] | None, **more: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"file": "letter.eml", "acl": mail_acl, **more}]
    if annex_acl is not None:
        rows.append({"file": "annex.txt", "attached_in": "letter.eml", "acl": annex_acl})
    return rows


async def sees_code(house: House, name: str, groups: list[str]) -> bool:
    return "7741" in said_in(await ask(house, await person(house, name, groups), CODE))


async def test_an_attachment_needs_its_own_rights_and_those_of_its_mail(house: House) -> None:
    letter = mail(LETTER, {"annex.txt": ANNEX})
    files(house, {"letter.eml": letter}, letter_rows(["group:staff"], ["group:vault"]))
    await sync(house)
    assert (await row_of(house, "letter.eml#annex.txt"))["status"] == "indexed"
    assert not await sees_code(house, "staff", ["staff"])
    assert not await sees_code(house, "vault", ["vault"])
    assert await sees_code(house, "both", ["staff", "vault"])

    files(house, {}, letter_rows(["group:board"], ["group:vault"]))
    await house.sync("intranet", lambda step: None)  # no job is needed for rights to act
    assert not await sees_code(house, "both", ["staff", "vault"])
    assert await sees_code(house, "chair", ["board", "vault"])
    files(house, {}, letter_rows([], ["group:vault"]))
    await house.sync("intranet", lambda step: None)
    assert not await sees_code(house, "chair", ["board", "vault"])


async def test_rights_of_an_attachment_change_by_its_own_row(house: House) -> None:
    letter = mail(LETTER, {"annex.txt": ANNEX})
    files(house, {"letter.eml": letter}, letter_rows(["group:staff"], ["group:staff"]))
    await sync(house)
    assert await sees_code(house, "clerk", ["staff"])
    files(house, {}, letter_rows(["group:staff"], ["group:vault"]))
    await house.sync("intranet", lambda step: None)
    assert not await sees_code(house, "clerk", ["staff"])
    await house.worker.drain()
    assert not await sees_code(house, "clerk", ["staff"])
    assert await sees_code(house, "both", ["staff", "vault"])
    rows = letter_rows(["group:staff"], ["group:staff"])
    rows[1]["deny"] = ["user:clerk"]
    files(house, {}, rows)
    await house.sync("intranet", lambda step: None)
    assert not await sees_code(house, "both", ["staff", "vault"])
    await house.worker.drain()
    annex = await row_of(house, "letter.eml#annex.txt")
    assert (annex["status"], annex["reason"]) == ("quarantined", "rights_unsupported")
    files(house, {}, letter_rows(["group:staff"], ["group:staff"]))
    await sync(house)
    assert await sees_code(house, "clerk", ["staff"])


async def test_an_attachment_of_which_nothing_is_said_follows_its_mail(house: House) -> None:
    letter = mail(LETTER, {"annex.txt": ANNEX})
    files(house, {"letter.eml": letter}, letter_rows(["group:staff"], None))
    await sync(house)
    assert await sees_code(house, "clerk", ["staff"])
    files(house, {}, letter_rows(["group:board"], None))
    await house.sync("intranet", lambda step: None)
    assert not await sees_code(house, "clerk", ["staff"])
    assert await sees_code(house, "chair", ["board"])


async def test_an_attachment_follows_its_mail_out_of_force_and_into_another_residency(house: House) -> None:
    letter = mail(LETTER, {"annex.txt": ANNEX})
    files(house, {"letter.eml": letter}, letter_rows(["group:staff"], None))
    await sync(house)
    files(house, {}, letter_rows(["group:staff"], None, residency="eu", classification="board"))
    await house.sync("intranet", lambda step: None)
    annex = await row_of(house, "letter.eml#annex.txt")
    assert (annex["residency"], annex["classification"]) == ("eu", "board")
    files(house, {}, letter_rows(["group:staff"], None, valid_to="2026-01-01"))
    await house.sync("intranet", lambda step: None)
    assert not await sees_code(house, "clerk", ["staff"])
    files(house, {}, letter_rows(["group:staff"], None))
    await house.sync("intranet", lambda step: None)
    assert await sees_code(house, "clerk", ["staff"])
    rows = [
        *letter_rows(["group:staff"], None),
        {"file": "new.md", "acl": ["group:staff"], "supersedes": "letter.eml"},
    ]
    files(house, {"new.md": "# New letter\n\nThere are no codes any more."}, rows)
    await sync(house)
    assert not await sees_code(house, "clerk", ["staff"])


async def test_rights_that_an_operator_gave_an_attachment_stay_when_its_mail_changes(house: House) -> None:
    operator, _ = await two_people(house)
    letter = mail(LETTER, {"annex.txt": ANNEX})
    said: dict[str, Any] = {"filename": "letter.eml", "mime": "message/rfc822"}
    received = await push(house, operator, "letter", letter, **said, any_of=("group:staff",))
    annex = await row_of(house, "letter#annex.txt")
    await house.library.change(operator, annex["id"], Change({}, any_of=("group:vault",)))
    await house.library.change(operator, received.document_id, Change({}, any_of=("tenant:*",)))
    assert not await sees_code(house, "clerk", ["staff"])
    assert await sees_code(house, "guard", ["vault"])


# -- what a manifest says wrongly -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"acl": ["tenant:*"], "tenant": "telecom"}, "wrong_tenant"),
        ({"acl": ["tenant:*"], "deny": ["group:trainees"]}, "rights_unsupported"),
        ({"acl": ["tenant:*", "!group:trainees"]}, "rights_unsupported"),
        ({"acl": "tenant:*"}, "rights_unsupported"),
        ({"acl": [["tenant:*"]]}, "rights_unsupported"),
        ({"acl": ["role:admin"]}, "rights_unsupported"),
        ({"acl": ["group:a,group:b"]}, "rights_unsupported"),
        ({"acl": ["tenant:*"], "valid_to": "soon"}, "metadata_invalid"),
    ],
)
async def test_what_a_row_says_wrongly_quarantines_its_document_and_no_other(
    house: House, row: dict[str, Any], reason: str
) -> None:
    good = {"file": "good.md", "acl": ["tenant:*"]}
    files(house, {"fees.md": fee("0.5"), "good.md": "# Tariff\n\nThe tariff of a card is 12 tenge."}, [
        {"file": "fees.md", "acl": ["tenant:*"]}, good
    ])  # fmt: skip
    await sync(house)
    clerk = await person(house, "clerk", ["staff", "a", "b", "admin"])
    assert "0.5" in (await ask(house, clerk, FEE)).text
    files(house, {}, [{"file": "fees.md", **row}, good])
    await house.sync("intranet", lambda step: None)
    assert "0.5" not in said_in(await ask(house, clerk, FEE)), "acts before any job has run"
    await house.worker.drain()
    quarantined = await row_of(house, "fees.md")
    assert (quarantined["status"], quarantined["reason"]) == ("quarantined", reason)
    assert "12 tenge" in (await ask(house, clerk, "What is the tariff of a card?")).text
    files(house, {}, [{"file": "fees.md", "acl": ["tenant:*"]}, good])
    await sync(house)
    assert "0.5" in (await ask(house, clerk, FEE)).text


@pytest.mark.parametrize(
    "bad_line",
    [
        '{"file": "fees.md"',
        "[" * 100_000,
        '{"file": 7}',
        "null",
        '"fees.md"',
        '{"file": "x", "acl": ["a\\ud800"]}',
    ],
)
async def test_a_line_that_is_no_row_speaks_of_no_file_and_hides_no_other(
    house: House, bad_line: str
) -> None:
    files(house, {"fees.md": fee("0.5"), "x": "x is x and nothing else but x"}, [])
    manifest = house.workspace.root / "files" / "manifest.jsonl"
    manifest.write_text(f'{bad_line}\n{{"file": "fees.md", "acl": ["tenant:*"]}}\n', encoding="utf-8")
    await sync(house)
    clerk = await person(house, "clerk")
    assert "0.5" in (await ask(house, clerk, FEE)).text


async def test_no_row_means_nobody(house: House) -> None:
    files(house, {"fees.md": fee("0.5")}, [{"file": "other.md", "acl": ["tenant:*"]}])
    await sync(house)
    everyone = await person(house, "clerk", ["staff", "board"], ["user", "operator", "auditor", "admin"])
    assert (await ask(house, everyone, FEE)).status is AnswerStatus.REFUSED


@pytest.mark.parametrize(
    "title",
    ["Line\u2028separator", "Next\x85line", "Null \x00", "Lone \ud800", "عنوان \u202egnp.exe", "T" * 200_000],
)
async def test_a_strange_title_costs_no_document_its_row(house: House, title: str) -> None:
    files(house, {"fees.md": fee("0.5"), "good.md": "# Tariff\n\nThe tariff of a card is 12 tenge."}, [])
    import json

    raw = json.dumps({"file": "fees.md", "acl": ["tenant:*"], "title": title}, ensure_ascii="\ud800" in title)
    manifest = house.workspace.root / "files" / "manifest.jsonl"
    manifest.write_text(
        f'{raw}\n{{"file": "good.md", "acl": ["tenant:*"]}}\n', encoding="utf-8", newline="\n"
    )
    await sync(house)
    clerk = await person(house, "clerk")
    assert "0.5" in (await ask(house, clerk, FEE)).text
    assert "12 tenge" in (await ask(house, clerk, "What is the tariff of a card?")).text


# -- sources that misbehave -------------------------------------------------------------------------------------
async def test_without_its_manifest_a_source_changes_nothing(house: House) -> None:
    files(house, {"fees.md": fee("0.5")}, [{"file": "fees.md", "acl": ["tenant:*"]}])
    await sync(house)
    root = house.workspace.root / "files"
    (root / "manifest.jsonl").rename(root / ".manifest.away")
    (root / "fees.md").unlink()
    with pytest.raises(SourceError) as told:
        await sync(house)
    assert told.value.code == "source_sidecar_missing"
    clerk = await person(house, "clerk")
    assert "0.5" in (await ask(house, clerk, FEE)).text
    [state] = [s for s in await house.library.sources(clerk) if s.source == "intranet"]
    assert (state.error, state.documents) == ("source_sidecar_missing", 1)


async def test_a_folder_that_cannot_be_listed_removes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    files(
        house,
        {"fees.md": "# Top", "deep/er/fees.md": fee("0.5")},
        [{"file": "deep/er/fees.md", "acl": ["tenant:*"]}],
    )
    await sync(house)
    whole = os.scandir

    def refusing(path: Any = ".") -> Any:
        if str(path).rstrip("/").endswith("deep/er"):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(SourceError) as told:
        await sync(house)
    assert told.value.code == "source_folder_unreadable"
    clerk = await person(house, "clerk")
    assert "0.5" in (await ask(house, clerk, FEE)).text


async def test_a_renamed_file_is_known_under_its_new_name_alone(house: House) -> None:
    files(house, {"fees.md": fee("0.5")}, [{"file": "fees.md", "acl": ["tenant:*"]}])
    await sync(house)
    root = house.workspace.root / "files"
    (root / "fees.md").rename(root / "tariff.md")
    files(house, {}, [{"file": "tariff.md", "acl": ["group:staff"]}])
    report = await sync(house)
    assert (report.new, report.removed) == (1, 1)
    clerk, outsider = await person(house, "clerk", ["staff"]), await person(house, "outsider")
    answer = await ask(house, clerk, FEE)
    assert [c.external_id for c in answer.citations] == ["tariff.md"]
    assert (await ask(house, outsider, FEE)).status is AnswerStatus.REFUSED
    assert await index_agrees(house)


async def test_a_link_leads_nowhere_outside_its_source(house: House, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.md").write_text(fee("6.6"), encoding="utf-8")
    files(house, {"fees.md": fee("0.5")}, [])
    root = house.workspace.root / "files"
    (root / "file-link.md").symlink_to(tmp_path / "elsewhere" / "secret.md")
    (root / "folder-link").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "dangling.md").symlink_to(root / "not-there.md")
    (root / "inside.md").symlink_to(root / "fees.md")
    names = [
        "file-link.md",
        "folder-link/secret.md",
        "loop/fees.md",
        "dangling.md",
        "inside.md",
        "../elsewhere/secret.md",
    ]
    files(house, {}, [{"file": name, "acl": ["tenant:*"]} for name in names])
    await sync(house)
    clerk = await person(house, "clerk")
    answer = await ask(house, clerk, FEE)
    assert "6.6" not in said_in(answer)
    assert answer.status is AnswerStatus.REFUSED, "links are not followed, not even inside"
    connector = house.connector("intranet")
    for name in ("file-link.md", "folder-link/secret.md", "../elsewhere/secret.md", "/etc/hostname", ".."):
        with pytest.raises(SourceError):
            connector.read(name, 1_000)


async def test_a_file_that_vanishes_between_list_and_read_is_told_and_costs_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"file": name, "acl": ["tenant:*"]} for name in ("a.md", "fees.md", "z.md")]
    files(
        house,
        {"a.md": "# A\n\nAlpha beta gamma.", "fees.md": fee("0.5"), "z.md": "# Z\n\nOmega psi chi."},
        rows,
    )
    await sync(house)
    root = house.workspace.root / "files"
    (root / "a.md").write_text("# A\n\nThe tariff of a card is 12 tenge.", encoding="utf-8")
    (root / "fees.md").write_text(fee("0.6") + "\n\nFrom now on.", encoding="utf-8")
    read = FilesConnector.read

    def vanish(connector: FilesConnector, external_id: str, max_bytes: int) -> bytes:
        (root / "fees.md").unlink(missing_ok=True)
        return read(connector, external_id, max_bytes)

    monkeypatch.setattr(FilesConnector, "read", vanish)
    report = await sync(house)
    assert report.problems == (("fees.md", "source_file_gone"),)
    assert (report.changed, report.unchanged, report.removed) == (1, 1, 0)
    clerk = await person(house, "clerk")
    assert "0.5" in (await ask(house, clerk, FEE)).text, "it goes with the pass that no longer lists it"
    assert "12 tenge" in (await ask(house, clerk, "What is the tariff of a card?")).text
    assert (await sync(house)).removed == 1
    assert (await ask(house, clerk, FEE)).status is AnswerStatus.REFUSED


async def test_a_file_name_that_is_no_text_is_told_and_costs_no_other(house: House) -> None:
    files(house, {"fees.md": fee("0.5")}, [{"file": "fees.md", "acl": ["tenant:*"]}])
    (
        Path(house.workspace.root) / "files" / b"\xd2\xe0\xf0\xe8\xf4.md".decode("utf-8", "surrogateescape")
    ).write_text("x y z")
    report = await sync(house)
    assert [code for _, code in report.problems] == ["source_name_unreadable"]
    assert report.problems[0][0].isprintable()
    clerk = await person(house, "clerk")
    assert "0.5" in (await ask(house, clerk, FEE)).text


async def test_the_same_name_in_two_sources_is_two_documents(tmp_path: Path) -> None:
    sources = {
        name: SourceSettings(name=name, connector="files", url=folder, rights_sidecar="manifest.jsonl")
        for name, folder in (("intranet", "files"), ("archive", "old"))
    }
    write_files(tmp_path / "files", {"fees.md": fee("0.5")}, [{"file": "fees.md", "acl": ["group:staff"]}])
    write_files(
        tmp_path / "old",
        {"fees.md": fee("0.3")},
        [{"file": "fees.md", "acl": ["group:archive"], "supersedes": "fees.md"}],
    )
    both = {"staff-help": assistant(sources=("intranet", "archive"))}
    async with opened(workspace(tmp_path, sources=sources, assistants=both), tmp_path / "cache") as house:
        assert len(await rows_of(house, "fees.md")) == 2
        staff, archivist = (
            await person(house, "clerk", ["staff"]),
            await person(house, "archivist", ["archive"]),
        )
        assert "0.5" in (await ask(house, staff, FEE)).text, "another source's word ends nothing here"
        assert "0.3" not in said_in(await ask(house, staff, FEE))
        assert "0.5" not in said_in(await ask(house, archivist, FEE))
        (tmp_path / "files" / "fees.md").unlink()
        await sync(house)
        assert (await ask(house, staff, FEE)).status is AnswerStatus.REFUSED
        assert [bool(row["deleted"]) for row in await rows_of(house, "fees.md")].count(True) == 1


async def test_nothing_is_pushed_over_a_source_that_is_read(house: House) -> None:
    files(house, {"fees.md": fee("0.5")}, [{"file": "fees.md", "acl": ["tenant:*"]}])
    await sync(house)
    operator, clerk = await two_people(house)
    with pytest.raises(UsageError) as told:
        await house.library.put(
            operator, "intranet", "fees.md", fee("9.9").encode(), Submission(any_of=("tenant:*",))
        )
    assert told.value.code == "source_not_push"
    with pytest.raises(NotFound):
        await house.library.put(operator, "nowhere", "fees.md", b"x", Submission())
    with pytest.raises(UsageError):
        await house.sync("push", lambda step: None)
    assert "0.5" in (await ask(house, clerk, FEE)).text
