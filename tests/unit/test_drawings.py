"""Drawings are well-formed, say in words what they show, and draw nothing that is not known."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from dashboard_cases import HOSTILE
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.drawings import change_svg
from flywheel_mlflow.drawings.histograms import histogram_svg
from flywheel_mlflow.drawings.intervals import Interval, interval_axis_svg, interval_scale, interval_svg
from flywheel_mlflow.drawings.lines import LARGE, SMALL, Frame, Mark, Point, line_svg
from flywheel_mlflow.drawings.scales import round_scale
from flywheel_mlflow.drawings.shares import share_svg
from flywheel_mlflow.drawings.sparks import spark_svg
from flywheel_mlflow.drawings.svg import element
from flywheel_mlflow.drawings.timelines import Step, timeline_svg
from flywheel_mlflow.drift.pictures import Bar, Picture

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def points(*values: float | None) -> list[Point]:
    """A number in the iterations from 1 on."""
    return [Point(turn, value, "unknown" if value is None else f"{value:g}") for turn, value in enumerate(values, 1)]


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.integers(2, 6))
def test_a_scale_holds_its_values_between_few_round_ones(values: list[float], most: int) -> None:
    """Any finite values lie between the first and the last tick, and there are no more ticks than room for them."""
    scale = round_scale(values, 100, 0, most=most)
    assert 1 < len(scale.ticks) <= most + 1
    assert all(before < after for before, after in pairwise(scale.ticks))
    assert all(0 <= scale.at(value) <= 100 for value in values)
    if max(map(abs, values)) < 1e12:
        slack = scale.step * 1e-6
        assert scale.low - slack <= min(values)
        assert max(values) <= scale.high + slack


def test_ticks_are_told_apart() -> None:
    """Ticks have the digits that they differ by, thousands are grouped, and a cap is not passed."""

    def named(*values: float, cap: float = math.inf) -> list[str]:
        scale = round_scale(values, 0, 1, cap=cap)
        return [scale.named(tick) for tick in scale.ticks]

    assert named(0.951, 0.998) == ["0.94", "0.96", "0.98", "1.00"]
    assert named(0, 7_500) == ["0", "2,000", "4,000", "6,000", "8,000"]
    assert named(1, 1, cap=1) == ["0.90", "0.95", "1.00"]
    assert named(0, 0) == ["0.0", "0.5", "1.0"]
    assert named(-2, 3) == ["-2", "0", "2", "4"]


def test_a_gap_is_a_gap() -> None:
    """Where a value is unknown the line ends, and no point stands there."""
    root = fromstring(line_svg("hits", points(0.5, 0.6, None, 0.7, 0.8)))
    assert len(root.findall(f"{SVG}polyline")) == 2
    tips = [title.text for title in root.iter(f"{SVG}title")]
    assert tips == ["iteration 1: 0.5", "iteration 2: 0.6", "iteration 4: 0.7", "iteration 5: 0.8"]
    assert root.attrib["aria-label"] == "hits by iteration: 1: 0.5, 2: 0.6, 3: unknown, 4: 0.7, 5: 0.8"


def test_nothing_known_is_said() -> None:
    """Without any value there are no axes, but words."""
    drawn = line_svg("hits", points(None, None), target=Point(0, 0.5, "0.5"))
    assert "unknown in every iteration" in drawn
    assert "<line" not in drawn


def test_a_far_target_leaves_the_line_its_room() -> None:
    """A target is drawn where the values still show their shape beside it."""
    near, far = Point(0, 0.95, "at least 0.95"), Point(0, 10_000, "at most 10,000")
    assert "<title>target at least 0.95</title>" in line_svg("hits", points(1, 1), target=near)
    assert "target" not in line_svg("latency", points(3.1, 3.4), target=far)


def test_releases_are_marked() -> None:
    """A mark stands at its iteration with its words; one of an iteration that is not drawn is left out."""
    marks = [Mark(2, "R1", "release 1 was in production", now=False), Mark(9, "R7", "release 7", now=True)]
    text = line_svg("hits", points(1, 2, 3), marks=marks)
    groups = [group.attrib["class"] for group in fromstring(text).iter(f"{SVG}g")]
    assert groups == ["mark"]
    assert "<title>release 1 was in production</title>" in text
    assert ">R7<" not in text


@pytest.mark.parametrize("frame", [SMALL, LARGE])
@given(values=st.lists(st.none() | NUMBERS, min_size=1, max_size=30), name=st.text(max_size=20))
def test_any_number_is_drawn_inside_its_frame(frame: Frame, values: list[float | None], name: str) -> None:
    """Whatever a number is, its drawing is well-formed and no point leaves it."""
    root = fromstring(line_svg(name, points(*values), marks=[Mark(1, "R1", name, now=True)], frame=frame))
    for dot in root.iter(f"{SVG}circle"):
        assert 0 <= float(dot.attrib["cx"]) <= frame.width
        assert 0 <= float(dot.attrib["cy"]) <= frame.height


def test_a_small_line_has_gaps_too() -> None:
    """Stretches are lines, a value between gaps is a dot, and the newest known value is marked."""
    root = fromstring(spark_svg([0.5, 0.75, None, 1.0], "rate"))
    (stretch,) = root.findall(f"{SVG}polyline")
    assert len(stretch.attrib["points"].split()) == 2
    alone, newest = root.findall(f"{SVG}circle")
    assert (alone.attrib["cx"], alone.attrib["cy"]) == (newest.attrib["cx"], newest.attrib["cy"])
    assert len(fromstring(spark_svg([None], "rate"))) == 0


@given(st.lists(st.none() | NUMBERS, min_size=1, max_size=12))
def test_any_numbers_are_a_small_line(values: list[float | None]) -> None:
    """No finite number breaks it."""
    fromstring(spark_svg(values, "any"))


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_any_interval_is_drawn(gain: float, low: float, high: float, limit: float) -> None:
    """Whatever a change is, its row and the axis above it are well-formed, and no change lies on the scale."""
    item = Interval("worse", gain, low, high, limit)
    scale = interval_scale([item])
    assert scale.low <= 0 <= scale.high
    for drawn in (interval_svg(item, scale), interval_axis_svg(scale)):
        assert fromstring(drawn).attrib["aria-label"]


def test_what_may_be_lost_is_drawn_where_it_lies() -> None:
    """A tolerance within the scale is a line left of no change; an unknown interval is no line."""
    item = Interval("better", 0.2, None, None, -0.1)
    root = fromstring(interval_svg(item, interval_scale([item, Interval("worse", -0.5, None, None, None)])))
    places = {line.attrib["class"]: float(line.attrib["x1"]) for line in root.iter(f"{SVG}line")}
    assert places["limit"] < places["zero"]
    assert "interval" not in places


def test_an_unknown_share_has_no_bar() -> None:
    """A bar is as long as its share, and an unknown one is no bar at all."""
    assert 'width="40"' in share_svg(0.25, "score 0.25")
    assert "part" not in share_svg(None, "score unknown")
    assert 'aria-label="score unknown"' in share_svg(None, "score unknown")


def test_no_label_is_invisible() -> None:
    """A bar that is tiny beside the largest is one pixel high; an empty one is none, and two labels are no halves."""
    root = fromstring(histogram_svg([10_000, 0, 1], "1", "9", "x"))
    bars = list(root.iter(f"{SVG}rect"))
    assert [float(item.attrib["height"]) for item in bars] == [84, 1]
    assert float(bars[0].attrib["width"]) < 320 / 3
    assert not list(fromstring(histogram_svg([], "", "", "x")).iter(f"{SVG}rect"))


def test_a_version_that_is_missing_breaks_the_line() -> None:
    """Between versions stands a line, around an iteration without one there is none; kinds have marks and words."""
    steps = [Step(1, "first", "5 rows", "1"), Step(2, None, "", "2"), Step(3, "major", "6 rows", "3", "R2")]
    root = fromstring(timeline_svg("corpus", [*steps, Step(4, "same", "6 rows", "4")]))
    assert len(list(root.iter(f"{SVG}line"))) == 1
    marks = [item.attrib["d"] for item in root.iter(f"{SVG}path")]
    assert len(set(marks)) == 2
    words = [item.text for item in root.iter(f"{SVG}text")]
    assert {"FIRST", "MAJOR", "none", "R2", "6 rows"} <= set(words)
    assert root.attrib["aria-label"] == "corpus: 1; 2; 3; 4"


def test_hostile_text_stays_text() -> None:
    """Markup in names becomes neither an element nor an attribute."""
    drawings = (
        line_svg(HOSTILE, [Point(1, 0.5, HOSTILE)], marks=[Mark(1, HOSTILE, HOSTILE, now=True)]),
        change_svg(Picture("labels", (Bar(HOSTILE, 0.1, 0.2),)), HOSTILE),
        element("text", HOSTILE, kind=HOSTILE),
        histogram_svg([1], HOSTILE, HOSTILE, HOSTILE),
        timeline_svg(HOSTILE, [Step(1, HOSTILE, HOSTILE, HOSTILE, HOSTILE)]),
    )
    for drawn in drawings:
        root = fromstring(drawn)
        assert not {item.tag.removeprefix(SVG) for item in root.iter()} & {"script", "img"}
        assert not any(name.startswith("on") for item in root.iter() for name in item.attrib)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_length_is_not_a_number(value: float) -> None:
    """A drawing with a place that is no number is refused, since browsers would drop the element."""
    with pytest.raises(ValueError, match="no length"):
        element("rect", x=value)
