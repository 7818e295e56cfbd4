"""`countersign init`: a new workspace that runs as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countersign.cli.command import CONFIG, Run, command, listed
from countersign.cli.types import DURATION
from countersign.domain.errors import Conflict, StorageError, UsageError

if TYPE_CHECKING:
    from datetime import timedelta

    from countersign.domain.workspace import Process, Workspace

_EXAMPLES = """
countersign init ./bank
countersign init ./group --name tolkyn --tenant bank --tenant telecom
countersign init ./bank --from-process
countersign init ./bank --asks "branch staff" --decides "what a customer is told" \\
    --costs "a complaint" --risk medium --reviewers quality --deadline 30m
"""
_MAY_BE_THERE = frozenset({"files"})


@command("init", examples=_EXAMPLES)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", default="", help="The workspace's name; the folder's when nothing is said.")
@click.option("--tenant", "tenants", multiple=True, help="A tenant; say it again for more. Default: main.")
@click.option("--from-process", is_flag=True, help="Ask about the business process first.")
@click.option("--asks", default="", help="Who asks, and when.")
@click.option("--decides", default="", help="What is decided on an answer.")
@click.option("--costs", default="", help="What a wrong answer costs.")
@click.option("--risk", type=click.Choice(["low", "medium", "high"]), help="Sets what waits for a reviewer.")
@click.option("--reviewers", default="", help="Groups that review, separated by commas.")
@click.option("--deadline", type=DURATION, help="How soon a reviewer decides, such as 30m.")
def init(
    run: Run,
    folder: Path,
    name: str,
    tenants: tuple[str, ...],
    from_process: bool,
    asks: str,
    decides: str,
    costs: str,
    risk: str | None,
    reviewers: str,
    deadline: timedelta | None,
) -> None:
    """Make a workspace in DIR: its file, its keys and its database.

    A countersign.yaml that is there already is checked and kept; only what it needs beside it is made.

    With --from-process, or with answers to its questions as options, the first assistant is described by the business
    process that it serves.
    """
    from countersign.config import load, template

    path = folder / CONFIG
    if path.is_file() and not (folder / "state").exists():
        _finish(run, folder, load(path, os.environ, resolve_secrets=False))
        return
    _assert_free(folder)
    said = {"asks": asks, "decides": decides, "costs": costs, "risk": risk or "", "reviewers": reviewers}
    process = _process(said, deadline, ask=from_process and not run.json)
    text = template(name or folder.resolve().name, process, tenants)
    try:
        (folder / "files").mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"the workspace cannot be written: {error.strerror}",
            code="folder_not_writable",
            hint="Choose another folder.",
        ) from error
    try:
        _finish(run, folder, load(path, os.environ))
    except BaseException:
        path.unlink()
        raise


def _finish(run: Run, folder: Path, workspace: Workspace) -> None:
    from countersign.app.founding import found

    found(workspace)
    config = str((folder / CONFIG).resolve())
    run.result({"workspace": str(folder.resolve()), "config": config, "tenants": workspace.tenants})
    run.say(_next_steps(folder, workspace.tenants))


def _assert_free(folder: Path) -> None:
    if folder.is_file():
        raise UsageError(f"{folder} is a file", code="folder_not_usable", hint="Name a folder.")
    there = {path.name for path in folder.iterdir()} if folder.exists() else set[str]()
    if CONFIG in there or "state" in there:
        raise Conflict(
            f"there is a workspace in {folder} already",
            code="workspace_exists",
            hint=f"Edit {CONFIG} there, or choose another folder.",
        )
    if any(name not in _MAY_BE_THERE and not name.startswith(".") for name in there):
        raise Conflict(
            f"{folder} is not empty",
            code="folder_not_empty",
            hint="A workspace begins in an empty folder; only a folder named `files` may be there.",
        )


_QUESTIONS = {
    "asks": "Who asks, and in which situation?",
    "decides": "What is decided on an answer?",
    "costs": "What does a wrong answer cost?",
    "risk": "How high is the risk (low, medium, high)?",
    "reviewers": "Which groups review (separated by commas)?",
}


def _process(said: dict[str, str], deadline: timedelta | None, *, ask: bool) -> Process | None:
    """None when nothing was said of it: then the file begins with an example."""
    if ask:
        choices = {"risk": click.Choice(["low", "medium", "high"])}
        for key, question in _QUESTIONS.items():
            said[key] = said[key] or click.prompt(question, type=choices.get(key, click.STRING), err=True)
        deadline = deadline or click.prompt("How soon does a reviewer decide?", "4h", type=DURATION, err=True)
    if not any(said.values()):
        return None
    missing = [f"--{key}" for key, value in said.items() if not value]
    if missing:
        raise UsageError(
            f"the process is only half said: {', '.join(missing)} is missing",
            code="process_incomplete",
            hint="Say all of it, or use --from-process to be asked.",
        )
    from datetime import timedelta

    from countersign.domain.workspace import Process

    groups = tuple(listed(said["reviewers"]) or ())
    risk = said["risk"]
    return Process(
        said["asks"], said["decides"], said["costs"], risk, groups, deadline or timedelta(hours=4)  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def _next_steps(folder: Path, tenants: tuple[str, ...]) -> str:
    tenant = f" --tenant {tenants[0]}" if len(tenants) > 1 else ""
    return f"""\
The workspace is ready in {folder}.

Next:
  1. put documents into {folder / "files"} and look at the rights in {folder / CONFIG}
  2. countersign -w {folder} user set YOU{tenant} --roles user
  3. countersign -w {folder} ingest
  4. countersign -w {folder} ask "…" --assistant staff-help --as YOU
  5. countersign -w {folder} serve
`countersign -w {folder} doctor` says what is missing or wrong."""
