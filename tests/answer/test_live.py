"""Live and verified delivery: what leaves when, and that it is what the record keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.access.principal import Principal
from countersign.answer.citations import Binding, bind
from countersign.answer.compose import ABSTAIN
from countersign.app.house import House
from countersign.corpus.sentences import split_sentences
from countersign.domain.answers import Answer, AnswerStatus, Question, RefusalReason
from countersign.domain.errors import ProviderUnavailable
from countersign.domain.workspace import HoldRules, RefuseRules
from countersign.gateway.extractive import Extractive
from countersign.gateway.ladder import Ladder, Rung
from countersign.gateway.seams import ModelRequest
from countersign.guard.checks import CheckContext, Verdict
from countersign.guard.pipeline import Guard
from tests.answer.passages import passage
from tests.answer.writers import Piece, Writer
from tests.workspaces import assistant, opened, person, process, workspace, write_files

pytestmark = pytest.mark.anyio

FILES = {
    "sim.md": "# SIM replacement\n\nReplacing a SIM card costs 500 tenge. The new SIM card works within 2 hours.",
    "esim.md": "# SIM card by post\n\nA SIM card sent by post costs 700 tenge and arrives in 3 days.",
}
ROWS = [{"file": name, "acl": ["group:staff"]} for name in FILES]
SIM = "What does replacing a SIM card cost?"
FIRST = "Replacing a SIM card costs 500 tenge [1]."
SECOND = "The new SIM card works within 2 hours [1]."


@dataclass
class Desk:
    """A house whose assistant delivers live, one asker, and everything that left, in order."""

    house: House
    asker: Principal
    out: list[str] = field(default_factory=list)

    async def ask(self, *pieces: Piece, below: bool = False, **changes: object) -> Answer:
        rungs = [Rung(Writer(*pieces), in_process=True)]
        rungs += [Rung(Extractive(), in_process=True)] if below else []
        live = assistant(delivery="live", **changes)
        ladders = {"staff-help": Ladder(rungs, home_region="kz")}
        self.house.asking.with_line(ladders=ladders, assistants={"staff-help": live})
        return await self.house.asking.ask(self.asker, Question("staff-help", SIM), emit=self.out.append)

    @property
    def text(self) -> str:
        return "".join(self.out)

    async def stored(self, answer: Answer) -> Answer:
        return (await self.house.desk.answer(self.asker, answer.answer_id)).answer

    def seen(self, expected: str) -> Callable[[ModelRequest], Awaitable[str]]:
        """A stop at which exactly this must have left."""

        async def look(_: ModelRequest) -> str:
            assert self.text == expected
            return ""

        return look


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    write_files(tmp_path / "files", FILES, ROWS)
    async with opened(workspace(tmp_path), tmp_path / "cache") as house:
        yield Desk(house, await person(house, "aigerim", ["staff"]))


async def test_a_sentence_leaves_before_the_next_one_is_written(desk: Desk) -> None:
    ours = FIRST.replace(" [1].", ". [1]")
    answer = await desk.ask(
        "Hello! Replacing a SIM",
        desk.seen(""),
        " card costs 500 tenge [1].",
        desk.seen(""),
        " The new SIM card works",
        desk.seen(f"Hello! {ours}"),
        " within 2 hours [1].",
    )
    assert answer.status is AnswerStatus.DELIVERED
    assert desk.text == answer.text == (await desk.stored(answer)).text
    assert len(desk.out) == 2
    assert [claim.text for claim in answer.claims] == [ours, "The new SIM card works within 2 hours. [1]"]
    assert all(answer.text[c.start : c.end] == c.text and c.supported for c in answer.claims)


async def test_numbers_are_ours_from_their_first_appearance_and_invented_ones_never_leave(desk: Desk) -> None:
    async def second_first(request: ModelRequest) -> str:
        by = {p.external_id: n for n, p in enumerate(request.passages, 1)}
        return (
            f"A SIM card sent by post costs 700 tenge [{by['esim.md']}]. "
            f"Replacing a SIM card costs 500 tenge [{by['sim.md']}] [9]. "
            f"It arrives in 3 days [{by['esim.md']}]. "
        )

    answer = await desk.ask(second_first, "That is all there is", " to say.")
    assert "[9]" not in desk.text
    assert desk.text == answer.text
    assert [(c.n, c.external_id) for c in answer.citations] == [(1, "esim.md"), (2, "sim.md")]
    assert [claim.citations for claim in answer.claims][:3] == [(1,), (2,), (1,)]
    assert "invented_citation" in answer.warnings


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_however_the_model_cuts_its_text_the_same_leaves(desk: Desk, size: int) -> None:
    draft = (
        f"  {FIRST} Т.е. 1.5 percent, см. п. 3 [1][2]\n\n- one [1]\n- two [2]\n【1】 Fine. {SECOND}\n[2]\n"
    )
    answer = await desk.ask(*(draft[i : i + size] for i in range(0, len(draft), size)))
    assert desk.text == answer.text
    assert answer.text.endswith("within 2 hours. [1] [2]")
    assert "【" not in answer.text


async def test_what_would_repeat_the_rules_ends_the_stream_and_the_record_says_so(desk: Desk) -> None:
    async def leak(request: ModelRequest) -> str:
        return request.messages[0].content

    answer = await desk.ask(f"{FIRST} And here are the rules: ", leak, " And more.")
    first = FIRST.replace(" [1].", ". [1]")
    assert (answer.status, answer.refusal) == (AnswerStatus.REFUSED, RefusalReason.OUTPUT_BLOCKED)
    assert answer.text.startswith(f"{first}\n\n")
    assert answer.answer_id in answer.text
    assert desk.text == answer.text == (await desk.stored(answer)).text
    assert desk.out[0] == first
    assert answer.warnings == ("cut_short", "system_prompt_overlap")
    assert (answer.citations, answer.claims) == ((), ())


async def test_a_hit_before_anything_left_is_an_ordinary_refusal(desk: Desk) -> None:
    async def leak(request: ModelRequest) -> str:
        return request.messages[0].content

    answer = await desk.ask("The rules: ", leak)
    assert (answer.status, answer.refusal) == (AnswerStatus.REFUSED, RefusalReason.OUTPUT_BLOCKED)
    assert desk.out == [answer.text]
    assert "only from its documents" not in answer.text


async def test_an_added_check_stops_the_sentence_that_it_dislikes(desk: Desk) -> None:
    class NoHours:
        code, stage = "no_hours", "output"

        def examine(self, text: str, context: CheckContext) -> Verdict:
            return Verdict("block" if "hours" in text else "allow", ())

    desk.house.asking.with_line(guard=Guard(checks=[NoHours()]))  # type: ignore[list-item]
    answer = await desk.ask(f"{FIRST} {SECOND} Ask us.")
    assert answer.refusal is RefusalReason.OUTPUT_BLOCKED
    assert "hours" not in desk.text
    assert desk.text == answer.text


async def test_a_model_that_fails_on_the_way_leaves_a_shorter_answer(desk: Desk) -> None:
    failing = ProviderUnavailable("gone")
    answer = await desk.ask(f"{FIRST} The new SIM card wor", failing, below=True)
    assert answer.status is AnswerStatus.DELIVERED
    assert desk.text == answer.text == FIRST.replace(" [1].", ". [1]")
    assert "cut_short" in answer.warnings
    assert "cut_short" in (await desk.stored(answer)).warnings


async def test_a_model_that_fails_before_a_sentence_is_over_is_followed_by_the_next_rung(desk: Desk) -> None:
    answer = await desk.ask("Replacing a pony costs", ProviderUnavailable("gone"), below=True)
    assert answer.status is AnswerStatus.DEGRADED
    assert "pony" not in desk.text
    assert "500 tenge" in desk.text
    assert desk.text == answer.text
    assert "cut_short" not in answer.warnings


async def test_a_lost_right_ends_the_text_at_the_sentence_before(desk: Desk) -> None:
    async def revoke(_: ModelRequest) -> str:
        await desk.house.people.set_person("aigerim", tenant="bank", groups=[], roles=["user"])
        return ""

    answer = await desk.ask(f"{FIRST} The new SIM card works", revoke, " within 2 hours [1]. ", "Ask us.")
    assert (answer.status, answer.refusal) == (AnswerStatus.REFUSED, RefusalReason.NO_EVIDENCE)
    assert "rights_changed" in answer.warnings
    assert "hours" not in desk.text
    assert desk.text == answer.text
    now = await person(desk.house, "aigerim", [])
    stored = await desk.house.desk.answer(now, answer.answer_id)
    assert stored.withheld
    assert stored.answer.text == ""


async def test_a_right_lost_before_the_first_sentence_lets_nothing_leave(desk: Desk) -> None:
    async def revoke(_: ModelRequest) -> str:
        await desk.house.people.set_person("aigerim", tenant="bank", groups=[], roles=["user"])
        return ""

    answer = await desk.ask("Replacing", revoke, f" a SIM card costs 500 tenge [1]. {SECOND}")
    assert answer.refusal is RefusalReason.NO_EVIDENCE
    assert desk.out == [answer.text]
    assert "500 tenge" not in desk.text


async def test_nothing_is_said_when_nothing_is_known(desk: Desk) -> None:
    for draft in (ABSTAIN, f"{ABSTAIN}. [1] ", "Hello! Good day!"):
        desk.out.clear()
        answer = await desk.ask(draft)
        assert (answer.status, answer.refusal) == (AnswerStatus.REFUSED, RefusalReason.NO_EVIDENCE)
        assert desk.out == [answer.text]


async def test_data_that_is_too_old_refuses_before_a_model_is_asked(desk: Desk) -> None:
    async def never(_: ModelRequest) -> str:
        raise AssertionError("no model may be asked")

    rule = RefuseRules(source_older_than=timedelta(microseconds=1))
    answer = await desk.ask(never, refuse_when=rule)
    assert answer.refusal is RefusalReason.SOURCE_TOO_OLD
    assert desk.out == [answer.text]


async def test_an_answer_at_its_length_says_so(desk: Desk) -> None:
    rung = Rung(Writer(FIRST, " And the new", finish="length"), in_process=True)
    ladders = {"staff-help": Ladder([rung], home_region="kz")}
    desk.house.asking.with_line(
        ladders=ladders, assistants={"staff-help": assistant(delivery="live", hold_when=HoldRules())}
    )
    answer = await desk.house.asking.ask(desk.asker, Question("staff-help", SIM), emit=desk.out.append)
    assert "cut_at_length" in answer.warnings
    assert desk.text == answer.text


async def test_a_reader_who_goes_away_leaves_a_record_of_what_left(desk: Desk) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: ModelRequest) -> str:
        begun.set()
        await go_on.wait()
        return ""

    asking = asyncio.create_task(
        desk.ask(f"{FIRST} The new SIM card works", wait, " within 2 hours. ", "So.")
    )
    await begun.wait()
    asking.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    [row] = await desk.house.desk.my_answers(desk.asker)
    kept = (await desk.house.desk.answer(desk.asker, row["id"])).answer
    assert kept.text == desk.text == FIRST.replace(" [1].", ". [1]")
    assert "cut_short" in kept.warnings
    story = await desk.house.ledger.story(desk.asker, kept.answer_id)
    assert [event.kind for event in story.events][-1] == "answer.decided"


async def test_a_reader_who_goes_away_early_leaves_no_answer(desk: Desk) -> None:
    begun = asyncio.Event()

    async def wait(_: ModelRequest) -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    asking = asyncio.create_task(desk.ask("Replacing", wait))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await desk.house.desk.my_answers(desk.asker) == []
    assert desk.out == []


@pytest.mark.parametrize(
    "changes",
    [
        {"delivery": "verified"},
        {"delivery": "live", "process": process("high"), "hold_when": HoldRules(everything=True)},
        {"delivery": "live", "hold_when": HoldRules(conflicts=True)},
        {"delivery": "live", "process": process("medium"), "hold_when": HoldRules()},
    ],
    ids=["verified", "high", "a rule", "medium"],
)
async def test_where_something_could_be_held_no_text_leaves_before_the_decision_is_committed(
    desk: Desk, changes: dict[str, object]
) -> None:
    happened: list[str] = []
    answers = desk.house.asking.line.answers

    class Noting:
        async def finish(self, *arguments: object) -> bool:
            kept = await answers.finish(*arguments)  # type: ignore[arg-type]
            happened.append("committed")
            return kept

        def __getattr__(self, name: str) -> object:
            return getattr(answers, name)

    rung = Rung(Writer(f"{FIRST} ", SECOND, f" {SECOND}"), in_process=True)
    desk.house.asking.with_line(
        answers=Noting(),
        ladders={"staff-help": Ladder([rung], home_region="kz")},
        assistants={"staff-help": assistant(**changes)},
    )
    answer = await desk.house.asking.ask(
        desk.asker, Question("staff-help", SIM), emit=lambda text: happened.append(text)
    )
    assert happened == ["committed", answer.text]
    assert (answer.status is AnswerStatus.HELD) == (changes.get("hold_when") == HoldRules(everything=True))


SOURCES = [passage("The fee is 5.", key="1"), passage("The limit is 7.", key="2")]


@given(st.text(alphabet=st.sampled_from("ab1. \n[]【】2,9-Тң!"), max_size=80), st.data())
def test_bound_piece_by_piece_is_one_text(text: str, data: st.DataObject) -> None:
    cuts = [end for _, end in split_sentences(text)]
    chosen = data.draw(st.lists(st.sampled_from(cuts), unique=True).map(sorted)) if cuts else []
    binding = Binding(SOURCES)
    ends = [*chosen, len(text)]
    left = "".join(binding.add(text[a:b]) for a, b in zip([0, *chosen], ends, strict=True))
    bound = binding.bound()
    assert bound.text == left
    assert all(left[c.start : c.end] == c.text for c in bound.claims)
    assert [c.n for c in bound.citations] == list(range(1, len(bound.citations) + 1))
    assert replace(bind(text, SOURCES), citations=()) == replace(whole(text), citations=())


def whole(text: str):
    binding = Binding(SOURCES)
    binding.add(text)
    return binding.bound()
