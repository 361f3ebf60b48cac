"""Tests of rules over numbers."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.rules import MOST_DISTANT, Condition, parse_rule

OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
NAMES = ["p01.a", "p02.b", "p03.c"]

numbers = st.integers(-3, 3).map(float)
conditions = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([*OPERATORS, "!="]), numbers), min_size=1)
known = st.fixed_dictionaries({}, optional={name: st.none() | numbers for name in NAMES})


def compare(op: str, value: float, limit: float) -> bool:
    return value != limit if op == "!=" else bool(OPERATORS[op](value, limit))


@given(conditions, st.sampled_from(["and", "or"]), known)
def test_unknown_values_leave_open_only_what_they_could_change(
    parts: list[tuple[str, str, float]], join: str, values: dict[str, float | None]
) -> None:
    """A rule is true or false exactly when every way to fill in the unknown values agrees."""
    rule = parse_rule(f" {join} ".join(f"{name} {op} {limit}" for name, op, limit in parts))
    outcomes = [
        {True, False} if values.get(name) is None else {compare(op, values[name] or 0.0, limit)}
        for name, op, limit in parts
    ]
    combine: Any = any if join == "or" and len(parts) > 1 else all
    possible = {combine([max(item) for item in outcomes]), combine([min(item) for item in outcomes])}
    assert rule.holds(values) is (possible.pop() if len(possible) == 1 else None)


def test_a_better_number_speaks_in_its_place() -> None:
    """Where the number behind `unless` is known, the rule does not hold; else it says what it says."""
    rule = parse_rule("p01.a < 1 and p02.b < 1 unless p03.c is known")
    assert rule.metrics == ("p01.a", "p02.b", "p03.c")
    assert rule.holds({"p01.a": 0.0, "p02.b": 0.0}) is True
    assert rule.holds({"p01.a": 0.0, "p03.c": None}) is None
    assert rule.holds({"p01.a": 0.0, "p02.b": 0.0, "p03.c": 5.0}) is False
    for text in ("p01.a < 1 unless", "p01.a < 1 unless p03.c", "unless p03.c is known", "p01.a < 1 unless 3 is known"):
        with pytest.raises(InputError):
            parse_rule(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p01.a",
        "p01.a < ",
        "p01.a < b.c",
        "a < 1",
        "p01.a < nan",
        "p01.a < inf",
        "p01.a < 0x10",
        "p01.a < ٣",
        "p01.a =< 1",
        "p01.a < 1;",
        "not p01.a < 1",
        "(p01.a < 1)",
        "p01.a < 1 and",
        "p01.a < 1 AND p01.a > 2",
        "__import__('os').system('true') < 1",
        "p01.__class__ < 1 if True else 2",
        "P01.a < 1",
        "p01.a < " + "9" * 400,
    ],
)
def test_what_is_no_comparison_is_refused_and_never_run(text: str) -> None:
    """Anything but METRIC OP NUMBER is an input error that shows an example."""
    with pytest.raises(InputError, match="cannot read") as caught:
        parse_rule(text)
    assert "p01.quality_retention < 0.25" in (caught.value.hint or "")


def test_and_with_or_is_refused() -> None:
    """Without brackets a mixture has two readings, so it has none."""
    with pytest.raises(InputError, match="mixes"):
        parse_rule("p01.a < 1 and p02.b < 2 or p03.c < 3")


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_an_input_error(text: str) -> None:
    """No text makes the parser fail in another way."""
    try:
        rule = parse_rule(text)
    except InputError:
        return
    assert parse_rule(" and ".join(map(str, rule.conditions))).metrics == rule.metrics


@pytest.mark.parametrize(
    ("limit", "value", "distance"),
    [
        (0.25, 0.25, 0.0),
        (0.25, 0.125, 0.5),
        (-2, -3, 0.5),
        (0, 3, 3.0),
        (1, None, None),
        (0.25, -1e308, MOST_DISTANT),
    ],
)
def test_distance_is_a_share_of_the_limit(limit: float, value: float | None, distance: float | None) -> None:
    """0 on the limit; the plain difference where the limit is 0; unknown stays unknown."""
    assert Condition("p01.a", "<", limit).distance(value) == distance
