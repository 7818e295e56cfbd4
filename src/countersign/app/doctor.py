"""Looks a workspace and its machine over without changing anything, and says what to do about what it finds."""

from __future__ import annotations

import asyncio
import os
import shutil
import site
import stat
import sysconfig
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from countersign.access.keys import load_server_key
from countersign.app.freshness import Freshness, SourceFreshness
from countersign.app.indexing import is_shared
from countersign.app.owner import WorkspaceLock
from countersign.config import ConfigInvalid, load, problems
from countersign.domain.clock import SystemClock, from_iso, iso
from countersign.domain.errors import CountersignError
from countersign.domain.workspace import ModelSettings, Workspace
from countersign.record.keys import load_signer
from countersign.retrieval.version import Shape
from countersign.storage import migrate
from countersign.storage.backup import REGISTER, is_restoring
from countersign.storage.backup_register import BackupRegister
from countersign.storage.database import Database

Level = Literal["ok", "warn", "fail"]
APT_LINE = "sudo apt install tesseract-ocr tesseract-ocr-kaz tesseract-ocr-rus tesseract-ocr-eng"
_DISK_WARN_BYTES = 2 * 1024**3
_DISK_FAIL_BYTES = 200 * 1024**2
_BACKUP_AGE = timedelta(days=7)
_ENDPOINT_TIMEOUT_S = 3.0
_PACKAGES = {"kaz": "Kazakh", "rus": "Russian", "eng": "English"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `fix` says what to do and is empty when `level` is ok."""

    name: str
    level: Level
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """How to look. `production` is stricter; `network` also asks endpoints that are not on this machine."""

    production: bool = False
    network: bool = False

    @property
    def doubt(self) -> Level:
        """What is tolerable on a laptop fails in production."""
        return "fail" if self.production else "warn"


async def examine(config: Path, environ: Mapping[str, str], model_cache: Path, look: Look) -> list[Check]:
    """Everything that can be checked; a file that cannot be used ends it early."""
    found = [*_config(config, environ), *stray_startup_files(look)]
    try:
        workspace = load(config, environ)
    except ConfigInvalid:
        return found
    found += [*_state(workspace, look), *_keys(workspace), _disk(workspace), _owner(workspace)]
    found += [
        *recognition(workspace),
        _embedder(workspace, model_cache, look),
        *await isolation(workspace, look),
    ]
    found += [await _endpoint(settings, look) for settings in workspace.models.values() if settings.base_url]
    for endpoint in (workspace.embeddings, *workspace.other_embeddings):
        if endpoint is None or not endpoint.base_url:
            continue
        name, url = f"embeddings {endpoint.name}", endpoint.base_url
        found.append(await reach(name, url, look))
    found += await asyncio.to_thread(_reach_sources, workspace, look)
    async with _database(workspace) as (database, checks):
        found += checks
        if database is not None:
            found += await _content(workspace, database, look)
            found += await _index(workspace, database, model_cache)
    if look.production:
        found += [*_money(workspace), _backups(workspace)]
    return found


# -- the file and the folder ------------------------------------------------------------------------------------
def _config(path: Path, environ: Mapping[str, str]) -> list[Check]:
    found = problems(path, environ)
    if not found:
        return [Check("configuration", "ok", f"{path.name} is valid and every secret it names is there")]
    levels: dict[str, Level] = {"error": "fail", "warning": "warn"}
    return [
        Check(
            "configuration",
            levels[p.severity],
            f"line {p.line}: {p.where}: {p.message}",
            p.hint or "correct it",
        )
        for p in found
    ]


def _state(workspace: Workspace, look: Look) -> list[Check]:
    state = workspace.state
    if not state.is_dir():
        return [
            Check(
                "state folder", "fail", f"{state} is not there", "run `countersign init`, or restore a backup"
            )
        ]
    found: list[Check] = []
    status = state.stat()
    if status.st_uid != os.getuid():
        found.append(
            Check(
                "state folder", "warn", "it belongs to another user", "run commands as the user who owns it"
            )
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        found.append(Check("state folder", look.doubt, "other users can read it", f"chmod 700 {state}"))
    if is_restoring(state):
        found.append(
            Check("restore", "fail", "a restore did not finish", "restore again into an empty folder")
        )
    return found or [Check("state folder", "ok", f"{state}, readable by its owner only")]


def _keys(workspace: Workspace) -> Iterator[Check]:
    loads: tuple[tuple[str, Callable[[], object]], ...] = (
        ("server key", lambda: load_server_key(workspace.state)),
        ("record key", lambda: load_signer(workspace.state / "keys")),
    )
    for name, read in loads:
        try:
            read()
        except CountersignError as error:
            yield Check(name, "fail", error.message, error.hint)
        else:
            yield Check(name, "ok", "there, and readable by its owner only")


def _disk(workspace: Workspace) -> Check:
    place = workspace.state if workspace.state.exists() else workspace.root
    free = shutil.disk_usage(place).free
    message = f"{free / 1e9:.1f} GB free"
    if free < _DISK_FAIL_BYTES:
        return Check(
            "disk", "fail", message, "free some space: nothing can be recorded, so nothing is answered"
        )
    if free < _DISK_WARN_BYTES:
        return Check("disk", "warn", message, "free some space soon")
    return Check("disk", "ok", message)


def _owner(workspace: Workspace) -> Check:
    if is_shared(workspace):
        return Check("owner", "ok", "any number of processes may run this workspace; one of them leads")
    lock = WorkspaceLock(workspace.state)
    if not workspace.state.is_dir():
        return Check("owner", "warn", "no state folder", "run `countersign init`")
    if lock.try_acquire():
        lock.release()
        return Check("owner", "ok", "no process runs this workspace at the moment")
    return Check("owner", "ok", f"process {lock.owner_pid()} runs this workspace")


# -- the machine ------------------------------------------------------------------------------------------------
def recognition(workspace: Workspace) -> list[Check]:
    """Whether scans can be read."""
    from countersign.corpus import ocr

    if not workspace.parsing.ocr:
        return [Check("recognition", "ok", "switched off: scanned pages are marked needs_ocr")]
    found = ocr.find(workspace.parsing.ocr_languages)
    if found is None:
        return [Check("recognition", "warn", "no tesseract: scanned pages are marked needs_ocr", APT_LINE)]
    if found.missing:
        names = ", ".join(_PACKAGES.get(code, code) for code in found.missing)
        line = "sudo apt install " + " ".join(f"tesseract-ocr-{code}" for code in found.missing)
        return [Check("recognition", "warn", f"tesseract cannot read {names}", line)]
    return [Check("recognition", "ok", f"tesseract with {found.languages}")]


async def isolation(workspace: Workspace, look: Look) -> list[Check]:
    """How parser processes are confined here, one check for each layer that is missing."""
    from countersign.corpus.service import SandboxedParser

    parser = SandboxedParser(workspace.parsing, workspace.state / "tmp")
    try:
        facts = [fact for fact in await parser.isolation_report() if fact.name != "recognition"]
    except CountersignError as error:
        return [Check("isolation", "fail", error.message, error.hint)]
    finally:
        await parser.close()
    missing = [fact for fact in facts if not fact.active]
    fix = "run on a kernel that allows it, or put the whole service into a container without network"
    found = [Check(f"isolation: {fact.name}", "warn", fact.detail, fix) for fact in missing]
    active = ", ".join(fact.name for fact in facts if fact.active)
    if look.production and not any(fact.active for fact in facts if "net" in fact.name):
        found.append(Check("isolation", "fail", "parsers can reach the network", fix))
    return [Check("isolation", "ok", f"parsers are confined by {active}"), *found] if active else found


def _embedder(workspace: Workspace, model_cache: Path, look: Look) -> Check:
    from countersign.app.embedders import Embedders

    embedders = Embedders(workspace, model_cache)
    missing = embedders.missing
    if not missing:
        return Check(
            "vectors", "ok", ", ".join(f"{name}: {model}" for name, model in embedders.names.items())
        )
    if workspace.embeddings is None:
        return Check("vectors", "ok", missing)
    fix = "install the `vectors` extra, name an endpoint under `embeddings`, or write `embeddings: none`"
    return Check("vectors", look.doubt, f"search by words only: {missing}", fix)


def stray_startup_files(look: Look) -> list[Check]:
    """`.pth` files run code in every Python process; one that no installed package owns deserves a look."""
    from importlib.metadata import distributions

    folders = {Path(path) for path in (sysconfig.get_path("purelib"), *site.getsitepackages()) if path}
    owned = {
        Path(str(dist.locate_file(file))).resolve()
        for dist in distributions()
        for file in dist.files or ()
        if file.name.endswith(".pth")
    }
    strays = [
        path
        for folder in sorted(folders)
        if folder.is_dir()
        for path in sorted(folder.glob("*.pth"))
        if path.resolve() not in owned and _runs_code(path)
    ]
    if not strays:
        return [
            Check("start-up files", "ok", "every .pth file that runs code belongs to an installed package")
        ]
    fix = "find out where it came from; remove it if nobody knows"
    return [
        Check(
            "start-up files",
            look.doubt,
            f"{path.name} runs code in every process and no package owns it",
            fix,
        )
        for path in strays
    ]


def _runs_code(path: Path) -> bool:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return True
    return any(line.startswith(("import ", "import\t")) for line in lines)


# -- endpoints --------------------------------------------------------------------------------------------------
async def _endpoint(settings: ModelSettings, look: Look) -> Check:
    return await reach(f"model {settings.name}", settings.base_url, look)


async def reach(name: str, url: str, look: Look) -> Check:
    """Whether an endpoint answers at all; one that is not on this machine is asked only when `look.network` says so."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    local = host in ("localhost", "::1") or host.startswith("127.")
    if not local and parts.scheme != "https" and look.production:
        return Check(name, "fail", "questions would travel unencrypted", "use an https address")
    if not (local or look.network):
        return Check(name, "ok", f"{host}: not asked", "say --network to ask it")
    from countersign.gateway.http import HttpClient

    try:
        async with (
            HttpClient() as client,
            asyncio.timeout(_ENDPOINT_TIMEOUT_S),
            client.session.get(f"{url.rstrip('/')}/models") as response,
        ):
            return Check(name, "ok", f"{host} answers (HTTP {response.status})")
    except (OSError, TimeoutError) as error:
        reason = type(error).__name__ if not str(error) else str(error)
        return Check(name, look.doubt, f"{host} does not answer: {reason}", "start it, or correct `base_url`")


def _reach_sources(workspace: Workspace, look: Look) -> list[Check]:
    from countersign.app.reaching import reach_sources

    return list(reach_sources(workspace, look))


# -- the database and what is in it -----------------------------------------------------------------------------
@asynccontextmanager
async def _database(workspace: Workspace) -> AsyncGenerator[tuple[Database | None, list[Check]]]:
    if not _may_be_there(workspace.database):
        yield None, [Check("database", "fail", "there is none yet", "run `countersign init`")]
        return
    database = Database(workspace.database)
    try:
        check = await asyncio.to_thread(_schema, database)
        yield (None if check.level == "fail" else database), [check]
    finally:
        database.close()


def _may_be_there(url: str) -> bool:
    """Opening SQLite's file would make it, and nothing is changed here."""
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).exists()


