"""A document is erased: every store that held its text is clean afterwards, on both databases, and the chain verifies."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from countersign.domain.errors import NotFound
from countersign.domain.events import EventKind
from countersign.domain.workspace import Retention
from countersign.record.ledger import DocumentKey, ErasureLedger
from countersign.storage.backup import Estate, backup
from countersign.storage.backup_register import BackupRegister
from countersign.storage.byte_scan import distinctive, scan
from countersign.storage.checkpoints import verify_tenant
from countersign.storage.erased_text import leftovers
from countersign.storage.erasure import Erasure, ErasureProof, Places
from countersign.storage.events import EventStore
from countersign.storage.retention import Retirement
from countersign.storage.tables import (
    answer,
    citation,
    document,
    metadata,
    passage,
)
from tests.storage.estate import PUBLIC, SECRET, START, FixedClock, Texts, add_answer, add_document, build

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
async def estate(tmp_path: Path, url: str) -> AsyncIterator[Estate]:
    estate = await build(tmp_path, url)
    yield estate
    estate.database.close()


def eraser(estate: Estate, rebuilt: list[str] | None = None) -> Erasure:
    """With an index of which one file holds the secret, as an index would."""
    index = estate.state / "index" / "bank"
    index.mkdir(parents=True, exist_ok=True)
    (index / "segment").write_text(f"…{SECRET}…", encoding="utf-8")
    images = estate.state / "pages"
    (images / "doc_letter").mkdir(parents=True, exist_ok=True)
    (images / "doc_letter" / "1.png").write_bytes(b"png")

    async def rebuild(tenant: str) -> None:
        (index / "segment").write_text("the tariff only", encoding="utf-8")
        if rebuilt is not None:
            rebuilt.append(tenant)

    return Erasure(
        estate.database,
        estate.blobs,
        Places((estate.state,), (images,)),
        ErasureLedger(estate.state / "erasures.jsonl"),
        BackupRegister(estate.state / "backups.jsonl"),
        rebuild,
        FixedClock(START + timedelta(days=1)),
    )


def count(connection: Connection, table_name: str) -> int:
    return connection.execute(select(func.count()).select_from(metadata.tables[table_name])).scalar_one()


def files_holding(folder: Path, needle: str) -> list[str]:
    return list(scan([folder], [needle]).found)


async def test_every_store_is_cleaned_and_the_proof_says_how(estate: Estate) -> None:
    if estate.database.is_sqlite:
        assert files_holding(estate.state, SECRET[7:39]), "the search finds it while it is there"
    rebuilt: list[str] = []
    proof = await eraser(estate, rebuilt).erase("bank", "doc_letter", "aigerim")
    assert proof.complete
    assert rebuilt == ["bank"]
    assert proof.documents == ("doc_letter", "doc_attachment")
    assert proof.scan.probes == 2
    assert proof.scan.files >= 5
    assert proof.scan.found == ()
    cleaned = {store.store: store.cleaned for store in proof.stores}
    assert cleaned["blobs"] == 2
    assert cleaned["page images"] == 1
    assert cleaned["database: passage"] == 2
    assert cleaned["database: answer"] == 1
    assert cleaned["database: event_personal"] == 2
    assert files_holding(estate.state, "Айгерім Садыкова") == []
    for column_text in (SECRET, Texts().attachment):
        assert await estate.database.read(leftovers, [column_text]) == {}
    assert proof.to_json()["complete"] is True


async def test_what_others_need_stays(estate: Estate) -> None:
    await eraser(estate).erase("bank", "doc_letter", "aigerim")

    def rest(connection: Connection) -> None:
        (kept,) = connection.execute(select(passage.c.text)).scalars().all()
        assert kept == PUBLIC
        assert count(connection, "embedding") == 1
        assert [row.id for row in connection.execute(select(citation.c.id))] == ["cit_ans_tariff"]
        texts = dict(connection.execute(select(answer.c.id, answer.c.text)).all())
        assert texts == {"ans_secret": "", "ans_tariff": PUBLIC}
        gone = connection.execute(select(answer).where(answer.c.id == "ans_secret")).mappings().one()
        assert gone["question"] == "How much is owed?"
        assert gone["erased"]
        assert gone["body"] == {
            "as_of": gone["created"],
            "language": "kk",
            "claims": [],
            "conflicts": [],
            "warnings": [],
        }
        letter = connection.execute(select(document).where(document.c.id == "doc_letter")).mappings().one()
        assert (letter["status"], letter["title"], letter["external_id"]) == (
            "deleted",
            "",
            "erased:doc_letter",
        )

    await estate.database.read(rest)
    assert [ref async for ref in estate.blobs.refs()] == [await estate.blobs.put(PUBLIC.encode(), "bank")]


async def test_the_chain_verifies_and_tells_of_the_erasure(estate: Estate) -> None:
    await eraser(estate).erase("bank", "doc_letter", "aigerim")
    found = await estate.database.read(verify_tenant, "bank", estate.state / "checkpoints", ())
    assert found.ok
    assert (found.personal_kept, found.personal_erased) == (2, 2)
    (event,) = await EventStore(estate.database).events("bank", EventKind.DOCUMENT_ERASED)
    assert event.facts["complete"] is True
    assert event.subject == "doc_letter"


async def test_erasing_again_ends_the_same(estate: Estate) -> None:
    service = eraser(estate)
    await service.erase("bank", "doc_letter", "aigerim")
    again = await service.erase("bank", "doc_letter", "aigerim")
    assert again.complete
    assert again.scan.probes == 0
    deleted = await EventStore(estate.database).events("bank", EventKind.DOCUMENT_DELETED)
    assert [event.subject for event in deleted] == ["doc_attachment", "doc_letter"]


async def test_a_crash_in_the_middle_is_finished_by_the_second_run(estate: Estate) -> None:
    service = eraser(estate)

    async def crash(_: str) -> None:
        raise RuntimeError("killed")

    whole, service._rebuild_index = service._rebuild_index, crash
    with pytest.raises(RuntimeError):
        await service.erase("bank", "doc_letter", "aigerim")
    assert await estate.database.read(
        lambda c: c.execute(select(passage.c.live).where(passage.c.document_id == "doc_letter")).scalar()
    ) in (False, 0)
    service._rebuild_index = whole
    proof = await service.erase("bank", "doc_letter", "aigerim")
    assert proof.complete
    assert proof.scan.probes == 2


async def test_another_tenants_document_is_not_found(estate: Estate) -> None:
    with pytest.raises(NotFound):
        await eraser(estate).erase("telecom", "doc_letter", "aigerim")


async def test_the_same_content_elsewhere_stays_and_the_proof_says_so(estate: Estate) -> None:
    ref = await estate.blobs.put(PUBLIC.encode(), "bank")
    await estate.database.write(add_document, "doc_copy", PUBLIC, ref)
    proof = await eraser(estate).erase("bank", "doc_copy", "aigerim")
    assert await estate.blobs.exists(ref)
    assert proof.scan.probes == 0
    assert any("exactly the same content" in note for note in proof.remains)
    assert any("also stands in other documents" in note for note in proof.remains)
    assert await estate.database.read(lambda c: count(c, "embedding")) == 3


async def test_an_attachment_alone_names_the_mail_that_still_holds_it(estate: Estate) -> None:
    proof = await eraser(estate).erase("bank", "doc_attachment", "aigerim")
    assert proof.documents == ("doc_attachment",)
    assert any("doc_letter" in note for note in proof.remains)


async def test_an_answer_that_repeats_the_text_without_citing_it_is_found(estate: Estate) -> None:
    await estate.database.write(add_answer, "ans_later", "doc_tariff", f"As said: {SECRET}")
    proof = await eraser(estate).erase("bank", "doc_letter", "aigerim")
    assert proof.complete
    cleaned = {store.store: store.cleaned for store in proof.stores}
    assert cleaned["database: answer"] == 2


async def test_a_file_nobody_thought_of_makes_the_proof_incomplete(estate: Estate) -> None:
    (estate.state / "debug.log").write_text(SECRET, encoding="utf-16")
    proof = await eraser(estate).erase("bank", "doc_letter", "aigerim")
    assert not proof.complete
    assert proof.scan.found == ("debug.log",)


async def test_backups_that_hold_it_are_named_with_their_end(estate: Estate, tmp_path: Path) -> None:
    (tmp_path / "safe").mkdir()
    clock = FixedClock(START + timedelta(hours=1))
    await backup(estate, tmp_path / "safe" / "one.tar", clock, actor="ops", keep=timedelta(days=30))
    proof: ErasureProof = await eraser(estate).erase("bank", "doc_letter", "aigerim")
    (held,) = proof.backups
    assert held.path.endswith("safe/one.tar")
    assert held.kept_until.startswith("2026-12-22")
    assert (tmp_path / "safe" / "erasures.jsonl").read_bytes() == (
        estate.state / "erasures.jsonl"
    ).read_bytes()


async def test_retention_empties_what_is_old_and_only_that(estate: Estate) -> None:
    new = START + timedelta(days=300)
    await estate.database.write(add_answer, "ans_new", "doc_tariff", PUBLIC, new)
    clock = FixedClock(START + timedelta(days=366))
    retired = await Retirement(estate.database, clock).apply("bank", Retention())
    assert (retired.answers, retired.personal_parts) == (2, 0)

    def texts(connection: Connection) -> tuple[dict[str, str], int]:
        kept = dict(connection.execute(select(answer.c.id, answer.c.text)).all())
        assert connection.execute(select(answer.c.question).where(answer.c.id == "ans_secret")).scalar() == ""
        return kept, count(connection, "event_personal")

    assert await estate.database.read(texts) == ({"ans_secret": "", "ans_tariff": "", "ans_new": PUBLIC}, 2)
    assert (await estate.database.read(verify_tenant, "bank", estate.state / "checkpoints", ())).ok
    (event,) = await EventStore(estate.database).events("bank", EventKind.RETENTION_APPLIED)
    assert event.facts["answers"] == 2
    again = await Retirement(estate.database, clock).apply("bank", Retention())
    assert (again.answers, again.personal_parts) == (0, 0)


# -- parts ------------------------------------------------------------------------------------------------------
def test_the_ledger_remembers_keys_without_naming_them(tmp_path: Path) -> None:
    ledger = ErasureLedger(tmp_path / "erasures.jsonl")
    key = DocumentKey("bank", "push", "letter-of-aigerim.txt")
    page = ledger.add([key], START)
    assert page.erased_at(key) == "2026-11-22T09:00:00.000Z"
    assert page.erased_at(DocumentKey("telecom", "push", "letter-of-aigerim.txt")) == ""
    assert "aigerim" not in ledger.path.read_text()
    with ledger.path.open("ab") as file:
        file.write(b'{"key":"torn')
    assert ledger.add([DocumentKey("bank", "push", "x")], START).entries == 2
    assert ledger.open().erased_at(key)


def test_distinctive_strings_are_spread_and_plain() -> None:
    found = distinctive([f'line "{n}" of the long document number {n}\nmore' for n in range(100)], 10)
    assert len(found) == 10
    assert not any('"' in probe or "\n" in probe for probe in found)
    assert distinctive(["short", ""], 10) == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "json"])
def test_the_scan_finds_every_spelling(tmp_path: Path, encoding: str) -> None:
    import json

    content = json.dumps(SECRET).encode() if encoding == "json" else SECRET.encode(encoding)
    (tmp_path / "a").write_bytes(b"\0" * 100 + content)
    (tmp_path / "empty").write_bytes(b"")
    result = scan([tmp_path], [SECRET[8:40]])
    assert result.found == ("a",)
    assert (result.files, scan([tmp_path], []).found) == (2, ())


def test_a_ledger_is_begun_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its salt it could not be read ever after, and a house that cannot read it erases nothing."""
    path = tmp_path / "erasures.jsonl"

    def dies(_handle: int) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", dies)
        with pytest.raises(OSError, match="the power went"):
            ErasureLedger(path).open()
    assert list(tmp_path.iterdir()) == []
    salt = ErasureLedger(path).open().salt
    ErasureLedger(path)._begin()  # of another process that looked before it was there
    assert ErasureLedger(path).open().salt == salt
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
