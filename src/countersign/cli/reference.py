"""The reference page of all commands, from the same objects that run them.

`python -m countersign.cli.reference > docs/reference/commands.md` writes the page; a test keeps them equal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

_HEAD = """\
# Commands

`countersign [-w DIR] COMMAND …`. The workspace is the folder named by `-w`, by `COUNTERSIGN_WORKSPACE`, or the present
one. Results go to standard output; everything else, errors included, goes to standard error as `code: message` with a
line that says what to do.

- `--json` on every command prints one JSON object on one line and nothing else; lists are `{"items": […]}`.
- `--as USER` acts as that person. It is only for the operating-system user who owns the workspace's files, and the
  record names both.
- Exit codes: `0` done, `1` failed, `2` wrong usage, `3` a check or gate said no, `4` not verified.
- The converted embedding model is kept in `$COUNTERSIGN_CACHE` (default: `~/.cache/countersign`), for all workspaces.
"""


def markdown() -> str:
    """The whole page."""
    from countersign.cli.main import countersign

    return "\n".join([_HEAD, *_pages(countersign, click.Context(countersign, info_name="countersign"))])


def _pages(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield f"## `{inner.command_path}`\n\n{_says(command)}\n"
            yield from _pages(command, inner)
        else:
            yield from _page(command, inner)


def _page(command: click.Command, context: click.Context) -> Iterator[str]:
    depth = "##" if context.parent is not None and context.parent.parent is None else "###"
    yield f"{depth} `{context.command_path}`\n"
    yield f"{_says(command)}\n"
    yield f"```\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```\n"
    options = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    yield "| option | |\n|---|---|"
    yield from (f"| `{_cell(name)}` | {_cell(says)} |" for name, says in options if _is_option(name))
    yield f"\n```sh\n{_examples(command)}\n```\n"


def _is_option(name: str) -> bool:
    return name.startswith("-") and name != "--help"


def _says(command: click.Command) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))


def _examples(command: click.Command) -> str:
    lines = (command.epilog or "").splitlines()[2:]
    return "\n".join(line[2:] for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(markdown())