def _schema(database: Database) -> Check:
    try:
        found = migrate.current(database)
        if found is None:
            return Check("database", "fail", "it has no tables", "run `countersign init`")
        if found > migrate.NEWEST:
            return Check(
                "database", "fail", f"schema {found} is newer than this version", "run the newer version"
            )
        if found != migrate.NEWEST:
            return Check("database", "warn", f"schema {found}", "it is brought up to date at the next start")
        differences = migrate.check(database)
    except CountersignError as error:
        return Check("database", "fail", error.message, error.hint)
    if differences:
        return Check(
            "database", "fail", f"its tables are not as they should be: {differences[0]}", "restore a backup"
        )
    return Check("database", "ok", f"schema {found}, reachable")


async def _content(workspace: Workspace, database: Database, look: Look) -> list[Check]:
    from countersign.storage.document_views import status_counts

    found: list[Check] = []
    counts: dict[str, int] = {}
    for tenant in workspace.tenants:
        for status, count in (await database.read(status_counts, tenant)).items():
            counts[status] = counts.get(status, 0) + count
    sources = Freshness(database, workspace, SystemClock(), lambda: None)
    found += [_freshness(source, look) for source in await sources.everywhere() if source.status != "pushed"]
    summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "none yet"
    if counts.get("failed") or counts.get("quarantined"):
        fix = "`countersign documents list --status failed` (or quarantined) gives the reasons"
        return [*found, Check("documents", "warn", summary, fix)]
    return [*found, Check("documents", "ok", summary)]


