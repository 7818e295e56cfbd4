"""The one place where errors become exit codes and lines on standard error."""

from __future__ import annotations

import click

from countersign.cli.terminal import plain
from countersign.domain.errors import CountersignError, IntegrityError, UsageError

DONE, FAILED, USAGE, SAID_NO, NOT_VERIFIED = range(5)

_CODES: tuple[tuple[type[CountersignError], int], ...] = ((UsageError, USAGE), (IntegrityError, NOT_VERIFIED))


def exit_code_of(error: CountersignError) -> int:
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def report(error: CountersignError) -> None:
    """`code: message`, and below it what to do."""
    click.echo(f"{error.code}: {plain(error.message)}", err=True)
    if error.hint:
        click.echo(f"  {plain(error.hint)}", err=True)
