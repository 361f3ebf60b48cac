"""What runs spent of budgets: summed as far as it is known, forecast with how sure that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flywheels import contract_document, evidence_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flywheel_mlflow.assembly.budgets import SpentRun, add_budgets, forecast, runs_of_iteration
from flywheel_mlflow.base.quarters import Quarter
from flywheel_mlflow.evidence.provenance import Metrics
from flywheel_mlflow.evidence.runs import Costs, ProjectEvidence, Resources
from flywheel_mlflow.promises.budgets import Budgets, Prices, RunBudget
from flywheel_mlflow.promises.contract import Contract

QUARTER = Quarter(2026, 4)
CPU = RunBudget(id="cpu", project="p01", of="cpu_hours", per="iteration", most=1.0)
MONEY = RunBudget(id="all", of="money", per="quarter", most=100.0)
PRICES = Prices(cpu_hour=0.5, million_tokens=2.0)


def ran(
    project: str,
    iteration: int,
    day: int,
    *,
    cpu: float | None = None,
    tokens: int | None = None,
    cost: float | None = None,
) -> ProjectEvidence:
    """A run that ended on a day of the quarter, counted from 0."""
    return evidence_of(
        Contract.model_validate(contract_document(project)),
        run_id=f"{project}-{iteration}-{day}",
        iteration=iteration,
        ended=QUARTER.start + timedelta(days=day),
        resources=Resources(cpu_seconds=cpu, tokens=tokens),
        costs=Costs(review_cost=cost),
    )


def numbers(budget: RunBudget, now: list[ProjectEvidence], earlier: tuple[ProjectEvidence, ...] = ()) -> Metrics:
    """The numbers of one budget."""
    found = Metrics()
    add_budgets([budget], PRICES, now, earlier, found, declared="digest")
    return found


def test_an_iteration_spends_what_its_runs_say() -> None:
    """Runs of other projects are no part of it; above 1 is over; the runs are named."""
    found = numbers(CPU, [ran("p01", 2, 1, cpu=5_400), ran("p02", 2, 1, cpu=99_999)])
    assert found.value("budget.cpu.spent") == 1.5
    assert found.value("budget.cpu.share") == 1.5
    assert found["budget.cpu.spent"].note == "p01 in iteration 2: 1.5 (run p01-2-1)"
    assert "budget.cpu.forecast" not in found


def test_what_is_not_said_is_unknown_and_never_nothing() -> None:
    """A run that measured nothing makes the sum unknown; beside others it is named."""
    alone = numbers(CPU, [ran("p01", 1, 1)])
    assert (alone.value("budget.cpu.spent"), alone.value("budget.cpu.share")) == (None, None)
    assert alone["budget.cpu.spent"].note == "unknown of p01"
    assert numbers(CPU, [])["budget.cpu.spent"].note == "no run yet"
    some = numbers(MONEY, [ran("p01", 1, 1, cost=3.0), ran("p02", 1, 1)])
    assert some.value("budget.all.spent") == 3.0
    assert some["budget.all.spent"].note.endswith("unknown of p02")


def test_money_is_people_processors_and_tokens() -> None:
    """An hour at 0.5, a million tokens at 2, and what the reviews cost; without a price it is no part of the sum."""
    run = ran("p01", 1, 1, cpu=7_200, tokens=500_000, cost=3.0)
    assert numbers(MONEY, [run]).value("budget.all.spent") == 5.0
    assert Prices().spent("money", run) == 3.0
    assert Prices().spent("money", ran("p01", 1, 1, cpu=7_200)) is None


def test_a_quarter_has_the_runs_that_ended_in_it() -> None:
    """Runs of iterations before count from its first day on."""
    before = (ran("p01", 1, -1, cost=50.0), ran("p01", 2, 0, cost=10.0))
    found = numbers(MONEY, [ran("p01", 3, 45, cost=20.0)], before)
    assert found.value("budget.all.spent") == 30.0
    assert "in 2026Q4" in found["budget.all.spent"].rule


def test_large_amounts_are_read_as_people_write_them() -> None:
    """Thousands are counted whole; what is small keeps its digits, in the sum too."""
    assert str(SpentRun("p01", 1, "a", 33_922.76)) == "p01 in iteration 1: 33,923 (run a)"
    assert numbers(CPU, [ran("p01", 2, 1, cpu=0.678)]).value("budget.cpu.spent") == pytest.approx(
        0.678 / 3600, rel=1e-4
    )


def test_a_forecast_goes_on_as_before() -> None:
    """Two iterations by half of the quarter make four of it; one is no pace."""
    half = QUARTER.start + (QUARTER.end - QUARTER.start) / 2
    runs = [SpentRun("p01", 1, "a", 10.0), SpentRun("p02", 1, "b", 2.0), SpentRun("p01", 2, "c", 16.0)]
    value, note = forecast(runs, QUARTER, half)
    assert value == 56.0
    assert note == "between 44.69 and 67.31, 50% of 2026Q4 passed, 2 iterations"
    assert forecast(runs[:2], QUARTER, half) == (None, "a forecast needs two iterations in the quarter")


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=30), st.floats(0.01, 1))
def test_no_forecast_is_below_what_was_spent(costs: list[float], passed: float) -> None:
    """Whatever the iterations cost, nothing is given back; at the end the forecast is what was spent."""
    runs = [SpentRun("p01", number, str(number), cost) for number, cost in enumerate(costs)]
    value, _ = forecast(runs, QUARTER, QUARTER.start + (QUARTER.end - QUARTER.start) * passed)
    assert value is not None
    assert value >= sum(costs) * (1 - 1e-9) - 1e-6
    last, note = forecast(runs, QUARTER, QUARTER.end)
    assert last == pytest.approx(sum(costs))
    assert "100% of 2026Q4 passed" in note


def test_an_iteration_made_what_it_did_not_carry() -> None:
    """Every variant's run is paid for, each once; what was carried was paid for before."""
    control, other = ran("p01", 2, 1), ran("p01", 2, 2)
    carried = evidence_of(Contract.model_validate(contract_document("p02")), run_id="old", carried_from=1)
    runs = runs_of_iteration([control, carried], {"p01": {"plain": control, "resolved": other}})
    assert [item.run_id for item in runs] == [control.run_id, other.run_id]


@pytest.mark.parametrize(
    "more", [{"of": "days"}, {"most": 0}, {"per": "month"}, {"id": "Cpu"}, {"of": "tokens", "project": "p 1"}]
)
def test_a_declaration_makes_sense(more: dict[str, object]) -> None:
    """What cannot be counted is refused when the file is read."""
    with pytest.raises(ValidationError):
        RunBudget.model_validate({"id": "x", "of": "cpu_hours", "per": "iteration", "most": 1, **more})


def test_money_needs_a_currency() -> None:
    """Prices, and budgets of money, are in the flywheel's currency; two budgets have two names."""
    assert list(Budgets(runs=(MONEY,)).faults(None))
    assert list(Budgets(prices=PRICES).faults(None))
    assert list(Budgets(runs=(MONEY, CPU), prices=PRICES).faults("EUR")) == []
    assert list(Budgets(runs=(CPU, CPU)).faults(None)) == ["budgets.runs: cpu is declared 2 times"]


def test_times_are_those_of_the_runs() -> None:
    """A run without an end is in no quarter."""
    run = evidence_of(Contract.model_validate(contract_document("p01")), run_id="r", ended=None)
    assert numbers(MONEY, [run]).value("budget.all.spent") is None
    assert QUARTER.start == datetime(2026, 10, 1, tzinfo=UTC)
