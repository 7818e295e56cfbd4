"""What stands under `options:` of a source, read as its connector declares it: ours and those of other packages alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from countersign.config.kinds import duration, secret, size, text, whole, yes_no
from countersign.config.reading import Key, Kind, Place, Reader, as_said, entries, many, named, section
from countersign.domain.errors import ConfigError
from countersign.sources.options import Option
from countersign.sources.registry import PUSH, ConnectorType, connector_type, installed

_MOST = 1_000_000_000
_KINDS: Mapping[str, Kind] = {
    "text": text(),
    "secret": secret,
    "whole": whole(0, _MOST),
    "yes_no": yes_no,
    "names": many(text("a name")),
    "duration": duration,
    "size": size,
    "mapping": named(text(), lambda key: key, "a section {key: text, …}"),
}


def with_options(keys: tuple[Key, ...]) -> Kind:
    """The section of one source: what may stand under its `options` depends on its `connector`."""

    def read(reader: Reader, place: Place) -> Any:
        connector = _named(place)
        kind = _options(reader, place, connector)
        known = tuple(Key("options", kind, key.says) if key.name == "options" else key for key in keys)
        said = section(known, as_said).read(reader, place)
        _required(reader, place, connector, said)
        return said

    return Kind("a section of keys", read, keys=keys)


def declared(connector: str) -> tuple[Option, ...] | None:
    """The options of a connector; None when there is no such connector. Raises `ConfigError` when it cannot be loaded."""
    if connector == PUSH:
        return ()
    if connector not in installed():
        return None
    kind: ConnectorType = connector_type(connector)
    options = tuple(getattr(kind, "OPTIONS", ()))
    if wrong := [option.name for option in options if option.kind not in _KINDS]:
        raise ConfigError(
            f"the connector {connector!r} declares options of unknown kinds: {', '.join(wrong)}",
            code="connector_unavailable",
            hint="Install a version of it that fits this version.",
        )
    return options


def keys_of(options: tuple[Option, ...]) -> tuple[Key, ...]:
    return tuple(
        Key(option.name, _KINDS[option.kind], option.says, option.default, option.required)
        for option in options
    )


def _named(place: Place) -> str:
    """The connector's name as written, before anything was checked."""
    node = place.node
    if not isinstance(node, yaml.MappingNode):
        return ""
    said = [
        value for key, value in node.value if isinstance(key, yaml.ScalarNode) and key.value == "connector"
    ]
    return str(said[0].value) if said and isinstance(said[0], yaml.ScalarNode) else ""


def _options(reader: Reader, place: Place, connector: str) -> Kind:
    try:
        options = declared(connector)
    except ConfigError as error:
        reader.wrong(place, error.message, error.hint, error.code)
        options = None
    return OPTIONS if options is None else section(keys_of(options), as_said)


def _unchecked(reader: Reader, place: Place) -> dict[str, Any]:
    """What is wrong with the connector is told elsewhere; its options cannot be judged without it."""
    for _ in entries(reader, place, "a section of keys"):
        pass
    return {}


OPTIONS = Kind("a section of keys", _unchecked)


def _required(reader: Reader, place: Place, connector: str, said: Mapping[str, Any]) -> None:
    """Without any `options` nothing has noticed yet that some are required."""
    if "options" in said or f"{place.path}.options" in reader.lines:
        return
    try:
        options = declared(connector) or ()
    except ConfigError:
        return
    for option in options:
        if option.required:
            hint = f"write {_KINDS[option.kind].label}: {option.says}"
            reader.wrong(place, f"`options.{option.name}` is missing", hint)
