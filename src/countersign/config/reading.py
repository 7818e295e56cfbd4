"""From text to nodes to values, with the line of everything, and every problem collected instead of the first raised.

A `Kind` reads one node. `section` makes a Kind from a table of `Key`s: the same table refuses unknown keys, checks
types, and prints the reference page, so the three cannot disagree.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

_MAX_DEPTH = 12
_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")
)


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something wrong in the workspace file: where, what, and what would be right. `line` is 1-based."""

    line: int | None
    where: str
    message: str
    hint: str = ""
    code: str = "config_invalid"
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        start = f"line {self.line}: " if self.line else ""
        place = f"{self.where}: " if self.where else ""
        return f"{start}{place}{self.message}" + (f" ({self.hint})" if self.hint else "")


class Wrong(Exception):
    """A value that cannot be read; `Reader.read` turns it into a `ConfigProblem` at its place."""

    def __init__(
        self, message: str, hint: str = "", code: str = "config_invalid", line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.line = line


@dataclass(frozen=True, slots=True)
class Place:
    """A node and the dotted path by which messages name it."""

    node: yaml.Node
    path: str

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    def inside(self, name: str, node: yaml.Node) -> Place:
        return Place(node, f"{self.path}.{name}" if self.path else name)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one value is read. `label` completes the sentence "write …"."""

    label: str
    read: Callable[[Reader, Place], Any]
    keys: tuple[Key, ...] = ()
    item: Kind | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section. `default` is how one would write it; `field` its name in the value, when different."""

    name: str
    kind: Kind
    says: str
    default: str = ""
    required: bool = False
    field: str = ""

    @property
    def target(self) -> str:
        return self.field or self.name


@dataclass(slots=True)
class Reader:
    """What reading needs and what it found: the folder, the environment, the problems, the line of each path."""

    root: Path
    environ: Mapping[str, str]
    resolve_secrets: bool = True
    problems: list[ConfigProblem] = field(default_factory=list[ConfigProblem])
    lines: dict[str, int] = field(default_factory=dict[str, int])

    def wrong(self, place: Place, message: str, hint: str = "", code: str = "config_invalid") -> None:
        self.problems.append(ConfigProblem(place.line, place.path, message, hint, code))

    def warn(self, place: Place, message: str, hint: str = "", code: str = "config_doubtful") -> None:
        self.problems.append(ConfigProblem(place.line, place.path, message, hint, code, "warning"))

    def read(self, place: Place, kind: Kind) -> Any:
        """The value, or None after noting why there is none."""
        self.lines[place.path] = place.line
        try:
            return kind.read(self, place)
        except Wrong as wrong:
            self.wrong(place, wrong.message, wrong.hint, wrong.code)
            return None


# -- text to nodes ----------------------------------------------------------------------------------------------
class _Loader(yaml.SafeLoader):
    """Composes nodes only. Anchors and aliases are refused, so a small file cannot unfold into a large one."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise Wrong("anchors and aliases are not read", "write the value out", line=line)
        if self.depth >= _MAX_DEPTH:
            raise Wrong("nested too deep", f"at most {_MAX_DEPTH} levels", line=line)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def compose(text: str) -> yaml.Node:
    """The tree of one YAML document. Raises `Wrong` with a line for anything that is not plain YAML."""
    try:
        node = yaml.compose(_quote_references(text), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise Wrong(
            f"not YAML: {error.problem or error.context}", "check indentation and quotes", line=line
        ) from error
    except yaml.YAMLError as error:
        raise Wrong("not YAML: a character that may not stand here", "save the file as UTF-8 text") from error
    if not isinstance(node, yaml.MappingNode):
        raise Wrong("the file says nothing", "it needs at least `name:`", line=1)
    return node


_BARE_REFERENCE = re.compile(r"(?<=[:,\[]\s)(\$\{(?:env|file):[^}\s\"']+\})(?=\s*(?:[,}\]#]|$))")


def _quote_references(text: str) -> str:
    """`{key: ${env:NAME}}` on one line is what people write; YAML would read its braces. Lines stay where they are."""
    return "\n".join(_quote_on_line(line) if "${" in line else line for line in text.split("\n"))


def _quote_on_line(line: str) -> str:
    def quoted(match: re.Match[str]) -> str:
        before = line[: match.start()]
        inside_quotes = before.count('"') % 2 or before.count("'") % 2
        return match[1] if inside_quotes or "#" in before else f'"{match[1]}"'

    return _BARE_REFERENCE.sub(quoted, line)


# -- nodes to values --------------------------------------------------------------------------------------------
def scalar(place: Place, label: str) -> str:
    """The text of a plain value, as written. Raises `Wrong` for a list, a section, or nothing at all."""
    node = place.node
    if node.tag not in _CORE_TAGS:
        raise Wrong("tags are not read", f"write {label}")
    if not isinstance(node, yaml.ScalarNode):
        raise Wrong(f"is a {'list' if isinstance(node, yaml.SequenceNode) else 'section'}", f"write {label}")
    value = str(node.value)
    if not value.strip() or (node.tag.endswith(":null") and node.style is None):
        raise Wrong("nothing is said", f"write {label}, or leave the key out")
    return value


def quoted(place: Place) -> bool:
    return getattr(place.node, "style", None) is not None


def entries(reader: Reader, place: Place, label: str) -> Iterator[tuple[str, Place, Place]]:
    """(name, place of the name, place of the value) of a mapping; a name that stands twice is a problem."""
    node = place.node
    if not isinstance(node, yaml.MappingNode):
        raise Wrong("is not a section", f"write {label}")
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            reader.wrong(Place(key_node, place.path), "a key must be a plain word")
            continue
        name = str(key_node.value)
        key = place.inside(name, key_node)
        if name in seen:
            reader.wrong(key, f"is said twice, first on line {seen[name]}", "keep one of them")
            continue
        seen[name] = key.line
        yield name, key, place.inside(name, value_node)


def section(keys: tuple[Key, ...], make: Callable[..., Any], label: str = "a section of keys") -> Kind:
    """A mapping with exactly these keys. `make` gets the values of the keys that are said and readable."""
    known = {key.name: key for key in keys}

    def read(reader: Reader, place: Place) -> Any:
        said: dict[str, Any] = {}
        found: set[str] = set()
        for name, at, value in entries(reader, place, label):
            found.add(name)
            if name not in known:
                _unknown(reader, at, name, known)
                continue
            reading = reader.read(value, known[name].kind)
            reader.lines[value.path] = at.line
            if reading is not None:
                said[known[name].target] = reading
        for key in keys:
            if key.required and key.name not in found:
                reader.wrong(place, f"`{key.name}` is missing", f"write {key.kind.label}: {key.says}")
        return make(**said)

    return Kind(label, read, keys=keys)


def as_said(**said: Any) -> dict[str, Any]:
    """A section that is put together later keeps what was said."""
    return said


def _unknown(reader: Reader, at: Place, name: str, known: Mapping[str, Key]) -> None:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        reader.wrong(at, "unknown key", f"did you mean `{close[0]}`?", "config_unknown_key")
    else:
        reader.wrong(at, "unknown key", f"known here: {', '.join(known) or 'nothing'}", "config_unknown_key")


def many(item: Kind, *, at_least: int = 0, label: str = "") -> Kind:
    """A list, as a tuple without repetitions."""
    says = label or f"a list, each {item.label}"

    def read(reader: Reader, place: Place) -> tuple[Any, ...] | None:
        if not isinstance(place.node, yaml.SequenceNode):
            raise Wrong("is not a list", f"write {says}, such as [a, b]")
        values: list[Any] = []
        for index, node in enumerate(place.node.value):
            at = Place(node, f"{place.path}[{index}]")
            value = reader.read(at, item)
            if value in values and value is not None:
                reader.wrong(at, "is in the list twice", "keep one of them")
            elif value is not None:
                values.append(value)
        if len(place.node.value) < at_least:
            raise Wrong("the list is empty", f"write {says}")
        return tuple(values)

    return Kind(says, read, item=item)


def named(item: Kind, name: Callable[[str], str], label: str) -> Kind:
    """A mapping from names to values; `name` checks one name or raises `Wrong`."""

    def read(reader: Reader, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, at, value in entries(reader, place, label):
            try:
                name(key)
            except Wrong as wrong:
                reader.wrong(at, wrong.message, wrong.hint)
            reading = reader.read(value, item)
            reader.lines[value.path] = at.line
            if reading is not None:
                values[key] = reading
        return values

    return Kind(label, read, item=item)
