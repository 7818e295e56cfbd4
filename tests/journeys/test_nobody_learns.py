"""A person without rights learns nothing: what is forbidden looks, field by field, like what is not there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from countersign.access.principal import Principal, Role
from countersign.app.house import House
from countersign.app.library import Change
from countersign.domain.answers import Answer, AnswerStatus, RefusalReason
from countersign.domain.errors import CountersignError, NotAuthenticated, NotFound
from countersign.domain.search import SearchQuery
from countersign.domain.workspace import HoldRules
from tests.api.conftest import Served, serving
from tests.corpus.files import pdf
from tests.journeys.parts import ask, push, said_in
from tests.workspaces import assistant, opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

SECRET = "The opening code of the north vault is 774103982."
CODE = "What is the opening code of the north vault?"
BOARD = "# Board\n\nThe board will sell the Atyrau branch on 3 May 2027.\n"
SALE = "When will the board sell the Atyrau branch?"
WORDS = ("774103982", "north vault is", "Atyrau branch on", "vault.pdf", "HERON", "board.md")
FILES: dict[str, str | bytes] = {
    "vault.pdf": pdf([f"BT /F1 12 Tf 72 700 Td ({SECRET}) Tj ET"]),
    "board.md": BOARD,
}
ROWS = [
    {"file": "vault.pdf", "acl": ["group:vault"], "title": "Codes HERON"},
    {"file": "board.md", "acl": ["group:board"], "classification": "board", "title": "Sale HERON"},
]


@dataclass(frozen=True, slots=True)
class Treasure:
    """Everything there is to find out: ids of a delivered and of a held answer and of what lies behind them."""

    answer: str
    held: str
    citation: str
    review: str
    document: str
    job: str
    assistant: str = "staff-help"


@dataclass(frozen=True, slots=True)
class Scene:
    house: House
    there: Treasure
    keys: dict[str, str]
    people: dict[str, Principal]


ABSENT = Treasure(
    answer="ans_" + "0" * 25, held="ans_" + "1" * 25, citation="cit_" + "0" * 25, review="rev_" + "0" * 25,
    document="doc_" + "0" * 25, job="job_" + "0" * 26,
)  # fmt: skip
STRANGERS = ("outsider", "spy", "every-role", "lost")


def settings_of(root: Path) -> Any:
    holding = assistant(hold_when=HoldRules(classification=("board",)))
    return workspace(root, tenants=("bank", "telecom"), assistants={"staff-help": holding}, sources={
        name: replace(source, tenants=("bank",)) for name, source in workspace(root).sources.items()
    })  # fmt: skip


async def furnish(house: House) -> Scene:
    people = {
        "keeper": await person(house, "keeper", ["vault", "board"], ["user", "operator"]),
        "outsider": await person(house, "outsider"),
        "spy": await person(
            house, "spy", ["vault", "board", "quality", "editors"], [r.value for r in Role], "telecom"
        ),
        "every-role": await person(house, "every-role", ["quality"], ["user", "reviewer", "publisher"]),
        "lost": await person(house, "lost", ["vault"]),
        "guard": await person(house, "guard", ["vault"]),
    }
    told = await ask(house, people["lost"], CODE)
    held = await ask(house, people["keeper"], SALE)
    assert (told.status, held.status) == (AnswerStatus.DELIVERED, AnswerStatus.HELD)
    assert "774103982" in told.text
    received = await push(house, people["keeper"], "note", f"# HERON\n\n{SECRET}", any_of=("group:vault",))
    [document] = [d for d in await house.library.list(people["keeper"]) if d.external_id == "vault.pdf"]
    stored = await house.desk.answer(people["keeper"], held.answer_id)
    other = await ask(house, people["guard"], CODE)
    people["lost"] = await person(house, "lost")
    keys = {name: (await house.people.create_key(name)).token for name in people}
    there = Treasure(
        other.answer_id, held.answer_id, other.citations[0].citation_id, stored.review_id, document.document_id,
        received.job_id,
    )  # fmt: skip
    return Scene(house, there, keys, people)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    write_files(tmp_path / "files", FILES, ROWS)
    async with opened(settings_of(tmp_path), tmp_path / "cache") as house:
        yield await furnish(house)


async def outcome(work: Awaitable[Any]) -> tuple[Any, ...]:
    try:
        return ("value", await work)
    except CountersignError as error:
        return (type(error), error.code, error.message, error.hint, error.args)


Action = Callable[[House, Principal, Treasure], Awaitable[Any]]
ACTIONS: dict[str, Action] = {
    "answer": lambda h, p, t: h.desk.answer(p, t.answer),
    "held answer": lambda h, p, t: h.desk.answer(p, t.held),
    "story": lambda h, p, t: h.ledger.story(p, t.answer),
    "story of what is held": lambda h, p, t: h.ledger.story(p, t.held),
    "citation": lambda h, p, t: h.desk.citation(p, t.citation),
    "page image": lambda h, p, t: h.desk.page_png(p, t.citation),
    "feedback": lambda h, p, t: h.desk.feedback(p, t.answer, "wrong", "why"),
    "review": lambda h, p, t: h.desk.review(p, t.review),
    "claim": lambda h, p, t: h.desk.claim(p, t.review),
    "unclaim": lambda h, p, t: h.desk.release_claim(p, t.review),
    "approve": lambda h, p, t: h.desk.decide(p, t.review, "approve"),
    "reject": lambda h, p, t: h.desk.decide(p, t.review, "reject", reason="no"),
    "decide nonsense": lambda h, p, t: h.desk.decide(p, t.review, "nonsense"),
    "document": lambda h, p, t: h.library.get(p, t.document),
    "change": lambda h, p, t: h.library.change(p, t.document, Change({"title": "x"}, any_of=("tenant:*",))),
    "change wrongly": lambda h, p, t: h.library.change(p, t.document, Change({"nonsense": "x"})),
    "delete": lambda h, p, t: h.library.delete(p, t.document),
    "erase": lambda h, p, t: h.library.erase(p, t.document),
    "job": lambda h, p, t: h.library.job(p, t.job),
    "why": lambda h, p, t: h.people.why(p, "", t.document),
    "why by name": lambda h, p, t: h.people.why(
        p, p.name, "vault.pdf" if t.document != ABSENT.document else "no.pdf"
    ),
    "why about another": lambda h, p, t: h.people.why(p, "keeper", t.document),
}


@pytest.mark.parametrize("name", STRANGERS)
async def test_what_is_forbidden_looks_absent_in_every_service(scene: Scene, name: str) -> None:
    stranger = scene.people[name]
    for what, act in ACTIONS.items():
        forbidden = await outcome(act(scene.house, stranger, scene.there))
        absent = await outcome(act(scene.house, stranger, ABSENT))
        assert forbidden == absent, what
        assert forbidden[0] is not Any
        assert not any(word in str(forbidden) for word in WORDS), what
    everybody = await scene.house.library.get(scene.people["keeper"], scene.there.document)
    assert everybody.title == "Codes HERON", "nothing of what was tried has happened"


async def test_a_stranger_cannot_tell_who_exists(scene: Scene) -> None:
    outsider, house = scene.people["outsider"], scene.house
    for document in (scene.there.document, ABSENT.document):
        real = await outcome(house.people.why(outsider, "keeper", document))
        assert real == await outcome(house.people.why(outsider, "nobody-of-this-name", document))
        assert real == await outcome(house.people.why(outsider, "spy", document))


@pytest.mark.parametrize("name", STRANGERS)
async def test_lists_and_counts_say_nothing(scene: Scene, name: str) -> None:
    stranger, house = scene.people[name], scene.house
    if name == "spy":  # its roles show the state of its own tenant, where there is none
        assert await house.library.sources(stranger) == []
        assert await house.ledger.events(stranger, kind="answer.decided") == ()
    assert all(not d.title and d.external_id != "vault.pdf" for d in await house.library.list(stranger))
    assert await house.library.list(stranger, status="indexed") == []
    assert await house.library.list(stranger, status="quarantined") == []
    mine = await house.desk.my_answers(stranger)
    assert len(mine) == (1 if name == "lost" else 0)
    if stranger.has(Role.REVIEWER):
        assert await house.desk.queue(stranger) == []
        assert await house.desk.queue(stranger, "decided") == []


def comparable(answer: Answer) -> Answer:
    text = re.sub(r"ans_[0-9a-z]+", "", answer.text)
    moment = answer.created.replace(year=2000)
    return replace(answer, answer_id="", text=text, created=moment, as_of=moment)


@pytest.mark.parametrize("name", STRANGERS)
async def test_asking_for_what_is_forbidden_is_like_asking_for_what_is_not_there(
    scene: Scene, name: str
) -> None:
    stranger, house, there = scene.people[name], scene.house, scene.there
    for task in ("answer", "summarise", "reply"):
        for question in (CODE, SALE):
            forbidden = await ask(house, stranger, question, task=task, document_ids=(there.document,))
            absent = await ask(house, stranger, question, task=task, document_ids=(ABSENT.document,))
            assert replace(comparable(forbidden), created=absent.created, as_of=absent.as_of) == replace(
                comparable(absent), created=absent.created, as_of=absent.as_of
            )
            assert forbidden.refusal is RefusalReason.NO_EVIDENCE
            assert not any(word in said_in(forbidden) for word in WORDS)
    story = await house.ledger.story(stranger, forbidden.answer_id)
    other = await house.ledger.story(stranger, absent.answer_id)
    for one, two in zip(story.events, other.events, strict=True):
        same = {"duration_ms", "applied_seq"}
        assert {k: v for k, v in one.facts.items() if k not in same} == {
            k: v for k, v in two.facts.items() if k not in same
        }


async def test_a_question_that_names_a_forbidden_document_is_refused_as_if_there_were_none(
    scene: Scene,
) -> None:
    """Whether a title is known to anybody must not shape what is said to who may not read it."""
    house, keeper, outsider = scene.house, scene.people["keeper"], scene.people["outsider"]
    for n, place in enumerate(("Aktau", "Taraz", "Kokshetau", "Semey", "Oral", "Turkistan")):
        await push(
            house, keeper, f"branch-{n}", f"# Branch\n\nThe {place} branch opens at nine in the morning."
        )
    question = "When does the branch of Sarysu close under MA-77/114?"
    before = await ask(house, outsider, question)
    secret = "# MA-77/114\n\nThe staff of the branch stays for two years."
    await push(house, keeper, "merger", secret, title="MA-77/114", any_of=("group:vault",))
    after = await ask(house, outsider, question)
    assert before.warnings and before.status == AnswerStatus.REFUSED
    same = {"answer_id": "", "text": "", "created": before.created, "as_of": before.as_of}
    assert replace(after, **same) == replace(before, **same)
    assert after.text.replace(after.answer_id, "") == before.text.replace(before.answer_id, "")


@pytest.mark.parametrize("name", STRANGERS)
async def test_searching_for_what_is_forbidden_is_like_searching_for_what_is_not_there(
    scene: Scene, name: str
) -> None:
    stranger, house = scene.people[name], scene.house
    for words in (CODE, SALE):
        forbidden, absent = [
            await house.searching.search(
                stranger, SearchQuery("staff-help", words, document_ids=(treasure.document,))
            )
            for treasure in (scene.there, ABSENT)
        ]
        same = {"search_id": "", "created": absent.created, "as_of": absent.as_of, "took_ms": 0.0}
        assert replace(forbidden, **same) == replace(absent, **same)
        assert forbidden.hits == ()
        everything = await house.searching.search(stranger, SearchQuery("staff-help", words, limit=100))
        assert everything.hits == ()
    with pytest.raises(NotFound):
        await house.searching.page_png(stranger, forbidden.search_id, 1)


async def test_what_the_asker_may_no_longer_read_is_withheld_everywhere(scene: Scene) -> None:
    lost, house = scene.people["lost"], scene.house
    [row] = await house.desk.my_answers(lost)
    stored = await house.desk.answer(lost, row["id"])
    story = await house.ledger.story(lost, row["id"])
    assert stored.withheld
    assert not any(word in said_in(stored.answer) for word in WORDS)
    assert not any(word in str(event) for event in story.events for word in WORDS)
    assert all(event.personal == {} for event in story.events)


async def test_no_role_shows_a_text(scene: Scene) -> None:
    """Auditors and operators learn that something happened and in which state it is, never what it says."""
    house, there = scene.house, scene.there
    overseer = await person(house, "overseer", ["quality"], [role.value for role in Role])
    stored = await house.desk.answer(overseer, there.answer)
    assert stored.withheld
    assert stored.question == ""
    shown = [stored, await house.ledger.story(overseer, there.answer), await house.ledger.events(overseer)]
    shown += [await house.library.list(overseer), await house.library.get(overseer, there.document)]
    shown += [
        await house.library.job(overseer, there.job),
        await house.people.why(overseer, "keeper", there.document),
    ]
    for one in shown:
        assert not any(word in str(one) for word in ("774103982", "north vault", "Atyrau", "HERON")), one
    assert await house.desk.queue(overseer) == []
    for unreadable in (
        house.desk.citation(overseer, there.citation),
        house.desk.page_png(overseer, there.citation),
    ):
        with pytest.raises(NotFound):
            await unreadable
    with pytest.raises(NotFound):
        await house.desk.review(overseer, there.review)


async def test_every_key_that_opens_nothing_fails_alike(scene: Scene) -> None:
    house, keys = scene.house, dict(scene.keys)
    await house.people.set_person("outsider", tenant="bank", disabled=True)
    expired = (await house.people.create_key("lost", lifetime=timedelta(microseconds=1))).token
    revoked = await house.people.create_key("lost")
    await house.people.revoke_key(revoked.key.key_id)
    wrong = keys["keeper"][:-1] + ("A" if keys["keeper"][-1] != "A" else "B")
    outcomes = set()
    for token in (
        keys["outsider"],
        expired,
        revoked.token,
        wrong,
        "",
        "cs_",
        "nonsense",
        keys["keeper"] + "x",
        "\x00",
        "ключ",
    ):
        with pytest.raises(NotAuthenticated) as told:
            await house.people.authenticate(token)
        outcomes.add((told.value.code, told.value.message, told.value.hint))
    assert len(outcomes) == 1


async def test_forbidden_takes_as_much_work_as_absent(scene: Scene) -> None:
    """What takes time is asking the database; it is counted, for a clock would tell of the machine as well."""
    stranger, house = scene.people["outsider"], scene.house
    asked: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    event.listen(house.database.engine, "before_cursor_execute", count)
    for what in ("answer", "citation", "document", "why", "job"):
        work: list[int] = []
        for treasure in (scene.there, ABSENT):
            asked.clear()
            await outcome(ACTIONS[what](house, stranger, treasure))
            work.append(len(asked))
        assert abs(work[0] - work[1]) <= 1, (what, work)
        assert max(work) <= 4, (what, work)


# -- over HTTP --------------------------------------------------------------------------------------------------
@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Served, Scene]]:
    write_files(tmp_path / "files", FILES, ROWS)
    async with serving(settings_of(tmp_path), tmp_path / "cache") as joined:
        yield joined, await furnish(joined.house)


REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/api/answers/{answer}", None),
    ("GET", "/api/answers/{held}", None),
    ("POST", "/api/answers/{answer}/feedback", {"verdict": "wrong", "text": "no"}),
    ("GET", "/api/record/answers/{answer}", None),
    ("GET", "/api/record/answers/{held}", None),
    ("GET", "/api/citations/{citation}", None),
    ("GET", "/api/citations/{citation}/page.png", None),
    ("GET", "/api/reviews/{review}", None),
    ("POST", "/api/reviews/{review}/claim", None),
    ("DELETE", "/api/reviews/{review}/claim", None),
    ("POST", "/api/reviews/{review}/decision", {"decision": "approve"}),
    ("POST", "/api/reviews/{review}/decision", {"decision": "nonsense"}),
    ("GET", "/api/documents/{document}", None),
    ("PATCH", "/api/documents/{document}", {"title": "x"}),
    ("PATCH", "/api/documents/{document}", {"rights": {"any_of": ["tenant:*"]}}),
    ("DELETE", "/api/documents/{document}", None),
    ("DELETE", "/api/documents/{document}?erase=true", None),
    ("GET", "/api/jobs/{job}", None),
    ("POST", "/api/ask", {"assistant": "{assistant}", "question": CODE, "document_ids": ["{document}"]}),
    ("POST", "/api/ask", {"assistant": "{assistant}", "question": "", "task": "summarise", "document_ids": ["{document}"]}),
    (
        "POST",
        "/v1/chat/completions",
        {"model": "{assistant}", "messages": [{"role": "user", "content": CODE}], "countersign": {"document_ids": ["{document}"]}},
    ),
]  # fmt: skip
_VARIES = re.compile(
    r'"(?:request_id|answer_id|id|created|as_of)":\s*(?:"[^"]*"|\d+)|ans_[0-9a-z]+|chatcmpl-[0-9a-z_]+'
)
_PASSING = frozenset({"x-request-id", "date", "x-countersign-answer-id"})


def filled(value: Any, treasure: Treasure) -> Any:
    names = {name: getattr(treasure, name) for name in Treasure.__slots__}
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], value)
    if isinstance(value, list):
        return [filled(one, treasure) for one in value]
    return {key: filled(one, treasure) for key, one in value.items()} if isinstance(value, dict) else value


async def exchange(
    joined: Served, method: str, path: str, body: Any, key: str
) -> tuple[int, dict[str, str], str]:
    headers = {"Authorization": f"Bearer {key}"}
    more = {} if body is None else {"json": body}
    async with joined.http.request(method, joined.url + path, headers=headers, **more) as response:
        kept = {
            name.lower(): value for name, value in response.headers.items() if name.lower() not in _PASSING
        }
        return response.status, kept, _VARIES.sub("", (await response.read()).decode("utf-8", "replace"))


@pytest.mark.parametrize("name", STRANGERS)
async def test_what_is_forbidden_looks_absent_over_http(served: tuple[Served, Scene], name: str) -> None:
    joined, scene = served
    for method, path, body in REQUESTS:
        forbidden, absent = [
            await exchange(joined, method, filled(path, treasure), filled(body, treasure), scene.keys[name])
            for treasure in (scene.there, ABSENT)
        ]
        assert forbidden == absent, (method, path)
        assert not any(word in forbidden[2] for word in WORDS), (method, path)
    for listing in (
        "/api/documents",
        "/api/answers",
        "/api/reviews",
        "/api/sources",
        "/api/record/events",
        "/api/assistants",
    ):
        _, _, body = await exchange(joined, "GET", listing, None, scene.keys[name])
        assert not any(word in body for word in ("774103982", "Atyrau", "HERON")), listing
        assert not re.search(r'"documents":\s*\d', body) or name == "spy", listing
    assert (
        await joined.house.library.get(scene.people["keeper"], scene.there.document)
    ).title == "Codes HERON"


async def test_every_wrong_key_gets_the_same_reply_over_http(served: tuple[Served, Scene]) -> None:
    joined, scene = served
    await joined.house.people.set_person("outsider", tenant="bank", disabled=True)
    wrong = scene.keys["keeper"][:-1] + ("A" if scene.keys["keeper"][-1] != "A" else "B")
    replies = set()
    for key in (scene.keys["outsider"], wrong, "", "nonsense"):
        for treasure in (scene.there, ABSENT):
            for path in (
                "/api/answers/{answer}",
                "/api/documents/{document}",
                "/api/citations/{citation}/page.png",
            ):
                status, headers, body = await exchange(joined, "GET", filled(path, treasure), None, key)
                replies.add((status, tuple(sorted(headers.items())), body))
    assert len(replies) == 1
    assert replies.pop()[0] == 401
