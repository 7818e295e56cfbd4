"""The walk: nothing is read twice, nothing is lost when it is stopped, and whatever lies in the way has a name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from countersign.app.readiness import Audited, Plan, audit, plan_paths
from countersign.corpus.readiness.report_json import report_from_json, report_to_json
from countersign.corpus.readiness.walk import Step, Walk, Way
from countersign.corpus.readiness.working import WorkingFile
from countersign.domain.documents import ParsedDocument, ParseStatus, SourceDocument
from countersign.domain.errors import Conflict, NotFound, SourceError
from countersign.domain.workspace import ParseLimits
from countersign.sources.connector import Listed
from countersign.testing.jobs_suite import MovableClock
from tests.corpus.files import docx, package, paragraph

pytestmark = pytest.mark.anyio
LONG_AGO = (1_700_000_000, 1_700_000_000)
LIMITS = ParseLimits(ocr=False, workers=2)
TEXT = "# Fees\n\nA transfer to another bank costs 200 tenge and takes one day. The branch writes it down.\n"


def plan_of(root: Path, *paths: Path) -> Plan:
    return plan_paths(list(paths), root / "cache", LIMITS)


async def audited(plan: Plan, *, fresh: bool = False) -> tuple[Audited, list[str]]:
    """The outcome, and which documents the source was asked for."""
    read: list[str] = []
    origins = {name: _Watched(origin, read) for name, origin in plan.origins.items()}
    done = await audit(replace(plan, origins=origins), MovableClock(), _nothing, fresh=fresh)
    return done, sorted(read)


def _nothing(step: Step) -> None:
    pass


class _Watched:
    def __init__(self, origin: object, read: list[str]) -> None:
        self._origin = origin
        self._read = read

    def list(self) -> Iterator[Listed]:
        """With a revision even of what changed a moment ago, which the connector itself would have read again."""
        for item in self._origin.list():  # type: ignore[attr-defined]
            yield replace(item, revision=f"{item.size}-{item.document.modified}")

    def read(self, document: SourceDocument, max_bytes: int) -> bytes:
        self._read.append(document.external_id)
        return self._origin.read(document, max_bytes)  # type: ignore[attr-defined]


def write(folder: Path, **files: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, LONG_AGO)
    return folder


async def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "in", a__md=TEXT, b__md=TEXT.replace("200", "300"), c__md="# C\n\nThree words here."
    )
    first, read = await audited(plan_of(tmp_path, folder))
    assert read == ["a.md", "b.md", "c.md"] and first.report.documents == 3
    again, read = await audited(plan_of(tmp_path, folder))
    assert read == []
    assert again.report.codes == first.report.codes and again.report.id != first.report.id

    (folder / "c.md").write_text("# C\n\nFour words are here.")
    os.utime(folder / "c.md", (1_700_000_100, 1_700_000_100))
    (folder / "b.md").unlink()
    changed, read = await audited(plan_of(tmp_path, folder))
    assert read == ["c.md"] and changed.report.documents == 2
    _, read = await audited(plan_of(tmp_path, folder), fresh=True)
    assert read == ["a.md", "c.md"]


async def test_an_audit_that_stops_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **{f"f{n:02}__md": TEXT.replace("200", str(n)) for n in range(12)})
    plan = plan_of(tmp_path, folder)
    name = str(folder)

    class Dying:
        def list(self) -> Iterator[Listed]:
            return plan.origins[name].list()  # type: ignore[return-value]

        def read(self, document: SourceDocument, max_bytes: int) -> bytes:
            if document.external_id == "f06.md":
                raise RuntimeError("the power went")
            return plan.origins[name].read(document, max_bytes)

    with pytest.raises(RuntimeError):
        await audit(replace(plan, origins={name: Dying()}), MovableClock(), _nothing)
    done, read = await audited(plan_of(tmp_path, folder))
    assert done.continued and done.report.documents == 12
    assert (
        0 < len(read) <= 7 and "f06.md" in read
    )  # the one that died, those behind it, and one under way beside it


async def test_a_source_that_dies_on_the_way_is_named_and_what_it_listed_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a__md=TEXT, b__md=TEXT)
    plan = plan_of(tmp_path, folder)
    name = str(folder)

    class Half:
        def list(self) -> Iterator[Listed]:
            yield next(iter(plan.origins[name].list()))  # type: ignore[misc]
            raise SourceError("the server went away", code="source_unavailable")

        def read(self, document: SourceDocument, max_bytes: int) -> bytes:
            return plan.origins[name].read(document, max_bytes)

    done = await audit(replace(plan, origins={name: Half()}), MovableClock(), _nothing)
    assert done.report.finished is None and done.report.documents == 1
    assert done.report.problems == {name: "source_unavailable"}
    (folder / "a.md").unlink()
    whole, read = await audited(plan_of(tmp_path, folder))
    assert whole.continued and whole.report.finished and read == ["b.md"]
    assert whole.report.documents == 1 and not whole.report.problems


async def test_a_folder_that_is_written_in_another_way_is_not_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the audit before was stopped, and would be gone on with."""
    folder = write(tmp_path / "in", a__md=TEXT)
    monkeypatch.chdir(tmp_path)
    plan = plan_of(tmp_path, Path("in"))

    class Dying:
        def list(self) -> Iterator[Listed]:
            yield from plan.origins["in"].list()  # type: ignore[misc]
            raise SourceError("the server went away", code="source_unavailable")

        def read(self, document: SourceDocument, max_bytes: int) -> bytes:
            return plan.origins["in"].read(document, max_bytes)

    await audit(replace(plan, origins={"in": Dying()}), MovableClock(), _nothing)
    done, _ = await audited(plan_of(tmp_path, folder))
    assert done.report.documents == 1 and [score.source for score in done.report.sources] == [str(folder)]


