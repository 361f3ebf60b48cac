"""What an iteration's runs spent of the declared budgets, and where the period is likely to end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import stdev

from flywheel_mlflow.base.quarters import Quarter, quarter_of
from flywheel_mlflow.evidence.provenance import Metrics, Source, computed
from flywheel_mlflow.evidence.runs import ProjectEvidence
from flywheel_mlflow.promises.budgets import Prices, RunBudget

#: Runs that the explanation of a sum names, the dearest first; the others are counted.
NAMED_RUNS = 5
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class SpentRun:
    """What one run spent of a budget; ``amount`` None where it does not say."""

    project: str
    iteration: int
    run_id: str
    amount: float | None

    def __str__(self) -> str:
        said = "unknown" if self.amount is None else _amount(self.amount)
        return f"{self.project} in iteration {self.iteration}: {said} (run {self.run_id[:8]})"


def runs_of_iteration(
    evidence: Iterable[ProjectEvidence], variants: Mapping[str, Mapping[str, ProjectEvidence]]
) -> tuple[ProjectEvidence, ...]:
    """The runs that an iteration made: one for each variant, and none that was carried into it."""
    others = (item for found in variants.values() for item in found.values())
    made = {item.run_id: item for item in (*evidence, *others) if item.run_id and item.carried_from is None}
    return tuple(made.values())


def add_budgets(
    budgets: Sequence[RunBudget],
    prices: Prices,
    now: Sequence[ProjectEvidence],
    earlier: Sequence[ProjectEvidence],
    metrics: Metrics,
    *,
    declared: str,
) -> None:
    """Add what each budget is, what was spent of it, the share, and the forecast for the period.

    ``now`` are the runs of this iteration, ``earlier`` those of iterations before; of a quarter's budget the runs count
    that ended in the quarter in which this iteration ended. ``declared`` is the digest of the file that declares them.
    """
    ended = max((item.ended for item in now if item.ended), default=None)
    for budget in budgets:
        quarter = quarter_of(ended) if ended and budget.per == "quarter" else None
        runs = [item for item in now if budget.covers(item.project_id)]
        if quarter is not None:
            runs = [item for item in (*earlier, *runs) if budget.covers(item.project_id) and _in(quarter, item.ended)]
        spent = [
            SpentRun(item.project_id, item.iteration, item.run_id or "", prices.spent(budget.of, item)) for item in runs
        ]
        _add(budget, spent, quarter, ended, metrics, declared)


def _in(quarter: Quarter, moment: datetime | None) -> bool:
    return moment is not None and quarter.holds(moment)


def _add(
    budget: RunBudget,
    runs: Sequence[SpentRun],
    quarter: Quarter | None,
    ended: datetime | None,
    metrics: Metrics,
    declared: str,
) -> None:
    name = f"budget.{budget.id}"
    known = [item for item in runs if item.amount is not None]
    spent = math.fsum(item.amount or 0.0 for item in known) if known else None
    period = f"in {quarter}" if quarter else "in this iteration"
    source = Source("blueprint", "flywheel.yaml", f"budgets.runs.{budget.id}", declared)
    of = f"{budget.of.replace('_', ' ')} of {budget.project or 'all projects'}, each {budget.per}"
    limit = metrics.add(computed(f"{name}.limit", budget.most, budget.unit, of, source=source))
    total = metrics.add(
        computed(
            f"{name}.spent",
            spent,
            budget.unit,
            f"sum over the runs that ended {period}",
            source=Source("runs", "this quarter" if quarter else "this iteration"),
            note="; ".join(_told(runs, known)),
        )
    )
    metrics.add(
        computed(
            f"{name}.share",
            None if spent is None else spent / budget.most,
            "ratio",
            "spent / limit; above 1 is over budget",
            inputs=(total.name, limit.name),
        )
    )
    if quarter is not None and ended is not None:
        value, note = forecast(known, quarter, ended)
        rule = "spent so far + what the rest of the quarter costs at the pace of its iterations so far"
        metrics.add(computed(f"{name}.forecast", value, budget.unit, rule, inputs=(total.name,), note=note))


def forecast(runs: Sequence[SpentRun], quarter: Quarter, ended: datetime) -> tuple[float | None, str]:
    """What a quarter will have cost at its end, and how sure that is; unknown before its second iteration.

    The rest of the quarter has as many iterations as its first part had in the same time, each at their mean cost.
    The range is two standard errors of such a sum, that of the mean included.
    """
    each: dict[int, float] = {}
    for item in runs:
        each[item.iteration] = each.get(item.iteration, 0.0) + (item.amount or 0.0)
    passed = (ended - quarter.start) / (quarter.end - quarter.start)
    if len(each) < 2 or passed <= 0:
        return None, "a forecast needs two iterations in the quarter"
    costs = list(each.values())
    count, spent = len(costs), math.fsum(costs)
    left = count * (1 - passed) / passed
    error = stdev(costs) * math.sqrt(left + left * left / count)
    value = spent + left * spent / count
    low, high = max(spent, value - 2 * error), value + 2 * error
    return value, f"between {_amount(low)} and {_amount(high)}, {passed:.0%} of {quarter} passed, {count} iterations"


def _dearest(known: Iterable[SpentRun]) -> list[SpentRun]:
    return sorted(known, key=lambda item: (-(item.amount or 0.0), item.project, item.iteration))[:NAMED_RUNS]


def _told(runs: Sequence[SpentRun], known: Sequence[SpentRun]) -> Iterator[str]:
    """The dearest runs, how many others, and those that say nothing: their spending is unknown, not 0."""
    yield from map(str, _dearest(known))
    if len(known) > NAMED_RUNS:
        yield f"and {len(known) - NAMED_RUNS} more"
    silent = sorted({item.project for item in runs if item.amount is None})
    if silent:
        yield f"unknown of {', '.join(silent)}"
    if not runs:
        yield "no run yet"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
