"""Numbers are written one way, and rounding never changes what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import AssemblyError
from flywheel_mlflow.tables.texts import format_change, format_value, with_unit

UNITS = ["ratio", "score 0..1", "hours", "rmb", "EUR", "days", "count", "records", "ms"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ratio", "unknown"),
        (0.924, "ratio", "0.9240"),
        (1.0, "score 0..1", "1.0000"),
        (0, "ratio", "0.0000"),
        (-0.0, "hours", "0.00"),
        (8.06, "hours", "8.06"),
        (24043.93, "rmb", "24,043.93"),
        (1250, "EUR", "1,250.00"),
        (3028, "count", "3,028"),
        (3028.0, "records", "3,028"),
        (2.5, "count", "2.5"),
        (1234.56789, "ms", "1,234.5679"),
        (0.00001, "ratio", "1e-05"),
        (0.001, "hours", "0.001"),
        (0.99999, "ratio", "0.9999"),
        (-0.99999, "ratio", "-0.9999"),
        (1.00001, "ratio", "1.0000"),
    ],
)
def test_spelling(value: float | None, unit: str, text: str) -> None:
    """Each unit has its own number of decimals, and the unknown is a word."""
    assert format_value(value, unit) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(UNITS))
def test_nothing_reads_as_zero_but_zero(value: float, unit: str) -> None:
    """A value reads as zero exactly when it is zero."""
    assert (float(format_value(value, unit).replace(",", "")) == 0) == (value == 0)


@given(st.floats(min_value=0, max_value=1, exclude_max=True))
def test_less_than_all_never_reads_as_all(value: float) -> None:
    """A ratio below 1 never reads as 1."""
    assert float(format_value(value, "ratio")) < 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    """NaN and infinity are refused instead of printed."""
    with pytest.raises(AssemblyError, match="reached a report"):
        format_value(value, "ratio")


def test_units_stand_behind_known_values_only() -> None:
    """A unit follows a known value; ratios, counts and the unknown have none."""
    assert with_unit(8.06, "hours") == "8.06 h"
    assert with_unit(850.33, "rmb") == "850.33 RMB"
    assert with_unit(1250, "EUR") == "1,250.00 EUR"
    assert with_unit(12, "ms") == "12 ms"
    assert with_unit(0.5, "ratio") == "0.5000"
    assert with_unit(None, "hours") == "unknown"


def test_changes_carry_their_sign() -> None:
    """A difference always shows which way it went."""
    assert format_change(0.5, 0.521, "ratio") == "+0.0210"
    assert format_change(5, 3, "count") == "-2"
