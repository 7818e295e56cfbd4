"""Question sets as a service: brought in, drafted from documents, decided by people, taken from answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from countersign.access.decide import Action, require
from countersign.access.principal import Principal
from countersign.domain.clock import Clock
from countersign.domain.errors import Conflict, NotFound, UsageError
from countersign.domain.events import Event, EventKind
from countersign.domain.text import storable
from countersign.domain.workspace import Workspace
from countersign.evaluation.draft import draft, drawn
from countersign.evaluation.questions import (
    MAX_TEXT,
    STATES,
    Expected,
    NewQuestion,
    Origin,
    QuestionSet,
    State,
)
from countersign.retrieval.analysis import question_language
from countersign.storage import question_sets
from countersign.storage.database import Database
from countersign.storage.drafting import excerpts
from countersign.storage.events import append_in
from countersign.storage.judged_answers import judged_answers
from countersign.storage.question_sets import SeenQuestion

_MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Brought:
    """`unknown` are expected documents that this tenant does not have: their questions can be judged by nothing else."""

    added: int
    known: int
    unknown: tuple[Expected, ...] = ()


class Questions:
    """Who changes a set needs the action `manage_questions`; whose rights admit a document sees what was drafted from it.

    `whole` says that the reader owns the files of the workspace and so sees everything, as in the files themselves.
    """

    def __init__(self, database: Database, workspace: Workspace, clock: Clock) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock

    # -- reading ------------------------------------------------------------------------------------------------
    async def sets(self, reader: Principal) -> list[QuestionSet]:
        require(reader, Action.MANAGE_QUESTIONS)
        return await self._database.read(question_sets.list_sets, reader.tenant)

    async def find(self, reader: Principal, name: str) -> QuestionSet:
        """Raises `NotFound`."""
        require(reader, Action.MANAGE_QUESTIONS)
        return await self._database.read(question_sets.find_set, reader.tenant, name)

    async def list(
        self, reader: Principal, name: str, states: Sequence[State] = STATES, *, whole: bool = False
    ) -> list[SeenQuestion]:
        """In their order. Raises `NotFound`."""
        found = await self.find(reader, name)
        asked = await self._database.read(question_sets.questions_of, found.id, states)
        if whole:
            return [SeenQuestion(each) for each in asked]
        return await self._database.read(question_sets.seen_by, reader, asked)

    async def one(
        self, reader: Principal, question_id: str, *, whole: bool = False
    ) -> tuple[SeenQuestion, QuestionSet]:
        """Raises `NotFound`, also for a drafted question whose document this reader may not read."""
        require(reader, Action.MANAGE_QUESTIONS)
        asked, owner = await self._database.read(question_sets.one_question, reader.tenant, question_id)
        if whole:
            return SeenQuestion(asked), owner
        [seen] = await self._database.read(question_sets.seen_by, reader, [asked])
        if seen.withheld:
            raise NotFound("there is no such question", code="question_not_found")
        return seen, owner

    # -- making -------------------------------------------------------------------------------------------------
    async def bring(self, person: Principal, name: str, new: Sequence[NewQuestion]) -> Brought:
        """Questions of a file: confirmed, because a person wrote them. Raises `UsageError`, `LimitExceeded`, `Conflict`
        (`document_ambiguous`)."""
        named, unknown = await self._named(person.tenant, new)
        added = await self._add(
            person, name, [(each, "") for each in named], origin="imported", state="confirmed"
        )
        return replace(added, unknown=unknown)

    async def draft(
        self, person: Principal, name: str, *, sources: Sequence[str] = (), count: int = 50, seed: int = 0
    ) -> Brought:
        """Drafts to be confirmed. Without `sources`, from those that an assistant of this tenant answers from. Raises
        `NotFound` (`source_not_found`)."""
        chosen = self._sources(person.tenant, sources)
        documents = await self._database.read(
            excerpts, person.tenant, chosen, self._clock.now(), count, drawn(seed)
        )
        drafted = draft(documents, count, seed)
        return await self._add(
            person, name, [(each, "") for each in drafted], origin="drafted", state="draft"
        )

    async def from_answers(self, person: Principal, name: str, *, limit: int = 1_000) -> Brought:
        """Questions whose answer a reviewer let out or whose asker found it helpful, with the documents that it cites."""
        found = await self._database.read(judged_answers, person.tenant, limit)
        new = [
            (NewQuestion(text, question_language(text), expected), answer_id)
            for each in found
            if (text := " ".join(each.question.split())[:MAX_TEXT]) and (expected := each.expected)
            for answer_id in (each.answer_id,)
        ]
        return await self._add(person, name, new, origin="own", state="confirmed")

    async def _add(
        self,
        person: Principal,
        name: str,
        new: Sequence[tuple[NewQuestion, str]],
        *,
        origin: Origin,
        state: State,
    ) -> Brought:
        require(person, Action.MANAGE_QUESTIONS)
        called = _usable_name(name)
        now = self._clock.now()

        def add(connection: Connection) -> Brought:
            set_id = question_sets.ensure_set(connection, person.tenant, called, person.name, now)
            added = question_sets.add_questions(
                connection, set_id, new, origin=origin, state=state, actor=person.name, now=now
            )
            facts: dict[str, object] = {"origin": origin, "added": added.added}
            append_in(
                connection,
                [Event(EventKind.QUESTIONS_ADDED, person.tenant, person.name, set_id, now, facts)],
            )
            return Brought(added.added, added.known)

        return await self._database.write(add)

    async def _named(
        self, tenant: str, new: Sequence[NewQuestion]
    ) -> tuple[list[NewQuestion], tuple[Expected, ...]]:
        """Every expected document with its source; those that are not here are told."""
        names = {one.external_id for each in new for one in each.expected}
        known = await self._database.read(question_sets.existing, tenant, names)
        unknown: dict[Expected, None] = {}
        named: list[NewQuestion] = []
        for each in new:
            expected: dict[Expected, None] = {}
            for one in each.expected:
                sources = [source for source, _, _ in known.get(one.external_id, [])]
                chosen = _with_source(one, sources)
                expected[chosen] = None
                if chosen.source not in sources:
                    unknown[chosen] = None
            named.append(replace(each, expected=tuple(expected)))
        return named, tuple(unknown)

    def _sources(self, tenant: str, wanted: Sequence[str]) -> list[str]:
        known = {
            name
            for name, each in self._workspace.sources.items()
            if not each.tenants or tenant in each.tenants
        }
        for name in wanted:
            if name not in known:
                raise NotFound(
                    f"there is no source {name!r}",
                    code="source_not_found",
                    hint=f"Known: {', '.join(sorted(known))}.",
                )
        asked = {name for each in self._workspace.assistants.values() for name in each.sources}
        return sorted(set(wanted) or (known & asked))

    # -- deciding -----------------------------------------------------------------------------------------------
    async def decide(
        self, person: Principal, question_id: str, state: State, text: str = "", *, whole: bool = False
    ) -> QuestionSet:
        """Confirm, perhaps with other words, drop, or take back (`draft`). Raises `NotFound`, `UsageError`."""
        seen, owner = await self.one(person, question_id, whole=whole)
        said = " ".join(text.split())
        if len(said) > MAX_TEXT or not storable(said):
            raise UsageError(
                f"a question has at most {MAX_TEXT} characters", code="question_too_long", hint="Shorten it."
            )
        if state == "draft" and seen.question.origin != "drafted":
            raise UsageError(
                "only a drafted question goes back to the drafts",
                code="question_not_drafted",
                hint="Drop it, or confirm it.",
            )
        now = self._clock.now()

        def change(connection: Connection) -> None:
            question_sets.decide(connection, question_id, state, said, person.name, now)
            self._note(connection, person, owner.id, now, {"state": state, "question": question_id})

        await self._database.write(change)
        return owner

    async def confirm_all(self, person: Principal, name: str) -> int:
        """Every draft of the set, unread: for the owner of the files, who answers for it. Says how many."""
        found = await self.find(person, name)
        now = self._clock.now()

        def change(connection: Connection) -> int:
            count = question_sets.decide_all(connection, found.id, "confirmed", person.name, now)
            self._note(connection, person, found.id, now, {"state": "confirmed", "questions": count})
            return count

        return await self._database.write(change)

    @staticmethod
    def _note(
        connection: Connection, person: Principal, set_id: str, now: datetime, facts: dict[str, object]
    ) -> None:
        event = Event(EventKind.QUESTIONS_DECIDED, person.tenant, person.name, set_id, now, facts)
        append_in(connection, [event])


def _with_source(one: Expected, sources: Sequence[str]) -> Expected:
    if one.source or not sources:
        return one
    if len(sources) > 1:
        raise Conflict(
            f"several sources have a document called {one.external_id!r}",
            code="document_ambiguous",
            hint=f"Say the source as well, one of: {', '.join(sources)}.",
        )
    return replace(one, source=sources[0])


def _usable_name(name: str) -> str:
    said = " ".join(name.split())
    if not said or len(said) > _MAX_NAME or not said.isprintable():
        raise UsageError(
            f"the name of a set has 1 to {_MAX_NAME} characters",
            code="question_set_name_invalid",
            hint="Say --set NAME, such as --set tariffs-2025.",
        )
    return said
