"""Where a context may go: the residency labels of all its passages, joined."""

from __future__ import annotations

from collections.abc import Iterable

from countersign.domain.workspace import ResidencyRule


def allowed_regions(labels: Iterable[str], rules: Iterable[ResidencyRule]) -> frozenset[str] | None:
    """Regions that every label admits; None when nothing is labelled. An empty set means that nothing may leave.

    A label without a rule admits only the region of its own name. Names compare without regard to case.
    """
    by_label: dict[str, frozenset[str]] = {}
    for rule in rules:
        regions = frozenset(_key(region) for region in rule.regions)
        label = _key(rule.label)
        by_label[label] = by_label[label] & regions if label in by_label else regions
    allowed: frozenset[str] | None = None
    for label in {_key(label) for label in labels} - {""}:
        regions = by_label.get(label, frozenset({label}))
        allowed = regions if allowed is None else allowed & regions
    return allowed


def may_go(region: str, allowed: frozenset[str] | None, home_region: str) -> bool:
    """Whether text under `allowed` may go to `region`; an empty region is the workspace's own."""
    return allowed is None or _key(region or home_region) in allowed


def _key(name: str) -> str:
    return name.strip().casefold()
