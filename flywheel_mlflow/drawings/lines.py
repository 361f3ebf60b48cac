"""Draws a number over the iterations: its line, its target, and what went into production."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from flywheel_mlflow.drawings.scales import Scale, round_scale
from flywheel_mlflow.drawings.svg import Svg, drawing, element, line, text, tooltip


@dataclass(frozen=True, slots=True)
class Point:
    """A number in one iteration, None where it is unknown; ``text`` is the value with its unit."""

    iteration: int
    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to an iteration; ``label`` stands above it, ``sentence`` says it in full.

    ``now`` marks what still holds.
    """

    iteration: int
    label: str
    sentence: str
    now: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The measures of a drawing in pixels: its size, and the room of the numbers left of it."""

    width: float = 320
    height: float = 132
    left: float = 52
    right: float = 14
    top: float = 20
    below: float = 22
    ticks: int = 3


#: Many beside each other, and one alone.
SMALL = Frame()
LARGE = Frame(width=960, height=300, ticks=5)
#: A target farther away than so many times what the values span is told in words alone.
_FAR = 10
#: Pixels that the number of an iteration needs.
_LABEL = 30


def line_svg(
    name: str,
    points: Sequence[Point],
    *,
    marks: Sequence[Mark] = (),
    target: Point | None = None,
    around: Iterable[float] = (),
    cap: float = math.inf,
    frame: Frame = SMALL,
) -> str:
    """A number over iterations, oldest first; nothing is drawn where no value is known, and the drawing says so.

    Args:
        name: of the number.
        points: its values.
        marks: at some of these iterations.
        target: the value it should reach, of no iteration.
        around: values of its neighbours, so that all of them have one scale.
        cap: no value can be larger.
        frame: the size.
    """
    label = f"{name} by iteration: {', '.join(f'{point.iteration}: {point.text}' for point in points)}"
    label += "".join(f"; {mark.sentence}" for mark in marks)
    known = [point.value for point in points if point.value is not None]
    inside: list[Svg] = []
    if known:
        target = target if _near(target, known) else None
        known += [target.value] if target and target.value is not None else []
        across = Scale(0, max(1, len(points) - 1), frame.left + 8, frame.width - frame.right, 1)
        up = round_scale([*known, *around], frame.height - frame.below, frame.top, most=frame.ticks, cap=cap)
        places = {point.iteration: across.at(index if len(points) > 1 else 0.5) for index, point in enumerate(points)}
        inside += [
            *_grid(up, frame),
            *_iterations(places, frame),
            *_target(target, up, frame),
            *_marks(marks, places, frame),
            *_line(points, places, up),
        ]
    else:
        inside.append(text(frame.width / 2, frame.height / 2, "unknown in every iteration", anchor="middle"))
    return drawing(frame.width, frame.height, label, *inside, kind="chart lines")


def _near(target: Point | None, known: Sequence[float]) -> bool:
    """Whether a target can be drawn beside the values without making a flat line of them."""
    if target is None or target.value is None:
        return False
    low, high = min(known), max(known)
    away = max(low - target.value, target.value - high)
    return away <= _FAR * max(high - low, abs(low) / 10, abs(high) / 10)


def _grid(up: Scale, frame: Frame) -> Iterator[Svg]:
    for tick in up.ticks:
        y = up.at(tick)
        yield line(frame.left, y, frame.width - frame.right / 2, y, "grid")
        yield text(frame.left - 6, y + 4, up.named(tick), anchor="end")


def _iterations(places: dict[int, float], frame: Frame) -> Iterator[Svg]:
    """The numbers of the iterations, as many as there is room for, the newest always."""
    step = -(-len(places) * _LABEL // int(frame.width - frame.left - frame.right))
    for index, (iteration, x) in enumerate(reversed(places.items())):
        if index % step == 0:
            yield text(x, frame.height - 6, str(iteration), anchor="middle")


def _target(target: Point | None, up: Scale, frame: Frame) -> Iterator[Svg]:
    if target is not None and target.value is not None:
        y = up.at(target.value)
        drawn = line(frame.left, y, frame.width - frame.right / 2, y, "target")
        yield element("g", tooltip(f"target {target.text}"), drawn)


def _marks(marks: Sequence[Mark], places: dict[int, float], frame: Frame) -> Iterator[Svg]:
    for mark in marks:
        if (x := places.get(mark.iteration)) is not None:
            stem = line(x, frame.top - 4, x, frame.height - frame.below, "stem")
            anchor = "end" if x > frame.width - frame.right - _LABEL / 2 else "middle"
            label = text(x, frame.top - 8, mark.label, "label", anchor=anchor)
            yield element("g", tooltip(mark.sentence), stem, label, kind="mark now" if mark.now else "mark")


def _line(points: Sequence[Point], places: dict[int, float], up: Scale) -> Iterator[Svg]:
    for known, stretch in groupby(points, lambda point: point.value is not None):
        drawn = [
            (places[point.iteration], up.at(point.value), point)
            for point in (stretch if known else ())
            if point.value is not None
        ]
        if len(drawn) > 1:
            yield element("polyline", kind="series", points=" ".join(f"{x:.1f},{y:.1f}" for x, y, _ in drawn))
        for x, y, point in drawn:
            newest = point is points[-1]
            yield element(
                "circle",
                tooltip(f"iteration {point.iteration}: {point.text}"),
                kind="point newest" if newest else "point",
                cx=x,
                cy=y,
                r=4.5 if newest else 3,
            )