def _freshness(source: SourceFreshness, look: Look) -> Check:
    name = f"source {source.source}"
    fix = f"run `countersign ingest --source {source.source}`"
    if source.status in ("held", "failing"):
        return Check(name, look.doubt, f"last pass: {source.error}", source.hint or "correct the source")
    if source.status == "silent":
        last = f"since {iso(source.synced)}" if source.synced else "ever"
        return Check(
            name,
            look.doubt,
            f"nothing was pushed {last}",
            "look whether whoever sends its documents still does",
        )
    if source.synced is None:
        return Check(name, "warn", "never read", fix)
    if source.is_late:
        return Check(name, look.doubt, f"last read {iso(source.synced)}, older than allowed", fix)
    if source.max_age and not source.schedule and not source.watch:
        fix = f"set `sources.{source.source}.schedule`"
        return Check(name, "warn", "it has a `max_age`, and nothing reads it again by itself", fix)
    return Check(name, "ok", f"last read {iso(source.synced)}")


async def _index(workspace: Workspace, database: Database, model_cache: Path) -> list[Check]:
    """As a reader: nothing is opened for writing, nothing is applied."""
    from countersign.app.embedders import Embedders
    from countersign.app.serving import Shelves
    from countersign.domain.clock import SystemClock
    from countersign.storage.index_versions import kept_shapes

    shelves = Shelves(database, workspace, Embedders(workspace, model_cache), SystemClock(), owner=False)
    live, *_ = await database.read(kept_shapes)
    found = [Check("index version", "warn", each.says, each.to_do) for each in await shelves.shortcomings()]
    return [*found, await _in_step(workspace, database, live, shelves.folder(live))]


