"""One pass over a source: take in what is new or changed, remove what is gone, note when the source was last whole.

The listing is never held whole: it comes in batches, each confirmed in one commit, and what it no longer holds is found
afterwards by the number of the pass that last saw it. A pass that dies leaves everything as true as it was; the next one
reads only what it cannot recognise by its revision.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from countersign.app.pace import Pace
from countersign.app.soundness import sound
from countersign.app.stand_in import ACCEPTED, ERROR_PAGE, Came, StandIns
from countersign.corpus.ingest import Intake, Received, Seen
from countersign.corpus.readiness.subject import key_of
from countersign.domain.clock import Clock, iso
from countersign.domain.documents import SourceDocument
from countersign.domain.errors import CountersignError, SourceError
from countersign.domain.workspace import RateLimit
from countersign.sources.connector import Listed, SourceConnector
from countersign.sources.connector_thread import ConnectorThread
from countersign.storage import confirmations, source_state
from countersign.storage.audits import accepted_codes
from countersign.storage.confirmations import Batch
from countersign.storage.database import Database
from countersign.storage.notices import Outbox
from countersign.storage.source_state import PassEnd, Tally, Trigger

BATCH = 500
"""Documents listed, compared and confirmed at a time."""
_TOGETHER = 8
_TOGETHER_BYTES = 16 << 20
"""Contents that wait for their commits together."""
_MAX_LISTED = 20_000_000
_MAX_REPEATED = 1_000
_REPORTED = 1_000
_REMOVE = 100
_BEAT = timedelta(seconds=5)
SHRUNK_SHARE = 0.5
SHRUNK_LEAST = 20
"""A listing that lacks more than this share of a source, and at least so many documents, removes nothing by itself."""
EMPTIED_LEAST = 5
"""Nor does one without any document, where there were so many: an unmounted share is an empty folder."""


@dataclass(frozen=True, slots=True)
class SyncStep:
    """Progress after each file: `done` of about `total` (0 = nobody knows), and what became of this one."""

    done: int
    total: int
    external_id: str
    received: Received | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SyncReport:
    source: str
    listed: int
    new: int
    changed: int
    unchanged: int
    quarantined: int
    removed: int
    problems: tuple[tuple[str, str], ...]
    """(external_id, code) of what could not be read, the first thousand; what was there before still answers."""
    failed: int = 0
    """How many could not be read."""
    held: int = 0
    """Documents that the listing lacks and that wait for somebody to accept their removal (`source_shrunk`)."""


class SyncWatch(Protocol):
    def __call__(self, step: SyncStep) -> None: ...


@dataclass(slots=True)
class _Pass:
    """One pass under way."""

    source: str
    tenants: tuple[str, ...]
    number: int
    begun: str
    erased: Callable[[SourceDocument], bool]
    watch: SyncWatch
    expected: int
    pace: Pace
    tallies: dict[str, Tally]
    beat: datetime
    pages: StandIns = field(default_factory=StandIns)
    problems: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    listed: int = 0
    repeated: int = 0

    def note(self, document: SourceDocument, received: Received | None, problem: str = "") -> None:
        tally = self.tallies[document.tenant]
        tally.listed += 1
        if problem:
            tally.note_problem(document.external_id, problem)
            if len(self.problems) < _REPORTED:
                self.problems.append((document.external_id, problem))
        elif received is not None:
            tally.note(received.change)
        self.listed += 1
        self.watch(SyncStep(self.listed, self.expected, document.external_id, received, problem))


class Sync:
    """`wake` is called after each arrival, so that a worker in this process starts at once."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        clock: Clock,
        max_bytes: int,
        erased: Callable[[], Callable[[SourceDocument], bool]],
        wake: Callable[[], None],
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._intake = intake
        self._clock = clock
        self._max_bytes = max_bytes
        self._erased = erased
        self._wake = wake
        self._outbox = outbox

    async def run(
        self,
        name: str,
        connect: Callable[[], SourceConnector],
        tenants: tuple[str, ...],
        watch: SyncWatch,
        *,
        trigger: Trigger = "command",
        limit: RateLimit = RateLimit(),  # noqa: B008 - frozen
    ) -> SyncReport:
        """Raises `SourceError` when the source cannot be listed to its end, then nothing is removed; `Conflict`
        (`sync_overtaken`) when another pass over it began meanwhile."""
        one = await self._begin(name, tenants, watch, trigger, limit)
        async with self._ending_somehow(one), ConnectorThread(connect()) as thread:
            async for listed in thread.batches(BATCH):
                await self._take(one, thread, listed)
            ends = {tenant: await self._remove(one, tenant) for tenant in tenants}
        await self._end(one, ends)
        return _report(one, ends)

    async def _begin(
        self, name: str, tenants: tuple[str, ...], watch: SyncWatch, trigger: Trigger, limit: RateLimit
    ) -> _Pass:
        now = self._clock.now()
        number = await self._database.write(source_state.begin_pass, tenants, name, trigger, now)
        state = await self._database.read(source_state.state_of, tenants[0], name)
        erased = await asyncio.to_thread(self._erased)
        expected = state.documents if state else 0
        tallies = {tenant: Tally() for tenant in tenants}
        return _Pass(name, tenants, number, iso(now), erased, watch, expected, Pace(limit), tallies, now)

    @asynccontextmanager
    async def _ending_somehow(self, one: _Pass) -> AsyncGenerator[None]:
        """Whatever ends the pass early is noted as its end; one that is cancelled begins again with its job."""
        failed = PassEnd("failed", "internal", "The log of the process that read it has the whole error.")
        try:
            yield
            failed = None
        except asyncio.CancelledError:
            failed = None
            raise
        except CountersignError as error:
            failed = PassEnd("failed", error.code, error.hint)
            raise
        finally:
            if failed is not None:
                await self._end(one, dict.fromkeys(one.tenants, failed))

    async def _end(self, one: _Pass, ends: dict[str, PassEnd]) -> None:
        now = self._clock.now()
        await self._database.write(
            source_state.end_pass, one.source, one.number, one.tallies, ends, now, self._outbox
        )

    # -- a batch ------------------------------------------------------------------------------------------------
    async def _take(self, one: _Pass, thread: ConnectorThread, listed: Sequence[Listed]) -> None:
        items: list[Listed] = []
        now = self._clock.now()
        for item in _once(one, [sound(item, one.source, one.tenants, now) for item in listed]):
            if one.erased(item.document):
                one.note(item.document, None, "erased")
            else:
                items.append(item)
        batch = Batch(one.source, one.tenants, one.number, items, now)
        found = await self._database.write(confirmations.confirm, batch)
        unread: list[tuple[str, str, str]] = []
        reading: list[tuple[Listed, str]] = []
        for item, confirmed in zip(items, found, strict=True):
            if confirmed.must_read:
                reading.append((item, confirmed.before))
            elif confirmed.repeated:
                _note_repeated(one)
            else:
                one.note(item.document, confirmed.received, item.problem or confirmed.problem)
            if item.problem:
                unread.append((item.document.tenant, item.document.external_id, item.problem))
        unread += await self._read(one, thread, reading)
        await self._note(one, unread)
        if any(confirmed.received for confirmed in found):
            self._wake()

    async def _note(self, one: _Pass, unread: Sequence[tuple[str, str, str]]) -> None:
        if unread:
            await self._database.write(confirmations.note_problems, one.source, unread, one.number)
        await self._beat(one)

    async def _beat(self, one: _Pass) -> None:
        """Others see how far it is, and that it lives."""
        now = self._clock.now()
        await self._database.write(source_state.note_progress, one.source, one.number, one.tallies, now)
        one.beat = now

    async def _read(
        self, one: _Pass, thread: ConnectorThread, items: Sequence[tuple[Listed, str]]
    ) -> list[tuple[str, str, str]]:
        """Contents one after the other, their commits a few at a time. Returns (tenant, external_id, code) of failures."""
        unread: list[tuple[str, str, str]] = []
        waiting: list[Came] = []
        doubtful: list[Came] = []
        for item, before in items:
            document = item.document
            await one.pace.before_document()
            try:
                content = await thread.read(document.external_id, self._max_bytes)
                one.tallies[document.tenant].bytes_read += len(content)
                came = Came(item, content, before)
                (doubtful if await self._is_doubtful(one, came) else waiting).append(came)
            except SourceError as error:
                unread.append(_unread(one, item, error.code))
                continue
            await one.pace.after_bytes(len(content))
            if _is_much(waiting, _TOGETHER):
                await self._receive(one, waiting)
                waiting = []
            if _is_much(doubtful, BATCH):
                waiting += await self._settle(one, doubtful, unread)
                doubtful = []
        waiting += await self._settle(one, doubtful, unread)
        for start in range(0, len(waiting), _TOGETHER):
            await self._receive(one, waiting[start : start + _TOGETHER])
        return unread

    async def _is_doubtful(self, one: _Pass, came: Came) -> bool:
        try:
            return one.pages.is_doubtful(came)
        except SourceError:
            if not await self._is_accepted(came):
                raise
            return False

    async def _settle(
        self, one: _Pass, doubtful: Sequence[Came], unread: list[tuple[str, str, str]]
    ) -> list[Came]:
        """Those of `doubtful` that are documents; the others are added to `unread`."""
        believed: list[Came] = []
        for came, stands_in in one.pages.alike(doubtful):
            if stands_in and not await self._is_accepted(came):
                unread.append(_unread(one, came.item, ERROR_PAGE))
            else:
                believed.append(came)
        return believed

    async def _is_accepted(self, came: Came) -> bool:
        key = key_of(came.item.document)
        return ACCEPTED in await self._database.read(accepted_codes, key, self._clock.now())

    async def _receive(self, one: _Pass, waiting: Sequence[Came]) -> None:
        arrivals = [
            (came.item.document, came.content, Seen(came.item.revision, one.number)) for came in waiting
        ]
        received = await self._intake.receive_many(arrivals, actor=confirmations.ACTOR)
        for came, each in zip(waiting, received, strict=True):
            one.note(came.item.document, each)
        self._wake()
        if waiting and self._clock.now() - one.beat > _BEAT:
            await self._beat(one)

    # -- what is gone -------------------------------------------------------------------------------------------
    async def _remove(self, one: _Pass, tenant: str) -> PassEnd:
        """The listing ended normally: what it did not hold goes, unless suspiciously much of it is missing."""
        count = await self._database.read(confirmations.count_absent, tenant, one.source, one.number)
        absent, total = count
        if _is_suspicious(absent, total):
            same = await self._database.read(confirmations.moved, tenant, one.source, one.number, one.begun)
            await self._remove_these(one, tenant, same)
            absent -= len(same)
            state = await self._database.read(source_state.state_of, tenant, one.source)
            accepted = state.accepted if state else 0
            if _is_suspicious(absent, total) and absent > accepted:
                return source_state.shrunk(absent, total)
        while ids := await self._database.read(
            confirmations.absent_ids, tenant, one.source, one.number, _REMOVE
        ):
            await self._remove_these(one, tenant, ids)
        return PassEnd("complete")

    async def _remove_these(self, one: _Pass, tenant: str, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _REMOVE):
            some = ids[start : start + _REMOVE]
            removed = await self._database.write(
                confirmations.remove, tenant, one.source, one.number, some, self._clock.now()
            )
            one.tallies[tenant].removed += removed


