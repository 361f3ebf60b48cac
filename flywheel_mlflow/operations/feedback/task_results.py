"""Says whether the tasks an iteration absorbed helped, as its assembly recorded it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.deliverables import DRIFT, TASKS
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.drift import DriftReport, drift_report_from_json
from flywheel_mlflow.feedback.absorption import NOTHING_ABSORBED, AbsorbedTask, Absorption, absorption_from_json
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: The acceptance metric of the share of feedback acted on.
REFLUX = "flywheel.feedback_reflux_rate"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One absorbed task with what its KPI did.

    ``low`` and ``high`` enclose how much better the KPI got, in its unit, with the confidence of the comparison; None
    where nobody knows how exact it is. ``told`` says the same in words, empty where nothing was compared.
    """

    task: AbsorbedTask
    low: float | None
    high: float | None
    told: str


@dataclass(frozen=True, slots=True)
class TaskResults:
    """What the tasks of an iteration did, by the assembly of run ``run_id``.

    ``reference`` is the iteration compared with, None where none was. ``kept`` counts tasks absorbed earlier that its
    runs read too, ``open`` and ``lost`` those they did not. ``reflux_rate`` is the share of all feedback taken in by
    then that an absorbed task answers; None without feedback.
    """

    iteration: int
    run_id: str
    reference: int | None
    results: tuple[TaskResult, ...]
    kept: int
    open: int
    lost: int
    reflux_rate: float | None


def task_results(tracking: Tracking, iteration: int) -> TaskResults:
    """Whether the tasks of an iteration helped, on cases that they do not hold.

    Raises:
        InputError: the iteration has no valid assembly.
        DocumentError: what the assembly recorded cannot be read.
    """
    recorded = tracking.assemblies.recorded(iteration)
    if recorded is None:
        raise InputError(
            f"iteration {iteration} has no valid assembly", hint=f"run `flywheel assemble --iteration {iteration}`"
        )
    with scratch_folder() as folder:
        texts = {name: tracking.artifacts.text(recorded.run_id, name, folder / name) for name in (TASKS, DRIFT)}
    tasks, compared = texts[TASKS], texts[DRIFT]
    where = f"of run {recorded.run_id}"
    found: Absorption = absorption_from_json(tasks, name=f"{TASKS} {where}") if tasks else NOTHING_ABSORBED
    drift = drift_report_from_json(compared, name=f"{DRIFT} {where}") if compared else None
    return TaskResults(
        iteration=iteration,
        run_id=recorded.run_id,
        reference=drift.reference.iteration if drift else None,
        results=tuple(_result(item, drift) for item in found.absorbed),
        kept=len(found.kept),
        open=len(found.open),
        lost=len(found.lost),
        reflux_rate=recorded.metrics.get(REFLUX),
    )


def _result(task: AbsorbedTask, drift: DriftReport | None) -> TaskResult:
    kpi = next((item for item in drift.kpis if item.subject == task.kpi), None) if drift else None
    if kpi is None or kpi.low is None or kpi.high is None:
        return TaskResult(task, None, None, kpi.text if kpi else "")
    return TaskResult(task, -kpi.high, -kpi.low, kpi.text)
