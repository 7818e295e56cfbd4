"""Folders of the state that several rooms must name alike."""

from __future__ import annotations

from pathlib import Path


def source_cache(state: Path, source: str) -> Path:
    """What a connector may keep between passes."""
    return state / "sources" / source
