"""Hands an iteration its tasks: those the ledger holds, accepted or absorbed, and those of a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, InputError, UnknownName
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import ProjectEvidence
from flywheel_mlflow.feedback.costs import cost_body
from flywheel_mlflow.feedback.tasks import (
    MAX_TOLD,
    AcceptedTask,
    Task,
    TasksFile,
    TaskState,
    task_digest,
    task_file,
)
from flywheel_mlflow.operations.deciding import Session, persistently, read_snapshot
from flywheel_mlflow.operations.feedback.theming import task_state
from flywheel_mlflow.operations.projects.mlflow_names import OWN_FOLDER
from flywheel_mlflow.operations.projects.own_files import TASKS_FILE
from flywheel_mlflow.operations.projects.pipeline import all_tasks
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.budgets import HOW, Cost
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Handed:
    """The tasks an iteration is handed: ``written`` as files, ``waiting`` ones with the reason why not."""

    written: tuple[str, ...]
    waiting: Mapping[str, str]


def write_tasks(session: Session, iteration: int, folder: Path, *, given: Path | None = None) -> Handed:
    """Write the tasks of an iteration below ``folder``, one file each, as pipelines read them.

    These are the tasks that were accepted for it or an earlier one, those that runs were found to have read up to it,
    and those of ``given``, a folder of task files, that are not later ones. What was withdrawn waits.

    Raises:
        InputError: a given task differs from the one of its id that the ledger holds, its KPI or findings do not exist,
            its cost cannot be read, or there is no such folder.
        DocumentError: a given file is no task.
        StorageError: the folder cannot be written.
    """
    state = task_state(persistently(session, lambda: read_snapshot(session.tracking)))
    waiting: dict[str, str] = {}
    files: dict[str, Task] = {}
    documents = _Documents(session.tracking)
    for task in state.due(iteration):
        why = _why_not(task, session.flywheel)
        if why:
            waiting[task.id] = why
        else:
            files[task.id] = documents.of(task)
    for offered in all_tasks(given) if given else ():
        if offered.iteration > iteration:
            continue
        known = state.tasks.get(offered.id)
        if known is not None and known.withdrawn is not None:
            waiting[offered.id] = f"withdrawn by {known.withdrawn.by}: {known.withdrawn.reason}"
            continue
        _refuse_other(offered, known, documents, given)
        if offered.project not in session.flywheel.contracts:
            waiting[offered.id] = f"{offered.project} is no project"
            continue
        check_kpi(session.flywheel.contract(offered.project), offered.kpi)
        check_moves(session.flywheel, offered.moves)
        check_cost(session.flywheel, offered.cost)
        files[offered.id] = offered
        waiting.pop(offered.id, None)
    write_files({f"{number:04d}.json": task_file(files[name]) for number, name in enumerate(sorted(files))}, folder)
    return Handed(tuple(sorted(files)), waiting)


def _why_not(task: AcceptedTask, flywheel: Flywheel) -> str:
    """Why no pipeline can be handed a task that is due; empty when one can."""
    if not task.digest:
        return f"run {task.run_id} kept no document of it: give its file with --tasks"
    if not task.payload and not task.from_file:
        return "it has no payload that a pipeline could read: people do it"
    if task.project not in flywheel.contracts:
        return f"{task.project} is no project any more"
    return ""


def _refuse_other(offered: Task, known: AcceptedTask | None, documents: _Documents, given: Path | None) -> None:
    """Refuse a file that has the id of a task in the ledger and another content."""
    if known is None or not known.digest:
        return
    there = known.digest if known.from_file else task_digest(documents.of(known))
    if task_digest(offered) != there:
        origin = "was read by" if known.from_file else "was accepted, and is kept by"
        raise InputError(
            f"the file of task {offered.id} differs from the task of this id that {origin} run {known.run_id}",
            where=str(given),
            hint=f"give the changed task an id of its own, and withdraw the old one: "
            f"`flywheel task withdraw {offered.id} --reason TEXT`",
        )


class _Documents:
    """The documents of tasks, each file fetched once."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._runs: dict[str, Mapping[str, Task]] = {}

    def of(self, task: AcceptedTask) -> Task:
        if not task.from_file:
            return accepted_document(self._tracking, task.run_id, task.digest)
        if task.run_id not in self._runs:
            self._runs[task.run_id] = _tasks_of_run(self._tracking, task.run_id, "")
        found = self._runs[task.run_id].get(task.id)
        if found is None or task_digest(found) != task.digest:
            raise InputError(
                f"the document of task {task.id} was changed after it was kept",
                where=f"run {task.run_id}",
                hint="restore the artifact store from a backup",
            )
        return found


def task_document(tracking: Tracking, task: AcceptedTask) -> Task:
    """The whole task, with payload and events, as it was when it was accepted or read.

    Raises:
        InputError: its document is gone, was changed, or was never kept.
    """
    if not task.digest:
        raise InputError(f"nobody kept a document of task {task.id}", where=f"run {task.run_id}")
    return _Documents(tracking).of(task)


