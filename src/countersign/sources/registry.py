"""Connectors by name. Ours and those of other packages come through the same door, the entry points below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol

from countersign.domain.errors import ConfigError
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import SourceConnector
from countersign.sources.options import Option

GROUP = "countersign.connectors"
PUSH = "push"
"""Not a connector: documents of such a source arrive over HTTP."""

OWN = {
    name: EntryPoint(name, f"countersign.sources.{target}", GROUP)
    for name, target in {
        "files": "files:FilesConnector",
        "git": "git:GitConnector",
        "database": "database:DatabaseConnector",
        "mail": "mail:MailConnector",
        "web": "web:WebConnector",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a connector may use of the workspace. `cache` is a folder of its own that may be lost at any time."""

    root: Path
    tenants: tuple[str, ...]
    cache: Path


class ConnectorType(Protocol):
    """A class of connectors. Constructing one reads nothing yet; `list` and `read` do.

    It may also have a static method `objections(settings) -> Iterable[Objection]`: what in a source's settings it cannot
    work with, told with everything else that is wrong in the workspace file.
    """

    OPTIONS: tuple[Option, ...]
    NEEDS_URL: bool
    """Whether `url` must be said."""

    def __call__(self, settings: SourceSettings, around: Surroundings) -> SourceConnector: ...


def installed() -> Mapping[str, EntryPoint]:
    """Every connector that a source may name. A package cannot take the place of one of ours."""
    return {**{point.name: point for point in entry_points(group=GROUP)}, **OWN}


def connector_type(name: str) -> ConnectorType:
    """Raises `ConfigError` (`connector_unknown`, `connector_unavailable` when its package lacks something)."""
    point = installed().get(name)
    if point is None:
        raise ConfigError(
            f"there is no connector {name!r}",
            code="connector_unknown",
            hint=f"Installed: {', '.join(sorted(installed()))}, {PUSH}.",
        )
    try:
        loaded: ConnectorType = point.load()
    except ImportError as error:
        raise ConfigError(
            f"the connector {name!r} cannot be loaded: {error.name} is not installed",
            code="connector_unavailable",
            hint="Install the extra that carries it: countersign[connectors].",
        ) from error
    return loaded


def open_connector(settings: SourceSettings, around: Surroundings) -> SourceConnector:
    """The connector of one source, not yet connected to anything."""
    return connector_type(settings.connector)(settings, around)
