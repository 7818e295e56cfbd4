"""Audits of a workspace as a service: kept, read by those who may, their findings accepted or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from countersign.access.decide import Action, require
from countersign.access.principal import Principal
from countersign.app.readiness import Audited, audit, plan_sources, policy_in
from countersign.app.stored import open_stored
from countersign.corpus.readiness.catalogue import CODES
from countersign.corpus.readiness.changes import Changes, changes
from countersign.corpus.readiness.finish import Accepted
from countersign.corpus.readiness.report_json import report_from_json
from countersign.corpus.readiness.subject import key_of
from countersign.corpus.readiness.summary import recounted
from countersign.corpus.readiness.walk import Origin, Reader, Step
from countersign.domain.clock import Clock
from countersign.domain.documents import SourceDocument
from countersign.domain.errors import Conflict, NotFound, UsageError
from countersign.domain.readiness import Acceptance, DocumentKey, ReadinessFinding, ReadinessReport
from countersign.domain.workspace import Workspace
from countersign.record import ledger
from countersign.record.ledger import ErasureLedger
from countersign.storage import audits
from countersign.storage.audits import AuditRun
from countersign.storage.backup import LEDGER
from countersign.storage.database import Database

LONGEST: Final = timedelta(days=730)
Erased = Callable[[DocumentKey], bool]


@dataclass(frozen=True, slots=True)
class ShownReport:
    """A report as its reader may see it: the counts are whole, and of `withheld` findings names and evidence are left
    out (`external_id` empty)."""

    run: AuditRun
    report: ReadinessReport
    withheld: int


class Audits:
    """`wake` tells the worker of this process that a document was queued again."""

    def __init__(
        self, database: Database, workspace: Workspace, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock
        self._wake = wake

    async def run(
        self,
        sources: Sequence[str],
        watch: Callable[[Step], None],
        *,
        ocr: bool = False,
        fresh: bool = False,
        workers: int = 0,
        actor: str,
    ) -> Audited:
        """Audit configured sources and keep a report for each tenant; `workers` 0 means as many as `parsing.workers`.
        Raises `NotFound`, `UsageError`, `Conflict`."""
        plan = plan_sources(
            self._workspace, sources, ocr=ocr, stored=partial(open_stored, self._database, self._workspace)
        )
        plan = replace(plan, limits=replace(plan.limits, workers=workers or plan.limits.workers))
        erased = self._erased()
        plan = replace(plan, origins={name: _Left(origin, erased) for name, origin in plan.origins.items()})
        acceptances = await self._database.read(audits.list_accepted)
        done = await audit(plan, self._clock, watch, acceptances=acceptances, fresh=fresh)
        erased = self._erased()  # something may have been erased while it was read
        for tenant, report in done.by_tenant.items():
            now = self._clock.now()
            kept = replace(report, findings=tuple(f for f in report.findings if not _about(f, erased)))
            await self._database.write(audits.keep_audit, tenant, kept, done.rights, actor, now)
        return done

    def _erased(self) -> Erased:
        page = ErasureLedger(self._workspace.state / LEDGER).open()
        return lambda key: bool(page.erased_at(ledger.DocumentKey(key.tenant, key.source, key.external_id)))

    async def list(self, reader: Principal, *, limit: int = 20, cursor: str = "") -> list[AuditRun]:
        """Newest first. For operators, auditors and admins; raises `NotPermitted`."""
        require(reader, Action.READ_STATE)
        return await self._database.read(_list, reader.tenant, limit, cursor)

    async def report(self, reader: Principal, audit_id: str = "") -> ShownReport:
        """One audit, the newest when no id is given, with acceptances as they are now. Raises `NotFound`."""
        require(reader, Action.READ_STATE)
        run = await self._one(reader, audit_id)
        seen = await self._database.read(audits.findings_of, run.id, reader)
        acceptances = await self._database.read(audits.list_accepted, reader.tenant)
        accepted = Accepted.of(acceptances, self._clock.now())
        keys = await self._database.read(audits.keys_of, run.id, reader.tenant)
        marked = [
            replace(
                each.finding, accepted=_shown(accepted.by_key.get((each.finding.code, key)), each.withheld)
            )
            for each, key in zip(seen, keys, strict=True)
        ]
        report = report_from_json(run.body)
        if run.complete:
            report = recounted(report, marked, keys, policy_in(self._workspace))
        else:
            report = replace(report, findings=tuple(marked))
        return ShownReport(run, report, sum(each.withheld for each in seen))

    async def changes(self, reader: Principal, shown: ShownReport) -> Changes | None:
        """Since the audit before it of the same sources; None when there is none, or one of the two is not whole. Names
        and evidence only as far as `reader` may read them."""
        runs = await self.list(reader, limit=audits.KEPT_AUDITS, cursor=shown.run.id)
        same = [run for run in runs if set(run.sources) == set(shown.run.sources) and run.finished]
        if not same or not (same[0].complete and shown.run.complete):
            return None
        seen = await self._database.read(audits.findings_of, same[0].id, reader)
        before = replace(report_from_json(same[0].body), findings=tuple(each.finding for each in seen))
        keys_before = await self._database.read(audits.keys_of, same[0].id, reader.tenant)
        keys_now = await self._database.read(audits.keys_of, shown.run.id, reader.tenant)
        return changes(before, shown.report, keys_before=keys_before, keys_now=keys_now)

    async def _one(self, reader: Principal, audit_id: str) -> AuditRun:
        if audit_id:
            return await self._database.read(audits.one_audit, reader.tenant, audit_id)
        newest = await self._database.read(_list, reader.tenant, 1, "")
        if not newest:
            raise NotFound(
                "there is no audit yet", code="audit_not_found", hint="`countersign audit data` makes one."
            )
        return newest[0]

    async def key(self, tenant: str, name: str, source: str = "") -> DocumentKey:
        """The document that somebody calls `name`. Raises `NotFound`, `Conflict` (`document_ambiguous`)."""
        found = await self._database.read(audits.find_keys, tenant, name)
        chosen = [key for key in found if not source or key.source == source]
        if not chosen:
            raise NotFound(
                "no audit and no ingestion knows this document",
                code="document_not_found",
                hint="Run `countersign audit data` first; name the document as the report does.",
            )
        if len(chosen) > 1:
            raise Conflict(
                "several sources have a document of this name",
                code="document_ambiguous",
                hint=f"Say --source with one of: {', '.join(key.source for key in chosen)}.",
            )
        return chosen[0]

    async def accept(
        self, person: Principal, code: str, key: DocumentKey, reason: str, lifetime: timedelta
    ) -> Acceptance:
        """Take responsibility for findings of `code` in one document until then. Raises `NotPermitted`, `UsageError`,
        `NotFound` for a document that nothing knows or of another tenant."""
        self._require_change(person, key)
        if code not in CODES:
            raise UsageError(
                f"there is no code {code!r}",
                code="readiness_code_unknown",
                hint=f"Known: {', '.join(CODES)}.",
            )
        if not timedelta(0) < lifetime <= LONGEST:
            raise UsageError(
                "an acceptance lasts at most two years",
                code="lifetime_invalid",
                hint="Say --expires 90d, for example.",
            )
        now = self._clock.now()
        wanted = Acceptance(code, key, audits.usable_reason(reason), person.name, now, now + lifetime)
        await self._database.write(audits.accept, wanted)
        self._wake()
        return wanted

    async def unaccept(self, person: Principal, code: str, key: DocumentKey) -> None:
        """Raises `NotPermitted`, `NotFound`."""
        self._require_change(person, key)
        await self._database.write(audits.withdraw, code, key, person.name, self._clock.now())
        self._wake()

    async def accepted(self, reader: Principal, *, owner: bool = False) -> list[Acceptance]:
        """What is accepted in the reader's tenant, expired ones too. `owner`: the owner of the workspace's files sees
        names, as in the files themselves."""
        require(reader, Action.READ_STATE)
        if owner:
            return await self._database.read(audits.list_accepted, reader.tenant)
        return await self._database.read(audits.visible_accepted, reader)

    def _require_change(self, person: Principal, key: DocumentKey) -> None:
        source = self._workspace.sources.get(key.source)
        groups = frozenset(source.publisher_groups) if source else frozenset[str]()
        require(person, Action.CHANGE_DOCUMENT, tenant=key.tenant, publisher_groups=groups)


def _about(finding: ReadinessFinding, erased: Erased) -> bool:
    return erased(finding.document) or (finding.other is not None and erased(finding.other))


class _Left:
    """A source without what was erased from this workspace: an audit must not bring its words back."""

    def __init__(self, origin: Origin, erased: Erased) -> None:
        self._origin = origin
        self._erased = erased

    def list(self) -> Iterator[Reader]:
        return (item for item in self._origin.list() if not self._erased(key_of(item.document)))

    def read(self, document: SourceDocument, max_bytes: int) -> bytes:
        return self._origin.read(document, max_bytes)


def _shown(acceptance: Acceptance | None, withheld: bool) -> Acceptance | None:
    """A reason can quote the document that it speaks of."""
    if acceptance is None or not withheld:
        return acceptance
    return replace(acceptance, reason="", document=replace(acceptance.document, external_id=""))


def _list(connection: Connection, tenant: str, limit: int, before: str) -> list[AuditRun]:
    return audits.list_audits(connection, tenant, limit=limit, before=before)
