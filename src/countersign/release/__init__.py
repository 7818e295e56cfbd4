"""Immutable bundles of behaviour: one id for everything that shapes an assistant's answers."""

from __future__ import annotations

from countersign.release.manifest import Behaviour, Difference, Release, build_release, differences

__all__ = ["Behaviour", "Difference", "Release", "build_release", "differences"]
