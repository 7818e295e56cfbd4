"""How a command is made: `--json` and examples on every one, one asyncio loop, the workspace opened when it is needed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import update_wrapper
from inspect import iscoroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countersign.cli.terminal import plain

if TYPE_CHECKING:
    from countersign.app.house import House
    from countersign.app.office import Office
    from countersign.domain.workspace import Workspace

CONFIG = "countersign.yaml"
"""The name of a workspace's file."""


@dataclass(frozen=True, slots=True)
class Place:
    """What was said before the command."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one command: where it works and how it speaks."""

    folder: Path
    json: bool

    @property
    def config(self) -> Path:
        return self.folder / CONFIG

    # -- speaking -----------------------------------------------------------------------------------------------
    def say(self, text: str = "") -> None:
        """For people only: nothing of it appears under `--json`."""
        if not self.json:
            click.echo(plain(text))

    def note(self, text: str) -> None:
        """For people, beside the result: on standard error, so that a pipe carries the result alone."""
        if not self.json:
            click.echo(plain(text), err=True)

    def result(self, value: Mapping[str, Any]) -> None:
        """One JSON object on one line, under `--json` only."""
        if self.json:
            import orjson

            click.echo(orjson.dumps(value).decode())

    # -- opening ------------------------------------------------------------------------------------------------
    def workspace(self, *, secrets: bool = False) -> Workspace:
        """Raises `ConfigInvalid`. `secrets` says that endpoints will be called."""
        from countersign.config import load

        return load(self.config, os.environ, resolve_secrets=secrets)

    @contextmanager
    def office(self) -> Generator[Office]:
        from countersign.app.office import open_office

        office = open_office(self.workspace())
        try:
            yield office
        finally:
            office.close()

    @asynccontextmanager
    async def house(self, *, owner: bool | None = None) -> AsyncGenerator[House]:
        """The whole house. `owner` True insists on owning the workspace, None owns it when nobody else does."""
        from countersign.app.house import open_house
        from countersign.app.office import require_ready

        workspace = self.workspace(secrets=True)
        require_ready(workspace)
        house = await open_house(workspace, model_cache=model_cache(), owner=owner)
        try:
            yield house
        finally:
            await house.close()


def model_cache() -> Path:
    """Where the converted embedding model is kept, shared by the workspaces of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("COUNTERSIGN_CACHE") or Path(base) / "countersign") / "models"


def epilog(examples: str) -> str:
    """Examples as click prints them, unwrapped."""
    lines = [f"  {line}" for line in examples.strip().splitlines()]
    return "\n".join(["\b", "Examples:", *lines])


def command(
    name: str, *, examples: str, group: click.Group | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function of (run, parameters…) a command; it may be `async`, and what it returns is the exit code."""

    def make(function: Callable[..., Any]) -> click.Command:
        def call(json: bool, **said: Any) -> int | None:
            place: Place = click.get_current_context().find_object(Place) or Place(Path())
            outcome = function(Run(place.folder, json), **said)
            return asyncio.run(outcome) if iscoroutine(outcome) else outcome

        made = click.command(name, epilog=epilog(examples))(update_wrapper(call, function))
        says = "Print one JSON object and nothing else."
        made.params.append(click.Option(["--json"], is_flag=True, help=says))
        if group is not None:
            group.add_command(made)
        return made

    return make


def group(name: str, *, says: str, examples: str) -> click.Group:
    return click.Group(name, help=says, epilog=epilog(examples))


as_user = click.option(
    "--as",
    "user",
    required=True,
    metavar="USER",
    help="Act as this person. Only for the owner of the workspace's files; recorded as impersonation.",
)
tenant_option = click.option("--tenant", default="", help="The tenant, where the workspace has several.")


def listed(text: str | None) -> list[str] | None:
    """`a, b` → `["a", "b"]`; an empty text is an empty list, None stays None."""
    return None if text is None else [part for part in (piece.strip() for piece in text.split(",")) if part]
