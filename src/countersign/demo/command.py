"""`countersign demo`."""

from __future__ import annotations

from pathlib import Path

import click

from countersign.cli.command import Run, command

_EXAMPLES = """
countersign demo
countersign demo --once
countersign demo --dir /tmp/tolkyn --port 9000
"""


@command("demo", examples=_EXAMPLES)
@click.option("--once", is_flag=True, help="Show everything and end, without serving.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo"),
    show_default=True,
    help="Where its workspace is made, anew each time.",
)
@click.option("--keep", is_flag=True, help="Go on with the workspace of the last time.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(0, 65535))
async def demo(run: Run, once: bool, folder: Path, keep: bool, port: int) -> int:
    """Read a small, messy, trilingual collection, ask one question as three people, and serve the desk.

    Nothing leaves this machine. The people, the companies and every document are invented.
    """
    from countersign.demo.run import Wanted
    from countersign.demo.run import demo as show

    return await show(run, Wanted(folder.resolve(), "127.0.0.1", port, once, keep))
