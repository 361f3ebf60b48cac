"""Text takes no more room than its place has."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.text import fit


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_fitted_text_fits(text: str, cells: int) -> None:
    """Cut text takes no more columns than it was given, wide characters counted as two."""
    width = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in fit(text, cells))
    assert width <= cells


def test_cut_text_says_so() -> None:
    """A cut is visible."""
    assert fit("数据飞轮的装配层", 9) == "数据飞轮…"
