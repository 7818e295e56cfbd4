"""`countersign documents`: what is there, in which state, and its removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from countersign.cli.command import Run, command, group, tenant_option
from countersign.cli.terminal import one_line, table

if TYPE_CHECKING:
    from countersign.access.principal import Principal
    from countersign.app.office import Office
    from countersign.storage.document_views import DocumentView

_PAGE = 500

documents = group(
    "documents",
    says="Documents and their states.",
    examples="countersign documents list --status quarantined\ncountersign documents show doc_01jd…",
)
as_reader = click.option(
    "--as",
    "user",
    default="",
    metavar="USER",
    help="See them as this person; otherwise as operator, without titles.",
)


@command(
    "list",
    group=documents,
    examples="countersign documents list --tenant bank --status failed\ncountersign documents list --as aigerim --json",
)
@tenant_option
@click.option("--source", default="", metavar="NAME", help="Only from this source.")
@click.option("--status", type=click.Choice(["queued", "indexed", "quarantined", "failed", "deleted"]))
@as_reader
async def list_documents(run: Run, tenant: str, source: str, status: str | None, user: str) -> None:
    """Every document of every tenant, or of one, with its status and the reason for it."""
    found: list[tuple[str, DocumentView]] = []
    with run.office() as office:
        library = office.library()
        for reader in await _readers(office, tenant, user):
            cursor = ""
            while page := await library.list(
                reader, source=source, status=status or "", limit=_PAGE, cursor=cursor
            ):
                found += [(reader.tenant, view) for view in page]
                cursor = page[-1].document_id
    run.result({"items": [{"tenant": owner, **_shape(view)} for owner, view in found]})
    rows = [
        (view.document_id, owner, view.status, view.parse_status, view.reason, view.external_id)
        for owner, view in found
    ]
    run.say(table(("document", "tenant", "status", "parsed", "reason", "external id"), rows))


async def _readers(office: Office, tenant: str, user: str) -> list[Principal]:
    if user:
        return [await office.people.impersonate(user)]
    return [office.operator(each) for each in ([tenant] if tenant else office.workspace.tenants)]


async def _find(office: Office, document_id: str, user: str) -> tuple[Principal, DocumentView]:
    """Raises `NotFound`."""
    from countersign.domain.errors import NotFound

    library = office.library()
    for reader in await _readers(office, "", user):
        try:
            return reader, await library.get(reader, document_id)
        except NotFound:
            continue
    raise NotFound("there is no such document", hint="`countersign documents list` shows their ids.")


@command("show", group=documents, examples="countersign documents show doc_01jd… --json")
@click.argument("document_id", metavar="DOCUMENT")
@as_reader
async def show(run: Run, document_id: str, user: str) -> None:
    """One document with everything that was found about it."""
    with run.office() as office:
        reader, view = await _find(office, document_id, user)
    shape: dict[str, Any] = {"tenant": reader.tenant, **_shape(view)}
    run.result(shape)
    findings = shape.pop("findings")
    for name, value in shape.items():
        if value not in (None, "", []):
            run.say(f"{name:<16} {one_line(str(value), 120)}")
    for finding in findings:
        page = f" (page {finding['page']})" if finding.get("page") else ""
        run.say(f"{finding['severity']}: {finding['code']}{page}: {finding['message']}")


@command("delete", group=documents, examples="countersign documents delete doc_01jd…")
@click.argument("document_id", metavar="DOCUMENT")
async def delete(run: Run, document_id: str) -> None:
    """Take it out of every answer from now on. Its text stays until it is erased or retention ends."""
    with run.office() as office:
        operator, _ = await _find(office, document_id, "")
        await office.library().delete(operator, document_id)
    run.result({"document_id": document_id, "status": "deleted"})
    run.say(f"{document_id} answers no more.")


@command(
    "erase",
    group=documents,
    examples="countersign documents erase doc_01jd… --yes\ncountersign documents erase doc_01jd… --yes --json > proof.json",
)
@click.argument("document_id", metavar="DOCUMENT")
@click.option("--yes", is_flag=True, help="Do not ask again.")
async def erase(run: Run, document_id: str, yes: bool) -> int:
    """Remove every trace of it and print the proof: every store, how it was cleaned, what was checked, which backups
    still hold it. Exit code 4 when the proof does not hold."""
    from countersign.access.owner import require_owner
    from countersign.cli.failure import DONE, FAILED, NOT_VERIFIED

    if not yes:
        click.confirm(f"Erase {document_id} for good?", abort=True, err=True)
    with run.office() as office:
        operator, _ = await _find(office, document_id, "")
        require_owner(office.workspace.state)
    async with run.house() as house:
        job_id = await house.library.erase(operator, document_id)
        if not house.is_owner:
            run.note("another process owns this workspace: it erases, this one waits.")
        job = await _finished(house, job_id)
    if job.state != "done" or job.result is None:
        run.result({"document_id": document_id, "job_id": job_id, "status": job.state, "error": job.error})
        run.say(f"the erasure did not finish: {job.error}")
        return FAILED
    proof = dict(job.result)
    run.result({"document_id": document_id, "job_id": job_id, "status": "done", "proof": proof})
    run.say(_readable_proof(proof))
    return DONE if proof.get("complete", True) else NOT_VERIFIED


async def _finished(house: Any, job_id: str) -> Any:
    import asyncio

    while True:
        if house.is_owner:
            await house.worker.drain()
        job = await house.jobs.get(job_id)
        if job.state in ("done", "failed"):
            return job
        await asyncio.sleep(0.2)


def _readable_proof(proof: dict[str, Any]) -> str:
    import json

    return json.dumps(proof, ensure_ascii=False, indent=2)


def _shape(view: DocumentView) -> dict[str, Any]:
    from countersign.app.shapes import jsonable

    shape = jsonable(view)
    for inner in ("blob", "readable"):
        del shape[inner]
    return shape
