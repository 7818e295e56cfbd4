"""`/api`: asking, answers, citations, reviews, documents, jobs and the record, as a client over HTTP sees them."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from countersign.api.reviews import review_json
from countersign.domain.answers import AnswerStatus
from countersign.review.desk import Review
from tests.api.conftest import FEE, Served

pytestmark = pytest.mark.anyio

ASK = {"assistant": "staff-help", "question": FEE}


async def ask(served: Served, key: str, **more: Any) -> dict[str, Any]:
    status, body, _ = await served.call("POST", "/api/ask", key, json={**ASK, **more})
    assert status == 200, body
    return body


async def test_an_answer_has_every_field_of_the_contract(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    status, body, response = await served.call("POST", "/api/ask", key, json=ASK)
    assert status == 200
    assert body["status"] == response.headers["x-countersign-status"] == AnswerStatus.DELIVERED
    assert body["answer_id"] == response.headers["x-countersign-answer-id"]
    assert set(body["confidence"]) == {"score", "band", "calibrated"}
    assert body["as_of"].endswith("Z")
    assert body["language"] == "en"
    assert body["usage"]["output_tokens"] >= 0
    assert body["cost"]["unmetered"] is True
    assert body["ai_generated"] is True
    [citation] = body["citations"]
    fields = "n citation_id document_id external_id source version title page bbox heading sheet row column unit quote"
    assert set(citation) == set(fields.split())
    assert body["claims"][0]["support"] == "literal"
    assert "990" in citation["quote"]
    assert response.headers["cache-control"] == "no-store"


async def test_progress_comes_as_events_and_the_answer_last(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    _, raw, response = await served.call(
        "POST", "/api/ask", key, json=ASK, headers={"Accept": "text/event-stream"}
    )
    events = [dict(line.split(": ", 1) for line in e.split("\n")) for e in raw.decode().split("\n\n") if e]
    assert events[0]["event"] == "open"
    steps = [json.loads(event["data"])["step"] for event in events if event["event"] == "step"]
    assert steps[0] == "guard_question"
    assert steps[-1] == "record"
    assert events[-1]["event"] == "answer"
    answer = json.loads(events[-1]["data"])
    assert "990" in answer["text"]
    assert answer["answer_id"] == response.headers["x-countersign-answer-id"]
    kinds = [event["event"] for event in events]
    assert kinds.index("text") > len(kinds) - 1 - kinds[::-1].index("step")
    text = "".join(json.loads(event["data"])["text"] for event in events if event["event"] == "text")
    assert text == answer["text"]


async def test_a_held_answer_goes_through_the_desk_and_back_to_its_asker(served: Served) -> None:
    director = await served.key("daniyar", ["board"])
    reviewer = await served.key("saule", ["quality", "board"], ["reviewer"])
    blind = await served.key("marat", ["quality"], ["reviewer"])
    held = await ask(served, director)
    assert held["status"] == "held"
    path = f"/api/answers/{held['answer_id']}"
    _, mine, _ = await served.call("GET", path, director)
    assert mine["review"]["state"] == "open"
    assert "1,290" not in str(mine)

    _, queue, _ = await served.call("GET", "/api/reviews", reviewer)
    [item] = queue["items"]
    assert item["overdue"] is False
    review = f"/api/reviews/{item['review_id']}"
    assert (await served.call("GET", "/api/reviews?state=open", blind))[1]["items"] == []
    absent, forbidden = [
        await served.call("GET", f"/api/reviews/{i}", blind, headers={"X-Request-Id": "same"})
        for i in ("rev_0", item["review_id"])
    ]
    assert absent[:2] == forbidden[:2]
    assert (await served.call("GET", review, director))[0] == 403

    _, opened, _ = await served.call("GET", review, reviewer)
    assert "1,290" in opened["answer"]["draft"]
    assert opened["answer"]["citations"]
    assert (await served.call("POST", f"{review}/claim", reviewer))[1]["state"] == "claimed"
    decision = f"{review}/decision"
    bad = [{"decision": "burn"}, {"decision": "reject"}, {"decision": "edit"}, {}, {"decision": 5}]
    codes = [(await served.call("POST", decision, reviewer, json=b))[1]["error"]["code"] for b in bad]
    assert codes == ["decision_unknown", "reason_missing", "edit_empty", "body_invalid", "body_invalid"]
    status, done, _ = await served.call("POST", decision, reviewer, json={"decision": "approve"})
    assert (status, done["state"], done["decision"]) == (200, "decided", "approve")
    status, again, _ = await served.call("POST", decision, reviewer, json={"decision": "approve"})
    assert (status, again["error"]["code"]) == (409, "review_decided")

    _, delivered, _ = await served.call("GET", path, director)
    assert delivered["status"] == "delivered"
    assert "1,290" in delivered["text"]
    assert (await served.call("GET", "/api/reviews?state=decided", reviewer))[1]["items"]


def test_an_item_says_whether_it_is_overdue() -> None:
    due = datetime(2026, 3, 1, 12, tzinfo=UTC)
    item = Review("rev_1", "ans_1", "bank", "staff-help", "a", "open", (), frozenset(), due, deadline=due)
    assert review_json(item, due)["overdue"]
    assert not review_json(item, due - timedelta(seconds=1))["overdue"]
    assert not review_json(replace(item, state="decided"), due)["overdue"]
    assert not review_json(replace(item, deadline=None), due)["overdue"]


async def test_answers_page_newest_first(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    other = await served.key("ruslan", ["staff"])
    ids = [(await ask(served, key))["answer_id"] for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        _, page, _ = await served.call("GET", f"/api/answers?limit=2&cursor={cursor}", key)
        seen += [item["answer_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ids[::-1]
    assert (await served.call("GET", "/api/answers", other))[1] == {"items": [], "next_cursor": None}
    for bad in ("limit=0", "limit=1000", "limit=x", "cursor=%00", "cursor=a%27b"):
        status, body, _ = await served.call("GET", f"/api/answers?{bad}", key)
        assert (status, body["error"]["code"]) == (400, "parameter_invalid")


async def test_citations_are_read_again_with_the_rights_of_the_moment(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    answer = await ask(served, key)
    path = f"/api/citations/{answer['citations'][0]['citation_id']}"
    _, cited, _ = await served.call("GET", path, key)
    assert cited["quote"] in cited["passage"]
    assert cited["page_image"] is None
    status, body, _ = await served.call("GET", f"{path}/page.png", key)
    assert (status, body["error"]["code"]) == (404, "no_page")
    await served.house.people.set_person("aigerim", tenant="bank", groups=[])
    status, body, _ = await served.call("GET", path, key)
    assert (status, body["error"]["code"]) == (404, "not_found")
    _, stored, _ = await served.call("GET", f"/api/answers/{answer['answer_id']}", key)
    assert stored["withheld"] is True
    assert "990 tenge" not in str(stored)


async def test_feedback_is_kept_and_checked(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    path = f"/api/answers/{(await ask(served, key))['answer_id']}/feedback"
    assert (await served.call("POST", path, key, json={"verdict": "helpful"}))[0] == 201
    for body, code in (({"verdict": "great"}, "verdict_unknown"), ({"text": "x"}, "body_invalid")):
        status, said, _ = await served.call("POST", path, key, json=body)
        assert (status, said["error"]["code"]) == (400, code)


async def test_the_record_tells_one_story_to_its_asker_and_pages_to_auditors(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    auditor = await served.key("erlan", roles=["auditor"])
    stranger = await served.key("ruslan", ["staff"])
    answer = await ask(served, key)
    path = f"/api/record/answers/{answer['answer_id']}"
    _, story, _ = await served.call("GET", path, key)
    kinds = [event["kind"] for event in story["events"]]
    assert kinds[0] == "answer.asked"
    assert kinds[-1] == "answer.decided"
    assert "passages" not in str([event["facts"] for event in story["events"]])
    assert (await served.call("GET", path, stranger))[0] == 404
    _, audited, _ = await served.call("GET", path, auditor)
    assert "990 tenge" not in str(audited)  # an auditor's role grants no document
    assert any("passages" in event["facts"] for event in audited["events"])

    assert (await served.call("GET", "/api/record/events", key))[0] == 403
    _, first, _ = await served.call("GET", "/api/record/events?limit=3", auditor)
    assert len(first["items"]) == 3
    _, second, _ = await served.call("GET", f"/api/record/events?cursor={first['next_cursor']}", auditor)
    assert second["items"][0]["seq"] < first["items"][-1]["seq"]
    _, decided, _ = await served.call("GET", "/api/record/events?kind=answer.decided", auditor)
    assert [event["subject"] for event in decided["items"]] == [answer["answer_id"]]


# -- documents --------------------------------------------------------------------------------------------------
NOTE = "The lounge at Almaty airport is free for Platinum card holders."
PUT = "/api/documents/push/lounge/2025 note.md"


async def test_a_pushed_document_is_searchable_changed_and_gone(served: Served) -> None:
    editor = await served.key("gulnar", ["editors"], ["publisher"])
    reader = await served.key("aigerim", ["staff"])
    question = {"question": "Who may use the lounge at Almaty airport for free?"}
    body = {"title": "Lounge", "text": NOTE, "rights": {"any_of": ["staff"]}, "modified": "2025-05-01"}
    status, received, _ = await served.call("PUT", PUT, editor, json=body)
    assert status == 202
    assert set(received) >= {"document_id", "version", "job_id"}
    path = f"/api/documents/{received['document_id']}"
    assert (await served.call("GET", path, editor))[1]["status"] == "queued"
    await served.house.worker.drain()
    _, job, _ = await served.call("GET", f"/api/jobs/{received['job_id']}", editor)
    assert (job["state"], job["result"]["parse_status"]) == ("done", "ok")
    _, state, _ = await served.call("GET", path, editor)
    assert (state["status"], state["title"], state["readable"]) == ("indexed", "", False)
    assert state["external_id"] == "lounge/2025 note.md"
    assert (await served.call("GET", path, reader))[1]["title"] == "Lounge"
    assert "Platinum" in (await ask(served, reader, **question))["text"]

    same = (await served.call("PUT", PUT, editor, json=body))[1]
    assert (same["document_id"], same["change"]) == (received["document_id"], "unchanged")
    assert (await served.call("PATCH", path, reader, json={"title": "Mine"}))[0] == 403
    status, changed, _ = await served.call("PATCH", path, editor, json={"rights": {"any_of": ["board"]}})
    assert status == 200
    assert changed["status"] == "indexed"
    assert (await ask(served, reader, **question))["status"] == "refused"
    assert (await served.call("GET", path, reader))[0] == 404

    await served.call("PATCH", path, editor, json={"rights": {"any_of": ["staff"]}})
    assert (await served.call("DELETE", path, editor))[0] == 200
    assert (await ask(served, reader, **question))["status"] == "refused"


async def test_multipart_brings_a_file_and_what_is_said_of_it(served: Served) -> None:
    editor = await served.key("gulnar", ["editors"], ["publisher"])
    for number, as_file in enumerate((False, True)):
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", NOTE.encode(), filename="notes/lounge.md", content_type="text/markdown")
        meta = json.dumps({"title": "Lounge", "rights": {"any_of": ["staff", "user:gulnar"]}})
        form.add_field("meta", meta, **({"filename": "meta.json"} if as_file else {}))
        path = f"/api/documents/push/multi/{number}"
        status, received, _ = await served.call("PUT", path, editor, data=form)
        assert status == 202
        _, state, _ = await served.call("GET", f"/api/documents/{received['document_id']}", editor)
        assert (state["filename"], state["mime"], state["readable"]) == ("lounge.md", "text/markdown", True)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "content_invalid"),
    ({"text": "a", "content_base64": "YQ=="}, "content_invalid"),
    ({"content_base64": "***"}, "content_invalid"),
    ({"text": "a", "rights": {"any_of": ["!staff"]}}, "rights_unsupported"),
    ({"text": "a", "rights": {"deny": ["staff"]}}, "body_invalid"),
    ({"text": "a", "rights": ["staff"]}, "body_invalid"),
    ({"text": "a", "tenant": "telecom"}, "body_invalid"),
    ({"text": "a", "valid_from": "soon"}, "body_invalid"),
    ({"text": 5}, "body_invalid"),
]


async def test_a_push_that_is_wrong_says_what(served: Served) -> None:
    editor = await served.key("gulnar", ["editors"], ["publisher"])
    for body, code in WRONG:
        status, said, _ = await served.call("PUT", "/api/documents/push/x", editor, json=body)
        assert (status, said["error"]["code"]) == (400, code)


async def test_who_may_push_where(served: Served) -> None:
    content = {"text": NOTE, "rights": {"any_of": ["staff"]}}
    editor = await served.key("gulnar", ["editors"], ["publisher"])
    elsewhere = await served.key("timur", ["other"], ["publisher"])
    user = await served.key("aigerim", ["staff"])
    operator = await served.key("olzhas", roles=["operator"])
    for key, path, status, code in (
        (user, "/api/documents/push/x", 403, "not_permitted"),
        (elsewhere, "/api/documents/push/x", 403, "not_permitted"),
        (editor, "/api/documents/nowhere/x", 404, "not_found"),
        (operator, "/api/documents/intranet/x", 400, "source_not_push"),
    ):
        got, said, _ = await served.call("PUT", path, key, json=content)
        assert (got, said["error"]["code"]) == (status, code)
    got, received, _ = await served.call("PUT", "/api/documents/push/x", operator, json=content)
    assert got == 202
    path = f"/api/documents/{received['document_id']}"
    assert (await served.call("DELETE", f"{path}?erase=true", editor))[0] == 403
    got, erased, _ = await served.call("DELETE", f"{path}?erase=true", operator)
    assert got == 202
    await served.house.worker.drain()
    _, job, _ = await served.call("GET", f"/api/jobs/{erased['job_id']}", operator)
    assert job["state"] == "done", job
    assert job["result"]
    assert (await served.call("GET", f"/api/jobs/{erased['job_id']}", user))[0] == 404


async def test_base64_content_and_lists(served: Served) -> None:
    operator = await served.key("olzhas", roles=["operator"])
    reader = await served.key("aigerim", ["staff"])
    body = {
        "content_base64": base64.b64encode(NOTE.encode()).decode(),
        "filename": "a.txt",
        "mime": "text/plain",
        "rights": {"any_of": ["board"]},
    }
    assert (await served.call("PUT", "/api/documents/push/a", operator, json=body))[0] == 202
    _, all_, _ = await served.call("GET", "/api/documents", operator)
    _, mine, _ = await served.call("GET", "/api/documents?source=intranet", reader)
    assert len(all_["items"]) == 3
    assert [item["external_id"] for item in mine["items"]] == ["tariff.md"]
    _, sources, _ = await served.call("GET", "/api/sources", reader)
    assert {item["source"]: item["documents"] for item in sources["items"]} == {
        "intranet": None,
        "push": None,
    }
    _, told, _ = await served.call("GET", "/api/sources", operator)
    assert {item["source"]: item["documents"] for item in told["items"]}["intranet"] == 2


async def test_one_person_cannot_take_all_places(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    calls = [served.call("POST", "/api/ask", key, json=ASK) for _ in range(12)]
    statuses = [status for status, _, _ in await asyncio.gather(*calls)]
    assert set(statuses) == {200, 429}
    _, body, response = next(
        done
        for done in await asyncio.gather(*(served.call("POST", "/api/ask", key, json=ASK) for _ in range(12)))
        if done[0] == 429
    )
    assert body["error"]["code"] == "too_many_requests"
    assert response.headers["retry-after"] == "1"
    assert (await ask(served, key))["status"] == "delivered"
