"""Random grants, revocations, updates, deletions and questions: no answer ever rests on what is not permitted then."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.access.principal import Principal
from countersign.app.house import House
from countersign.app.library import Change, Submission
from countersign.domain.answers import Question
from tests.workspaces import opened, person, workspace, write_files

DOCUMENTS = 4
GROUPS = ("red", "blue", "green")
STEP = st.one_of(
    st.tuples(st.just("join"), st.sampled_from(GROUPS), st.booleans()),
    st.tuples(st.just("rights"), st.integers(0, DOCUMENTS - 1), st.sets(st.sampled_from(GROUPS))),
    st.tuples(st.just("update"), st.integers(0, DOCUMENTS - 1), st.integers(100, 999)),
    st.tuples(st.just("delete"), st.integers(0, DOCUMENTS - 1), st.none()),
    st.tuples(st.just("ask"), st.integers(0, DOCUMENTS - 1), st.none()),
)


@dataclass
class Model:
    """What must be so, kept in plain Python beside the house."""

    groups: set[str] = field(default_factory=set)
    rights: dict[int, set[str]] = field(default_factory=dict)
    code: dict[int, int] = field(default_factory=dict)

    def visible(self, number: int) -> bool:
        return number in self.code and bool(self.rights[number] & self.groups)


async def put(house: House, operator: Principal, model: Model, number: int, code: int) -> None:
    text = f"# Branch {number}\n\nThe opening code of branch number {number} is {code}{number}."
    rights = model.rights.setdefault(number, {"red"})
    said = Submission(
        filename="note.md", mime="text/markdown", any_of=tuple(f"group:{g}" for g in sorted(rights))
    )
    await house.library.put(operator, "push", f"branch-{number}", text.encode(), said)
    await house.worker.drain()
    model.code[number] = code


async def find(house: House, operator: Principal, number: int) -> str:
    documents = await house.library.list(operator, limit=50)
    return next((d.document_id for d in documents if d.external_id == f"branch-{number}"), "")


async def play(house: House, steps: list[tuple[str, object, object]]) -> None:
    model = Model()
    operator = await person(house, "operator", roles=["operator"])
    for number in range(DOCUMENTS):
        await put(house, operator, model, number, 500 + number)
    for action, first, second in steps:
        if action == "join":
            (model.groups.add if second else model.groups.discard)(str(first))
        elif action == "rights" and first in model.code:
            model.rights[first] = set(second)  # type: ignore[call-overload, index]
            terms = tuple(f"group:{g}" for g in sorted(model.rights[first]))  # type: ignore[index]
            await house.library.change(operator, await find(house, operator, first), Change({}, any_of=terms))  # type: ignore[arg-type]
        elif action == "update":
            await put(house, operator, model, first, second)  # type: ignore[arg-type]
        elif action == "delete" and first in model.code:
            await house.library.delete(operator, await find(house, operator, first))  # type: ignore[arg-type]
            del model.code[first]  # type: ignore[arg-type]
        await check(house, model, first if action == "ask" else 0)  # type: ignore[arg-type]


async def check(house: House, model: Model, number: int) -> None:
    clerk = await person(house, "clerk", sorted(model.groups))
    question = f"What is the opening code of branch number {number}?"
    answer = await house.asking.ask(clerk, Question("staff-help", question))
    said = answer.text + " ".join(citation.quote for citation in answer.citations)
    permitted = {f"{model.code[n]}{n}" for n in model.code if model.visible(n)}
    for n in range(DOCUMENTS):
        for code in range(100, 1000):
            token = f" {code}{n}."
            if token in f" {said}." and f"{code}{n}" not in permitted:
                raise AssertionError(f"answered {token} while only {permitted} is permitted")
    if model.visible(number):
        assert f"{model.code[number]}{number}" in answer.text


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, min_size=6, max_size=14))
def test_no_answer_rests_on_what_is_not_permitted_at_that_moment(
    steps: list[tuple[str, object, object]],
) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_files(root / "files", {}, [])
            async with opened(workspace(root), root / "cache", ingest=False) as house:
                await play(house, steps)

    asyncio.run(run())