async def test_what_was_lost_by_no_fault_of_its_own_is_read_again(tmp_path: Path) -> None:
    """The parser process died twice, for want of memory perhaps; the file did not change since."""
    origin = next(iter(plan_of(tmp_path, write(tmp_path / "in", a__md=TEXT)).origins.values()))
    [name] = [item.document.source for item in origin.list()]
    ends = [(ParseStatus.CORRUPT, "worker_lost"), (ParseStatus.CORRUPT, "office_structure")]

    class Parser:
        async def parse(self, path: Path, filename: str, mime: str) -> ParsedDocument:
            status, reason = ends.pop(0)
            return ParsedDocument(status, reason, mime)

    for left in (1, 0, 0):
        working = WorkingFile(tmp_path / "working", "scope")
        working.begin(MovableClock().now())
        walk = Walk(
            working, Parser(), (), Way(1_000, 1, ""), tmp_path, lambda source: frozenset[str](), _nothing
        )
        await walk.list_source(name, origin)
        await walk.read_all({name: origin})
        working.finish(MovableClock().now())
        working.close()
        assert len(ends) == left


async def test_two_at_once_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a__md=TEXT)
    plan = plan_of(tmp_path, folder)

    class Again:
        def list(self) -> Iterator[Listed]:
            from countersign.corpus.readiness.working import WorkingFile

            with pytest.raises(Conflict, match="another process"):
                WorkingFile(plan.folder, plan.scope)
            return iter(())

        def read(self, document: SourceDocument, max_bytes: int) -> bytes:
            raise AssertionError(document)

    await audit(replace(plan, origins={str(folder): Again()}), MovableClock(), _nothing)


