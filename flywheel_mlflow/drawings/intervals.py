"""Draws how KPIs changed, each with its interval, on one scale: the rows of a forest plot, and its axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flywheel_mlflow.drawings.scales import Scale, round_scale
from flywheel_mlflow.drawings.svg import Svg, drawing, element, line, text, tooltip
from flywheel_mlflow.drift import KpiFound
from flywheel_mlflow.drift.wording import WORDS, word_of

_WIDTH, _ROW, _AXIS, _EDGE = 280.0, 22.0, 20.0, 28.0
_MIDDLE = _ROW / 2
#: The mark of each word, as a path around the origin, so that no meaning hangs on colour.
_MARKS = {
    "better": "M0-5L5 4H-5z",
    "worse": "M0 5L5-4H-5z",
    "as intended": "M-4-4H4V4H-4z",
    "cannot be told": "M0-5L5 0L0 5L-5 0z",
}
_CIRCLE = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"


@dataclass(frozen=True, slots=True)
class Interval:
    """A change as a share of the larger value, positive where it is for the better, from ``low`` to ``high``.

    ``limit`` is the most it may lose; ends and limit are None where they are unknown.
    """

    word: str
    gain: float
    low: float | None
    high: float | None
    limit: float | None

    @property
    def label(self) -> str:
        """The change in words."""
        known = self.low is not None and self.high is not None
        ends = f", between {_percent(self.low)} and {_percent(self.high)}" if known else ""
        limit = f"; may lose {_percent(-(self.limit or 0))}".replace("+", "") if self.limit is not None else ""
        return f"{self.word}: {_percent(self.gain)}{ends}{limit}"


def interval_of(item: KpiFound) -> Interval | None:
    """The change of a KPI; None where a value is unknown, which has no place on a scale."""
    gain = item.gain(item.worse)
    if gain is None:
        return None
    # What it lost at most is what it gained at least.
    return Interval(word_of(item), gain, item.gain(item.high), item.gain(item.low), item.gain(item.tolerance))


def interval_scale(intervals: Iterable[Interval]) -> Scale:
    """One scale for all of them, around no change; what lies beyond a whole is drawn at the edge."""
    ends = [0.0]
    for item in intervals:
        ends += [end for end in (item.gain, item.low, item.high) if end is not None]
    return round_scale([min(1.0, max(-1.0, end)) for end in ends], _EDGE, _WIDTH - _EDGE)


def interval_axis_svg(scale: Scale) -> str:
    """The axis, for the head of the column."""
    inside: list[Svg] = []
    for tick in scale.ticks:
        x = scale.at(tick)
        inside += [text(x, 12, _percent(tick), anchor="middle"), line(x, _AXIS - 4, x, _AXIS, "grid")]
    label = f"worse to the left, better to the right, from {_percent(scale.low)} to {_percent(scale.high)}"
    return drawing(_WIDTH, _AXIS, label, *inside, kind="chart forest")


def interval_svg(item: Interval, scale: Scale) -> str:
    """One row."""
    zero = scale.at(0)
    inside = [line(zero, 0, zero, _ROW, "zero")]
    if item.limit is not None and scale.low <= item.limit:
        limit = scale.at(item.limit)
        inside.append(line(limit, 3, limit, _ROW - 3, "limit"))
    if item.low is not None and item.high is not None:
        inside.append(line(scale.at(item.low), _MIDDLE, scale.at(item.high), _MIDDLE, "interval"))
    place = f"translate({scale.at(item.gain):.1f} {_MIDDLE:g})"
    inside.append(element("path", kind="estimate", d=_MARKS.get(item.word, _CIRCLE), transform=place))
    kind = f"chart forest {WORDS[item.word].value}"
    return drawing(_WIDTH, _ROW, item.label, tooltip(item.label), *inside, kind=kind)


def _percent(value: float | None) -> str:
    return f"{round((value or 0.0) * 100, 1):+g} %" if value else "0 %"
