"""What is told of experiments holds however often people look; every claim is simulated."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flywheel_mlflow.experiments.assignment import assign_variant, position
from flywheel_mlflow.experiments.moments import Moments, moments_of
from flywheel_mlflow.experiments.sequential import (
    LEAST_ROWS,
    difference,
    lacking,
    planned_rows,
    rate_interval,
    split_p,
    width_factor,
)

EXPERIMENTS, LOOKS, BATCH = 1_000, 50, 200


def seen(counts: np.ndarray, means: np.ndarray, squares: np.ndarray) -> list[Moments]:
    """The moments after every batch."""
    total, found = Moments(), []
    for n, mean, square in zip(counts.tolist(), means.tolist(), squares.tolist(), strict=True):
        total += Moments(int(n), mean, square)
        found.append(total)
    return found


def normal_looks(random: np.random.Generator, effect: float = 0.0) -> list[Moments]:
    """Batches of a normal outcome with the standard deviation 1, by their own sampling distributions."""
    means = random.normal(effect, 1 / math.sqrt(BATCH), LOOKS)
    return seen(np.full(LOOKS, BATCH), means, random.chisquare(BATCH - 1, LOOKS))


def rate_looks(random: np.random.Generator, rate: float) -> list[Moments]:
    """Batches of a rate."""
    means = random.binomial(BATCH, rate, LOOKS) / BATCH
    return seen(np.full(LOOKS, BATCH), means, BATCH * means * (1 - means))


def crosses(control: list[Moments], treatment: list[Moments], truth: float, *, is_rate: bool) -> bool:
    """Whether the interval misses the truth at any look."""
    for one, other in zip(control, treatment, strict=True):
        if not lacking(one, other, is_rate=is_rate):
            found = difference(one, other, planned=8_000, alpha=0.05)
            if not found.low <= truth <= found.high:
                return True
    return False


def test_looking_after_every_batch_raises_no_more_alarms() -> None:
    """Of 1,000 experiments without an effect, looked at after each of 50 batches, at most 5 % ever seem to have one."""
    random = np.random.default_rng(1)
    alarms = sum(crosses(normal_looks(random), normal_looks(random), 0.0, is_rate=False) for _ in range(EXPERIMENTS))
    assert 0 < alarms <= 0.05 * EXPERIMENTS
    alarms = sum(
        crosses(rate_looks(random, 0.05), rate_looks(random, 0.05), 0.0, is_rate=True) for _ in range(EXPERIMENTS)
    )
    assert 0 < alarms <= 0.05 * EXPERIMENTS


def test_the_interval_holds_the_effect() -> None:
    """Where there is an effect the interval misses it as rarely, at any look."""
    random = np.random.default_rng(2)
    misses = sum(
        crosses(normal_looks(random), normal_looks(random, 0.1), 0.1, is_rate=False) for _ in range(EXPERIMENTS)
    )
    assert misses <= 0.05 * EXPERIMENTS


def test_a_fixed_test_would_not_do() -> None:
    """The same data looked at with the usual interval raise alarms in far more than 5 %: the bound is what helps."""
    random = np.random.default_rng(3)
    alarms = 0
    for _ in range(300):
        pairs = zip(normal_looks(random), normal_looks(random), strict=True)
        alarms += any(
            abs(two.mean - one.mean) > 1.96 * math.sqrt(one.squares / one.n**2 + two.squares / two.n**2)
            for one, two in pairs
        )
    assert alarms > 0.15 * 300


def test_the_planned_rows_show_the_smallest_effect() -> None:
    """With the planned rows the declared power is reached, and with half of them it is not."""
    random = np.random.default_rng(4)
    effect, alpha = 0.1, 0.05
    rows = planned_rows(1.0, effect, (0.5, 0.5), alpha=alpha, power=0.8)

    def found(n: int) -> float:
        shown = 0
        for _ in range(400):
            half = n // 2
            one = Moments(half, float(random.normal(0, 1 / math.sqrt(half))), float(random.chisquare(half - 1)))
            two = Moments(half, float(random.normal(effect, 1 / math.sqrt(half))), float(random.chisquare(half - 1)))
            shown += difference(one, two, planned=rows, alpha=alpha).low > 0
        return shown / 400

    assert found(rows) > 0.75
    assert found(rows // 2) < 0.6


def test_a_covariate_takes_out_what_is_no_effect() -> None:
    """A number from before that goes along with the outcome makes the interval narrower, and moves nothing."""
    random = np.random.default_rng(5)
    before = random.normal(0, 1, (2, 4_000))
    after = before + random.normal(0, 0.3, (2, 4_000))
    with_it = [moments_of(after[arm], before[arm]) for arm in (0, 1)]
    without = [moments_of(after[arm]) for arm in (0, 1)]
    narrow = difference(*with_it, planned=8_000, alpha=0.05)
    wide = difference(*without, planned=8_000, alpha=0.05)
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)
    assert narrow.low < 0 < narrow.high


def test_a_broken_split_shows() -> None:
    """Counts as declared raise an alarm in at most 1 % of experiments, at any look; 55 to 45 soon does."""
    random = np.random.default_rng(6)
    shares = {"a": 0.5, "b": 0.5}

    def batches(rate: float) -> list[dict[str, int]]:
        counts = random.binomial(BATCH, rate, LOOKS).tolist()
        return [{"a": BATCH - n, "b": n} for n in counts]

    assert sum(split_p(batches(0.5), shares) < 0.01 for _ in range(EXPERIMENTS)) <= 0.01 * EXPERIMENTS
    assert all(split_p(batches(0.55), shares) < 0.01 for _ in range(50))
    assert split_p([], shares) == 1


VALUES = arrays.arrays(np.float64, st.integers(0, 30), elements=st.floats(-1e6, 1e6))


@given(st.lists(VALUES, max_size=6), st.randoms(use_true_random=False))
def test_moments_add_up_in_any_order(parts: list[np.ndarray], order: object) -> None:
    """However rows are cut into batches, and in whatever order they come, the moments are the same."""
    whole = moments_of(np.concatenate([np.zeros(0), *parts]))
    shuffled = list(parts)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    total = reduce(lambda one, other: one + other, [moments_of(part) for part in shuffled], Moments())
    assert total.n == whole.n
    assert total.mean == pytest.approx(whole.mean, abs=1e-6)
    assert total.squares == pytest.approx(whole.squares, rel=1e-6, abs=1e-3)


def test_too_little_is_said() -> None:
    """Few rows, few events or no spread at all are no answer, and the reason says what is missing."""
    enough = Moments(LEAST_ROWS, 0.5, 10.0)
    few = Moments(LEAST_ROWS - 1, 0.5, 10.0)
    assert f"there are {LEAST_ROWS - 1}" in lacking(enough, few, is_rate=False)
    assert lacking(enough, enough, is_rate=False) == ""
    assert lacking(few, Moments(), is_rate=True) == "1 row of each variant are needed, there are 0"
    flat = Moments(LEAST_ROWS, 1.0, 0.0)
    assert lacking(flat, flat, is_rate=False) == "all values are the same"


@given(st.integers(1, 10**7), st.integers(1, 10**7), st.floats(0.001, 0.2))
def test_the_width_is_never_below_a_fixed_interval(rows: int, planned: int, alpha: float) -> None:
    """What may be looked at any time is always wider than what may be looked at once."""
    from statistics import NormalDist

    assert width_factor(rows, planned, alpha) > NormalDist().inv_cdf(1 - alpha / 2)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_unit_keeps_its_variant(experiment: str, unit: str) -> None:
    """Equal arguments give the same variant each time, and it is one of those declared."""
    shares = {"a": 0.2, "b": 0.3, "c": 0.5}
    assert assign_variant(experiment, unit, shares) == assign_variant(experiment, unit, shares)
    assert assign_variant(experiment, unit, shares) in shares
    assert 0 <= position(experiment, unit) < 1


def test_units_are_split_as_declared() -> None:
    """Shares come out as declared, and two experiments split the same units independently."""
    shares = {"a": 0.2, "b": 0.8}
    first = [assign_variant("one", f"user-{n}", shares) for n in range(20_000)]
    second = [assign_variant("two", f"user-{n}", shares) for n in range(20_000)]
    assert first.count("a") / 20_000 == pytest.approx(0.2, abs=0.01)
    both = sum(pair == ("a", "a") for pair in zip(first, second, strict=True)) / 20_000
    assert both == pytest.approx(0.04, abs=0.006)


def test_the_assignment_never_changes() -> None:
    """Written down once: another hash would give running experiments new variants."""
    found = [assign_variant("rerank", f"user-{n}", {"a": 0.5, "b": 0.5}) for n in range(12)]
    assert "".join(found) == "baaabbabbabb"


def _answered(events: int, rows: int) -> Moments:
    """The moments of a rate."""
    return moments_of(np.repeat([1.0, 0.0], [events, rows - events]))


def test_rare_events_stop_when_they_are_no_longer_rare() -> None:
    """Hardly any event in the control, and many in the treatment: that can be told; a few more cannot."""
    few, many = _answered(4, 2_292), _answered(133, 2_208)
    found = difference(few, many, planned=4_000, alpha=0.05, is_rate=True)
    assert 0.03 < found.low < found.value < found.high < 0.09
    assert difference(few, _answered(9, 2_208), planned=4_000, alpha=0.05, is_rate=True).low < 0


def test_a_rate_without_exception_can_be_told() -> None:
    """All of one variant and half of the other."""
    found = difference(_answered(100, 200), _answered(200, 200), planned=4_000, alpha=0.05, is_rate=True)
    assert 0.3 < found.low < 0.5 < found.high


@given(st.integers(1, 3_000), st.floats(0, 1), st.sampled_from([0.05, 0.01]))
def test_possible_rates_enclose_the_observed_one(rows: int, share: float, alpha: float) -> None:
    """Whatever was counted, the interval lies within 0 and 1 around it, and is the wider the surer it must be."""
    events = round(rows * share)
    low, high = rate_interval(events, rows, alpha)
    surer = rate_interval(events, rows, alpha / 10)
    assert 0 <= surer[0] <= low <= events / rows <= high <= surer[1] <= 1


def test_rare_events_raise_no_alarm_at_any_look() -> None:
    """Of 200 experiments with the same rate of 1 % looked at 60 times, few ever seem to have an effect."""
    random = np.random.default_rng(3)
    alarms = 0
    for _ in range(200):
        counts = random.binomial(100, 0.01, (60, 2)).cumsum(axis=0)
        looks = (
            difference(_answered(a, n), _answered(b, n), planned=4_000, alpha=0.05, is_rate=True)
            for n, (a, b) in zip(range(100, 6_100, 100), counts.tolist(), strict=True)
        )
        alarms += any(not look.low <= 0 <= look.high for look in looks)
    assert alarms <= 10
