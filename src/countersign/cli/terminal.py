"""Text for terminals: untrusted text made harmless, tables aligned, progress only where somebody looks."""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Protocol

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_JOINERS = frozenset("\u200c\u200d")
"""Invisible, harmless and part of how some scripts are written."""
WIDTH = 100
_MAX_CELL = 60


def plain(text: str) -> str:
    """`text` without escape sequences, controls and text that turns its neighbours round; line breaks stay."""
    return "".join(
        character
        if character in "\n\t" or character in _JOINERS or unicodedata.category(character) not in _INVISIBLE
        else "\ufffd"
        for character in text
    )


def one_line(text: str, width: int = _MAX_CELL) -> str:
    return shortened(" ".join(plain(text).split()), width)


def shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def wrapped(text: str, indent: str = "", width: int = WIDTH) -> str:
    """Paragraphs wrapped to `width`, each line behind `indent`."""
    return "\n".join(
        textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False)
        for line in plain(text).splitlines()
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns aligned by spaces; every cell on one line."""
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = [list(heads), *cells]
    return "\n".join(
        "  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


class Progress(Protocol):
    def __call__(self, done: int, total: int, what: str) -> None: ...


@contextmanager
def progress(title: str, *, wanted: bool = True) -> Generator[Progress]:
    """A bar on standard error when that is a terminal, otherwise silence. Call it with `done`, `total` and a word."""
    if not wanted or not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True, markup=False, highlight=False), transient=True) as bar:
        task = bar.add_task(title, total=None, what="")

        def show(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, what=one_line(what, 40))

        yield show


def _silent(done: int, total: int, what: str) -> None:
    """Nobody looks."""
