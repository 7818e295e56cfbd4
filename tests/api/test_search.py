"""`POST /api/search`: what a person finds over HTTP, how it is recorded, and what it never tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import FEE, Served

pytestmark = pytest.mark.anyio

HIT = (
    "rank passage_id document_id external_id source version title quote language page page_to bbox heading sheet "
    "mime is_table modified synced valid_from valid_to warnings why page_image"
)
RESULTS = "search_id assistant release index_version as_of created language refusal warnings took_ms hits"


async def find(served: Served, key: str, query: str = FEE, **more: Any) -> dict[str, Any]:
    body = {"assistant": "staff-help", "query": query, **more}
    status, found, _ = await served.call("POST", "/api/search", key, json=body)
    assert status == 200, found
    return found


def quotes(found: dict[str, Any]) -> str:
    return " ".join(hit["quote"] for hit in found["hits"])


async def test_passages_come_with_everything_that_a_citation_has(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    found = await find(served, key)
    assert set(found) == set(RESULTS.split())
    assert found["index_version"].startswith("idx_")
    assert found["release"] and found["refusal"] is None
    assert found["language"] == "en"
    first = found["hits"][0]
    assert set(first) == set(HIT.split())
    assert (first["rank"], first["external_id"], first["source"]) == (1, "tariff.md", "intranet")
    assert "990 tenge" in first["quote"]
    assert first["why"] is None
    assert first["page_image"] is None


async def test_everyone_finds_their_own(served: Served) -> None:
    staff, director = await served.key("aigerim", ["staff"]), await served.key("daniyar", ["board"])
    assert "1,290" not in quotes(await find(served, staff))
    assert "990" not in quotes(await find(served, director))
    assert "1,290" in quotes(await find(served, director))
    assert (await find(served, await served.key("ruslan")))["hits"] == []
    stranger = await served.key("telecom-clerk", ["staff", "board"], tenant="telecom")
    assert (await find(served, stranger))["hits"] == []


async def test_what_is_wrong_is_said_and_what_is_unknown_is_refused(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"query": " "}, 400, "query_missing"),
        ({"query": "x", "limit": 0}, 400, "body_invalid"),
        ({"query": "x", "limit": 101}, 400, "body_invalid"),
        ({"query": "x", "top_k": 3}, 400, "body_invalid"),
        ({"assistant": "staff-help"}, 400, "body_invalid"),
        ({"query": "x", "assistant": "nobody"}, 404, "assistant_not_found"),
        ({"query": "x", "explain": True}, 403, "not_permitted"),
        ({"query": "x", "index_version": "idx_0"}, 403, "not_permitted"),
        ({"query": "x", "as_of": "0001-01-01T00:00:00+05:00"}, 400, "time_invalid"),
    ]
    for body, status, code in wrong:
        sent = {"assistant": "staff-help", **body}
        got, reply, _ = await served.call("POST", "/api/search", key, json=sent)
        assert (got, reply["error"]["code"]) == (status, code), body
    assert (await served.call("POST", "/api/search", json={}))[0] == 401
    auditor = await served.key("erlan", ["staff"], ["auditor"])
    status, reply, _ = await served.call(
        "POST", "/api/search", auditor, json={"assistant": "staff-help", "query": FEE}
    )
    assert (status, reply["error"]["code"]) == (403, "not_permitted")


async def test_what_refuses_a_question_refuses_a_search(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    invisible = "\u200b\u200b"
    found = await find(served, key, invisible)
    asked = {"assistant": "staff-help", "question": invisible}
    _, answer, _ = await served.call("POST", "/api/ask", key, json=asked)
    assert found["refusal"] == answer["refusal"] == {"reason": "question_blocked"}
    assert found["warnings"] == answer["warnings"] == ["question_empty"]
    assert found["hits"] == []


async def test_why_is_for_operators_and_shows_them_only_what_is_theirs(served: Served) -> None:
    key = await served.key("olzhas", ["staff"], ["user", "operator"])
    found = await find(served, key, explain=True)
    why = found["hits"][0]["why"]
    assert 0 < why["score"] <= 1
    assert why["legs"]["words"]["rank"] == why["legs"]["grams"]["rank"] == 1
    assert why["legs"]["words"]["score"] > 0
    assert "dense" not in why["legs"]
    assert "1,290" not in quotes(found)


async def test_every_search_is_on_record_before_it_leaves_and_keeps_no_text_in_the_facts(
    served: Served,
) -> None:
    key = await served.key("aigerim", ["staff"])
    found = await find(served, key, limit=1)
    auditor = await served.house.people.authenticate(await served.key("erlan", [], ["auditor"]))
    [event] = await served.house.ledger.events(auditor, kind="search.made")
    assert (event.subject, event.actor) == (found["search_id"], "aigerim")
    assert event.facts["passages"] == [hit["passage_id"] for hit in found["hits"]]
    assert event.facts["documents"] == [found["hits"][0]["document_id"]]
    assert event.facts["index_version"] == found["index_version"]
    assert FEE not in str(event.facts)
    assert (event.personal, event.personal_state) == ({}, "withheld")
    assert (await served.house.ledger.verify(auditor)).ok


async def test_searches_are_counted(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    await find(served, key)
    await find(served, await served.key("ruslan"))
    text = (await served.call("GET", "/metrics", await served.key("o", [], ["operator"])))[1].decode()
    assert 'countersign_searches_total{assistant="staff-help",outcome="found"} 1.0' in text
    assert 'countersign_searches_total{assistant="staff-help",outcome="empty"} 1.0' in text
    assert "countersign_search_seconds_count 2.0" in text


async def test_a_person_has_as_many_places_as_for_questions(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    me = await served.house.people.authenticate(key)
    held = [served.house.asking.place(me) for _ in range(4)]
    for place in held:
        await place.__aenter__()
    body = {"assistant": "staff-help", "query": FEE}
    status, reply, response = await served.call("POST", "/api/search", key, json=body)
    assert (status, reply["error"]["code"]) == (429, "too_many_requests")
    assert response.headers["retry-after"]
    other = await served.key("ruslan", ["staff"])
    assert (await find(served, other))["hits"]
    for place in held:
        await place.__aexit__(None, None, None)
    assert (await find(served, key))["hits"]


async def test_the_page_of_a_hit_opens_for_whom_it_was_shown(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    found = await find(served, key)
    path = f"/api/searches/{found['search_id']}/hits/1/page.png"
    status, reply, _ = await served.call("GET", path, key)
    assert (status, reply["error"]["code"]) == (404, "no_page")
    director = await served.key("daniyar", ["staff", "board"])
    absent = f"/api/searches/sea_{'0' * 25}/hits/1/page.png"
    beyond = path.replace("/1/", f"/{'9' * 30}/")
    same = {"X-Request-Id": "same"}
    answers = {
        (await served.raw("GET", one, who, headers=same))[:2]
        for one, who in ((path, director), (absent, key), (beyond, key), (path.replace("/1/", "/0/"), key))
    }
    assert len(answers) == 1
    assert next(iter(answers))[0] == 404
    status, reply, _ = await served.call("GET", path.replace("/1/", "/one/"), key)
    assert (status, reply["error"]["code"]) == (400, "parameter_invalid")


async def test_it_is_described(served: Served) -> None:
    described = (await served.call("GET", "/api/openapi.json"))[1]
    assert described["paths"]["/api/search"]["post"]["description"]
    fields = described["components"]["schemas"]["SearchBody"]["properties"]
    assert fields["limit"]["maximum"] == 100
    assert b"/api/search" in (await served.call("GET", "/api/docs"))[1]


async def test_personal_data_is_a_token_unless_the_assistant_says_otherwise(served: Served) -> None:
    editor = await served.house.people.authenticate(await served.key("editor", ["editors"], ["publisher"]))
    from countersign.app.library import Submission

    text = "The manager of the branch in Atyrau is reached by phone at +7 701 123 45 67."
    said = Submission(filename="a.txt", any_of=("group:staff",))
    await served.house.library.put(editor, "push", "branch", text.encode(), said)
    await served.house.worker.drain()
    key = await served.key("aigerim", ["staff"])
    found = await find(served, key, "phone of the manager of the branch in Atyrau")
    assert "manager of the branch" in found["hits"][0]["quote"]
    assert "123 45 67" not in str(found)
    line = served.house.asking.line
    seeing = replace(line.assistants["staff-help"], personal_visible_to=("staff",))
    served.house.asking.with_line(assistants={"staff-help": seeing})
    found = await find(served, key, "phone of the manager of the branch in Atyrau")
    assert "123 45 67" in found["hits"][0]["quote"]
