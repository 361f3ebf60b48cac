"""Tests of numbers that remember where they come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import AssemblyError, UnknownName
from flywheel_mlflow.evidence.provenance import (
    Explanation,
    Metric,
    Metrics,
    Source,
    computed,
    own_direction,
    share,
    weighted_mean,
)

values = st.none() | st.floats(0, 1)
weights = st.floats(0.001, 1000) | st.just(0.0)


def metrics_of(*edges: tuple[str, tuple[str, ...]]) -> Metrics:
    found = Metrics()
    for name, inputs in edges:
        found.add(Metric(name, 1.0, "ratio", "by rule", inputs, source=None if inputs else Source("run", "r1")))
    return found


def test_a_number_is_computed_once_from_numbers_that_are_there() -> None:
    """A name used twice, and an input nobody computed, are defects and say so; nothing is kept of them."""
    found = metrics_of(("a", ()))
    with pytest.raises(AssemblyError, match="the metric a is computed twice"):
        found.add(Metric("a", 2, "count", "again"))
    with pytest.raises(AssemblyError, match="rests on x, b, which nobody computed"):
        found.add(Metric("b", 2, "count", "from nothing", ("x", "a", "b")))
    assert list(found) == ["a"]
    assert found["a"].value == 1.0


def test_zero_is_known_and_none_is_not() -> None:
    """A value of 0 stays 0; a metric without value and one nobody computed are both unknown."""
    found = Metrics()
    found.add(Metric("zero", 0, "count", "counted"))
    found.add(Metric("open", None, "count", "not counted"))
    assert found.values_of(["zero", "open", "absent"]) == {"zero": 0, "open": None, "absent": None}


def test_explaining_ends_at_the_sources() -> None:
    """The tree holds every number behind the one asked for; a branch met again is named, not repeated."""
    found = metrics_of(("a", ()), ("b", ("a",)), ("c", ("a", "b")), ("d", ("b", "c")))
    tree = found.explain("d")
    assert names(tree) == ["d", "b", "a", "c", "a", "b"]
    assert [item.repeated for item in tree.inputs[1].inputs] == [False, True]
    assert tree.inputs[0].inputs[0].metric.source == Source("run", "r1")
    with pytest.raises(UnknownName, match="unknown metric 'e'"):
        found.explain("e")


def names(tree: Explanation) -> list[str]:
    return [tree.metric.name, *(name for item in tree.inputs for name in names(item))]


def test_a_tree_stays_as_small_as_the_numbers_in_it() -> None:
    """Thirty numbers that each rest twice on the one before do not make a billion branches."""
    layers = [("n0", ())] + [(f"n{level}", (f"n{level - 1}",) * 2) for level in range(1, 30)]
    assert len(names(metrics_of(*layers).explain("n29"))) < 100


@given(st.lists(st.tuples(values, weights)))
def test_a_mean_lies_between_its_extremes(pairs: list[tuple[float | None, float]]) -> None:
    """Rounding never pushes a mean below its smallest or above its largest value."""
    known = [value for value, weight in pairs if value is not None and weight > 0]
    mean = weighted_mean(pairs)
    if not known:
        assert mean is None
    else:
        assert mean is not None
        assert min(known) <= mean <= max(known)


@given(st.lists(st.tuples(values, weights)), st.randoms(use_true_random=False), st.integers(1, 5))
def test_unknown_values_and_order_do_not_move_a_mean(
    pairs: list[tuple[float | None, float]], shuffle: object, count: int
) -> None:
    """Unknown values are left out, not counted as 0; the order of summation does not show."""
    more = [*pairs, *[(None, 3.0)] * count, (0.5, 0.0)]
    shuffle.shuffle(more)  # type: ignore[attr-defined]
    assert weighted_mean(more) == weighted_mean(pairs)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=1, max_size=8))
def test_a_weight_counts_as_repetition(pairs: list[tuple[float, int]]) -> None:
    """A weight of 3 is the same as three values of weight 1."""
    repeated = [(value, 1.0) for value, weight in pairs for _ in range(weight)]
    assert weighted_mean(pairs) == pytest.approx(weighted_mean(repeated))


def test_three_times_a_value_has_that_mean() -> None:
    """A score of exactly the limit is not below it."""
    assert weighted_mean([(0.85, 0.4), (0.85, 0.4), (0.85, 0.2)]) == 0.85
    assert weighted_mean([]) is None


@pytest.mark.parametrize(("part", "whole", "expected"), [(1, 4, 0.25), (0, 3, 0.0), (0, 0, None)])
def test_a_share_of_nothing_is_unknown(part: int, whole: int, expected: float | None) -> None:
    """0 of 3 is 0; 0 of 0 is unknown."""
    assert share(part, whole) == expected


def test_every_number_says_which_way_is_better() -> None:
    """What this package computes is declared once; a number nobody declared cannot be computed."""
    assert computed("p05.score", 1, "score 0..1", "mean").direction == "higher"
    assert computed("stage.first.score", 1, "score 0..1", "mean").direction == "higher"
    assert computed("p05.cost.review_hours", 1, "hours", "stated").direction == "lower"
    assert computed("flywheel.drift_error_count", 1, "count", "counted").direction == "lower"
    assert computed("flywheel.project_count", 1, "count", "counted").direction is None
    with pytest.raises(AssemblyError, match="which way is better"):
        computed("flywheel.invented_count", 1, "count", "counted")
    assert own_direction("flywheel.invented_count") is own_direction("p05.hit_rate") is None
