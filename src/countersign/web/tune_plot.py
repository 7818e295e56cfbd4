"""The picture of a measurement: for each candidate its quality with an interval, and beside it what a question costs.

A line for each, so that candidates of equal cost never cover each other; drawn twice, for a page and for a phone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from countersign.evaluation.runs import Summary
from countersign.evaluation.tuned import Tuned

Tone = Literal["", "live", "chosen"]
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_PADDING: Final = 0.01
_LEAST_SPAN: Final = 0.05
_PLACES_AFTER: Final = 9
"""Rounding for sums of steps, beyond anything that is shown."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand, in units of the drawing. `above`: the name stands over its line instead of before it."""

    kind: Literal["wide", "narrow"]
    width: int
    row: int
    left: int
    right: int
    """Of the panel of quality."""
    cost_left: int
    cost_right: int
    above: int
    name_chars: int
    most_ticks: int
    top: int = 36
    bottom: int = 44


WIDE: Final = Layout("wide", 960, 27, 262, 664, 708, 890, 0, 36, 7)
NARROW: Final = Layout("narrow", 360, 44, 12, 214, 238, 308, 18, 46, 4)


@dataclass(frozen=True, slots=True)
class Line:
    """One candidate: its place in the table, and where its marks stand."""

    n: int
    name: str
    tone: Tone
    y: float
    x: float
    low: float
    high: float
    cost: float
    cost_label: str


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    layout: Layout
    lines: tuple[Line, ...]
    qualities: tuple[Tick, ...]
    costs: tuple[Tick, ...]
    live_at: float
    height: int

    @property
    def floor(self) -> int:
        return self.height - self.layout.bottom


def ordered(tuned: Tuned) -> tuple[Summary, ...]:
    """Best first; of equal ones the cheaper."""
    return tuple(sorted(tuned.summaries, key=lambda each: (-round(each.ndcg.mean, 4), each.run.cpu_ms)))


def plot_of(tuned: Tuned, layout: Layout, point: str = ".") -> Plot:
    """`point` separates decimals. The axis of quality begins where the measurements do; that of costs at nothing, because
    its bars are compared by their lengths."""
    shown = ordered(tuned)
    low = max(0.0, min(each.ndcg.low for each in shown) - _PADDING)
    high = min(1.0, max(each.ndcg.high for each in shown) + _PADDING)
    low = max(0.0, min(low, high - _LEAST_SPAN))
    high = max(high, low + _LEAST_SPAN)
    most = max(each.run.cpu_ms for each in shown) or 1.0

    def x(quality: float) -> float:
        return round(layout.left + (layout.right - layout.left) * (quality - low) / (high - low), 1)

    def width(cost: float) -> float:
        return round((layout.cost_right - layout.cost_left) * cost / most, 1)

    lines = tuple(
        Line(
            n,
            each.run.name,
            _tone(tuned, each),
            layout.top + layout.row * (n - 0.5) + layout.above / 2,
            x(each.ndcg.mean),
            x(each.ndcg.low),
            x(each.ndcg.high),
            width(each.run.cpu_ms),
            f"{each.run.cpu_ms:.{1 if most < 100 else 0}f}".replace(".", point),
        )
        for n, each in enumerate(shown, 1)
    )
    return Plot(
        layout,
        lines,
        tuple(Tick(x(at), said.replace(".", point)) for at, said in ticks(low, high, layout.most_ticks)),
        tuple(
            Tick(layout.cost_left + width(at), said.replace(".", point))
            for at, said in ticks(0.0, most, 3 if layout.kind == "wide" else 2)
        ),
        x(tuned.live.ndcg.mean),
        layout.top + layout.row * len(shown) + layout.bottom,
    )


def ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """At most `most` + 1 round numbers from `low` to `high`, evenly spaced, each with as many decimals as the step needs."""
    span = high - low
    magnitude = 10.0 ** math.floor(math.log10(span / most))
    step = next(magnitude * each for each in _STEPS if magnitude * each * most >= span * (1 - 1e-9))
    decimals = next(n for n in range(12) if math.isclose(round(step, n), step, rel_tol=1e-6))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [(round(n * step, _PLACES_AFTER), f"{n * step:.{decimals}f}") for n in range(first, last + 1)]


def _tone(tuned: Tuned, each: Summary) -> Tone:
    if each.run is tuned.recommendation.chosen:
        return "chosen"
    return "live" if each.to_live is None else ""
