"""`countersign doctor`: what is missing or wrong, and what to do about it."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from countersign.cli.command import Run, command, model_cache
from countersign.cli.failure import DONE, SAID_NO
from countersign.cli.terminal import wrapped

_MARKS = {"ok": "  ok ", "warn": "warn ", "fail": "FAIL "}


@command("doctor", examples="countersign doctor\ncountersign -w ./bank doctor --production --network --json")
@click.option("--production", is_flag=True, help="Be as strict as a place with real customers needs.")
@click.option("--network", is_flag=True, help="Also ask model endpoints that are not on this machine.")
async def doctor(run: Run, production: bool, network: bool) -> int:
    """Check the workspace and its machine without changing anything. Exit code 3 when something fails."""
    from countersign.app.doctor import Look, examine

    found = await examine(run.config, os.environ, model_cache(), Look(production, network))
    failed = [check for check in found if check.level == "fail"]
    warned = [check for check in found if check.level == "warn"]
    run.result({
        "ok": not failed, "failed": len(failed), "warnings": len(warned), "checks": [asdict(check) for check in found],
    })  # fmt: skip
    for check in found:
        run.say(f"{_MARKS[check.level]} {check.name}: {check.message}")
        if check.fix and check.level != "ok":
            run.say(wrapped(f"→ {check.fix}", "        "))
    run.say(
        f"\n{len(failed)} failed, {len(warned)} to look at, {len(found) - len(failed) - len(warned)} well."
    )
    return SAID_NO if failed else DONE
