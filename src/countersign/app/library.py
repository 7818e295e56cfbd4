"""Documents as a service: take in, look at, change, remove, erase — each for a person who may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from countersign.access.decide import Action, Context, Permit, may, require
from countersign.access.principal import Principal
from countersign.corpus.ingest import Intake, Received
from countersign.domain.clock import Clock, from_iso, iso
from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import NotFound, UsageError
from countersign.domain.jobs import Job, Jobs
from countersign.domain.text import storable
from countersign.domain.workspace import SourceSettings
from countersign.sources.sidecar import term_of
from countersign.storage import document_changes, document_views, source_state
from countersign.storage.database import Database
from countersign.storage.document_views import DocumentView, SourceView
from countersign.storage.jobs import enqueue_in, job_id_of, state_of_job

ERASE_JOB = "erase"
_CHANGEABLE = frozenset({"title", "residency", "classification", "owner", "valid_from", "valid_to"})
_MAX_NAME = 1_000
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client says of a document that it pushes; right terms as in a manifest."""

    filename: str = ""
    mime: str = "text/plain"
    title: str = ""
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    residency: str = ""
    classification: str = ""
    owner: str = ""
    modified: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    supersedes: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A PATCH: `fields` by name, and new rights when `any_of` or `all_of` is given."""

    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    any_of: tuple[str, ...] | None = None
    all_of: tuple[str, ...] = ()


class Library:
    """`sources` are those of the workspace; `wake` tells the worker of this process that a job was queued."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        jobs: Jobs,
        sources: Mapping[str, SourceSettings],
        max_bytes: int,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._intake = intake
        self._jobs = jobs
        self._sources = sources
        self._max_bytes = max_bytes
        self._clock = clock
        self._wake = wake

    async def put(
        self, principal: Principal, source: str, external_id: str, content: bytes, said: Submission
    ) -> Received:
        """Raises `NotPermitted`, `NotFound` (no such push source), `UsageError` (too large, bad rights, id or validity)."""
        settings = self._push_source(principal, source)
        if not external_id or len(external_id) > _MAX_NAME or not storable(external_id):
            raise UsageError("the document's id is empty or too long", code="external_id_invalid")
        if len(content) > self._max_bytes:
            raise UsageError(
                f"the document is larger than {self._max_bytes} bytes",
                code="document_too_large",
                hint="Split it, or raise `parsing.max_bytes`.",
            )
        document_changes.require_order(
            *(iso(day) if day else None for day in (said.valid_from, said.valid_to))
        )
        document = SourceDocument(
            source=source,
            external_id=external_id,
            tenant=principal.tenant,
            title=said.title,
            filename=said.filename or external_id.rsplit("/", 1)[-1],
            mime=said.mime,
            rights=rights_of(said.any_of, said.all_of),
            rights_origin=f"request by {principal.name}",
            residency=said.residency or settings.residency,
            classification=said.classification,
            owner=said.owner or principal.name,
            modified=said.modified,
            valid_from=said.valid_from,
            valid_to=said.valid_to,
            supersedes=said.supersedes,
        )
        received = await self._intake.receive(document, content, actor=principal.name)
        await self._note_pushed(principal.tenant, source)
        self._wake()
        return received

    async def _note_pushed(self, tenant: str, source: str) -> None:
        """A source that is pushed to is as fresh as its newest push; once a minute is often enough to note it."""
        now = self._clock.now()
        state = await self._database.read(source_state.state_of, tenant, source)
        if state is None or state.synced is None or now - from_iso(state.synced) >= _NOTED_EVERY:
            await self._database.write(source_state.note_pushed, tenant, source, now)

    def _push_source(self, principal: Principal, source: str) -> SourceSettings:
        settings = self._sources.get(source)
        if settings is None or (settings.tenants and principal.tenant not in settings.tenants):
            raise NotFound("there is no such source")
        require(principal, Action.PUBLISH, publisher_groups=frozenset(settings.publisher_groups))
        if settings.connector != "push":
            raise UsageError(
                f"source {source!r} is read by its connector, not pushed to",
                code="source_not_push",
                hint="Use a source with `connector: push`.",
            )
        return settings

    async def get(self, principal: Principal, document_id: str) -> DocumentView:
        """As this person may see it: whole to its readers, its state alone to operators and to those who may publish it.

        Raises `NotFound` for absent and forbidden alike.
        """
        try:
            return await self._database.read(document_views.one_document, document_id, principal)
        except NotFound:
            view = await self.get_state(principal, document_id)
            if not self._may(principal, Action.CHANGE_DOCUMENT, view.source):
                raise
            return view

    def _may(self, principal: Principal, action: Action, source: str) -> bool:
        return isinstance(may(principal, action, Context(publisher_groups=self._publishers(source))), Permit)

    def _publishers(self, source: str) -> frozenset[str]:
        settings = self._sources.get(source)
        return frozenset(settings.publisher_groups if settings else ())

    async def list(
        self, principal: Principal, *, source: str = "", status: str = "", limit: int = 50, cursor: str = ""
    ) -> list[DocumentView]:
        return await self._database.read(
            document_views.list_documents, principal, source=source, status=status, limit=limit, cursor=cursor
        )

    async def sources(self, principal: Principal) -> list[SourceView]:
        return await self._database.read(document_views.list_sources, principal.tenant)

    async def change(self, principal: Principal, document_id: str, change: Change) -> DocumentView:
        """Effective for the very next question. Raises `UsageError` for a field that cannot be changed."""
        await self._mine_to_change(principal, document_id, Action.CHANGE_DOCUMENT)
        unknown = set(change.fields) - _CHANGEABLE
        if unknown:
            raise UsageError(
                f"{', '.join(sorted(unknown))} cannot be changed",
                code="field_not_changeable",
                hint=f"Fields: rights, {', '.join(sorted(_CHANGEABLE))}.",
            )
        values = {k: iso(v) if isinstance(v, datetime) else v for k, v in change.fields.items()}
        own = None if change.any_of is None else rights_of(change.any_of, change.all_of)
        await self._database.write(
            document_changes.change_document, document_id, values, own, principal.name, self._clock.now()
        )
        return await self.get_state(principal, document_id)

    async def get_state(self, principal: Principal, document_id: str) -> DocumentView:
        """The state of a document that this person may change, whether or not they may still read it."""
        return await self._database.read(document_views.state_of, document_id, principal.tenant)

    async def delete(self, principal: Principal, document_id: str) -> None:
        await self._mine_to_change(principal, document_id, Action.CHANGE_DOCUMENT)
        await self._database.write(
            document_changes.delete_document, document_id, principal.name, self._clock.now()
        )

    async def erase(self, principal: Principal, document_id: str) -> str:
        """Delete now; a job removes every trace and its result is the proof. Returns the job's id.

        Asking again for what is erased already returns the job that holds its proof.
        """
        await self._mine_to_change(principal, document_id, Action.ERASE)
        job_id = await self._database.write(_begin_erasing, document_id, principal, self._clock.now())
        self._wake()
        return job_id

    async def job(self, principal: Principal, job_id: str) -> Job:
        """For those who may see the document it works on; the proof of an erasure for those who may erase.

        Raises `NotFound` for absent and forbidden alike.
        """
        job = await self._jobs.get(job_id)
        kind, subject = (
            (job.kind, job.subject) if job else ("", job_id)
        )  # the same work for what is not there
        concerns = await self._concerns(principal, kind, subject)
        if job is None or job.tenant != principal.tenant or not concerns:
            raise NotFound("there is no such job")
        return job

    async def _concerns(self, principal: Principal, kind: str, subject: str) -> bool:
        if isinstance(may(principal, Action.READ_STATE), Permit):
            return True
        if kind == ERASE_JOB:
            return isinstance(may(principal, Action.ERASE), Permit)
        try:
            await self.get(principal, subject.partition(":")[0])
        except NotFound:
            return False
        return True

    async def _mine_to_change(self, principal: Principal, document_id: str, action: Action) -> None:
        """Operators, and publishers of the document's source. To those who may not even see it, it does not exist."""
        view = await self._database.read(document_views.state_of, document_id, principal.tenant)
        if not self._may(principal, action, view.source):
            await self.get(principal, document_id)
            require(principal, action, publisher_groups=self._publishers(view.source))


def _begin_erasing(connection: Connection, document_id: str, principal: Principal, now: datetime) -> str:
    """Gravestone and job in one commit. A second job would find nothing left to search for: its proof would say less."""
    job_id = job_id_of(ERASE_JOB, document_id)
    if state_of_job(connection, job_id) == "done":
        return job_id
    document_changes.delete_document(connection, document_id, principal.name, now)
    return enqueue_in(connection, ERASE_JOB, principal.tenant, document_id, now)


def rights_of(any_of: tuple[str, ...], all_of: tuple[str, ...]) -> Rights:
    """Raises `UsageError` for a term that we cannot express; nothing said means nobody."""
    terms = [term_of(term) for term in (*any_of, *all_of)]
    if any(term is None for term in terms):
        raise UsageError(
            "a right could not be understood",
            code="rights_unsupported",
            hint="Use `group:NAME`, `user:NAME` or `tenant:*`.",
        )
    known = [term for term in terms if term]
    return Rights.of(known[: len(any_of)], known[len(any_of) :])
