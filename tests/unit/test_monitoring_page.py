"""Tests of what a drift page holds besides Evidently's own drawings; those need seconds and are integration tests."""

from __future__ import annotations

import json

import pytest
from drift_cases import compared, logged, normal, profile, side
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.drift import DriftReport, error_finding
from flywheel_mlflow.monitoring.page import first_screen, script_json
from flywheel_mlflow.monitoring.tables import scaled_points, tables_of

HOSTILE = "</script><script>document.title='PWNED'</script>"


@pytest.fixture
def report() -> DriftReport:
    """A report whose texts come from somebody who means harm."""
    current = side(
        2, kpis={"hit_rate": 0.2}, digests={"corpus": "b"}, data={"corpus": logged(profile(x=[HOSTILE] * 60))}
    )
    reference = side(1, digests={"corpus": "a"}, data={"corpus": logged(profile(x=["a", "b"] * 30, y=normal(60)))})
    return compared(current, reference, errors=[error_finding(HOSTILE, HOSTILE, "")])


@given(
    st.recursive(st.text() | st.floats() | st.none(), lambda item: st.lists(item) | st.dictionaries(st.text(), item))
)
def test_no_value_can_end_a_script(value: object) -> None:
    """The JSON of any value is valid, and holds none of the characters that markup is made of."""
    text = script_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    json.loads(text)


def test_what_is_not_finite_is_null() -> None:
    """NaN and the infinities are no JSON."""
    assert json.loads(script_json([float("nan"), float("inf"), 1.23456789])) == [None, None, 1.2346]


def test_the_first_screen_escapes_what_others_wrote(report: DriftReport) -> None:
    """The verdict, five findings and their commands stand there, and nobody's markup does."""
    page = first_screen(report)
    assert page.index("BLOCK") < page.index("p01.hit_rate") < page.index("flywheel explain p01.hit_rate --between 1 2")
    assert "<script" not in page
    assert page.count("<li>") == min(5, len(report.findings))


def test_the_first_screen_of_a_pass_says_so() -> None:
    """A page without findings does not look like a page that failed to load."""
    assert "Nothing got worse" in first_screen(compared(side(2), side(1)))


def test_every_comparison_has_a_row(report: DriftReport) -> None:
    """Nothing is left out of the tables, worst first, and labels never look like numbers."""
    tables = {table.title: table for table in tables_of(report)}
    assert set(tables) == {"KPIs", "Schemas", "Distributions"}
    assert len(tables["Distributions"].rows) == len(report.distributions)
    assert [row.status for row in tables["Distributions"].rows] == ["FAIL", "FAIL"]
    assert all(not row.label.isdecimal() for table in tables.values() for row in table.rows)


def test_trends_are_scaled_to_the_cell() -> None:
    """The cell draws 0 to 25 by 0 to 1: all points of a trend lie there, whatever their iterations and values."""
    history = {turn: {"p01.hit_rate": 1000.0 + turn} for turn in range(1, 40)}
    table, _ = tables_of(compared(side(40, kpis={"hit_rate": 5.0}), side(39), history=history))
    line = scaled_points(table.rows[0].cells[table.columns.index("over iterations")].series)
    assert len(line["x"]) == 10
    assert all(x is not None and 0 <= x <= 25 for x in line["x"])
    assert all(y is not None and 0 <= y <= 1 for y in line["y"])
