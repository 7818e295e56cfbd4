"""The chain through its front door: append, read back, verify, erase."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, select

from countersign.domain.errors import UsageError
from countersign.domain.events import EventKind
from countersign.record.chain import GENESIS
from countersign.record.verify import Verification, export_line, read_export, verify
from countersign.storage.checkpoints import verify_tenant
from countersign.storage.database import Database
from countersign.storage.events import EventStore, append_in, chain
from countersign.storage.tables import event, event_personal, setting
from tests.record.conftest import START, step

pytestmark = pytest.mark.anyio


def check(connection: Connection, tenant: str = "bank") -> Verification:
    return verify_tenant(connection, tenant, Path("/nonexistent"), ())


async def test_what_was_appended_is_read_back_in_order_and_verifies(database: Database) -> None:
    store = EventStore(database)
    await store.append([step(n) for n in range(1, 8)])
    page = await store.events("bank")
    assert [e.seq for e in page] == list(range(1, 8))
    assert page[2].personal == {"question": "Сұрақ № 3"}
    assert page[2].personal_state == "kept"
    assert page[0].personal_state == "none"
    assert page[0].facts == {"passages": 1, "duration_ms": 1.5}
    found = await database.read(check)
    assert found.ok
    assert (found.events, found.personal_kept, found.unanchored) == (7, 2, 7)


async def test_each_tenant_has_its_own_chain(database: Database) -> None:
    store = EventStore(database)
    await store.append([step(1), step(2, tenant="telecom"), step(3)])
    heads = {head.tenant: head.seq for head in await store.heads()}
    assert heads == {"bank": 2, "telecom": 1}
    assert [e.subject for e in await store.events("telecom")] == ["ans_2"]
    assert (await database.read(check, "telecom")).ok


async def test_many_writers_at_once_make_one_unbroken_chain(database: Database) -> None:
    store = EventStore(database)
    await asyncio.gather(*(store.append([step(n), step(n + 1000)]) for n in range(100)))
    found = await database.read(check)
    assert found.ok
    assert found.events == 200


@pytest.mark.parametrize("where", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_two_processes_write_one_chain_and_lose_nothing(
    database: Database, where: str, request: pytest.FixtureRequest
) -> None:
    """Their batches lock the tenants' heads in opposite orders: whoever loses a deadlock is run again."""
    url = request.getfixturevalue("postgres_url") if where == "postgres" else database.url
    writers = [Database(url), Database(url)]
    if where == "postgres":
        writers[0].create_tables()
    stores = [EventStore(writer) for writer in writers]
    tenants = ("bank", "telecom")
    await asyncio.gather(
        *(
            store.append([step(n, tenant=tenants[(n + k) % 2])])
            for n in range(30)
            for k, store in enumerate(stores)
        )
    )
    for tenant in tenants:
        found = await writers[0].read(check, tenant)
        assert found.ok
        assert found.events == 30
    for writer in writers:
        writer.close()


async def test_an_event_and_its_fact_commit_together_or_not_at_all(database: Database) -> None:
    def both(connection: Connection, fail: bool) -> None:
        connection.execute(setting.insert().values(name="x", value="1"))
        append_in(connection, [step(1)])
        if fail:
            raise ValueError("stop")

    outcomes = await asyncio.gather(
        database.write(both, True), EventStore(database).append([step(2)]), return_exceptions=True
    )
    assert isinstance(outcomes[0], ValueError)
    store = EventStore(database)
    assert [e.subject for e in await store.events("bank")] == ["ans_2"]
    await database.write(both, False)
    assert [e.subject for e in await store.events("bank")] == ["ans_2", "ans_1"]
    assert (await database.read(check)).ok


