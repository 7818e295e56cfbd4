"""The reference page of the workspace file, from the same tables that read it.

`python -m countersign.config.reference > docs/reference/configuration.md` writes the page; a test keeps them equal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from countersign.config.options import declared, keys_of
from countersign.config.reading import Key, Kind
from countersign.config.sections import WORKSPACE_KEYS
from countersign.sources.registry import OWN

_HEAD = """\
# Configuration: `countersign.yaml`

One file describes a workspace. It is read once, checked whole, and every problem is reported with its line, what is
wrong and what would be right. Unknown and repeated keys, YAML anchors and aliases are refused. `countersign doctor`
shows the same list with warnings.

- A **secret** never stands in the file: write `${env:NAME}` for an environment variable or `${file:PATH}` for a file
  (relative to the workspace). A missing secret stops the start (`secret_missing`), and so does one that is short or a
  well-known placeholder (`weak_secret`).
- A **duration** is a number and a unit: `500ms`, `30s`, `30m`, `24h`, `7d`. A **size**: `200 MB`, `2 GiB`.
  **Money**: `1.00 USD`.
- A **right** is a group's name (`hr` is short for `group:hr`), `user:NAME`, or `tenant:*` for everyone in the tenant.
- **Risk** sets what an assistant's `hold_when` does not say: `high` holds everything; `medium` holds unsupported
  claims, conflicts and confidence below 0.6; `low` delivers, marked.
- `delivery: live` is allowed only for a process of low risk whose `hold_when` names no rule.
"""


def markdown() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_table("The file", WORKSPACE_KEYS, "", {}), *_connectors()]).rstrip() + "\n"


def _connectors() -> Iterator[str]:
    """Ours only: which others are installed differs from machine to machine."""
    yield "## Options of connectors\n"
    yield "What may stand under `options:` of a source depends on its connector. Those of other packages declare theirs the same way.\n"
    for name in OWN:
        options = declared(name)
        if options:
            yield from _table(
                f"`connector: {name}`", keys_of(options), f"sources.NAME.options.{name}.", {}, "###"
            )
        else:
            yield f"### `connector: {name}`\n\nIt takes no options.\n"


def _table(
    title: str, keys: tuple[Key, ...], path: str, told: dict[int, str], level: str = "##"
) -> Iterator[str]:
    yield f"{level} {title}\n"
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key in keys:
        default = "**required**" if key.required else key.default or "none"
        yield f"| `{key.name}` | {_cell(key.kind.label)} | {_cell(default)} | {_cell(key.says)} |"
    yield ""
    for key in keys:
        below, inner = _inside(key.kind, f"{path}{key.name}")
        if id(inner) in told:
            yield f"`{below}` is as {told[id(inner)]}.\n"
        elif inner:
            told[id(inner)] = f"`{below}`"
            yield from _table(f"`{below}`", inner, f"{below}.", told)


def _inside(kind: Kind, path: str) -> tuple[str, tuple[Key, ...]]:
    """The section that a key leads to, if any: `sources.NAME`, `rules[]`."""
    if kind.keys:
        return path, kind.keys
    if kind.item is not None and kind.item.keys:
        listed = kind.label.startswith("a list")
        return f"{path}[]" if listed else f"{path}.NAME", kind.item.keys
    return path, ()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(markdown())
