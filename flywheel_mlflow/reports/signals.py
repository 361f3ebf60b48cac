"""Draws the profile of an interface version: a histogram of each quality signal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flywheel_mlflow.base.text import fit
from flywheel_mlflow.drawings.histograms import histogram_svg
from flywheel_mlflow.records.profiles import Profile, Signal, bin_edges
from flywheel_mlflow.reports.dashboard_blocks import Chart
from flywheel_mlflow.tables.cells import Cell, Drawing, number
from flywheel_mlflow.tables.texts import UNKNOWN, format_value

#: Signals drawn; a table beside the drawings has more of them.
MOST_DRAWN = 24
#: Bars of one histogram: enough to see a shape, wide enough to be seen.
BARS = 24

_NAME_CELLS, _END_CELLS = 40, 15


def signal_charts(profile: Profile) -> tuple[Chart, ...]:
    """The first signals as small histograms, each over its own range; none where no signal has values."""
    return tuple(_charts(profile))[:MOST_DRAWN]


def _charts(profile: Profile) -> Iterator[Chart]:
    for signal in profile.signals:
        if signal.bins or signal.categories:
            heights = histogram(signal) if signal.bins else [count for _, count in signal.categories[:BARS]]
            low, high = _ends(signal)
            label = f"{signal.name}: {signal.count} values from {low} to {high}"
            svg = histogram_svg(heights, fit(low, _END_CELLS), fit(high, _END_CELLS), label)
            count = number(format_value(signal.count, "count"))
            yield Chart(Cell(fit(signal.name, _NAME_CELLS)), count, Cell("values"), Drawing(svg, signal.name))


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
