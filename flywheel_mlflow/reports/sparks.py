"""Draws a series as the small line that stands in a cell of a page."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from flywheel_mlflow.tables.cells import Series

_WIDTH, _HEIGHT, _EDGE = 96.0, 24.0, 3.0


@dataclass(frozen=True, slots=True)
class Spark:
    """A small line over iterations, in pixels from the top left.

    ``lines`` are the stretches without a gap as SVG point lists, ``dots`` the values that stand alone, ``end`` the last
    known value; ``label`` says it all in words.
    """

    label: str
    width: str
    height: str
    lines: tuple[str, ...]
    dots: tuple[tuple[str, str], ...]
    end: tuple[str, str] | None


def draw_spark(series: Series) -> Spark:
    """A line over iterations, oldest first; an unknown value is a gap, never a zero."""
    places = [
        None if share is None else (_x(index, len(series.values)), _y(share))
        for index, share in enumerate(series.shares())
    ]
    stretches = [[p for p in run if p is not None] for there, run in groupby(places, lambda p: p is not None) if there]
    return Spark(
        label=series.label,
        width=f"{_WIDTH:g}",
        height=f"{_HEIGHT:g}",
        lines=tuple(" ".join(f"{x},{y}" for x, y in run) for run in stretches if len(run) > 1),
        dots=tuple(run[0] for run in stretches if len(run) == 1),
        end=next((place for place in reversed(places) if place is not None), None),
    )


def _x(index: int, count: int) -> str:
    step = (_WIDTH - 2 * _EDGE) / max(1, count - 1)
    return f"{_EDGE + index * step:.1f}"


def _y(share: float) -> str:
    return f"{_HEIGHT - _EDGE - share * (_HEIGHT - 2 * _EDGE):.1f}"
