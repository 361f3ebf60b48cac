"""Tests of how costs are read, and of what `budgets:` may say."""

from __future__ import annotations

from typing import Any

import pytest
from flywheels import blueprint_document
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flywheel_mlflow.base.quarters import read_quarter
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.budgets import Cost, CostRules

RULES = CostRules(8.0, 50.0, "eur")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3d", Cost(24.0)),
        ("12h", Cost(12.0)),
        ("1.5d", Cost(12.0)),
        ("1d 4h", Cost(12.0)),
        ("1d4h", Cost(12.0)),
        (" 0.5h ", Cost(0.5)),
        ("500 EUR", Cost(500.0, "EUR")),
        ("500.25eur", Cost(500.25, "EUR")),
    ],
)
def test_costs_are_read_as_people_write_them(text: str, meant: Cost) -> None:
    """Days have the hours the flywheel says, currencies are its own, and what is read can be written again."""
    assert RULES.read(text) == meant
    assert RULES.read(meant.written) == meant


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cannot read"),
        ("3", "cannot read"),
        ("3 d", "cannot read"),
        ("3days", "cannot read"),
        ("1,5d", "cannot read"),
        ("-3d", "cannot read"),
        ("4h 1d", "cannot read"),
        ("1e3h", "cannot read"),
        ("\u0663d", "cannot read"),
        ("3d\n", None),
        ("0h", "below 0.01"),
        ("0d 0h", "below 0.01"),
        ("99999999999h", "cannot read"),
        ("5 USD", "USD is not this flywheel's currency .it counts in EUR"),
        ("nanh", "cannot read"),
    ],
)
def test_what_is_no_cost_is_refused(text: str, told: str | None) -> None:
    """Nothing is guessed: no unit, another order, a comma, a sign, other digits, nothing at all."""
    if told is None:
        assert RULES.read(text) == Cost(24.0)
        return
    with pytest.raises(ValueError, match=told):
        RULES.read(text)
    assert RULES.read("0h", least=0) == Cost(0.0)


@given(st.text(max_size=12))
def test_any_text_is_a_cost_or_refused(text: str) -> None:
    """Whatever is typed gives a finite amount above nothing, or a sentence."""
    try:
        found = RULES.read(text)
    except ValueError:
        return
    assert 0 < found.amount < 1e10
    assert found.unit in ("h", "EUR")


def test_time_and_money_compare_where_an_hour_has_a_price() -> None:
    """Otherwise nobody knows; two currencies never compare."""
    assert RULES.converted(Cost(2.0), "EUR") == 100.0
    assert RULES.converted(Cost(100.0, "EUR"), "h") == 2.0
    assert RULES.converted(Cost(100.0, "EUR"), "USD") is None
    assert CostRules(8.0, None, "EUR").converted(Cost(2.0), "EUR") is None
    with pytest.raises(ValueError, match="names no currency"):
        CostRules(8.0, None, None).read("5 EUR")


def blueprint(**budgets: Any) -> Blueprint:
    return Blueprint.model_validate(blueprint_document() | {"budgets": budgets})


def test_a_budget_holds_until_the_next() -> None:
    """Each entry holds from its quarter on; before the first none is known, and a class left out has none."""
    found = blueprint(
        quarters=[{"since": "2026Q2", "growth": "30d", "defence": "900 EUR"}, {"since": "2027Q1", "growth": "0h"}]
    ).budgets
    assert found.at(read_quarter("2026Q1")) is None
    for quarter, limits in (
        ("2026Q2", {"growth": "30d", "defence": "900 EUR"}),
        ("2026Q4", {"growth": "30d", "defence": "900 EUR"}),
        ("2027Q3", {"growth": "0h"}),
    ):
        budget = found.at(read_quarter(quarter))
        assert budget is not None
        assert budget.limits == limits


@pytest.mark.parametrize(
    ("budgets", "told"),
    [
        ({"quarters": [{"since": "2026Q4", "growth": "much"}]}, "budgets.quarters.2026Q4.growth: cannot read"),
        ({"quarters": [{"since": "2026Q4", "growth": "5 USD"}]}, "USD is not this flywheel"),
        ({"quarters": [{"since": "2026Q4"}, {"since": "2026Q4"}]}, "each once"),
        ({"quarters": [{"since": "2026Q4"}, {"since": "2026Q1"}]}, "the earliest first"),
        ({"quarters": [{"since": "2026-10", "growth": "1d"}]}, "since"),
        ({"hours_per_day": 0}, "hours_per_day"),
        ({"hour_costs": -1.0}, "hour_costs"),
        ({"quarters": [{"since": "2026Q4", "fun": "1d"}]}, "fun"),
    ],
)
def test_what_no_budget_says(budgets: dict[str, Any], told: str) -> None:
    """Each fault names its place."""
    with pytest.raises(ValidationError, match=told):
        blueprint(**budgets)


def test_a_plan_of_work_is_no_evidence() -> None:
    """Another budget leaves the blueprint's digest, and so every approval, as it was."""
    assert blueprint(quarters=[{"since": "2026Q4", "growth": "1d"}]).digest == blueprint().digest
    plain = blueprint_document()
    del plain["currency"]
    with pytest.raises(ValidationError, match="does not say in which currency"):
        Blueprint.model_validate(plain | {"budgets": {"hour_costs": 80.0}})