async def _in_step(workspace: Workspace, database: Database, live: Shape, version: str) -> Check:
    from countersign.app.indexing import embedded_indexes, shared_indexes
    from countersign.storage.database import last_seq

    shared = is_shared(workspace)
    if not shared and not (workspace.state / "index" / version).is_dir():
        return Check("index", "ok", "none is there yet; the next owner builds it from the database")
    try:
        indexes = (
            shared_indexes(workspace, live, version)(None)
            if shared
            else embedded_indexes(workspace, live, version, owner=False)
        )
    except CountersignError as error:
        return Check("index", "fail", error.message, error.hint)
    try:
        target = await database.read(last_seq)
        behind = {tenant: target - indexes.of(tenant).applied_seq for tenant in workspace.tenants}
    except CountersignError as error:
        return Check("index", "fail", error.message, "countersign index rebuild")
    finally:
        indexes.close()
    worst = max(behind.values(), default=0)
    says = (
        "in step with the database"
        if worst <= 0
        else f"{worst} changes behind; they are searched all the same"
    )
    return Check("index", "ok", says)


# -- production -------------------------------------------------------------------------------------------------
def _money(workspace: Workspace) -> Iterator[Check]:
    for assistant in workspace.assistants.values():
        priced = any(
            (price := workspace.models[name].price) is not None and not price.unmetered
            for name in assistant.models
        )
        if priced and not assistant.budget.any:
            fix = f"set `assistants.{assistant.name}.budget`"
            yield Check(f"budget {assistant.name}", "warn", "its models cost money and it has no cap", fix)


def _backups(workspace: Workspace) -> Check:
    taken = BackupRegister(workspace.state / REGISTER).existing()
    fix = "countersign backup DEST --keep 90d"
    if not taken:
        return Check("backup", "fail", "none was taken, or none is where it was written", fix)
    newest = max(backup.taken for backup in taken)
    if datetime.now(UTC) - from_iso(newest) > _BACKUP_AGE:
        return Check("backup", "warn", f"the newest is of {newest}", fix)
    return Check("backup", "ok", f"the newest is of {newest}")
