"""Libraries that only some sources need: loaded when such a source is opened, and named when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from countersign.domain.errors import ConfigError


def load(module: str, what: str) -> Any:
    """The module. Raises `ConfigError` (`connector_unavailable`) where the extra that carries it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{what} cannot be read: {error.name or module} is not installed",
            code="connector_unavailable",
            hint="Install the extra that carries it: countersign[connectors].",
        ) from error
