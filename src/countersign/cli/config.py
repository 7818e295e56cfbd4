"""`countersign config`: the workspace file."""

from __future__ import annotations

import os
from dataclasses import asdict

from countersign.cli.command import Run, command, group
from countersign.cli.failure import DONE, SAID_NO

config = group("config", says="The workspace file.", examples="countersign -w ./bank config check")


@command(
    "check", group=config, examples="countersign -w ./bank config check\ncountersign config check --json"
)
def check(run: Run) -> int:
    """Check countersign.yaml: every problem with its line, what is wrong and what would be right. Exit code 3 on errors."""
    from countersign.config import problems

    found = problems(run.config, os.environ)
    errors = [problem for problem in found if problem.severity == "error"]
    run.result({"ok": not errors, "problems": [asdict(problem) for problem in found]})
    for problem in found:
        run.say(f"{problem.severity}: {problem}")
    if not found:
        run.say(f"{run.config}: nothing is wrong.")
    return SAID_NO if errors else DONE
