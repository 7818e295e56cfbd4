"""The `countersign` command. Each subcommand lives in a module of its own, loaded when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from countersign import __version__
from countersign.cli.command import Place, epilog
from countersign.cli.failure import FAILED, exit_code_of, report
from countersign.domain.errors import CountersignError, StorageError

COMMANDS = {
    "init": "countersign.cli.init:init",
    "demo": "countersign.demo.command:demo",
    "doctor": "countersign.cli.doctor:doctor",
    "ingest": "countersign.cli.ingest:ingest",
    "sources": "countersign.cli.sources:sources",
    "ask": "countersign.cli.ask:ask",
    "search": "countersign.cli.search:search",
    "serve": "countersign.cli.serve:serve",
    "worker": "countersign.cli.serve:worker",
    "user": "countersign.cli.people:user",
    "key": "countersign.cli.people:key",
    "why": "countersign.cli.people:why",
    "documents": "countersign.cli.documents:documents",
    "review": "countersign.cli.review:review",
    "release": "countersign.cli.release:release",
    "audit": "countersign.cli.readiness:audit",
    "index": "countersign.cli.index:index",
    "questions": "countersign.cli.questions:questions",
    "tune": "countersign.cli.tune:tune",
    "backup": "countersign.cli.backup:backup",
    "restore": "countersign.cli.backup:restore",
    "config": "countersign.cli.config:config",
}
"""By name, so that the demo may stand above this room and nothing is loaded that is not used."""

_HELP = """Governed answers over governed documents: cited, verified, held for a human when it matters, recorded.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check or gate said no, 4 not verified.
"""
_EXAMPLES = """
countersign demo
countersign init ./bank
countersign -w ./bank doctor
countersign -w ./bank ask "What does a Gold card cost?" --assistant staff-help --as aigerim
"""


class Commands(click.Group):
    """Knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=Commands, help=_HELP, epilog=epilog(_EXAMPLES))
@click.version_option(__version__, prog_name="countersign")
@click.option(
    "-w",
    "--workspace",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    envvar="COUNTERSIGN_WORKSPACE",
    show_envvar=True,
    help="The workspace's folder; the present one when nothing is said.",
)
@click.pass_context
def countersign(context: click.Context, folder: Path) -> None:
    context.obj = Place(folder)


def run(arguments: Sequence[str]) -> int:
    """One command, as the shell would run it: its exit code; whatever went wrong is on standard error."""
    try:
        outcome = countersign.main(args=list(arguments), prog_name="countersign", standalone_mode=False)
    except CountersignError as error:
        report(error)
        return exit_code_of(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return FAILED
    except BrokenPipeError:
        raise
    except OSError as error:
        report(StorageError(f"{error.strerror or error}: {error.filename or 'a file'}", code="system_error"))
        return FAILED
    return outcome if isinstance(outcome, int) else 0


def main() -> None:
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
