"""Draws a number over the iterations as a line without axes, small enough for a cell of a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from flywheel_mlflow.drawings.scales import Scale
from flywheel_mlflow.drawings.svg import Svg, drawing, element

_WIDTH, _HEIGHT, _EDGE = 96.0, 24.0, 3.0


def spark_svg(values: Sequence[float | None], label: str) -> str:
    """The values, oldest first; an unknown one is a gap, never a zero. The newest known one is larger."""
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    across = Scale(0, max(1, len(values) - 1), _EDGE, _WIDTH - _EDGE, 1)
    up = Scale(low, high, _HEIGHT - _EDGE, _EDGE, 1) if low < high else None
    places = [
        None if value is None else (across.at(index), up.at(value) if up else _HEIGHT / 2)
        for index, value in enumerate(values)
    ]
    inside: list[Svg] = []
    for there, stretch in groupby(places, lambda place: place is not None):
        run = [place for place in stretch if place is not None]
        if there and len(run) > 1:
            inside.append(element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in run)))
        elif there:
            inside.append(_dot(run[0], 1.5))
    newest = next((place for place in reversed(places) if place is not None), None)
    return drawing(_WIDTH, _HEIGHT, label, *inside, *([_dot(newest, 2.5)] if newest else []), kind="spark")


def _dot(place: tuple[float, float], radius: float) -> Svg:
    return element("circle", cx=place[0], cy=place[1], r=radius)
