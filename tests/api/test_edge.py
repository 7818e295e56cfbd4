"""What the door does with the wrong, the hostile and the impatient; and what it says of itself."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import openai
import orjson
import pytest

from countersign.domain.errors import StorageError
from countersign.domain.workspace import ModelSettings, ParseLimits, Price
from countersign.testing.scripted_model import ScriptedModel
from tests.api.conftest import ABSENT, FEE, FILES, ROWS, Served, serving
from tests.workspaces import EXTRACTIVE, assistant, workspace, write_files

pytestmark = pytest.mark.anyio

ASK = {"assistant": "staff-help", "question": FEE}
CHAT = {"model": "staff-help", "messages": [{"role": "user", "content": FEE}]}
KEYED = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/x"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/api/assistants"),
    ("POST", "/api/ask"),
    ("GET", "/api/answers"),
    ("GET", "/api/answers/x"),
    ("POST", "/api/answers/x/feedback"),
    ("GET", "/api/citations/x"),
    ("GET", "/api/citations/x/page.png"),
    ("POST", "/api/search"),
    ("GET", "/api/searches/x/hits/x/page.png"),
    ("GET", "/api/reviews"),
    ("GET", "/api/reviews/x"),
    ("POST", "/api/reviews/x/claim"),
    ("DELETE", "/api/reviews/x/claim"),
    ("POST", "/api/reviews/x/decision"),
    ("GET", "/api/sources"),
    ("GET", "/api/sources/x/passes"),
    ("POST", "/api/sources/x/sync"),
    ("GET", "/api/readiness"),
    ("GET", "/api/readiness/x"),
    ("GET", "/api/readiness-acceptances"),
    ("POST", "/api/readiness-acceptances"),
    ("POST", "/api/readiness-acceptances/withdraw"),
    ("GET", "/api/documents"),
    ("PUT", "/api/documents/push/x"),
    ("GET", "/api/documents/x"),
    ("PATCH", "/api/documents/x"),
    ("DELETE", "/api/documents/x"),
    ("GET", "/api/jobs/x"),
    ("GET", "/api/record/answers/x"),
    ("GET", "/api/record/events"),
]


# -- keys -------------------------------------------------------------------------------------------------------
async def test_without_a_valid_key_every_route_says_the_same(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer cs_x",
        f"Basic {key}",
        key,
        f"Bearer {key[:-1]}",
        "Bearer \u00fc",
    ]
    bodies: dict[str, set[bytes]] = {"/v1": set(), "/api": set()}
    for method, path in KEYED:
        for header in wrong if path in ("/v1/models", "/api/ask") else wrong[:1]:
            headers = {"X-Request-Id": "r"} | ({"Authorization": header} if header else {})
            status, raw, response = await served.raw(method, path, headers=headers, data=b"{not json")
            assert status == 401, (method, path, header)
            assert response.headers["www-authenticate"] == "Bearer"
            bodies["/v1" if path.startswith("/v1") else "/api"].add(raw)
    assert [len(different) for different in bodies.values()] == [1, 1]
    described = (await served.call("GET", "/api/openapi.json"))[1]["paths"]
    listed = {(m.upper(), re.sub(r"\{[^}]*\}", "x", p)) for p, ms in described.items() for m in ms}
    known = {(m, p.replace("/push/", "/x/")) for m, p in KEYED}
    assert listed - known == {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")}


async def test_a_revoked_key_ends_with_the_next_request(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    assert (await served.call("GET", "/api/answers", key))[0] == 200
    await served.house.people.set_person("aigerim", tenant="bank", disabled=True)
    assert (await served.call("GET", "/api/answers", key))[0] == 401


async def test_forbidden_and_absent_are_the_same_bytes(served: Served) -> None:
    clerk = await served.key("aigerim", ["staff"])
    operator = await served.key("olzhas", roles=["operator"])
    outsider = await served.key("ruslan")
    other_publisher = await served.key("timur", ["other"], ["publisher"])
    answer = (await served.call("POST", "/api/ask", clerk, json=ASK))[1]
    document = answer["citations"][0]["document_id"]
    job = (await served.call("GET", f"/api/documents/{document}", operator))[1]["job_id"]
    pairs = [
        ("GET", f"/api/answers/{answer['answer_id']}", f"/api/answers/{ABSENT}", None),
        (
            "POST",
            f"/api/answers/{answer['answer_id']}/feedback",
            f"/api/answers/{ABSENT}/feedback",
            {"verdict": "wrong"},
        ),
        ("GET", f"/api/record/answers/{answer['answer_id']}", f"/api/record/answers/{ABSENT}", None),
        ("GET", f"/api/citations/{answer['citations'][0]['citation_id']}", "/api/citations/cit_0", None),
        (
            "GET",
            f"/api/citations/{answer['citations'][0]['citation_id']}/page.png",
            "/api/citations/cit_0/page.png",
            None,
        ),
        ("GET", f"/api/documents/{document}", "/api/documents/doc_0", None),
        ("PATCH", f"/api/documents/{document}", "/api/documents/doc_0", {"title": "x"}),
        ("DELETE", f"/api/documents/{document}", "/api/documents/doc_0", None),
        ("DELETE", f"/api/documents/{document}?erase=true", "/api/documents/doc_0?erase=true", None),
        ("GET", f"/api/jobs/{job}", "/api/jobs/job_0", None),
        ("GET", f"/api/answers/{answer['answer_id']}", "/api/answers/a%0d%0aSet-Cookie:%20x=1", None),
        ("GET", f"/api/answers/{answer['answer_id']}", "/api/answers/%00", None),
        ("GET", f"/api/answers/{answer['answer_id']}", "/api/answers/" + "a" * 5000, None),
        ("GET", f"/api/answers/{answer['answer_id']}", "/api/answers/..%2f..%2fetc", None),
    ]
    elsewhere = await served.key("asel", ["staff"], ["user", "operator", "auditor", "reviewer"], "telecom")
    for key in (outsider, other_publisher, elsewhere):
        for method, there, nowhere, body in pairs:
            more: dict[str, Any] = {"headers": {"X-Request-Id": "same"}} | ({"json": body} if body else {})
            forbidden = await served.raw(method, there, key, **more)
            absent = await served.raw(method, nowhere, key, **more)
            if "%2f" not in nowhere:
                assert forbidden[1] == absent[1], (method, nowhere)
            assert forbidden[0] == absent[0] == 404
            assert "set-cookie" not in absent[2].headers


# -- bodies -----------------------------------------------------------------------------------------------------
MALFORMED: list[tuple[bytes, str]] = [
    (b"", "body_invalid"),
    (b"{", "json_invalid"),
    (b"null", "body_invalid"),
    (b"[]", "body_invalid"),
    (b'"text"', "body_invalid"),
    (b"\xff\xfe{}", "json_invalid"),
    (b"[" * 100_000, "bad_request"),
    (b'{"assistant": ' + b"9" * 5_000 + b"}", "bad_request"),
    (b'{"assistant": "staff-help", "question": "a\\u0000b"}', "body_invalid"),
    (b'{"assistant": "staff-help", "question": "\\ud800"}', "body_invalid"),
    (b'{"assistant": "staff-help", "question": ["s3cret-value"]}', "body_invalid"),
    (b'{"assistant": "staff-help", "question": "hi", "s3cret-value": 1}', "body_invalid"),
    (b'{"assistant": "staff-help", "question": "hi", "language": "s3cret-value"}', "body_invalid"),
    (b'{"assistant": "staff-help", "question": "hi", "as_of": "s3cret-value"}', "body_invalid"),
    (b'{"assistant": "staff-help", "question": "hi", "history": [{"role": "user"}]}', "body_invalid"),
    (b'{"assistant": "staff-help", "question": ""}', "question_missing"),
    (b'{"assistant": "staff\\nhelp", "question": "hi"}', "body_invalid"),
]
CHATTED: list[tuple[bytes, str]] = [
    (b'{"model": "staff-help"}', "body_invalid"),
    (b'{"model": "staff-help", "messages": []}', "body_invalid"),
    (b'{"model": "staff-help", "messages": "hi"}', "body_invalid"),
    (b'{"model": "staff-help", "messages": [{"role": "user", "content": 5}]}', "body_invalid"),
    (
        b'{"model": "staff-help", "messages": [{"role": "user", "content": [{}]}]}',
        "content_part_not_supported",
    ),
    (
        b'{"model": "staff-help", "messages": [{"role": "user", "content": [{"type": "text", "text": "\\ud800"}]}]}',
        "body_invalid",
    ),
    (
        b'{"model": "staff-help", "temperature": NaN, "messages": [{"role": "user", "content": "hi"}]}',
        "body_invalid",
    ),
    (
        b'{"model": "staff-help", "max_tokens": -1, "messages": [{"role": "user", "content": "hi"}]}',
        "body_invalid",
    ),
    (
        b'{"model": "staff-help", "messages": [{"role": "tool", "content": "hi"}]}',
        "tools_not_supported",
    ),
]


async def test_malformed_bodies_are_told_by_code_and_never_repeated(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    key = await served.key("aigerim", ["staff"])
    cases = [("/api/ask", raw, code) for raw, code in MALFORMED]
    cases += [("/v1/chat/completions", raw, code) for raw, code in CHATTED]
    for path, raw, code in cases:
        headers = {"Content-Type": "application/json"}
        status, body, _ = await served.call("POST", path, key, data=raw, headers=headers)
        assert (status, body["error"]["code"]) == (400, code), (raw[:80], body)
        assert {"code", "message", "hint", "request_id"} <= set(body["error"])
        assert "s3cret" not in str(body)
    status, body, _ = await served.call("POST", "/api/ask", key, data=b"a=b")
    assert (status, body["error"]["code"]) == (400, "body_invalid")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_large_bodies_are_cut_off_while_they_arrive(tmp_path: Path) -> None:
    settings = workspace(tmp_path, parsing=ParseLimits(workers=1, ocr=False, max_bytes=2 << 20))
    async with serving(settings, tmp_path / "cache", ingest=False) as served:
        key = await served.key("olzhas", roles=["operator", "user"])

        async def endless() -> Any:
            for _ in range(64):
                yield b'{"a": "' + b"x" * 65536

        json_type = {"Content-Type": "application/json"}
        for body in (io.BytesIO(b"x" * (1 << 20) + b"yy"), endless()):
            status, said, _ = await served.call("POST", "/api/ask", key, data=body, headers=json_type)
            assert (status, said["error"]["code"]) == (413, "body_too_large")
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(b"x" * (2 << 20) + b"y"), filename="a.txt")
        status, said, _ = await served.call("PUT", "/api/documents/push/a", key, data=form)
        assert (status, said["error"]["code"]) == (413, "document_too_large")
        form = aiohttp.FormData()
        form.add_field("file", b"hello", filename="a.txt")
        form.add_field("meta", "x" * (1 << 19))
        status, said, _ = await served.call("PUT", "/api/documents/push/a", key, data=form)
        assert (status, said["error"]["code"]) == (400, "bad_request")
        status, said, _ = await served.call("PUT", "/api/documents/push/a", key, data=b"hello")
        assert (status, said["error"]["code"]) == (415, "content_type_unsupported")
        status, said, _ = await served.call("GET", "/readyz")
        assert status == 200


async def test_unknown_routes_and_methods_are_errors_of_ours(served: Served) -> None:
    for method, path, status, code in (
        ("GET", "/nowhere", 404, "route_not_found"),
        ("GET", "/v1/nowhere", 404, "route_not_found"),
        ("DELETE", "/api/ask", 405, "method_not_allowed"),
    ):
        got, body, _ = await served.call(method, path)
        assert (got, body["error"]["code"]) == (status, code)


# -- surprises --------------------------------------------------------------------------------------------------
async def test_a_surprise_is_logged_with_its_request_and_told_without_its_trace(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = await served.key("aigerim", ["staff"])

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("postgresql://user:hunter2@host")

    monkeypatch.setattr(served.house.asking, "ask", broken)
    monkeypatch.setattr(served.house.desk, "answer", broken)
    for method, path, body in (
        ("POST", "/api/ask", ASK),
        ("POST", "/v1/chat/completions", CHAT),
        ("GET", "/api/answers/x", None),
    ):
        caplog.clear()
        more = {"json": body} if body else {}
        status, said, response = await served.call(
            method, path, key, headers={"X-Request-Id": "req-7"}, **more
        )
        assert (status, said["error"]["code"], said["error"]["request_id"]) == (500, "internal", "req-7")
        assert "hunter2" not in str(said)
        assert response.headers["x-content-type-options"] == "nosniff"
        [logged] = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert "req-7" in logged.getMessage()


async def test_a_failure_after_the_stream_began_is_its_last_event(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = await served.key("aigerim", ["staff"])
    failures: list[Exception] = [StorageError("the disk is full", code="disk_full"), RuntimeError("hunter2")]

    async def fails(_: object, __: object, watch: Any, *___: object) -> None:
        watch("guard_question")
        await asyncio.sleep(0.05)
        raise failures[0]

    monkeypatch.setattr(served.house.asking, "ask", fails)
    for code in ("disk_full", "internal"):
        stream = {"Accept": "text/event-stream"}
        _, raw, _ = await served.raw("POST", "/api/ask", key, json=ASK, headers=stream)
        last = raw.decode().rstrip().split("\n\n")[-1]
        assert last.startswith("event: error\ndata: ")
        assert orjson.loads(last.split("data: ", 1)[1])["error"]["code"] == code
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0) as client:
            with pytest.raises(openai.APIError) as told:
                chunks = await client.chat.completions.create(**CHAT, stream=True)  # type: ignore[call-overload]
                assert [chunk async for chunk in chunks] == []
        assert told.value.code == code
        assert "hunter2" not in str(told.value)
        failures.pop(0)


async def test_every_response_has_an_id_and_the_security_headers(served: Served) -> None:
    for sent, kept in (("abc-1.2_3", True), ("a b", False), ("x" * 65, False), ("<i>", False), ("", False)):
        _, _, response = await served.call("GET", "/healthz", headers={"X-Request-Id": sent} if sent else {})
        assert (response.headers["x-request-id"] == sent) is kept
    for path in ("/healthz", "/nowhere", "/api/answers", "/metrics", "/api/docs"):
        headers = (await served.call("GET", path))[2].headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


# -- leaving ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/ask", ASK), ("/v1/chat/completions", CHAT), ("/v1/chat/completions", {**CHAT, "stream": True})],
)
async def test_a_client_that_leaves_ends_the_work(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    write_files(tmp_path / "files", FILES, ROWS)
    async with ScriptedModel(first_delay_s=600) as model:
        main = ModelSettings(
            name="main", dialect="openai", base_url=model.base_url, model="m", price=Price(unmetered=True)
        )
        settings = workspace(
            tmp_path,
            models={"main": main, "extractive": EXTRACTIVE},
            assistants={"staff-help": assistant(models=("main",))},
        )
        async with serving(settings, tmp_path / "cache") as served:
            key = await served.key("aigerim", ["staff"])
            call = asyncio.create_task(served.call("POST", path, key, json=body))
            await until(lambda: model.running == 1)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await until(lambda: model.running == 0)
            # The place is free again, and the database still takes writes.
            await served.key("someone-else")
            _, raw, _ = await served.call("GET", "/metrics")
            assert b"countersign_answers_total{" not in raw


async def test_leaving_in_the_middle_of_a_write_harms_nobody(served: Served) -> None:
    key = await served.key("aigerim", ["staff"])
    for delay_ms in range(0, 40, 4):
        call = asyncio.create_task(served.call("POST", "/api/ask", key, json=ASK))
        await asyncio.sleep(delay_ms / 1000)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    for _ in range(600):
        status, body, _ = await served.call("POST", "/api/ask", key, json=ASK)
        if status == 200:
            break
        await asyncio.sleep(0.05)
    assert body["status"] == "delivered"


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


# -- what it says of itself -------------------------------------------------------------------------------------
async def test_health_metrics_and_reference(served: Served) -> None:
    assert (await served.call("GET", "/healthz"))[1] == {"status": "ok"}
    status, body, _ = await served.call("GET", "/readyz")
    assert (status, body["ready"], body["lacks"]) == (200, True, [])
    key = await served.key("aigerim", ["staff"])
    await served.call("POST", "/api/ask", key, json=ASK)
    text = (await served.call("GET", "/metrics"))[1].decode()
    for line in (
        'countersign_answers_total{assistant="staff-help",status="delivered"} 1.0',
        'countersign_requests_total{method="POST",route="/api/ask",status="200"} 1.0',
        'countersign_model_calls_total{model="extractive",outcome="served"} 1.0',
        'countersign_documents{status="indexed"} 2.0',
        "countersign_jobs_pending 0.0",
        'countersign_index_lag_seq{tenant="bank"}',
        'countersign_step_seconds_count{step="retrieve"} 1.0',
        "countersign_ready 1.0",
    ):
        assert line in text, line
    names = re.findall(r"^# HELP (\S+)", text, re.MULTILINE)
    assert all(name.startswith("countersign_") for name in names)

    _, html, response = await served.call("GET", "/api/docs")
    style = re.search(rb"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(sha256(style[1]).digest()).decode()
    assert f"'sha256-{digest}'" in response.headers["content-security-policy"]
    assert not re.search(rb"(src|href)=.(https?:)?//", html)
    assert b"/v1/chat/completions" in html
    _, described, _ = await served.call("GET", "/api/openapi.json")
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert b"HTTPValidationError" not in orjson.dumps(described)
    pushed = described["paths"]["/api/documents/{source}/{external_id}"]["put"]["requestBody"]["content"]
    assert set(pushed) == {"application/json", "multipart/form-data"}
    assert {"text", "content_base64", "rights"} <= set(
        described["components"]["schemas"]["DocumentBody"]["properties"]
    )
    assert b"content_base64" in html


async def test_behind_a_proxy_metrics_need_a_key_that_may_read_them(tmp_path: Path) -> None:
    from countersign.api.server import create_app
    from tests.workspaces import opened

    async with opened(workspace(tmp_path), tmp_path / "cache", ingest=False) as house:
        app = create_app(house, behind_proxy=True)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/metrics",
            "raw_path": b"/metrics",
            "query_string": b"",
        }
        scope |= {
            "headers": [],
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("x", 80),
            "asgi": {"version": "3.0"},
        }
        scope |= {"http_version": "1.1", "root_path": ""}
        await app(scope, receive, send)
        assert sent[0]["status"] == 401


async def test_not_ready_says_what_is_lacking(tmp_path: Path) -> None:
    async with serving(workspace(tmp_path, assistants={}), tmp_path / "cache", ingest=False) as served:
        status, body, _ = await served.call("GET", "/readyz")
        assert (status, body["ready"]) == (503, False)
        assert body["lacks"]
