"""What a text must hold for a pattern to match it at all, so that a dear search is tried only where it can succeed.

The literals are read from the pattern itself and cannot fall behind it. Whatever is not understood requires nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

_MOST = 24
"""Alternatives in one group: looking for more of them costs what it saves."""
_LEAST_CHARS = 3

Groups = tuple[tuple[str, ...], ...]
"""Of every group one literal must occur."""


def required(pattern: str) -> Groups:
    """The groups of `pattern`, the smallest first; none where this Python does not show how it reads patterns."""
    try:
        parser = import_module("re._parser")
    except ImportError:
        return ()
    groups = [group for group in _of(parser.parse(pattern)) if _tells(group)]
    return tuple(tuple(sorted(group)) for group in sorted(groups, key=len))


def may_match(text: str, groups: Groups) -> bool:
    """False only when no pattern with these groups matches `text`."""
    for group in groups:
        for literal in group:
            if literal in text:
                break
        else:
            return False
    return True


def _tells(group: frozenset[str]) -> bool:
    return len(group) <= _MOST and min(map(len, group)) >= _LEAST_CHARS


def _of(parsed: Sequence[tuple[Any, Any]]) -> list[frozenset[str]]:
    """Every group that a sequence of parsed parts requires."""
    groups: list[frozenset[str]] = []
    run = ""
    for part, value in parsed:
        if str(part) == "LITERAL":
            run += chr(value)
            continue
        if run:
            groups.append(frozenset({run}))
            run = ""
        groups += _of_part(str(part), value)
    return [*groups, frozenset({run})] if run else groups


def _of_part(part: str, value: Any) -> list[frozenset[str]]:
    if part == "SUBPATTERN":
        return _of(value[-1])
    if part in ("MAX_REPEAT", "MIN_REPEAT") and value[0] >= 1:
        return _of(value[-1])
    if part == "BRANCH":
        best = [max(_of(branch), key=_worth, default=None) for branch in value[1]]
        if all(group is not None for group in best):
            return [frozenset[str]().union(*(group for group in best if group is not None))]
    return []


def _worth(group: frozenset[str]) -> tuple[int, int]:
    """Long literals are rare, and few are soon looked for."""
    return min(map(len, group)), -len(group)
