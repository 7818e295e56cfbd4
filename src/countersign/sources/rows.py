"""How a row reads: a small HTML or Markdown document with its title, its text and its fields by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are shown, in which order and under which names. `besides` are columns that are facts, not text."""

    title: str
    body: tuple[str, ...]
    body_format: str
    fields: tuple[str, ...]
    labels: Mapping[str, str]
    besides: frozenset[str]

    @property
    def suffix(self) -> str:
        return "md" if self.body_format == "markdown" else "html"

    @property
    def mime(self) -> str:
        return "text/markdown" if self.body_format == "markdown" else "text/html"

    def render(self, row: Mapping[str, Any]) -> bytes:
        """UTF-8. The same values give the same bytes."""
        title = _text(row.get(self.title)) if self.title else ""
        fields = [(self._label(name), text) for name in self._shown(row) if (text := _text(row.get(name)))]
        bodies = [(self._label(name), text) for name in self.body if (text := _text(row.get(name)))]
        lines = self._markdown if self.body_format == "markdown" else self._html
        return "".join(lines(title, fields, bodies)).encode("utf-8", "replace")

    def _shown(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        if self.fields or self.body:
            return self.fields
        return tuple(name for name in row if name not in self.besides)

    def _label(self, column: str) -> str:
        return self.labels.get(column, column)

    def _html(
        self, title: str, fields: list[tuple[str, str]], bodies: list[tuple[str, str]]
    ) -> Iterator[str]:
        yield '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        yield f"<title>{escape(title)}</title></head><body>\n" if title else "</head><body>\n"
        if title:
            yield f"<h1>{escape(title)}</h1>\n"
        for name, text in fields:
            yield f"<p>{escape(name)}: {_lines(text)}</p>\n"
        for name, text in bodies:
            if len(bodies) > 1:
                yield f"<h2>{escape(name)}</h2>\n"
            yield f"<div>{text}</div>\n" if self.body_format == "html" else f"{_paragraphs(text)}\n"
        yield "</body></html>\n"

    def _markdown(
        self, title: str, fields: list[tuple[str, str]], bodies: list[tuple[str, str]]
    ) -> Iterator[str]:
        if title:
            yield f"# {' '.join(title.split())}\n\n"
        for name, text in fields:
            yield f"{' '.join(name.split())}: {' '.join(text.split())}\n\n"
        for name, text in bodies:
            if len(bodies) > 1:
                yield f"## {' '.join(name.split())}\n\n"
            yield f"{text.strip()}\n\n"


def _text(value: object) -> str:
    """Bytes are no text: what a column of them holds is left out."""
    if value is None or isinstance(value, bytes | bytearray | memoryview):
        return ""
    return str(value).replace("\x00", "").strip()


def _paragraphs(text: str) -> str:
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(f"<p>{_lines(block)}</p>" for block in blocks if block.strip())


def _lines(text: str) -> str:
    return escape(text.strip()).replace("\n", "<br>\n")
