"""Tests of what changes cost, are expected to cost, and take of a budget."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import NOON, LedgerBuilder

from flywheel_mlflow.assembly.history import describe_events
from flywheel_mlflow.base.quarters import quarter_of
from flywheel_mlflow.feedback.costs import (
    CostedTask,
    Estimate,
    Spent,
    budget_line,
    cost_body,
    cost_of,
    expected_cost,
)
from flywheel_mlflow.feedback.tasks import TaskKind, fold_tasks
from flywheel_mlflow.promises.budgets import Cost, CostRules

RULES = CostRules(8.0, None, "EUR")
PRICED = CostRules(8.0, 100.0, "EUR")
QUARTER = quarter_of(NOON)
BODY = {
    "task": "p01-a-2", "theme": "p01-a", "theme_iteration": 1, "project": "p01", "iteration": 2, "category": "growth",
    "text": "do it", "kpi": None, "events": 7, "records": 0, "payload": True, "run_id": "run", "digest": "d" * 64,
}  # fmt: skip


def task(
    project: str = "p01", *, category: str | None = "growth", stated: float | None = None, spent: float | None = None,
    finished: datetime | None = NOON, dropped: bool = False,
) -> CostedTask:  # fmt: skip
    told = () if spent is None else (Spent(Cost(spent), NOON, "ana"),)
    return CostedTask(project, category, None if stated is None else Cost(stated), told, finished, dropped)


def stated(cost: Cost | None) -> Estimate:
    return Estimate("a", cost, None, "so", NOON, "bo")


def test_what_people_state_comes_first() -> None:
    """Earlier tasks are asked only where nobody stated a cost; money counts where an hour has a price."""
    earlier = [task(spent=9.0)] * 3
    assert expected_cost(stated(Cost(5.0)), "p01", None, earlier, RULES).value == 5.0
    money = stated(Cost(500.0, "EUR"))
    assert expected_cost(money, "p01", None, earlier, PRICED).value == 5.0
    unpriced = expected_cost(money, "p01", None, earlier, RULES)
    assert unpriced.value is None
    assert "what an hour costs" in unpriced.origin


def test_earlier_tasks_give_a_median_with_its_spread() -> None:
    """Spent counts before stated; the range says how often it holds one like them: (n - 1) of (n + 1)."""
    earlier = [task(spent=2.0, stated=99.0), task(stated=4.0), task(spent=30.0), task("p02", spent=500.0)]
    found = expected_cost(None, "p01", None, earlier, RULES)
    assert (found.value, found.low, found.high) == (4.0, 2.0, 30.0)
    assert "3 earlier tasks of p01 (2 by what was spent, 1 as stated)" in found.origin
    assert "holds 2 of 4" in found.origin


def test_too_few_earlier_tasks_are_unknown() -> None:
    """Two tell nothing; those of the class, then all are asked where the project has too few."""
    one = task("p01", spent=1.0)
    others = [task("p02", category="defence", spent=8.0), task("p03", category="defence", spent=8.0)]
    assert expected_cost(None, "p01", None, [one, one], RULES).value is None
    assert "2 earlier tasks" in expected_cost(None, "p01", None, [one, one], RULES).origin
    assert (
        expected_cost(None, "p01", "defence", [one, *others], RULES).value == 8.0
    )  # all: two of the class are too few
    more = [*others, task("p04", category="defence", spent=40.0)]
    found = expected_cost(None, "p01", "defence", [one, *more], RULES)
    assert (found.value, found.high) == (8.0, 40.0)
    assert "of the class defence" in found.origin
    assert expected_cost(None, None, None, [one] * 2, RULES).value is None


def test_open_work_tells_nothing_of_what_it_cost() -> None:
    """What was spent on an unfinished task is not its cost; what was stated of it is."""
    half = [task(spent=1.0, stated=20.0, finished=None)] * 3
    assert expected_cost(None, "p01", None, half, RULES).value == 20.0
    assert expected_cost(None, "p01", None, [task(spent=1.0, finished=None)] * 3, RULES).value is None


@given(st.lists(st.floats(0.1, 1e4), min_size=3, max_size=12))
def test_an_estimate_lies_within_its_spread(hours: list[float]) -> None:
    """The median never leaves the range it is told with, in whatever order the tasks come."""
    found = expected_cost(None, "p01", None, [task(spent=item) for item in hours], RULES)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    again = expected_cost(None, "p01", None, [task(spent=item) for item in reversed(hours)], RULES)
    assert again == found


def test_a_budget_tells_spent_committed_and_what_is_missing() -> None:
    """Totals of the quarter count, open tasks what they cost beyond it; who told nothing is counted, not guessed."""
    tasks = [
        task(spent=10.0),
        task(stated=20.0, spent=5.0, finished=None),
        task(stated=8.0, finished=None),
        task(finished=None),
        task(),
        task(stated=50.0, finished=None, dropped=True),
    ]
    line = budget_line("growth", Cost(40.0), tasks, QUARTER, RULES)
    assert (line.spent, line.committed, line.left) == (15.0, 23.0, 2.0)
    assert (line.uncosted, line.untold) == (1, 1)
    assert line.left_text == "at most 2 h"
    assert line.spent_text == "at least 15 h"
    over = budget_line("growth", Cost(30.0), tasks[:3], QUARTER, RULES)
    assert (over.left, over.left_text) == (-8.0, "over by 8 h")
    assert budget_line("growth", None, tasks, QUARTER, RULES).left_text == "unknown"


def test_units_never_mix_without_a_price() -> None:
    """Hours in a budget of money are told apart, and what is left is then unknown."""
    tasks = [task(spent=10.0)]
    apart = budget_line("growth", Cost(2_000.0, "EUR"), tasks, QUARTER, RULES)
    assert (apart.spent, apart.left, dict(apart.apart)) == (0.0, None, {"h": 10.0})
    assert "nobody says what an hour costs" in apart.gaps[0]
    assert budget_line("growth", Cost(2_000.0, "EUR"), tasks, QUARTER, PRICED).left == 1_000.0


def test_a_total_counts_in_the_quarter_it_grew() -> None:
    """A later total replaces an earlier one: each quarter has the difference, also where it was corrected downwards."""
    told = [
        Spent(Cost(4.0), QUARTER.start - timedelta(days=1), "ana"),
        Spent(Cost(10.0), NOON, "ana"),
        Spent(Cost(50.0, "EUR"), NOON, "ana"),
        Spent(Cost(9.0), NOON + timedelta(hours=1), "ana"),
    ]
    found = CostedTask("p01", "growth", None, tuple(told), NOON, False)
    assert found.spent_in(QUARTER) == {"h": 5.0, "EUR": 50.0}
    assert found.totals == {"h": 9.0, "EUR": 50.0}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["amount", "unit", "x"]), inner, max_size=3)
        ),
    )
)
def test_a_cost_of_the_ledger_is_read_or_refused(value: Any) -> None:
    """Any value gives a finite amount of a unit, none, or an error that a fold passes over."""
    try:
        found = cost_of(value)
    except (KeyError, TypeError, ValueError):
        return
    assert found is None or (found.amount >= 0 and cost_of(cost_body(found)) == found)


def test_the_ledger_keeps_costs() -> None:
    """Stated with the task, restated later, spent as totals; half an event changes nothing; each has a sentence."""
    story = LedgerBuilder()

    def estimate(about: str, amount: float | None, reuse: str | None, reason: str = "r") -> None:
        cost = None if amount is None else {"amount": amount, "unit": "h"}
        story.write(TaskKind.ESTIMATED, {"about": about, "cost": cost, "reuse": reuse, "reason": reason})

    estimate("p01-a", 8, None)
    estimate("p01-a", None, "asset", "kept")
    story.write(TaskKind.ACCEPTED, BODY | {"cost": {"amount": 8.0, "unit": "h"}})
    story.write(TaskKind.SPENT, {"task": "p01-a-2", "total": {"amount": 3.0, "unit": "h"}})
    story.write(TaskKind.SPENT, {"task": "p01-a-2", "total": None})
    story.write(TaskKind.SPENT, {"task": "nobody", "total": {"amount": 3.0, "unit": "h"}})
    estimate("p01-a", -8, None)
    estimate("p01-a", None, "often")
    estimate("p01-a-2", 9, None)
    state = fold_tasks(story.ledger.events)
    found = state.estimates["p01-a"]
    assert (found.cost, found.reuse, found.reason) == (Cost(8.0), "asset", "kept")
    accepted = state.tasks["p01-a-2"]
    assert accepted.cost == Cost(9.0)
    assert accepted.costed.totals == {"h": 3.0}
    told = [item.text for item in describe_events(story.ledger.events)]
    assert told[0] == "p01-a estimated (8 h): r"
    assert told[1] == "p01-a estimated (a long-term asset): kept"
    assert told[3:5] == ["3 h spent on task p01-a-2 in all", "? spent on task p01-a-2 in all"]


@pytest.mark.parametrize("cost", [{"amount": 1}, {"unit": "h"}, 5, {"amount": True, "unit": "h"}])
def test_a_task_with_a_bent_cost_is_none(cost: Any) -> None:
    """An event that bends what a task holds decides nothing, as with every other part of it."""
    story = LedgerBuilder()
    story.write(TaskKind.ACCEPTED, BODY | {"cost": cost})
    assert not fold_tasks(story.ledger.events).tasks
