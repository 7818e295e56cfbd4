"""An audit of documents joined: sources or bare paths in, a report out; nothing is indexed."""

from __future__ import annotations

import asyncio
import resource
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from countersign.app.readiness_checks import TEXT_CHECKS
from countersign.corpus.ocr import find as find_recogniser
from countersign.corpus.readiness.catalogue import CODES
from countersign.corpus.readiness.compare import CompareSettings, compare
from countersign.corpus.readiness.finish import Accepted, documents
from countersign.corpus.readiness.subject import key_of
from countersign.corpus.readiness.summary import PolicyOf, Summary, usual_policy
from countersign.corpus.readiness.walk import Origin, Step, Walk, Way
from countersign.corpus.readiness.working import WorkingFile
from countersign.corpus.service import SandboxedParser
from countersign.domain.clock import Clock, from_iso, iso
from countersign.domain.documents import SourceDocument
from countersign.domain.errors import NotFound
from countersign.domain.readiness import Acceptance, DocumentKey, Policy, ReadinessReport
from countersign.domain.workspace import ParseLimits, SourceSettings, Workspace
from countersign.sources.connector import Listed, SourceConnector
from countersign.sources.registry import PUSH, Surroundings, open_connector

FOLDER: Final = "audits"
"""Below the workspace's state: one folder for each set of sources that was audited together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is audited and how. `folder` holds the working file; `scope` names the audit among others."""

    folder: Path
    scope: str
    origins: Mapping[str, Origin]
    limits: ParseLimits
    tenants: tuple[str, ...] = ("main",)
    rights_known: bool = True
    speaks_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Source → tenants, where it is not all of them: a tenant's report names no source of another."""
    served: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    policy: PolicyOf = usual_policy
    compare: CompareSettings = field(default_factory=CompareSettings)


@dataclass(frozen=True, slots=True)
class Audited:
    """`report` is of everything, `by_tenant` of each tenant alone. `rights` are those recorded of documents that findings
    name, canonical, so that a later reader's rights can be compared with them. `continued`: an audit that was
    stopped was gone on with."""

    report: ReadinessReport
    by_tenant: Mapping[str, ReadinessReport]
    rights: Mapping[DocumentKey, str]
    continued: bool


async def audit(
    plan: Plan,
    clock: Clock,
    watch: Callable[[Step], None],
    *,
    acceptances: Sequence[Acceptance] = (),
    fresh: bool = False,
) -> Audited:
    """Run it, or go on where it was stopped. Raises `Conflict` (`audit_running`), `StorageError`."""
    working = await asyncio.to_thread(WorkingFile, plan.folder, plan.scope)
    temp = plan.folder / "tmp"
    try:
        continued = bool(working.run)
        working.begin(clock.now())
        if fresh and not continued:
            working.forget()
        await asyncio.to_thread(_emptied, temp)
        cpu_before = _cpu_s()
        parser = SandboxedParser(plan.limits, temp)
        try:
            await _read(plan, working, parser, temp, watch)
        finally:
            await parser.close()
            cpu_s = working.spent(_cpu_s() - cpu_before + parser.cpu_s)
        return await asyncio.to_thread(_finish, plan, working, clock, acceptances, cpu_s, continued)
    finally:
        working.close()
        shutil.rmtree(temp, ignore_errors=True)


async def _read(
    plan: Plan, working: WorkingFile, parser: SandboxedParser, temp: Path, watch: Callable[[Step], None]
) -> None:
    limits = plan.limits
    there = find_recogniser(limits.ocr_languages) if limits.ocr else None
    recognises = f"{there.languages}, not {there.missing}" if there else "nothing"  # until it is installed
    settings = f"recognises {recognises}|pages={limits.max_pages}|chars={limits.max_text_chars}"
    served = {name: ",".join(sorted(languages)) for name, languages in plan.served.items()}
    way = Way(limits.max_bytes, limits.workers, f"{settings}|{sorted(served.items())}")
    nothing = frozenset[str]()
    walk = Walk(working, parser, TEXT_CHECKS, way, temp, lambda s: plan.served.get(s, nothing), watch)
    for name, origin in plan.origins.items():
        await walk.list_source(name, origin)
    await walk.read_all(dict(plan.origins))


def _finish(
    plan: Plan,
    working: WorkingFile,
    clock: Clock,
    acceptances: Sequence[Acceptance],
    cpu_s: float,
    continued: bool,
) -> Audited:
    now = from_iso(iso(clock.now()))  # as exact as it is kept
    problems = working.problems()
    working.replace_findings(compare(working, now, plan.compare))
    whole = Summary(plan.policy, tuple(plan.origins))
    parts = {tenant: Summary(plan.policy, _sources_of(plan, tenant)) for tenant in plan.tenants}
    rights: dict[DocumentKey, str] = {}
    others: set[DocumentKey] = set()
    accepted = Accepted.of(acceptances, now)
    for told, found in documents(working, now, accepted, lambda _: plan.rights_known):
        whole.add(told, found)
        if told.document.tenant in parts:
            parts[told.document.tenant].add(told, found)
        if found:
            rights[key_of(told.document)] = told.document.rights.canonical()
            others.update(finding.other for finding in found if finding.other is not None)
    rights |= _rights_of(working, others - rights.keys())
    finished = None if problems else now
    if finished:
        working.finish(now)
    made = {
        name: summary.report(
            working.run,
            working.started,
            finished,
            {source: code for source, code in problems.items() if source in _sources_of(plan, name)},
            cpu_s,
        )
        for name, summary in parts.items()
    }
    report = whole.report(working.run, working.started, finished, problems, cpu_s)
    return Audited(report, made, rights, continued)


