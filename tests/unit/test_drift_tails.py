"""Tests of the p-values of test statistics, against scipy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, kstwo, norm, t

from flywheel_mlflow.drift.tails import (
    chi_square_tail,
    kolmogorov_tail,
    normal_tail,
    student_quantile,
    student_tail,
)


@given(st.floats(-8, 35))
def test_the_normal_tail_is_exact_far_out(z: float) -> None:
    """The normal tail is scipy's, also where it is smaller than what 1 - p could hold."""
    assert normal_tail(z) == pytest.approx(norm.sf(z), rel=1e-9)


@given(st.floats(0, 600), st.integers(1, 60))
def test_the_chi_square_tail_is_exact(statistic: float, freedom: int) -> None:
    """The closed forms for even and odd degrees of freedom are scipy's chi-square."""
    assert chi_square_tail(statistic, freedom) == pytest.approx(chi2.sf(statistic, freedom), rel=1e-9)


@given(st.floats(1e-4, 0.9999), st.integers(25, 5000))
def test_the_kolmogorov_tail_is_never_much_smaller_than_the_truth(p: float, n: int) -> None:
    """Against the exact distribution: at most 0.3 % smaller, and larger only in the tail of small samples."""
    ratio = kolmogorov_tail(float(kstwo.isf(p, n)), n) / p
    assert 0.997 <= ratio <= (1.01 if p >= 0.05 else 1.3)


@pytest.mark.parametrize(("distance", "p"), [(0.0, 1.0), (0.01, 1.0), (1.0, 0.0)])
def test_the_kolmogorov_tail_ends_where_it_must(distance: float, p: float) -> None:
    """No distance is certain, the largest one impossible."""
    assert kolmogorov_tail(distance, 50) == pytest.approx(p, abs=1e-12)


@given(st.floats(-30, 30), st.floats(0.7, 500))
def test_students_tail_takes_any_degrees_of_freedom(value: float, freedom: float) -> None:
    """Tail and quantile are scipy's, and undo each other."""
    assert student_tail(value, freedom) == pytest.approx(t.sf(value, freedom), rel=1e-6)
    assert student_tail(student_quantile(0.025, freedom), freedom) == pytest.approx(0.025, rel=1e-6)
