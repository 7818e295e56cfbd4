"""Question sets through the commands and the service: made, seen by rights, decided, taken from answers, erased."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from countersign.access.principal import Principal, Role
from countersign.app.house import House
from countersign.app.questions import Questions
from countersign.domain.answers import Question as Asked
from countersign.domain.errors import Conflict, LimitExceeded, NotFound, NotPermitted, UsageError
from countersign.domain.workspace import HoldRules, Retention
from countersign.evaluation import questions as limits
from countersign.evaluation.questions import Expected, NewQuestion
from countersign.storage import question_sets
from countersign.storage.retention import Retirement
from tests.cli.conftest import Cli
from tests.workspaces import assistant, opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

_FILES = {
    "fees.md": "# Card tariffs\n\nThe monthly service fee of the Gold card is 990 tenge.\n",
    "board.md": "# Board minutes\n\nThe agreed bonus of the chairman is 77 million tenge.\n",
    "kk.md": "# Салым\n\nСалымның жылдық мөлшерлемесі 14 пайыз құрайды.\n",
    "old.md": "# Old tariffs\n\nThe monthly service fee of the Silver card is 450 tenge.\n",
}
_ROWS = [
    {"file": "fees.md", "acl": ["tenant:*"]},
    {"file": "board.md", "acl": ["group:board"]},
    {"file": "kk.md", "acl": ["tenant:*"]},
    {"file": "old.md", "acl": ["tenant:*"], "valid_to": "2020-01-01"},
]
_GOLD = "What is the monthly service fee of the Gold card?"
_BONUS = "What is the agreed bonus of the chairman?"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    write_files(tmp_path / "files", _FILES, _ROWS)
    strict = assistant("strict", hold_when=HoldRules(everything=True))
    settings = workspace(tmp_path, assistants={"staff-help": assistant(), "strict": strict})
    async with opened(settings, tmp_path / "cache") as running:
        yield running


def _service(house: House) -> Questions:
    return Questions(house.database, house.workspace, house.clock)


async def _operator(house: House, *groups: str) -> Principal:
    return await person(house, "olzhas", groups, ("user", "operator"))


async def _texts(house: House, reader: Principal, name: str = "t") -> list[str]:
    return [each.question.text for each in await _service(house).list(reader, name)]


async def test_drafts_come_from_what_is_in_force_and_repeat(house: House) -> None:
    operator = await _operator(house, "board")
    assert (await _service(house).draft(operator, "t", count=50, seed=4)).added == 5
    titles = {"What is said about “Card tariffs”?", "What is said about “Board minutes”?"}
    assert set(await _texts(house, operator)) == {
        _GOLD,
        _BONUS,
        "Салымның жылдық мөлшерлемесі қанша?",
        *titles,
    }
    again = await _service(house).draft(operator, "t", count=50, seed=4)
    assert (again.added, again.known) == (0, 5)
    assert (await _service(house).draft(operator, "other", count=50, seed=4)).added == 5
    assert await _texts(house, operator, "other") == await _texts(house, operator)
    with pytest.raises(NotFound):
        await _service(house).draft(operator, "t", sources=["nowhere"])
    assert (await _service(house).draft(operator, "empty", sources=["push"])).added == 0


async def test_a_draft_is_seen_and_decided_only_by_whom_its_document_admits(house: House) -> None:
    everybody = await _operator(house)
    await _service(house).draft(everybody, "t")
    seen = await _service(house).list(everybody, "t")
    hidden = [each for each in seen if each.withheld]
    assert len(hidden) == 2
    assert not any(word in repr(hidden).lower() for word in ("chairman", "board"))
    for act in ("confirmed", "dropped"):
        with pytest.raises(NotFound):
            await _service(house).decide(everybody, hidden[0].question.id, act)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await _service(house).one(everybody, hidden[0].question.id)
    member = await _operator(house, "board")
    for each in hidden:
        await _service(house).decide(member, each.question.id, "confirmed")
    assert _BONUS in await _texts(house, member)


async def test_a_question_is_confirmed_in_other_words_and_taken_back(house: House) -> None:
    operator = await _operator(house)
    await _service(house).draft(operator, "t")
    asked = next(e.question for e in await _service(house).list(operator, "t") if e.question.text == _GOLD)
    await _service(house).decide(operator, asked.id, "confirmed", "  What does  Gold cost? ")
    seen, owner = await _service(house).one(operator, asked.id)
    assert (seen.question.text, seen.question.state, seen.question.edited) == (
        "What does Gold cost?",
        "confirmed",
        True,
    )
    assert seen.question.decided_by == "olzhas"
    assert (owner.name, seen.question.expected) == ("t", (Expected("intranet", "fees.md"),))
    await _service(house).decide(operator, asked.id, "draft")
    seen, _ = await _service(house).one(operator, asked.id)
    assert (seen.question.text, seen.question.state, seen.question.edited) == (_GOLD, "draft", False)
    with pytest.raises(UsageError):
        await _service(house).decide(operator, asked.id, "confirmed", "a" * 1001)


async def test_only_operators_and_admins_work_on_sets(house: House) -> None:
    for roles in (("user",), ("reviewer",), ("auditor",)):
        other = await person(house, f"no-{roles[0]}", ("board",), roles)
        for attempt in (
            _service(house).sets(other),
            _service(house).draft(other, "t"),
            _service(house).bring(other, "t", []),
        ):
            with pytest.raises(NotPermitted):
                await attempt
    assert await _service(house).sets(await person(house, "boss", (), ("admin",))) == []


async def test_another_tenant_has_other_sets(house: House) -> None:
    operator = await _operator(house)
    await _service(house).draft(operator, "t")
    stranger = Principal("x", "elsewhere", frozenset({"board"}), frozenset({Role.OPERATOR}))
    with pytest.raises(NotFound):
        await _service(house).find(stranger, "t")
    [asked, *_] = await _service(house).list(operator, "t")
    with pytest.raises(NotFound):
        await _service(house).one(stranger, asked.question.id)


async def test_expected_documents_get_their_source_and_what_is_not_there_is_told(house: House) -> None:
    operator = await _operator(house)
    new = [
        NewQuestion("What does Gold cost?", "en", (Expected("", "fees.md"), Expected("", "gone.md"))),
        NewQuestion("What does it cost at a push?", "en", (Expected("push", "fees.md"),)),
    ]
    brought = await _service(house).bring(operator, "t", new)
    assert (brought.added, brought.unknown) == (2, (Expected("", "gone.md"), Expected("push", "fees.md")))
    [first, _] = await _service(house).list(operator, "t", whole=True)
    assert (first.question.state, first.question.origin) == ("confirmed", "imported")
    assert first.question.expected[0] == Expected("intranet", "fees.md")


async def test_a_name_in_two_sources_must_say_which(house: House) -> None:
    operator = await _operator(house)
    known = {"a.md": ["intranet", "push"]}

    def two(connection: object, tenant: str, names: object) -> dict[str, list[tuple[str, str, str]]]:
        return {name: [(source, "doc", "indexed") for source in found] for name, found in known.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(question_sets, "existing", two)
        with pytest.raises(Conflict, match="a\\.md"):
            await _service(house).bring(operator, "t", [NewQuestion("Which?", "en", (Expected("", "a.md"),))])


async def test_a_set_has_a_limit_and_a_usable_name(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = await _operator(house)
    monkeypatch.setattr(question_sets, "MAX_QUESTIONS", 2)
    new = [NewQuestion(f"Question {n}?", "en", (Expected("intranet", "fees.md"),)) for n in range(3)]
    with pytest.raises(LimitExceeded):
        await _service(house).bring(operator, "t", new)
    assert await _service(house).sets(operator) == []
    assert limits.MAX_QUESTIONS > 2
    for name in ("", " ", "a\x00b", "a" * 101):
        with pytest.raises(UsageError):
            await _service(house).bring(operator, name, new[:1])


async def test_erasing_a_document_empties_what_was_drafted_from_it_and_forgets_its_name(house: House) -> None:
    operator = await _operator(house, "board")
    await _service(house).draft(operator, "t")
    quoting = NewQuestion("Is it so: " + _FILES["board.md"][17:60], "en", (Expected("intranet", "fees.md"),))
    naming = NewQuestion("Who decides on bonuses?", "en", (Expected("intranet", "board.md"),))
    await _service(house).bring(operator, "t", [quoting, naming])
    asked = next(e.question for e in await _service(house).list(operator, "t") if e.question.text == _BONUS)
    await _service(house).decide(operator, asked.id, "confirmed", "How much does he get?")
    job = await house.library.erase(operator, asked.document_id)
    await house.worker.drain()
    found = await house.jobs.get(job)
    assert found.state == "done"
    assert found.result is not None
    assert found.result["complete"]
    left = await _service(house).list(operator, "t", whole=True)
    assert "How much does he get?" not in [each.question.text for each in left]
    assert quoting.text not in [each.question.text for each in left]
    [named] = [each for each in left if each.question.text == naming.text]
    assert named.question.expected == ()


async def test_answers_that_people_found_right_become_questions_until_they_are_retired(house: House) -> None:
    operator = await _operator(house)
    asker = await person(house, "aigerim")
    helpful = await house.asking.ask(asker, Asked("staff-help", _GOLD))
    await house.desk.feedback(asker, helpful.answer_id, "helpful", "")
    doubted = await house.asking.ask(asker, Asked("staff-help", "What is the monthly fee of the Gold card?"))
    await house.desk.feedback(asker, doubted.answer_id, "wrong", "")
    await house.asking.ask(asker, Asked("staff-help", "What does the Gold card cost a month?"))
    held = await house.asking.ask(asker, Asked("strict", "Tell me the service fee of the Gold card."))
    reviewer = await person(house, "saule", ("quality",), ("reviewer",))
    [review] = await house.desk.queue(reviewer)
    await house.desk.decide(reviewer, review.review_id, "approve")
    assert (await _service(house).from_answers(operator, "asked")).added == 2
    found = await _service(house).list(operator, "asked", whole=True)
    assert {each.question.text for each in found} == {_GOLD, "Tell me the service fee of the Gold card."}
    assert {each.question.expected for each in found} == {(Expected("intranet", "fees.md"),)}
    assert {each.question.state for each in found} == {"confirmed"}
    assert held.answer_id
    await Retirement(house.database, house.clock).apply(
        "bank", Retention(answers=timedelta(seconds=-60), personal=timedelta(days=1))
    )
    assert await _service(house).list(operator, "asked", whole=True) == []
    assert (await _service(house).from_answers(operator, "later")).added == 0


# -- commands -----------------------------------------------------------------------------------------------------------
def test_the_commands_make_decide_and_export_a_set(cli: Cli, filled: Path, tmp_path: Path) -> None:
    assert cli("questions", "list").code == 0
    drafted = cli("questions", "draft", "--set", "t", "--count", "9", "--json").json
    assert drafted["added"] >= 2
    file = tmp_path / "asked.jsonl"
    line = {
        "question": "What does Gold cost?",
        "expected": [{"document": "fees.md"}, {"document": "gone.md"}],
    }
    file.write_text(json.dumps(line) + "\n", encoding="utf-8")
    brought = cli("questions", "import", str(file), "--set", "t", "--json").json
    assert brought["unknown_documents"] == [{"source": "", "document": "gone.md"}]
    shown = cli("questions", "show", "t", "--json").json["items"]
    assert cli("questions", "show", "--set", "t", "--json").json["items"] == shown
    gold = next(each for each in shown if "Gold card" in each["text"] and each["state"] == "draft")
    assert cli("questions", "confirm", gold["id"], "--text", "What is Gold?", "--json").json == {
        "confirmed": 1
    }
    dropped = next(each for each in shown if each["state"] == "draft" and each["id"] != gold["id"])
    assert cli("questions", "drop", dropped["id"]).code == 0
    exported = cli("questions", "export", "t").out.strip().split("\n")
    assert cli("questions", "export", "--set", "t").out.strip().split("\n") == exported
    assert cli("questions", "show", "t", "--set", "other").code == 2
    assert cli("questions", "show").code == 2
    assert {json.loads(each)["question"] for each in exported} == {"What is Gold?", "What does Gold cost?"}
    [counted] = cli("questions", "list", "--json").json["items"]
    assert (counted["set"], counted["confirmed"], counted["dropped"]) == ("t", 2, 1)
    assert cli("questions", "confirm", "--all", "t").code == 0


def test_the_commands_show_a_person_what_their_rights_admit(cli: Cli, filled: Path) -> None:
    cli("user", "set", "olzhas", "--roles", "user,operator")
    cli("questions", "draft", "--set", "t")
    whole = cli("questions", "show", "t").out
    assert "Salary" in whole
    theirs = cli("questions", "show", "t", "--as", "olzhas").out
    assert "Gold card" in theirs
    assert "Salary" not in theirs
    assert "bands" not in theirs
    assert cli("questions", "show", "t", "--as", "aigerim").code == 1


def test_the_commands_refuse_what_they_cannot_use(cli: Cli, filled: Path, tmp_path: Path) -> None:
    for arguments in (
        ("confirm",),
        ("confirm", "qn_1", "--all", "t"),
        ("confirm", "a", "b", "--text", "c"),
        ("confirm", "--all", "t", "--as", "aigerim"),
    ):
        assert cli("questions", *arguments).code == 2
    ended = cli("questions", "show", "nowhere")
    assert ended.code == 1
    assert "question_set_not_found" in ended.err
    file = tmp_path / "asked.txt"
    file.write_text("?", encoding="utf-8")
    assert "questions_file_invalid" in cli("questions", "import", str(file), "--set", "t").err
