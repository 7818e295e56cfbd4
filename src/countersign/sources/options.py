"""What a connector may be told under `options:` in the workspace file: declared once, by the connector itself.

The workspace file is checked against these declarations and the reference page is printed from them, for our own
connectors as for a stranger's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OptionKind = Literal["text", "secret", "whole", "yes_no", "names", "duration", "size", "mapping"]
"""How it reaches the connector: str, `domain.workspace.Secret`, int, bool, tuple of str, `timedelta`, bytes as int,
or a mapping of text to text."""


@dataclass(frozen=True, slots=True)
class Option:
    """One key under `options:`. `default` is how one would write it, for the reference page."""

    name: str
    kind: OptionKind
    says: str
    default: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """Something in a source's settings that its connector cannot work with. `where` is below the source: `options.x`."""

    where: str
    message: str
    hint: str
