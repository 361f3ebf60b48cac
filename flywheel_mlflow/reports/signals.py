"""Draws the profile of an interface version: a histogram of each quality signal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flywheel_mlflow.base.text import fit
from flywheel_mlflow.records.profiles import Profile, Signal, bin_edges
from flywheel_mlflow.reports.rendering import render_svg
from flywheel_mlflow.tables.texts import UNKNOWN, format_value

#: Signals drawn; a table beside the drawing has more of them.
MOST_DRAWN = 24
#: Bars of one histogram: enough to see a shape, wide enough to be seen.
BARS = 24

_COLUMNS, _INNER, _BASE, _TOP, _GAP, _STEP = 4, 200, 86, 24, 28, 124
_NAME_CELLS = 30


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar in pixels from the top left of its plot."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One signal as drawn; ``full`` says it in words."""

    x: int
    y: int
    name: str
    full: str
    bars: tuple[Bar, ...]
    low: str
    high: str


def signals_svg(profile: Profile, title: str) -> str | None:
    """The signals as small histograms side by side, each over its own range; None when there is none to draw."""
    drawn = [signal for signal in profile.signals if signal.bins or signal.categories][:MOST_DRAWN]
    if not drawn:
        return None
    rows = math.ceil(len(drawn) / _COLUMNS)
    columns = min(_COLUMNS, len(drawn))
    return render_svg(
        "signals.svg.j2",
        title=title,
        plots=tuple(_plot(number, signal) for number, signal in enumerate(drawn)),
        inner=_INNER,
        base=_BASE,
        width=columns * (_INNER + _GAP) + _GAP,
        height=rows * _STEP + 12,
    )


def _plot(number: int, signal: Signal) -> Plot:
    row, column = divmod(number, _COLUMNS)
    heights = histogram(signal) if signal.bins else [count for _, count in signal.categories[:BARS]]
    low, high = _ends(signal)
    return Plot(
        x=_GAP // 2 + column * (_INNER + _GAP),
        y=8 + row * _STEP,
        name=fit(signal.name, _NAME_CELLS),
        full=f"{signal.name}: {signal.count} values from {low} to {high}",
        bars=_bars(heights),
        low=fit(low, _NAME_CELLS // 2),
        high=fit(high, _NAME_CELLS // 2),
    )


def _ends(signal: Signal) -> tuple[str, str]:
    """The labels below the axis: the extremes, or the most and the least frequent text drawn."""
    if signal.bins:
        return told(signal.minimum), told(signal.maximum)
    names = [name for name, _ in signal.categories[:BARS]]
    return names[0], names[-1] if len(names) > 1 else ""


def told(value: float | None) -> str:
    """A number of a signal with four digits: signals have no unit."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return format_value(value, "") if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


def histogram(signal: Signal) -> list[int]:
    """Counts in :data:`BARS` equal parts between the extremes; the profile's own bins, which grow with the value, are
    put where their middle lies.
    """
    if signal.minimum is None or signal.maximum is None:
        return []
    low, width = signal.minimum, signal.maximum - signal.minimum
    if not width or not math.isfinite(width):
        return [sum(count for _, count in signal.bins)]
    counts = [0] * BARS
    for index, count in signal.bins:
        middle = sum(min(max(edge, signal.minimum), signal.maximum) for edge in bin_edges(index)) / 2
        counts[min(BARS - 1, int((middle - low) / width * BARS))] += count
    return counts


def _bars(heights: Sequence[int]) -> tuple[Bar, ...]:
    if not heights or max(heights) <= 0:
        return ()
    width = min(_INNER / len(heights), _INNER / 6)
    room = _BASE - _TOP
    return tuple(
        Bar(
            x=f"{place * width + 0.5:.1f}",
            y=f"{_BASE - max(1.0, height / max(heights) * room):.1f}",
            width=f"{width - 1:.1f}",
            height=f"{max(1.0, height / max(heights) * room):.1f}",
        )
        for place, height in enumerate(heights)
        if height
    )
