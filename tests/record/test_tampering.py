"""Somebody edits the database file by hand: every way of doing so is found, with the public key alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.clock import SystemClock
from countersign.domain.errors import ConfigError, Conflict, IntegrityError
from countersign.record.chain import GENESIS, Head, Link, PersonalPart, link_hash, seal
from countersign.record.checkpoint import Checkpoint, CheckpointLog, sign_head
from countersign.record.keys import PublicKey, create_signer, load_public_key, load_signer
from countersign.record.verify import Row, Verification, verify
from countersign.storage.checkpoints import Checkpointer, verify_tenant
from countersign.storage.database import Database
from countersign.storage.events import EventStore
from tests.record.conftest import START, step

Tamper = Callable[[sqlite3.Connection], object]


def rewrite_from(seq: int) -> Tamper:
    """An administrator who knows the recipe changes one event and recomputes every hash after it."""

    def tamper(c: sqlite3.Connection) -> None:
        c.execute("UPDATE event SET actor='nobody' WHERE seq=?", (seq,))
        names = Link.__slots__[:-2]
        prev = c.execute("SELECT hash FROM event WHERE seq=?", (seq - 1,)).fetchone()[0]
        for row in c.execute(
            f"SELECT {','.join(names)} FROM event WHERE seq>=? ORDER BY seq", (seq,)
        ).fetchall():
            new = link_hash(*row, prev)
            c.execute("UPDATE event SET prev=?, hash=? WHERE seq=?", (prev, new, row[1]))
            prev = new
        c.execute("UPDATE chain_head SET hash=?", (prev,))

    return tamper


def swap(c: sqlite3.Connection) -> None:
    c.execute("UPDATE event SET seq=-1 WHERE seq=6")
    c.execute("UPDATE event SET seq=6 WHERE seq=7")
    c.execute("UPDATE event SET seq=7 WHERE seq=-1")


def replay(c: sqlite3.Connection) -> None:
    names = [n for n in Link.__slots__ if n != "seq"]
    c.execute(f"INSERT INTO event (seq,{','.join(names)}) SELECT 13,{','.join(names)} FROM event WHERE seq=6")


def truncate(c: sqlite3.Connection) -> None:
    c.execute("DELETE FROM event WHERE seq>8")
    c.execute("UPDATE chain_head SET seq=8, hash=(SELECT hash FROM event WHERE seq=8)")


CASES: dict[str, tuple[Tamper, set[str]]] = {
    "a fact": (lambda c: c.execute("UPDATE event SET facts='{}' WHERE seq=5"), {"changed"}),
    "a time": (lambda c: c.execute("UPDATE event SET at='2020-01-01T00:00:00Z' WHERE seq=5"), {"changed"}),
    "an actor, hash recomputed only there": (
        lambda c: c.execute("UPDATE event SET hash=? WHERE seq=5", ("0" * 64,)),
        {"changed", "forked"},
    ),
    "removed": (lambda c: c.execute("DELETE FROM event WHERE seq=5"), {"removed"}),
    "the first removed": (lambda c: c.execute("DELETE FROM event WHERE seq=1"), {"removed"}),
    "the signed one removed": (lambda c: c.execute("DELETE FROM event WHERE seq=10"), {"removed"}),
    "all removed": (lambda c: c.execute("DELETE FROM event"), {"truncated", "head_differs"}),
    "the tail removed": (truncate, {"truncated"}),
    "reordered": (swap, {"changed", "forked", "personal_changed"}),
    "replayed at the end": (replay, {"changed", "forked", "head_differs"}),
    "rewritten with new hashes": (rewrite_from(6), {"rewritten"}),
    "personal text": (
        lambda c: c.execute("UPDATE event_personal SET payload='{}' WHERE seq=3"),
        {"personal_changed"},
    ),
    "salt": (lambda c: c.execute("UPDATE event_personal SET salt='zz' WHERE seq=3"), {"personal_changed"}),
    "personal text invented": (
        lambda c: c.execute("INSERT INTO event_personal VALUES ('bank', 4, '00', '{}')"),
        {"personal_changed"},
    ),
    "head": (lambda c: c.execute("UPDATE chain_head SET seq=11"), {"head_differs"}),
}


@pytest.fixture
async def signed(database: Database, tmp_path: Path) -> tuple[Database, Path, PublicKey]:
    """Twelve events, the first ten of them signed."""
    signer = create_signer(tmp_path / "keys")
    store, folder = EventStore(database), tmp_path / "checkpoints"
    checkpointer = Checkpointer(database, folder, signer, SystemClock())
    for upto in (4, 10):
        await store.append([step(n) for n in range(upto - 3 if upto == 4 else 5, upto + 1)])
        await checkpointer.sign()
    await store.append([step(11), step(12)])
    return database, folder, signer.public


def verification(signed: tuple[Database, Path, PublicKey]) -> Verification:
    database, folder, public = signed
    return database.read_now(verify_tenant, "bank", folder, (public,))


def edit(tmp_path: Path, tamper: Tamper) -> None:
    with sqlite3.connect(tmp_path / "countersign.db") as connection:
        tamper(connection)
    connection.close()


@pytest.mark.anyio
async def test_an_untouched_record_verifies_and_names_its_unanchored_tail(
    signed: tuple[Database, Path, PublicKey],
) -> None:
    found = verification(signed)
    assert found.ok
    assert (found.events, found.anchored_seq, found.unanchored) == (12, 10, 2)


@pytest.mark.anyio
@pytest.mark.parametrize("case", CASES)
async def test_every_way_of_tampering_is_found(
    signed: tuple[Database, Path, PublicKey], tmp_path: Path, case: str
) -> None:
    tamper, expected = CASES[case]
    edit(tmp_path, tamper)
    found = verification(signed)
    assert not found.ok
    assert {d.code for d in found.discrepancies} == expected


@pytest.mark.anyio
async def test_a_rewritten_unanchored_tail_is_named_as_unanchored(
    signed: tuple[Database, Path, PublicKey], tmp_path: Path
) -> None:
    edit(tmp_path, rewrite_from(11))
    found = verification(signed)
    assert found.ok, "nobody vouched for events 11 and 12, and the verification says so"
    assert found.unanchored == 2


@pytest.mark.anyio
async def test_a_chain_that_does_not_continue_is_never_signed(
    signed: tuple[Database, Path, PublicKey], tmp_path: Path
) -> None:
    database, folder, _ = signed
    checkpointer = Checkpointer(database, folder, load_signer(tmp_path / "keys"), SystemClock())
    for tamper in (rewrite_from(6), truncate):
        edit(tmp_path, tamper)
        with pytest.raises(IntegrityError) as caught:
            await checkpointer.sign()
        assert caught.value.code == "record_broken"


@pytest.mark.anyio
async def test_checkpoints_by_another_key_or_with_a_gap_are_found(
    signed: tuple[Database, Path, PublicKey], tmp_path: Path
) -> None:
    database, folder, public = signed
    other = create_signer(tmp_path / "other")
    forged = database.read_now(verify_tenant, "bank", folder, (other.public,))
    assert {d.code for d in forged.discrepancies} == {"checkpoint_forged"}
    assert forged.anchored_seq == 0
    path = folder / "bank.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    found = database.read_now(verify_tenant, "bank", folder, (public,))
    assert {d.code for d in found.discrepancies} == {"checkpoint_removed"}


@pytest.mark.anyio
async def test_a_torn_checkpoint_line_is_dropped_by_the_next(
    signed: tuple[Database, Path, PublicKey], tmp_path: Path
) -> None:
    database, folder, public = signed
    with (folder / "bank.jsonl").open("ab") as file:
        file.write(b'{"format":"counter')
    assert verification(signed).ok
    await Checkpointer(database, folder, load_signer(tmp_path / "keys"), SystemClock()).sign()
    found = database.read_now(verify_tenant, "bank", folder, (public,))
    assert found.ok
    assert found.unanchored == 0


def test_the_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    signer = create_signer(tmp_path)
    path = tmp_path / "record.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signer(tmp_path).key_id == signer.key_id
    assert load_public_key(tmp_path) == signer.public
    assert path.read_text().strip() not in repr(signer)
    with pytest.raises(Conflict):
        create_signer(tmp_path)
    path.chmod(0o644)
    with pytest.raises(ConfigError) as caught:
        load_signer(tmp_path)
    assert caught.value.code == "record_key_exposed"


# -- any single change ------------------------------------------------------------------------------------------
def built(length: int) -> list[Row]:
    head, rows = Head("bank", 0, GENESIS), list[Row]()
    for n in range(1, length + 1):
        link, personal = seal(step(n), head)
        rows.append((link, personal))
        head = Head("bank", link.seq, link.hash)
    return rows


ROWS = built(12)


@pytest.fixture(scope="module")
def anchor(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, PublicKey]:
    signer = create_signer(tmp_path_factory.mktemp("keys"))
    last = ROWS[-1][0]
    return sign_head(
        Head("bank", last.seq, last.hash), START + timedelta(hours=1), None, signer
    ), signer.public


@st.composite
def tampered(draw: st.DrawFn) -> list[Row]:
    rows = list(ROWS)
    at = draw(st.integers(0, len(rows) - 1))
    action = draw(st.sampled_from(["field", "personal", "remove", "swap", "insert", "cut"]))
    link, personal = rows[at]
    if action == "field":
        name = draw(st.sampled_from(Link.__slots__))
        old = getattr(link, name)
        new = draw((st.integers() if name == "seq" else st.text()).filter(lambda value: value != old))
        values = {slot: getattr(link, slot) for slot in Link.__slots__}
        rows[at] = (Link(**(values | {name: new})), personal)
    elif action == "personal":
        text = draw(st.text().filter(lambda value: personal is None or value != personal.payload))
        rows[at] = (link, PersonalPart("bank", link.seq, personal.salt if personal else "00", text))
    elif action == "remove":
        del rows[at]
    elif action == "swap":
        other = draw(st.integers(0, len(rows) - 1).filter(lambda value: value != at))
        rows[at], rows[other] = rows[other], rows[at]
    elif action == "insert":
        rows.insert(draw(st.integers(0, len(rows))), rows[at])
    else:
        rows = rows[:at]
    return rows


@settings(max_examples=300, deadline=None)
@given(rows=tampered())
def test_any_single_change_is_found(anchor: tuple[Checkpoint, PublicKey], rows: list[Row]) -> None:
    checkpoint, public = anchor
    assert verify("bank", ROWS, [checkpoint], [public]).ok
    assert not verify("bank", rows, [checkpoint], [public]).ok


def test_checkpoint_files_are_read_back_as_written(
    anchor: tuple[Checkpoint, PublicKey], tmp_path: Path
) -> None:
    checkpoint, public = anchor
    log = CheckpointLog(tmp_path, "bank")
    assert log.last() is None
    log.append(checkpoint)
    assert list(log) == [checkpoint] == [log.last()]
    assert checkpoint.signed_by([public])
    log.path.write_bytes(b"nonsense\n")
    with pytest.raises(IntegrityError):
        list(log)
