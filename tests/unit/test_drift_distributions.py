"""Tests of the two-sample tests behind a drift verdict."""

from __future__ import annotations

import random

import numpy as np
import pytest
from drift_cases import normal
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.drift import (
    Method,
    benjamini_hochberg,
    compare_values,
    detectable_shift,
)
from flywheel_mlflow.drift.distributions import WHOLE, compare_shares, kolmogorov_smirnov
from flywheel_mlflow.drift.tails import hypergeometric_tail

p_values = st.lists(st.floats(0, 1), max_size=40)


def test_the_p_value_is_scipys() -> None:
    """The distance is that of scipy's two-sample test, the p-value that of its asymptotic form within 1 %."""
    from scipy.stats import ks_2samp

    old, new = np.sort(normal(200)), np.sort(normal(300, 0.2, seed=2))
    comparison = kolmogorov_smirnov(old, new)
    expected = ks_2samp(old, new, method="asymp")
    assert comparison.effect == pytest.approx(float(expected.statistic))
    assert comparison.p == pytest.approx(float(expected.pvalue), rel=0.01)
    whole = compare_values(old.tolist(), new.tolist())
    assert whole is not None
    assert whole.p == min(1.0, comparison.p / WHOLE)  # tails and piles have the rest of the error


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_shares_of_few_rows_are_compared_exactly(n: int, m: int, data: st.DataObject) -> None:
    """The p-value is twice the smaller tail of scipy's hypergeometric distribution."""
    from scipy.stats import hypergeom

    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    law = hypergeom(n + m, n, a + b)
    expected = min(1.0, 2 * min(float(law.cdf(a)), float(law.sf(a - 1))))
    assert hypergeometric_tail(a, n, b, m) == pytest.approx(expected, rel=1e-6)
    _, phi = compare_shares((a, n), (b, m))
    assert 0 <= phi <= 1
    assert (phi == 0) == (a * m == b * n)


def test_what_the_whole_does_not_show_is_found_in_tails_piles_and_labels() -> None:
    """Eight per cent of scores that went wrong, a pile of one value, a label that a few rows more have."""
    before = normal(2000)
    tail = [value + 8 if place % 12 == 0 else value for place, value in enumerate(normal(2000, seed=2))]
    pile = [0.5 if place % 20 == 0 else value for place, value in enumerate(normal(2000, seed=3))]
    for now, method in ((tail, Method.TAIL), (pile, Method.PILE)):
        found = compare_values(before, now)
        assert found is not None
        assert (found.method, found.p < 1e-9) == (method, True)
        assert found.effect_high > 0.1
    labels = ["a", "b", "c", "d"] * 490
    found = compare_values(labels + ["rare"] * 10, labels + ["rare"] * 60)
    assert found is not None
    assert (found.method, found.p < 1e-6, found.current) == (Method.LABEL, True, "3.0% rare")


def test_labels_are_compared_by_chi_square_of_both_samples() -> None:
    """The p-value of two labels is that of scipy's contingency table, with its correction for continuity."""
    from scipy.stats import chi2_contingency

    found = compare_values(["a"] * 60 + ["b"] * 40, ["a"] * 40 + ["b"] * 60)
    expected = chi2_contingency([[60, 40], [40, 60]])
    assert found is not None
    assert found.method is Method.CHI2
    assert found.p == pytest.approx(float(expected.pvalue))
    assert 0 < found.effect < 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([1, 2, 3] * 20, ["1", "2", "3"] * 20),
        ([0, 1] * 30, [False, True] * 30),
        ([True, False] * 30, ["True?", "False?"] * 30),
    ],
)
def test_a_signal_that_changes_its_type_drifts(old: list[int | str], new: list[int | str]) -> None:
    """A number that becomes a text shares no label with what it was."""
    found = compare_values(old, new)
    assert found is not None
    assert found.p < 0.05
    assert found.effect > 0.9 or old[0] is True  # labels of one kind: Cramer's V takes its expectation off


@pytest.mark.parametrize("values", [[5.0] * 40, ["same"] * 40, [True] * 40])
def test_constants_do_not_drift(values: list[float | str | bool]) -> None:
    """A signal with one value on both sides has p 1 and no effect."""
    found = compare_values(values, values)
    assert found is not None
    assert (found.p, found.effect) == (1.0, 0.0)


def test_one_new_label_among_many_rows_is_no_drift() -> None:
    """A rare label joins the others that are rare: chi-square does not hold for a cell of one row."""
    found = compare_values(["a", "b"] * 150, ["a", "b"] * 150 + ["new"])
    assert found is not None
    assert found.p > 0.05


def test_what_is_empty_is_not_compared() -> None:
    """No values on either side, or no signal at all, give no verdict."""
    assert compare_values([], [1.0]) is None
    assert compare_values([1.0], []) is None


def test_moved_numbers_say_which_way() -> None:
    """Both means are told."""
    found = compare_values(normal(300), normal(300, 1.0, seed=2))
    assert found is not None
    means = [float(told.partition(" ")[0]) for told in (found.reference, found.current)]
    assert means[1] - means[0] == pytest.approx(1.0, abs=0.3)
    assert found.p < 1e-6


def test_counts_that_are_all_alike_say_nothing() -> None:
    """Nothing dropped on either side is no difference."""
    assert compare_shares((0, 100), (0, 50)) == (1.0, 0.0)
    assert compare_shares((50, 100), (5, 100))[0] < 0.001


@given(p_values)
def test_benjamini_hochberg_is_scipys(values: list[float]) -> None:
    """The adjusted p-values are those of scipy's false_discovery_control."""
    from scipy.stats import false_discovery_control

    expected = false_discovery_control(values).tolist() if values else []
    assert benjamini_hochberg(values) == pytest.approx(expected)


def test_larger_samples_see_smaller_shifts() -> None:
    """What can be seen shrinks with the rows; a handful sees nothing."""
    seen = [detectable_shift(rows, rows, alpha=0.001) for rows in (50, 200, 1000)]
    assert seen == sorted((item for item in seen if item is not None), reverse=True)
    assert detectable_shift(3, 3, alpha=0.001) is None
    assert detectable_shift(0, 10, alpha=0.001) is None


def test_a_detectable_shift_is_detected_four_times_out_of_five() -> None:
    """Of samples moved by the shift named, about 80 % have a p-value below the level named."""
    shift = detectable_shift(200, 200, alpha=0.001)
    assert shift is not None
    samples = [(normal(200, seed=2 * seed), normal(200, shift, seed=2 * seed + 1)) for seed in range(200)]
    found = [kolmogorov_smirnov(np.sort(before), np.sort(now)) for before, now in samples]
    share = sum(item.p <= 0.001 for item in found) / len(found)
    assert 0.7 <= share <= 0.92


def test_nothing_moved_raises_few_alarms() -> None:
    """Of 400 pairs of samples, of numbers with ties and of labels, no more than the level says are significant."""
    draw = random.Random(5)  # noqa: S311 - sample data
    alarms = 0
    for _ in range(200):
        numbers = [[round(draw.gauss(0, 3)) for _ in range(150)] for _ in range(2)]
        labels = [[draw.choice("aaaaaabbbccd") for _ in range(150)] for _ in range(2)]
        for before, now in (numbers, labels):
            found = compare_values(before, now)
            alarms += found is not None and found.p <= 0.05
    assert alarms <= 0.05 * 400 + 9  # two standard errors
