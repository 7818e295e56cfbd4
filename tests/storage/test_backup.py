"""A workspace is backed up and comes back whole, on either database, without what was erased since."""

from __future__ import annotations

import os
import tarfile
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from countersign.domain.clock import SystemClock
from countersign.domain.errors import Conflict, IntegrityError, NotFound, UsageError
from countersign.domain.events import EventKind
from countersign.record.keys import create_signer, load_public_key, load_signer
from countersign.record.ledger import DocumentKey, ErasureLedger
from countersign.storage.backup import (
    LEDGER,
    REBUILD_INDEX,
    Estate,
    Restored,
    backup,
    is_restoring,
    open_backup,
    restore,
)
from countersign.storage.blobs import open_blobs
from countersign.storage.byte_scan import scan
from countersign.storage.checkpoints import Checkpointer
from countersign.storage.database import Database
from countersign.storage.dump import dumped_tables
from countersign.storage.erased_text import leftovers
from countersign.storage.events import EventStore
from countersign.storage.tables import answer, document, passage, setting
from tests.storage.estate import PUBLIC, SECRET, START, FixedClock, add_document, build

pytestmark = pytest.mark.anyio

MakeEstate = Callable[[str], Estate]


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    estate = await build(tmp_path / "old")
    signer = load_signer(estate.state / "keys")
    await Checkpointer(estate.database, estate.state / "checkpoints", signer, SystemClock()).sign()
    yield estate
    estate.database.close()


@pytest.fixture
async def taken(estate: Estate, tmp_path: Path) -> Path:
    (tmp_path / "safe").mkdir()
    path = tmp_path / "safe" / "one.tar"
    await backup(estate, path, FixedClock(START + timedelta(hours=1)), actor="ops")
    return path


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[MakeEstate]:
    made: list[Estate] = []

    def make(url: str = "") -> Estate:
        root = tmp_path / f"new{len(made)}"
        (root / "state").mkdir(parents=True)
        database = Database(url or f"sqlite:///{root / 'state' / 'countersign.db'}")
        blobs = open_blobs(str(root / "state" / "blobs"))
        made.append(Estate("tolkyn", database, blobs, root / "state", root / "countersign.yaml"))
        return made[-1]

    yield make
    for estate in made:
        estate.database.close()


async def bring_back(archive: Path, target: Estate, **options: Any) -> Restored:
    async with open_backup(
        archive, target.state.parent / "unpack", options.pop("public_key", None)
    ) as opened:
        return await restore(opened, target, FixedClock(START + timedelta(days=2)), actor="ops", **options)


