"""How a KPI moved over the last iterations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from flywheel_mlflow.drift.findings import Trend

_BARS = "▁▂▃▄▅▆▇█"
_UNKNOWN = "·"


def sparkline(values: Sequence[float | None]) -> str:
    """A bar for each value from the lowest to the highest, a dot where there is none; all equal is the middle."""
    known = [value for value in values if value is not None]
    if not known:
        return _UNKNOWN * len(values)
    low, span = min(known), max(known) - min(known)

    def bar(value: float | None) -> str:
        if value is None:
            return _UNKNOWN
        return _BARS[round((value - low) / span * (len(_BARS) - 1))] if span else _BARS[len(_BARS) // 2 - 1]

    return "".join(map(bar, values))


def trend_of(subject: str, points: Sequence[tuple[int, float | None]], *, higher: bool) -> Trend:
    """The trend of (iteration, value) points, oldest first; ``higher`` says that a higher value is better."""
    known = [(iteration, value) for iteration, value in points if value is not None]
    worst_step, worst_at = _worst_step(known, higher=higher)
    return Trend(
        subject=subject,
        iterations=tuple(iteration for iteration, _ in points),
        values=tuple(value for _, value in points),
        spark=sparkline([value for _, value in points]),
        slope=_slope(known),
        worst_step=worst_step,
        worst_at=worst_at,
    )


def _slope(known: Sequence[tuple[int, float]]) -> float | None:
    if len(known) < 2:
        return None
    middle = sum(iteration for iteration, _ in known) / len(known)
    mean = sum(value for _, value in known) / len(known)
    spread = sum((iteration - middle) ** 2 for iteration, _ in known)
    return sum((iteration - middle) * (value - mean) for iteration, value in known) / spread


def _worst_step(known: Sequence[tuple[int, float]], *, higher: bool) -> tuple[float | None, int | None]:
    """The step that lost most, as a difference of values, with the iteration it ended at."""
    steps = [(now - before, iteration) for (_, before), (iteration, now) in pairwise(known)]
    worse = [(step, iteration) for step, iteration in steps if (step < 0 if higher else step > 0)]
    if not worse:
        return None, None
    step, iteration = max(worse, key=lambda item: (abs(item[0]), item[1]))
    return step, iteration