def _is_suspicious(absent: int, total: int) -> bool:
    if absent == total:
        return absent >= EMPTIED_LEAST
    return absent >= SHRUNK_LEAST and absent > total * SHRUNK_SHARE


def _once(one: _Pass, listed: Sequence[Listed]) -> Iterator[Listed]:
    """Each document of the batch once; where a source lists one twice, only who both times may see it still may."""
    if one.listed + one.repeated + len(listed) > _MAX_LISTED:
        raise SourceError(
            f"source {one.source} lists more than {_MAX_LISTED} documents",
            code="source_too_large",
            hint="Split it into several sources.",
        )
    found: dict[tuple[str, str], Listed] = {}
    for item in listed:
        document = item.document
        first = found.setdefault((document.tenant, document.external_id), item)
        if first is not item:
            _note_repeated(one)
            narrower = replace(first.document, rights=first.document.rights.intersect(document.rights))
            found[document.tenant, document.external_id] = replace(first, document=narrower)
    return iter(found.values())


def _note_repeated(one: _Pass) -> None:
    """A source that lists the same again and again goes in a circle. Raises `SourceError`."""
    one.repeated += 1
    if one.repeated > _MAX_REPEATED and one.repeated > one.listed:
        raise SourceError(
            f"source {one.source} lists the same documents again and again",
            code="source_listing_loops",
            hint="Look for a link or a page that leads back to itself; nothing was removed from the index.",
        )


def _unread(one: _Pass, item: Listed, code: str) -> tuple[str, str, str]:
    one.note(item.document, None, code)
    return item.document.tenant, item.document.external_id, code


def _is_much(held: Sequence[Came], count: int) -> bool:
    return len(held) >= count or sum(len(came.content) for came in held) > _TOGETHER_BYTES


def _report(one: _Pass, ends: dict[str, PassEnd]) -> SyncReport:
    tallies = list(one.tallies.values())
    return SyncReport(
        source=one.source,
        listed=sum(tally.listed for tally in tallies),
        new=sum(tally.new for tally in tallies),
        changed=sum(tally.changed for tally in tallies),
        unchanged=sum(tally.unchanged for tally in tallies),
        quarantined=sum(tally.quarantined for tally in tallies),
        removed=sum(tally.removed for tally in tallies),
        problems=tuple(one.problems),
        failed=sum(tally.failed for tally in tallies),
        held=sum(end.held_absent for end in ends.values()),
    )