async def test_whatever_lies_there_has_a_status(tmp_path: Path) -> None:
    bomb = package({"word/document.xml": b"\0" * (80 << 20)})
    folder = write(
        tmp_path / "in", bomb__docx=bomb, empty__pdf=b"", cut__docx=docx(paragraph("text"))[:200], odd__xyz=b"\x00\x01\x02" * 99,
        ok__md=TEXT,
    )  # fmt: skip
    (folder / "loop").symlink_to(folder)
    (folder / "outside.txt").symlink_to("/etc/hostname")
    (folder / "nowhere.txt").symlink_to(folder / "missing")
    os.mkfifo(folder / "pipe.txt")
    (folder / os.fsdecode(b"\xff\xfe name.txt")).write_bytes(b"text")
    (folder / ("Ұ" * 80 + ".md")).write_text(TEXT)
    (folder / "a\u202egnp.md").write_text(TEXT)
    done, _ = await audited(plan_of(tmp_path, folder))
    found = {
        (code.code, finding.document.external_id) for code in done.report.codes for finding in code.worst
    }
    assert ("refused_limit", "bomb.docx") in found
    assert ("empty", "empty.pdf") in found
    assert ("truncated", "cut.docx") in found
    assert ("unsupported", "odd.xyz") in found
    assert ("name_misleading", "a\u202egnp.md") in found
    assert "name_unreadable" in {code for code, _ in found}
    assert done.report.finished is not None
    assert not any("hostname" in finding.evidence or "outside" in name for finding in done.report.findings
                   for name in [finding.document.external_id])  # fmt: skip


async def test_attachments_are_documents_of_their_own(tmp_path: Path) -> None:
    mail = (
        b"From: a@bank.kz\r\nTo: b@bank.kz\r\nSubject: Fees\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nSee below, please read it.\r\n'
        b'--x\r\nContent-Type: text/plain; name="keys.txt"\r\nContent-Disposition: attachment; filename="keys.txt"\r\n\r\n'
        b"The key is sk-abcdefghijklmnop1234 and it is secret.\r\n--x--\r\n"
    )
    folder = write(tmp_path / "in", mail__eml=mail)
    done, _ = await audited(plan_of(tmp_path, folder))
    secrets = [finding for finding in done.report.findings if finding.code == "secret_present"]
    assert [finding.document.external_id for finding in secrets] == ["mail.eml#keys.txt"]
    again, read = await audited(plan_of(tmp_path, folder))
    assert read == [] and again.report.documents == done.report.documents == 2


async def test_links_to_what_is_not_there(tmp_path: Path) -> None:
    page = '<html><body><h1 id="top-part">Fees</h1><p>See <a href="b.html">b</a>, <a href="gone.html">c</a>, '
    page += '<a href="#top-part">up</a>, <a href="#nowhere">down</a>, <a href="https://x.example/">x</a> today.</p></body></html>'
    note = "# Notes\n\nSee [the page](a.html), [nothing](lost.md) and [above](#notes) for all of it.\n"
    folder = write(tmp_path / "in", a__html=page, b__html=page.replace("gone.html", "a.html"), n__md=note)
    done, _ = await audited(plan_of(tmp_path, folder))
    broken = {(f.document.external_id, f.evidence) for f in done.report.findings if f.code == "broken_link"}
    assert broken == {
        ("a.html", "gone.html"),
        ("a.html", "#nowhere"),
        ("b.html", "#nowhere"),
        ("n.md", "lost.md"),
    }


async def test_a_report_comes_back_from_its_json(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a__md=TEXT, b__md=TEXT)
    done, _ = await audited(plan_of(tmp_path, folder))
    assert report_from_json(report_to_json(done.report)) == done.report
    duplicate = next(code for code in done.report.codes if code.code == "exact_duplicate")
    assert duplicate.documents >= 1 and duplicate.worst[0].other is not None


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder or file"):
        plan_of(tmp_path, tmp_path / "absent")


_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from countersign.app.readiness import audit, plan_paths
from countersign.domain.clock import SystemClock
from countersign.domain.workspace import ParseLimits

def told(step):
    if not step.listing and step.done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

plan = plan_paths([Path(sys.argv[1])], Path(sys.argv[2]), ParseLimits(ocr=False, workers=1))
asyncio.run(audit(plan, SystemClock(), told))
"""


async def test_killed_on_the_way_it_loses_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **{f"f{n:03}__md": TEXT.replace("200", str(n)) for n in range(60)})
    command = [sys.executable, "-c", _KILLED, str(folder), str(tmp_path / "cache"), "20"]
    killed = subprocess.run(command, check=False)
    assert killed.returncode == -signal.SIGKILL
    done, read = await audited(plan_of(tmp_path, folder))
    assert done.continued and done.report.documents == 60 and done.report.finished
    assert len(read) <= 41 and "f000.md" not in read