def accepted_document(tracking: Tracking, run_id: str, digest: str) -> Task:
    """The task that was kept to be accepted.

    Raises:
        InputError: its document is gone or was changed.
    """
    from flywheel_mlflow.tracking.feedback import TASK_FILE

    with scratch_folder() as folder:
        text = tracking.feedback.text(run_id, TASK_FILE, digest, folder)
    try:
        return Task.model_validate(parse_json(text, name=TASK_FILE))
    except (ValidationError, DocumentError) as error:
        raise InputError("the document holds no task", where=f"run {run_id}") from error


def unknown_documents(tracking: Tracking, evidence: Iterable[ProjectEvidence], state: TaskState) -> Mapping[str, Task]:
    """The tasks by id that runs read and the ledger does not know; one file for each such run.

    Raises:
        InputError: a run's file is gone or was changed.
    """
    return dict(_unknown(tracking, evidence, state))


def _unknown(tracking: Tracking, evidence: Iterable[ProjectEvidence], state: TaskState) -> Iterator[tuple[str, Task]]:
    for run in evidence:
        new = set(run.tasks) - state.tasks.keys()
        if new and run.task_documents and run.run_id:
            kept = _tasks_of_run(tracking, run.run_id, run.task_documents)
            yield from ((name, task) for name, task in kept.items() if name in new and task.project == run.project_id)


def _tasks_of_run(tracking: Tracking, run_id: str, digest: str) -> Mapping[str, Task]:
    """The tasks that a run keeps, by id; ``digest`` is the sha256 of their file, empty where tasks have their own.

    Raises:
        InputError: the file is gone, was changed or holds no tasks.
    """
    with scratch_folder() as folder:
        text = tracking.artifacts.text(run_id, f"{OWN_FOLDER}/{TASKS_FILE}", folder)
    if text is None or (digest and sha256_text(text) != digest):
        raise InputError(
            f"{OWN_FOLDER}/{TASKS_FILE} {'is gone' if text is None else 'was changed after it was logged'}",
            where=f"run {run_id}",
            hint="restore the artifact store from a backup",
        )
    try:
        found = TasksFile.model_validate(parse_json(text, name=TASKS_FILE)).tasks
    except (ValidationError, DocumentError) as error:
        raise InputError(f"{OWN_FOLDER}/{TASKS_FILE} holds no tasks", where=f"run {run_id}") from error
    return {task.id: task for task in found}


def file_task(flywheel: Flywheel, tracking: Tracking, run: ProjectEvidence, task_id: str) -> dict[str, object]:
    """What the ledger keeps of a task that came as a file, as far as the run that read it kept its document."""
    task = unknown_documents(tracking, [run], TaskState()).get(task_id)
    return {
        "project": run.project_id,
        "asked_for": min(task.iteration, run.iteration) if task else run.iteration,
        "theme": task.theme if task else None,
        "category": task.category if task else None,
        "text": task.request[:MAX_TOLD] if task else "",
        "kpi": task.kpi if task else None,
        "moves": list(task.moves) if task else [],
        "records": len(task.records) if task else 0,
        "payload": bool(task and task.payload),
        "digest": task_digest(task) if task else "",
        "cost": cost_body(read_cost(flywheel, task.cost)) if task and task.cost else None,
    }


def check_kpi(contract: Contract, kpi: str | None) -> None:
    """Refuse a KPI that the project does not promise.

    Raises:
        UnknownName: it does not.
    """
    names = [item.name for item in contract.kpis]
    if kpi is not None and kpi not in names:
        raise UnknownName("KPI", kpi, names, where=f"kpis of {contract.id}")


def read_cost(flywheel: Flywheel, text: str, *, least: float = 0.01) -> Cost:
    """The cost that people wrote, at least ``least`` of its unit.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return flywheel.blueprint.cost_rules.read(text, least=least)
    except ValueError as error:
        what, _, how = str(error).partition(": ")
        raise InputError(what, hint=how or HOW) from error


def check_cost(flywheel: Flywheel, cost: str | None) -> None:
    """Refuse a cost that cannot be read.

    Raises:
        InputError: it cannot be.
    """
    if cost is not None:
        read_cost(flywheel, cost)


def check_moves(flywheel: Flywheel, moves: Iterable[str]) -> None:
    """Refuse findings of what the flywheel does not have: a KPI, an interface or a part of one, a project.

    Raises:
        UnknownName: no such project, KPI or interface.
    """
    contracts = flywheel.contracts
    interfaces = [item.name for contract in contracts.values() for item in contract.interfaces_out]
    kpis = [f"{name}.{kpi.name}" for name, contract in contracts.items() for kpi in contract.kpis]
    for subject in moves:
        interface, _, part = subject.partition("/")
        if interface in interfaces and ("/" not in subject or part.strip()):
            continue
        if subject not in kpis and subject not in contracts:
            raise UnknownName("finding", subject, [*kpis, *interfaces, *contracts], where="a task's moves")
