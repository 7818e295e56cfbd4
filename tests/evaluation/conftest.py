"""The command line in a workspace of its own, as in `tests/cli`."""

from __future__ import annotations

from tests.cli.conftest import cli, filled, workspace

__all__ = ["cli", "filled", "workspace"]