def _rights_of(working: WorkingFile, wanted: AbstractSet[DocumentKey]) -> dict[DocumentKey, str]:
    """The other side of a pair may have no finding of its own; its rights decide who sees its words all the same."""
    if not wanted:
        return {}
    told = ((key_of(each.document), each.document) for each in working.told())
    return {key: document.rights.canonical() for key, document in told if key in wanted}


def _sources_of(plan: Plan, tenant: str) -> tuple[str, ...]:
    return tuple(name for name in plan.origins if tenant in plan.speaks_for.get(name, plan.tenants))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o711, parents=True)


# -- what is audited --------------------------------------------------------------------------------------------
def plan_sources(
    workspace: Workspace,
    names: Sequence[str],
    *,
    ocr: bool,
    stored: Callable[[SourceSettings], Origin],
) -> Plan:
    """Configured sources; none named means all. `stored` opens one that is pushed to. Raises `NotFound`, `ConfigError`."""
    chosen = tuple(names) or tuple(workspace.sources)
    for name in chosen:
        _require_known(workspace, name)
    settings = {name: workspace.sources[name] for name in chosen}
    ages = {name: s.documents_max_age for name, s in settings.items() if s.documents_max_age is not None}
    scope = f"sources {sorted(chosen)} {ocr}"
    return Plan(
        folder=workspace.state / FOLDER / _name(scope),
        scope=scope,
        origins={
            name: stored(one) if one.connector == PUSH else _opened(workspace, one)
            for name, one in settings.items()
        },
        limits=replace(workspace.parsing, ocr=ocr),
        tenants=workspace.tenants,
        speaks_for={name: s.tenants for name, s in settings.items() if s.tenants},
        served={name: languages_of(workspace, name) for name in chosen},
        policy=policy_in(workspace),
        compare=CompareSettings(max_age=ages),
    )


def _opened(workspace: Workspace, settings: SourceSettings) -> Origin:
    cache = workspace.state / "sources" / settings.name
    return _Connected(open_connector(settings, Surroundings(workspace.root, workspace.tenants, cache)))


def _require_known(workspace: Workspace, name: str) -> None:
    if name not in workspace.sources:
        raise NotFound(
            f"there is no source {name!r}",
            code="source_not_found",
            hint=f"Known: {', '.join(sorted(workspace.sources))}.",
        )


def languages_of(workspace: Workspace, source: str) -> frozenset[str]:
    """What the assistants over a source serve; empty when there is none yet."""
    return frozenset(
        language
        for assistant in workspace.assistants.values()
        if source in assistant.sources
        for language in assistant.languages
    )


def policy_in(workspace: Workspace) -> PolicyOf:
    """The catalogue's policy, unless the source says otherwise."""

    def policy(source: str, code: str) -> Policy:
        settings = workspace.sources.get(source)
        return settings.readiness.get(code, CODES[code].policy) if settings else CODES[code].policy

    return policy


def plan_paths(paths: Sequence[Path], cache: Path, limits: ParseLimits, *, manifest: str = "") -> Plan:
    """Bare folders and files, each a source called by its path. Without a manifest nothing is known of rights."""
    origins: dict[str, Origin] = {}
    for path in paths:
        where = path.resolve()
        name = str(path)
        if where.is_dir():
            origins[name] = _Connected(_folder(name, where, manifest))
        elif where.is_file():
            origins[name] = _Connected(_folder(name, where.parent, ""), where.name)
        else:
            raise NotFound(
                f"there is no folder or file {name!r}",
                code="path_not_found",
                hint="Give a folder, a file, or the name of a source of this workspace.",
            )
    named = sorted(f"{path}={path.resolve()}" for path in paths)  # a source is called as it was written
    scope = f"paths {named} {manifest} {limits.ocr}"
    return Plan(cache / FOLDER / _name(scope), scope, origins, limits, rights_known=bool(manifest))


def _folder(name: str, where: Path, manifest: str) -> SourceConnector:
    settings = SourceSettings(name=name, connector="files", url=str(where), rights_sidecar=manifest)
    return open_connector(settings, Surroundings(where, ("main",), where))


def _name(scope: str) -> str:
    return sha256(scope.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Connected:
    """A source read by its connector; of a folder perhaps `only` one file."""

    def __init__(self, connector: SourceConnector, only: str = "") -> None:
        self._connector = connector
        self._only = only

    def list(self) -> Iterator[Listed]:
        listed = self._connector.list()
        return (item for item in listed if not self._only or item.document.external_id == self._only)

    def read(self, document: SourceDocument, max_bytes: int) -> bytes:
        return self._connector.read(document.external_id, max_bytes)