def rows(
    connection: Connection, skip: tuple[str, ...] = ("event", "chain_head", "setting")
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for table in dumped_tables():
        if table.name not in skip:
            query = select(table).order_by(*table.primary_key.columns)
            found[table.name] = [tuple(row) for row in connection.execute(query)]
    return found


@pytest.mark.parametrize("where", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_everything_comes_back(
    estate: Estate, taken: Path, empty: MakeEstate, where: str, request: pytest.FixtureRequest
) -> None:
    target = empty(request.getfixturevalue("postgres_url") if where == "postgres" else "")
    restored = await bring_back(taken, target, public_key=load_public_key(estate.state / "keys"))
    assert await target.database.read(rows) == await estate.database.read(rows)
    assert (restored.blobs, restored.erased_again, restored.erasures_unknown) == (3, 0, False)
    assert [ref async for ref in target.blobs.refs()] == [ref async for ref in estate.blobs.refs()]
    (verification,) = restored.verifications
    assert verification.ok
    assert verification.anchored_seq == 4
    assert (target.state.parent / "countersign.yaml").read_text() == "name: tolkyn\n"
    assert not (target.state / "keys").exists()
    assert not is_restoring(target.state)
    assert await target.database.read(
        lambda c: c.execute(select(setting.c.value).where(setting.c.name == REBUILD_INDEX)).scalar()
    )
    events = await EventStore(target.database).latest("bank", limit=1)
    assert events[0].kind == EventKind.BACKUP_RESTORED


@pytest.mark.parametrize("where", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_ids_go_on_after_the_highest_ever_given(
    taken: Path, empty: MakeEstate, where: str, request: pytest.FixtureRequest
) -> None:
    target = empty(request.getfixturevalue("postgres_url") if where == "postgres" else "")
    await bring_back(taken, target)
    ref = await target.blobs.put(b"new", "bank")
    await target.database.write(add_document, "doc_new", "new", ref)
    newest = select(passage.c.id).where(passage.c.document_id == "doc_new")
    assert await target.database.read(lambda c: c.execute(newest).scalar()) == 4


async def test_what_was_erased_since_does_not_come_back(
    estate: Estate, taken: Path, empty: MakeEstate
) -> None:
    keys = [DocumentKey("bank", "push", f"doc_{name}.txt") for name in ("letter", "attachment")]
    ErasureLedger(estate.state / LEDGER).add(keys, START + timedelta(days=1))
    target = empty("")
    restored = await bring_back(taken, target, ledger=estate.state / LEDGER)
    assert restored.erased_again == 2
    assert restored.blobs == 1
    assert await target.database.read(leftovers, [SECRET]) == {}
    assert scan([target.state.parent], [SECRET[8:40]]).found == ()
    assert restored.verifications[0].ok
    texts = await target.database.read(lambda c: c.execute(select(answer.c.id, answer.c.text)).all())
    assert sorted(texts) == [("ans_secret", ""), ("ans_tariff", PUBLIC)]
    assert (target.state / LEDGER).read_bytes() == (estate.state / LEDGER).read_bytes()


async def test_a_document_pushed_again_after_its_erasure_stays(
    estate: Estate, empty: MakeEstate, tmp_path: Path
) -> None:
    ErasureLedger(estate.state / LEDGER).add(
        [DocumentKey("bank", "push", "doc_again.txt")], START + timedelta(hours=1)
    )
    ref = await estate.blobs.put(b"the new text", "bank")
    later = START + timedelta(hours=2)
    await estate.database.write(add_document, "doc_again", "the new text", ref, "", later)
    await backup(estate, tmp_path / "two.tar", FixedClock(later), actor="ops")
    target = empty("")
    assert (await bring_back(tmp_path / "two.tar", target)).erased_again == 0
    found = await target.database.read(
        lambda c: c.execute(select(document.c.status).where(document.c.id == "doc_again")).scalar()
    )
    assert found == "indexed"


async def test_without_the_ledger_nothing_is_restored_unless_told_so(
    taken: Path, empty: MakeEstate, tmp_path: Path
) -> None:
    (taken.parent / LEDGER).unlink()
    with pytest.raises(UsageError) as caught:
        await bring_back(taken, empty(""))
    assert caught.value.code == "erasure_ledger_missing"
    other = ErasureLedger(tmp_path / "other.jsonl")
    other.open()
    with pytest.raises(UsageError):
        await bring_back(taken, empty(""), ledger=other.path)
    assert (await bring_back(taken, empty(""), without_ledger=True)).erasures_unknown


async def test_a_ledger_older_than_the_backup_is_not_enough(
    estate: Estate, empty: MakeEstate, tmp_path: Path
) -> None:
    ledger = ErasureLedger(estate.state / LEDGER)
    ledger.open()
    old = tmp_path / "old.jsonl"
    old.write_bytes(ledger.path.read_bytes())
    ledger.add([DocumentKey("bank", "push", "gone.txt")], START)
    (tmp_path / "two").mkdir()
    await backup(estate, tmp_path / "two" / "b.tar", FixedClock(), actor="ops")
    (tmp_path / "two" / LEDGER).unlink()
    with pytest.raises(UsageError):
        await bring_back(tmp_path / "two" / "b.tar", empty(""), ledger=old)


async def test_keys_travel_only_when_asked(
    estate: Estate, taken: Path, empty: MakeEstate, tmp_path: Path
) -> None:
    secret = (estate.state / "keys" / "record.key").read_bytes().strip()
    assert secret not in taken.read_bytes()
    assert taken.stat().st_mode & 0o077 == 0
    await backup(estate, tmp_path / "safe" / "keys.tar", FixedClock(), actor="ops", with_keys=True)
    target = empty("")
    await bring_back(tmp_path / "safe" / "keys.tar", target)
    assert load_signer(target.state / "keys").key_id == load_signer(estate.state / "keys").key_id


async def test_a_workspace_is_never_overwritten(estate: Estate, taken: Path, empty: MakeEstate) -> None:
    with pytest.raises(Conflict):
        await bring_back(taken, estate)
    assert await estate.database.read(lambda c: len(c.execute(select(document.c.id)).all())) == 3
    target = empty("")
    await bring_back(taken, target)
    with pytest.raises(Conflict):
        await bring_back(taken, target)


async def test_a_backup_is_never_overwritten(estate: Estate, taken: Path) -> None:
    before = taken.read_bytes()
    with pytest.raises(Conflict):
        await backup(estate, taken, FixedClock(), actor="ops")
    assert taken.read_bytes() == before
    assert sorted(path.name for path in taken.parent.iterdir()) == [LEDGER, "one.tar"]


# -- tampering --------------------------------------------------------------------------------------------------
def rewritten(archive: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """The same archive with members changed, renamed or left out."""
    import io

    target = archive.with_name("tampered.tar")
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        for member in old:
            source = old.extractfile(member)
            assert source is not None
            changed = change(member.name, source.read())
            if changed is not None:
                name, data = changed
                info = tarfile.TarInfo(name)
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))
    return target


TAMPERING: dict[str, Callable[[str, bytes], tuple[str, bytes] | None]] = {
    "a table": lambda n, d: (n, d[:-1] + b"x") if n.startswith("tables/person") else (n, d),
    "a blob": lambda n, d: (n, d + b".") if n.startswith("blobs/") else (n, d),
    "a checkpoint left out": lambda n, d: None if n.startswith("checkpoints/") else (n, d),
    "the manifest": lambda n, d: (n, d.replace(b"tolkyn", b"tolkyk")) if n == "manifest.json" else (n, d),
    "the signature": lambda n, d: (n, b"00" * 64) if n == "manifest.sig" else (n, d),
    "no manifest": lambda n, d: None if n == "manifest.json" else (n, d),
    "a way out": lambda n, d: ("../../escape", d) if n.startswith("config/") else (n, d),
    "a stranger": lambda n, d: ("tables/evil.py", d) if n.startswith("config/") else (n, d),
    "twice": lambda n, d: ("config/countersign.yaml", d) if n.startswith("checkpoints/") else (n, d),
}


@pytest.mark.parametrize("case", TAMPERING)
async def test_a_tampered_archive_is_refused(taken: Path, empty: MakeEstate, case: str) -> None:
    target = empty("")
    with pytest.raises(IntegrityError):
        await bring_back(rewritten(taken, TAMPERING[case]), target)
    assert not is_restoring(target.state)
    assert list((target.state.parent / "unpack").iterdir()) == []


async def test_an_archive_signed_by_somebody_else_is_refused(
    taken: Path, empty: MakeEstate, tmp_path: Path
) -> None:
    other = create_signer(tmp_path / "other")
    with pytest.raises(IntegrityError) as caught:
        await bring_back(taken, empty(""), public_key=other.public)
    assert caught.value.code == "backup_signature_wrong"


@pytest.mark.parametrize("content", [b"", b"not a tar", os.urandom(4096)])
async def test_a_file_that_is_no_archive_is_refused(
    tmp_path: Path, empty: MakeEstate, content: bytes
) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(IntegrityError):
        await bring_back(path, empty(""))
    with pytest.raises(NotFound):
        await bring_back(tmp_path / "absent.tar", empty(""))


async def test_a_cut_archive_is_refused(taken: Path, empty: MakeEstate) -> None:
    content = taken.read_bytes()
    for share in (0.2, 0.4, 0.7):
        taken.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(IntegrityError):
            await bring_back(taken, empty(""))


async def test_an_unfinished_restore_is_noticed(
    taken: Path, empty: MakeEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = empty("")

    async def fail(content: bytes, tenant: str = "main") -> str:
        raise OSError("no space")

    monkeypatch.setattr(target.blobs, "put", fail)
    with pytest.raises(OSError, match="no space"):
        await bring_back(taken, target)
    assert is_restoring(target.state)
