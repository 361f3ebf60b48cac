"""What an iteration's assembly says of the budgets of runs, and the runs that the budgets of a quarter are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.budgets import runs_of_iteration
from flywheel_mlflow.assembly.deliverables import METRICS, read_document, stored_name
from flywheel_mlflow.assembly.documents import MetricLine
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.quarters import quarter_of
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Collected, ProjectEvidence
from flywheel_mlflow.operations.assembly.collecting import collect_iteration
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.decisions.variants import VariantChoice
    from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The numbers that an iteration's assembly holds of budgets, by name; others were ``declared_since``."""

    iteration: int
    numbers: Mapping[str, MetricLine]
    declared_since: tuple[str, ...]


def budget_state(flywheel: Flywheel, tracking: Tracking, iteration: int) -> BudgetState:
    """What the assembly of an iteration says of the budgets.

    Raises:
        InputError: it was not assembled, or its numbers are gone.
    """
    recorded = tracking.assemblies.recorded(iteration)
    if recorded is None:
        raise InputError(f"iteration {iteration} was not assembled", hint=f"flywheel assemble --iteration {iteration}")
    file = stored_name(METRICS, flywheel.blueprint.deliverables.prefix)
    with scratch_folder() as folder:
        text = tracking.artifacts.text(recorded.run_id, file, folder)
    where = f"{file} of run {recorded.run_id}"
    if text is None:
        raise InputError(f"{where} is gone", hint="assemble the iteration with --force")
    found = read_document(METRICS, text, where=where).metrics
    numbers = {name: line for name, line in found.items() if name.startswith("budget.")}
    since = tuple(item.id for item in flywheel.blueprint.budgets.runs if f"budget.{item.id}.limit" not in numbers)
    return BudgetState(iteration, numbers, since)


def earlier_runs(
    flywheel: Flywheel,
    tracking: Tracking,
    collected: Collected,
    before: Collected | None,
    choices: tuple[VariantChoice, ...],
) -> tuple[ProjectEvidence, ...]:
    """The runs of earlier iterations that ended in the quarter of this one; none where no budget asks for a quarter.

    ``before`` is the iteration before this one. One search for each iteration before that, back to the first that
    ended before the quarter began; ``choices`` are as the collector takes them.
    """
    ended = max((item.ended for item in collected.evidence.values() if item.ended), default=None)
    if ended is None or not any(item.per == "quarter" for item in flywheel.blueprint.budgets.runs):
        return ()
    quarter = quarter_of(ended)
    found: list[ProjectEvidence] = []
    for iteration in range(collected.iteration - 1, 0, -1):
        then = before if before is not None and before.iteration == iteration else None
        then = then or collect_iteration(flywheel, tracking, iteration, choices=choices)
        runs = runs_of_iteration(then.evidence.values(), then.variants)
        found += (item for item in runs if item.ended and quarter.holds(item.ended))
        if runs and all(item.ended and item.ended < quarter.start for item in runs):
            break
    return tuple(found)