async def test_erasing_the_personal_part_leaves_the_chain_whole(database: Database) -> None:
    store = EventStore(database)
    await store.append([step(n) for n in range(1, 7)])
    await database.write(lambda c: c.execute(delete(event_personal).where(event_personal.c.seq == 3)))
    found = await database.read(check)
    assert found.ok
    assert (found.personal_kept, found.personal_erased) == (1, 1)
    erased = (await store.events("bank"))[2]
    assert erased.personal_state == "erased"
    assert erased.personal == {}


async def test_the_documented_recipe_recomputes_the_hash(database: Database) -> None:
    await EventStore(database).append([step(3, facts={"b": 1, "a": "қазақ"})])
    link, personal = await database.read(lambda c: next(chain(c, "bank")))
    fields = ["countersign-event/1", "bank", 1, link.at, link.kind, link.actor, link.subject, link.request_id]
    fields += [link.facts, link.commitment, GENESIS]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    assert link.facts == '{"a":"қазақ","b":1}'
    assert sha256(text.encode()).hexdigest() == link.hash
    assert personal is not None
    assert len(personal.salt) == 64


async def test_text_no_database_could_hold_is_recorded_all_the_same(database: Database) -> None:
    store = EventStore(database)
    odd = "a\ud800b\0c"
    await store.append([step(1, actor=odd, facts={"code": odd}, personal={"text": odd})])
    assert (await store.events("bank"))[0].actor == "a?b\ufffdc"
    assert (await database.read(check)).ok


async def test_facts_that_are_not_plain_values_are_refused_and_leave_nothing(database: Database) -> None:
    @dataclasses.dataclass
    class Sneaky:
        text: str = "a customer's letter"

    with pytest.raises(UsageError) as caught:
        await EventStore(database).append([step(1), step(2, facts={"x": Sneaky()})])
    assert caught.value.code == "event_not_plain"
    assert await database.read(lambda c: c.execute(select(func.count()).select_from(event)).scalar()) == 0


async def test_an_exported_chain_verifies_without_the_database(database: Database) -> None:
    await EventStore(database).append([step(n) for n in range(1, 20)])
    lines = await database.read(lambda c: [export_line(*row) for row in chain(c, "bank")])
    found = verify("bank", read_export(lines), [], ())
    assert found.ok
    assert found.events == 19
    lines[4] = lines[4].replace(b"aigerim", b"daulet ")
    assert [d.code for d in verify("bank", read_export(lines), [], ()).discrepancies] == ["changed"]


async def test_story_trace_and_costs_are_views_of_the_same_events(database: Database) -> None:
    store = EventStore(database)
    call = {"assistant": "staff", "model": "m1", "currency": "USD", "input_tokens": 100, "output_tokens": 20}
    await store.append(
        [
            step(1, subject="ans_a"),
            step(2, subject="ans_b"),
            step(
                3,
                subject="ans_a",
                kind=EventKind.MODEL_CALLED,
                facts=call | {"amount": 0.5, "duration_ms": 900},
            ),
            step(
                4,
                subject="ans_b",
                actor="daulet",
                kind=EventKind.MODEL_CALLED,
                facts=call | {"amount": None},
            ),
        ]
    )
    assert [e.seq for e in await store.story("bank", "ans_a")] == [1, 3]
    assert await store.story("telecom", "ans_a") == ()
    trace = await store.trace("bank", "ans_a")
    assert [(s.kind, s.offset_ms, s.duration_ms) for s in trace] == [
        ("answer.retrieved", 0.0, 1.5),
        ("model.called", 2000.0, 900.0),
    ]
    (line,) = await store.costs("bank", START, "assistant")
    assert (line.group, line.amount, line.calls, line.unpriced_calls, line.input_tokens) == (
        "staff",
        0.5,
        2,
        1,
        200,
    )
    assert [c.group for c in await store.costs("bank", START, "user")] == ["aigerim", "daulet"]
    assert [e.seq for e in await store.events("bank", EventKind.MODEL_CALLED, after=3, limit=5)] == [4]
    assert [e.seq for e in await store.latest("bank", before=4, limit=2)] == [3, 2]
