"""Tests of the intervals of a difference of two proportions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.drift import Rate, newcombe_difference, samples_needed, wilson_interval
from flywheel_mlflow.drift.intervals import newcombe_p

rates = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0000),
        ((10, 10, 0, 10), 0.6075, 1.0000),
    ],
)
def test_the_published_examples_come_out(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    """Method 10 of Newcombe 1998, table II, to the four digits printed there."""
    assert newcombe_difference(*counts, confidence=0.95) == pytest.approx((low, high), abs=6e-5)


@given(rates, rates, st.floats(0, 0.3))
def test_interval_and_p_value_never_disagree(one: tuple[int, int], two: tuple[int, int], margin: float) -> None:
    """The p-value reaches 2.5 % exactly where the end of the 95 % interval reaches the margin."""
    low, high = newcombe_difference(*one, *two, confidence=0.95)
    p = newcombe_p(Rate(*one), Rate(*two), margin=margin)
    if low > margin + 1e-9:
        assert p < 0.025 + 1e-9
    if low < margin - 1e-9:
        assert p > 0.025 - 1e-9
    if high < margin - 1e-9:
        assert p > 0.975 - 1e-9


@given(rates, rates)
def test_the_difference_lies_inside(one: tuple[int, int], two: tuple[int, int]) -> None:
    """The interval holds the difference seen, stays within -1 and 1, and turns round with the sides."""
    low, high = newcombe_difference(*one, *two, confidence=0.9)
    difference = one[0] / one[1] - two[0] / two[1]
    assert -1 <= low <= difference <= high <= 1
    assert newcombe_difference(*two, *one, confidence=0.9) == pytest.approx((-high, -low))


@given(rates)
def test_more_confidence_is_a_wider_interval(one: tuple[int, int]) -> None:
    """An interval that is to be right more often is wider."""
    low, high = wilson_interval(*one, confidence=0.8)
    wide_low, wide_high = wilson_interval(*one, confidence=0.99)
    assert 0 <= wide_low <= low <= high <= wide_high <= 1


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_what_is_no_proportion_is_refused(successes: float, n: int) -> None:
    """Neither an empty sample nor more successes than samples."""
    with pytest.raises(InputError):
        newcombe_difference(successes, n, 1, 2, confidence=0.95)


@pytest.mark.parametrize("confidence", [0, 1, 1.5])
def test_what_is_no_confidence_is_refused(confidence: float) -> None:
    """A confidence lies between 0 and 1."""
    with pytest.raises(InputError):
        wilson_interval(1, 2, confidence=confidence)


def test_as_many_samples_as_are_needed_decide() -> None:
    """With the number named the interval leaves the margin on one side, with one less it does not."""
    worse, better = Rate(80, 100), Rate(82, 100)
    n = samples_needed(worse, better, margin=0.05, confidence=0.95, higher=True)
    assert n is not None

    def decided(size: int) -> bool:
        low, high = newcombe_difference(0.82 * size, size, 0.80 * size, size, confidence=0.95)
        return high <= 0.05 or low > 0.05

    assert decided(n)
    assert not decided(n - 1)


def test_a_loss_of_exactly_the_margin_is_never_decided() -> None:
    """No sample tells a loss of 5 points from a tolerance of 5 points."""
    found = samples_needed(Rate(75, 100), Rate(80, 100), margin=0.05, confidence=0.95, higher=True)
    assert found is None


def test_the_direction_decides_which_side_lost() -> None:
    """For a rate that is better when lower, a rise is the loss."""
    up = samples_needed(Rate(30, 100), Rate(10, 100), margin=0.05, confidence=0.95, higher=False)
    down = samples_needed(Rate(70, 100), Rate(90, 100), margin=0.05, confidence=0.95, higher=True)
    assert up == down
