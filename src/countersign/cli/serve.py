"""`countersign serve` and `countersign worker`: the long-running processes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from countersign.cli.command import Run, command
from countersign.domain.errors import Conflict

if TYPE_CHECKING:
    from countersign.app.house import House
    from countersign.domain.workspace import Workspace

_PATIENCE_S = 15.0
"""How long a starting server waits for a command that owns the workspace for a moment."""


@command(
    "serve",
    examples="""
countersign serve
countersign serve --host 0.0.0.0 --port 443 --tls-cert cert.pem --tls-key key.pem
countersign serve --host 0.0.0.0 --behind-proxy
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(0, 65535))
@click.option("--tls-cert", default="", metavar="FILE", help="With --tls-key: serve HTTPS.")
@click.option("--tls-key", default="", metavar="FILE")
@click.option(
    "--behind-proxy", is_flag=True, help="A proxy in front ends TLS and is trusted for the client's address."
)
@click.option("--reader", is_flag=True, help="Only answer, beside another process that owns the workspace.")
def serve(
    run: Run, host: str, port: int, tls_cert: str, tls_key: str, behind_proxy: bool, reader: bool
) -> None:
    """Serve the desk, /api and /v1, and work on jobs. A bind other than loopback needs TLS or a proxy that ends it.

    Under --json it prints one object, {"ready", "url"}, when requests are taken.
    """
    from countersign.api.bind import check_bind
    from countersign.api.serve import run as run_loop

    check_bind(host, tls_cert, tls_key, behind_proxy)

    def ready(address: str) -> None:
        run.result({"ready": True, "url": address})
        run.say(f"Serving {address}. Ctrl-C ends it.")

    async def serving() -> None:
        if not reader:
            await wait_for_ownership(run.workspace())
        async with run.house(owner=not reader) as house:
            tls = {"tls_cert": tls_cert, "tls_key": tls_key}
            await serve_house(house, host=host, port=port, behind_proxy=behind_proxy, ready=ready, **tls)

    run_loop(serving())


async def serve_house(
    house: House,
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
    tls_cert: str = "",
    tls_key: str = "",
    behind_proxy: bool = False,
) -> None:
    """Both doors of an open house, until a signal ends it."""
    from countersign.api.serve import serve as serve_api
    from countersign.web.pages import mount

    await serve_api(
        house,
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy,
        mount=mount,
        ready=ready,
    )


@command("worker", examples="countersign worker")
async def worker(run: Run) -> None:
    """Work on jobs, checkpoints and retention without serving. `serve` does all of this as well. One process at a time
    owns a workspace; with the index on shared storage (`index: lance`) any number of both may run, here and elsewhere."""
    workspace = run.workspace(secrets=True)
    await wait_for_ownership(workspace)
    async with run.house(owner=True) as house:
        told = _told()
        await house.start()
        run.result({"ready": True, "workspace": workspace.name})
        run.say(f"Working on the jobs of {workspace.name}. Ctrl-C ends it.")
        await told.wait()


async def wait_for_ownership(workspace: Workspace) -> None:
    """A command such as `ask` owns the workspace for seconds only. Raises `Conflict` when somebody keeps it. With the
    index on shared storage there is nothing to wait for: any number of processes work, and one of them leads."""
    from countersign.app.indexing import is_shared
    from countersign.app.owner import WorkspaceLock

    if is_shared(workspace):
        return
    lock = WorkspaceLock(workspace.state)
    ends = time.monotonic() + _PATIENCE_S
    while not lock.try_acquire():
        if time.monotonic() > ends:
            raise Conflict(
                f"process {lock.owner_pid()} is already running this workspace",
                code="workspace_owned",
                hint="Stop it first, or start this one with --reader.",
            )
        await asyncio.sleep(0.2)
    lock.release()


def _told() -> asyncio.Event:
    """Set by SIGINT or SIGTERM from now on."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    return told
