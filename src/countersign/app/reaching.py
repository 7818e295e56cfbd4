"""Whether each source answers: its connector is there, and the beginning of a listing comes. Nothing is taken in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import urlsplit

from countersign.app.doctor import Check, Look
from countersign.domain.errors import CountersignError
from countersign.domain.workspace import SourceSettings, Workspace
from countersign.sources.registry import PUSH, Surroundings, open_connector

_FEW = 3
_PATIENCE_S = 10.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(slots=True)
class _Attempt:
    found: list[str] = field(default_factory=list[str])
    error: CountersignError | None = None
    is_done: bool = False


def reach_sources(workspace: Workspace, look: Look) -> Iterator[Check]:
    for name, settings in workspace.sources.items():
        if settings.connector == PUSH:
            continue
        cache = workspace.state / "sources" / name
        yield _reach(settings, Surroundings(workspace.root, workspace.tenants, cache), look)


def _reach(settings: SourceSettings, around: Surroundings, look: Look) -> Check:
    check = f"reach {settings.name}"
    try:
        open_connector(settings, around)
    except CountersignError as error:  # an extra is missing, a key cannot be read
        return Check(check, "fail", error.message, error.hint)
    if not (_is_near(settings) or look.network):
        return Check(check, "ok", "not asked", "say --network to ask it")
    attempt = _Attempt()
    # a daemon: a source that never answers must not keep the command from ending
    thread = threading.Thread(target=_try, args=(settings, around, attempt), daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return _told(check, attempt, look)


def _told(check: str, attempt: _Attempt, look: Look) -> Check:
    if attempt.error is not None:
        return Check(check, look.doubt, attempt.error.message, attempt.error.hint)
    if not attempt.is_done:
        fix = "it may only be slow; look at `countersign sources` after the next pass"
        return Check(check, "warn", f"no listing within {_PATIENCE_S:.0f} s", fix)
    if not attempt.found:
        return Check(check, "warn", "it answers and holds nothing", "put files there, or correct its `url`")
    shown = ", ".join(f"{name[:60]!r}" for name in attempt.found)
    return Check(check, "ok", f"it answers; it begins with {shown}")


def _try(settings: SourceSettings, around: Surroundings, attempt: _Attempt) -> None:
    try:
        listing = open_connector(settings, around).list()
        attempt.found += [item.document.external_id for item in islice(listing, _FEW)]
        attempt.is_done = True
    except CountersignError as error:
        attempt.error = error


def _is_near(settings: SourceSettings) -> bool:
    """On this machine: asking it needs no permission."""
    if "://" not in settings.url:
        return bool(settings.url)
    parts = urlsplit(settings.url)
    return parts.scheme == "file" or parts.hostname in _LOOPBACK
