"""Writes what was complained about into an evaluation dataset, so that the next evaluation asks it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.evidence.evaluations import record_id
from flywheel_mlflow.feedback.cases import (
    TASKS,
    cases_of,
    is_case_of,
    merged_cases,
    refuse_without_events,
)
from flywheel_mlflow.feedback.tasks import Task
from flywheel_mlflow.operations.deciding import Session, persistently, read_snapshot
from flywheel_mlflow.operations.feedback.handing import task_document
from flywheel_mlflow.operations.feedback.tasking import known_task
from flywheel_mlflow.operations.feedback.theming import task_state
from flywheel_mlflow.operations.projects.run_inputs import evidence_of
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.tracking.evaluation_datasets import FoundDataset


@dataclass(frozen=True, slots=True)
class WrittenCases:
    """What became of a task's events: records that are new, that grew, that were there; by event why it is none.

    ``dataset_id`` is None for a dry run that would make the data set. ``remarks`` say where it expects something else
    than was corrected.
    """

    task: str
    dataset: str
    dataset_id: str | None
    new: int
    grown: int
    same: int
    left_out: Mapping[str, str]
    remarks: tuple[str, ...]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What an iteration's evaluation says about the records of a task, by one KPI.

    ``mean`` is over the ``judged`` of the ``records``; ``before`` is the mean of the ``judged_before`` in the iteration
    before. Both are None where none was judged.
    """

    kpi: str
    records: int
    judged: int
    mean: float | None
    judged_before: int
    before: float | None


def default_dataset(project: str) -> str:
    """The name of the data set that a project's complaints go to, where nobody names another."""
    return f"{project}-feedback"


def write_dataset(session: Session, task_id: str, *, dataset: str = "", dry_run: bool = False) -> WrittenCases:
    """Append the questions behind a task's events to an evaluation dataset of its project's experiment.

    Each question is one record, marked with task, theme and events; again adds nothing. ``dataset`` is made where it is
    missing, and called after the project where no name is given.

    Raises:
        UnknownName: no such task. InputError: it holds no events, or the store keeps no evaluation datasets.
    """
    task = _task(session, task_id)
    refuse_without_events(task)
    name = dataset or default_dataset(task.project)
    tracking = session.tracking
    found = _find(session, task, name)
    rows = list(_events(session, task))
    questions = tracking.traces.questions(sorted({str(row["trace_id"]) for row in rows if row.get("trace_id")}))
    cases = cases_of(task, rows, questions)
    merged = merged_cases(cases.records, tracking.evaluation_datasets.records(found.id) if found else ())
    if not dry_run and (merged.new or merged.grown):
        experiment = tracking.runs.experiment(session.flywheel.contract(task.project))
        found = found or tracking.evaluation_datasets.create(name, experiment, {"flywheel.project": task.project})
        tracking.evaluation_datasets.merge(found.id, (*merged.new, *merged.grown))
    return WrittenCases(
        task.id,
        name,
        found.id if found else None,
        len(merged.new),
        len(merged.grown),
        merged.same,
        cases.left_out,
        merged.kept,
        dry_run,
    )


def case_results(session: Session, task_id: str, iteration: int, *, dataset: str = "") -> tuple[CaseResult, ...]:
    """What an iteration's evaluation says about the records that a task's events became, beside the iteration before.

    These are cases that the task knows: whether it helped on others is what its KPI says (`task results`).

    Raises:
        UnknownName: no such task. InputError: it was not written into this data set.
    """
    task = _task(session, task_id)
    contract = session.flywheel.contract(task.project)
    name = dataset or default_dataset(task.project)
    ids = _case_ids(session, _find(session, task, name), task.id)
    if not ids:
        raise InputError(
            f"no record of {name} is marked with {task.id}",
            hint=f"`flywheel task write-dataset {task.id}` writes them; they bear it in the tag {TASKS}",
        )
    now, before = (_samples(session, task, number) for number in (iteration, iteration - 1))
    return tuple(
        CaseResult(kpi.name, len(ids), *_judged(ids, now.get(kpi.name)), *_judged(ids, before.get(kpi.name)))
        for kpi in contract.kpis
        if kpi.name in now
    )


def _task(session: Session, task_id: str) -> Task:
    state = task_state(persistently(session, lambda: read_snapshot(session.tracking)))
    return task_document(session.tracking, known_task(state, task_id))


def _find(session: Session, task: Task, name: str) -> FoundDataset | None:
    """The data set of this name in the experiment of the task's project."""
    experiment = session.tracking.collector.experiments().get(task.project)
    return session.tracking.evaluation_datasets.find(name, experiment) if experiment else None


def _events(session: Session, task: Task) -> Iterator[Mapping[str, Any]]:
    """The stored events of a task."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array(task.events, pa.string())
    with scratch_folder() as folder:
        batches = session.tracking.feedback.batches(task.feedback_iteration)
        for batch in session.tracking.feedback.events(batches, folder):
            yield from batch.filter(pc.is_in(batch.column("id"), wanted)).to_pylist()


def _case_ids(session: Session, found: FoundDataset | None, task: str) -> frozenset[str]:
    """The records of a task, as evaluations name them."""
    if found is None:
        return frozenset()
    records = session.tracking.evaluation_datasets.records(found.id)
    return frozenset(record_id(item.inputs, item.expectations) for item in records if is_case_of(task, item))


def _samples(session: Session, task: Task, iteration: int) -> Mapping[str, Mapping[str, float]]:
    """The outcomes of the project's run in an iteration, by KPI; none where it has no run of its own."""
    evidence = evidence_of(session.tracking, session.flywheel.contract(task.project), iteration)
    if evidence is None or evidence.run_id is None or evidence.carried_from is not None:
        return {}
    with scratch_folder() as folder:
        found = session.tracking.profiles.samples(evidence.run_id, folder)
    return {name: item.samples for name, item in found.items() if not isinstance(item, FlywheelError)}


def _judged(ids: frozenset[str], samples: Mapping[str, float] | None) -> tuple[int, float | None]:
    values = [samples[name] for name in sorted(ids & samples.keys())] if samples else []
    return len(values), sum(values) / len(values) if values else None
