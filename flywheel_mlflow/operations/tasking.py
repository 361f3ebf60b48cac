"""Turns themes into tasks, and writes what people decide about both into the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from flywheel_mlflow.canonical import document_json, sha256_text
from flywheel_mlflow.contract import Contract
from flywheel_mlflow.documents import parse_json
from flywheel_mlflow.errors import DocumentError, InputError, Refused, UnknownName
from flywheel_mlflow.feedback.absorption import AbsorbedTask, Absorption
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.feedback.tasks import (
    CATEGORIES,
    AcceptedTask,
    Task,
    TaskKind,
    TaskState,
    ThemeDecision,
    fold_tasks,
)
from flywheel_mlflow.operations.deciding import Desk, Draft, World, begin, decide, look, persistently, refuse_unsound
from flywheel_mlflow.operations.pipeline import all_tasks, read_task
from flywheel_mlflow.operations.project_run import check_iteration_number
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.operations.theming import task_state, theme_of
from flywheel_mlflow.writing import write_files

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

MAX_REASON = 2_000
#: Characters of a request in the ledger; the whole of it is in the task's own document.
MAX_TOLD = 500


@dataclass(frozen=True, slots=True)
class TaskDecided:
    """A decision about a theme or a task as it was written; ``event`` is None for a dry run."""

    kind: str
    event: int | None
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PreparedTask:
    """A task that is about to be accepted; ``run_id`` is None while its document is not kept."""

    task: Task
    digest: str
    run_id: str | None


def prepare_task(
    desk: Desk,
    theme_id: str,
    *,
    category: str,
    found_in: int | None = None,
    iteration: int | None = None,
    request: str = "",
    kpi: str = "",
    file: Path | None = None,
    dry_run: bool = False,
) -> PreparedTask:
    """Make a theme a task for its project, and keep its document; nothing is decided yet.

    Args:
        desk: who acts, where.
        theme_id: the theme.
        category: what the work is for: growth, efficiency, defence or organisation.
        found_in: the iteration whose feedback is meant; the newest the theme was found in if left out.
        iteration: the iteration that shall do it; the one after ``found_in`` if left out.
        request: what is asked, in words; the theme's title if left out.
        kpi: the project's KPI that shows whether it helped, on cases that the task does not hold.
        file: a task file of the project's, whose payload and request are taken.
        dry_run: keep nothing.

    Raises:
        UnknownName: no such theme, category or KPI.
        InputError: the iteration is not after the feedback's, or the file is another project's.
    """
    if category not in CATEGORIES:
        raise UnknownName("category", category, CATEGORIES)
    theme = theme_of(desk.tracking, theme_id, found_in)
    turn = theme.iteration + 1 if iteration is None else check_iteration_number(iteration)
    if turn <= theme.iteration:
        raise InputError(
            f"a task of iteration {turn} would be done before its feedback, of iteration {theme.iteration}",
            hint=f"--for {theme.iteration + 1} or later",
        )
    contract = desk.flywheel.contract(theme.project)
    given = _given(file, contract)
    chosen = kpi or (given.kpi if given and given.kpi else None)
    _check_kpi(contract, chosen)
    held = _held_elsewhere(desk, theme)
    told = " ".join(request.split()) or (given.request if given else "")
    task = Task(
        id=f"{theme.id}-{turn}",
        project=theme.project,
        iteration=turn,
        theme=theme.id,
        request=(told or theme.title)[:MAX_REASON],
        payload=given.payload if given else {},
        category=category,  # type: ignore[arg-type]
        kpi=chosen,
        feedback_iteration=theme.iteration,
        events=tuple(event for event in theme.events if event not in held),
        records=theme.records,
    )
    text = document_json(task)
    run_id = None if dry_run else _keep(desk.tracking, task, text)
    return PreparedTask(task, sha256_text(text), run_id)


def _given(file: Path | None, contract: Contract) -> Task | None:
    if file is None:
        return None
    task = read_task(file)
    if task.project != contract.id:
        raise InputError(f"the task is for {task.project}, the theme is of {contract.id}", where=str(file))
    return task


def _check_kpi(contract: Contract, kpi: str | None) -> None:
    names = [item.name for item in contract.kpis]
    if kpi is not None and kpi not in names:
        raise UnknownName("KPI", kpi, names, where=f"kpis of {contract.id}")


def _held_elsewhere(desk: Desk, theme: Theme) -> frozenset[str]:
    """Events of the theme that another task of the same feedback holds: an event is answered once."""
    state = task_state(persistently(desk, lambda: look(desk.tracking)))
    held: set[str] = set()
    for item in state.tasks.values():
        if (item.project, item.theme_iteration) == (theme.project, theme.iteration):
            held |= set(task_document(desk.tracking, item).events)
    return frozenset(held)


def _keep(tracking: Tracking, task: Task, text: str) -> str:
    from flywheel_mlflow.tracking import FeedbackDocument
    from flywheel_mlflow.tracking.feedback import KIND_TASK, TASK_FILE

    note = f"A task for {task.project} in iteration {task.iteration}; whether it was accepted stands in the ledger."
    return tracking.feedback.keep(FeedbackDocument(KIND_TASK, task.iteration, f"task {task.id}", TASK_FILE, text, note))


def task_document(tracking: Tracking, task: AcceptedTask) -> Task:
    """The whole task, with payload and events, as it was when it was accepted.

    Raises:
        InputError: its document is gone or was changed.
    """
    return _fetch(tracking, task.run_id, task.digest)


def _fetch(tracking: Tracking, run_id: str, digest: str) -> Task:
    from flywheel_mlflow.tracking.feedback import TASK_FILE

    with scratch_folder() as folder:
        text = tracking.feedback.text(run_id, TASK_FILE, digest, folder)
    try:
        return Task.model_validate(parse_json(text, name=TASK_FILE))
    except (ValidationError, DocumentError) as error:
        raise InputError("the document holds no task", where=f"run {run_id}") from error


def accept_task(desk: Desk, run_id: str, digest: str, *, dry_run: bool = False) -> TaskDecided:
    """Accept a task that was prepared: from then on its iteration is handed it.

    Raises:
        InputError: its document is gone, was changed, or lacks what an accepted task says.
        Refused: the theme has this task already.
    """
    task = _fetch(desk.tracking, run_id, digest)
    if task.category is None or task.feedback_iteration is None:
        raise InputError("the task does not say what it is for, or which feedback it answers", where=f"run {run_id}")
    contract = desk.flywheel.contract(task.project)
    _check_kpi(contract, task.kpi)
    body: dict[str, object] = {
        "task": task.id,
        "theme": task.theme,
        "theme_iteration": task.feedback_iteration,
        "project": task.project,
        "iteration": task.iteration,
        "category": task.category,
        "text": task.request[:MAX_TOLD],
        "kpi": task.kpi,
        "events": len(task.events),
        "records": len(task.records),
        "payload": bool(task.payload),
        "run_id": run_id,
        "digest": digest,
    }

    def choose(world: World) -> Draft:
        known = fold_tasks(world.ledger.events).tasks.get(task.id)
        if known is not None:
            raise Refused(
                f"{task.id} was accepted by {known.by}",
                rule="a theme becomes one task an iteration",
                hint=f"flywheel task show {task.id}; another iteration can be given with --for",
            )
        return Draft(TaskKind.ACCEPTED, body)

    return _written(desk, TaskKind.ACCEPTED, body, choose, dry_run=dry_run)


def decide_theme(
    desk: Desk, theme_id: str, kind: TaskKind, reason: str, *, found_in: int | None = None, dry_run: bool = False
) -> TaskDecided:
    """Queue or decline a theme, with a reason.

    Raises:
        UnknownName: no such theme. InputError: no reason. Refused: a task was made of it already.
    """
    told = " ".join(reason.split())[:MAX_REASON]
    if not told:
        raise InputError("a decision needs a reason", hint="give one: --reason, or the field of the form")
    theme = theme_of(desk.tracking, theme_id, found_in)
    body: dict[str, object] = {
        "theme": theme.id,
        "iteration": theme.iteration,
        "project": theme.project,
        "title": theme.title,
        "reason": told,
    }

    def choose(world: World) -> Draft:
        task = fold_tasks(world.ledger.events).task_of(theme.id, theme.iteration)
        if task is not None:
            raise Refused(
                f"{theme.id} became the task {task} already",
                rule="what was accepted is done, or stays open where everybody sees it",
                hint=f"flywheel task show {task}",
            )
        return Draft(kind, body)

    return _written(desk, kind, body, choose, dry_run=dry_run)


def absorb_task(desk: Desk, task_id: str, *, iteration: int, evidence: str, dry_run: bool = False) -> TaskDecided:
    """Write down that a task was absorbed, with the run that shows it.

    Raises:
        UnknownName: no such task. Refused: it was absorbed before, the run is gone, or it came too early.
    """
    body: dict[str, object] = {"task": task_id, "iteration": iteration, "run_id": evidence}
    if persistently(desk, lambda: look(desk.tracking)) is None:
        raise UnknownName("task", task_id, ())

    def choose(world: World) -> Draft:
        task = known_task(fold_tasks(world.ledger.events), task_id)
        if task.absorbed is not None:
            raise Refused(
                f"{task_id} was absorbed in iteration {task.absorbed.iteration}", rule="a task is absorbed once"
            )
        if iteration < task.iteration:
            raise Refused(
                f"{task_id} is a task of iteration {task.iteration}",
                rule="no iteration absorbs what was asked for later",
                value=iteration,
                limit=task.iteration,
            )
        if desk.tracking.assemblies.recorded_run(evidence, 1) is None:
            raise Refused(
                f"there is no run {evidence[:80]}",
                rule="absorption is shown by a run",
                hint="name a run id of this tracking server",
            )
        return Draft(TaskKind.ABSORBED, body)

    return _written(desk, TaskKind.ABSORBED, body, choose, dry_run=dry_run)


def unrecorded(desk: Desk, found: Absorption) -> tuple[AbsorbedTask, ...]:
    """The tasks that runs were found to have read and whose absorption the ledger does not say yet."""
    if not any(item.theme for item in found.absorbed):
        return ()
    state = task_state(persistently(desk, lambda: look(desk.tracking)))
    return tuple(
        item for item in found.absorbed if item.task in state.tasks and state.tasks[item.task].absorbed is None
    )


def known_task(state: TaskState, task_id: str) -> AcceptedTask:
    """A task by its id.

    Raises:
        UnknownName: no such task.
    """
    if task_id not in state.tasks:
        raise UnknownName("task", task_id, state.tasks)
    return state.tasks[task_id]


def _written(
    desk: Desk,
    kind: TaskKind,
    body: Mapping[str, object],
    choose: Callable[[World], Draft],
    *,
    dry_run: bool,
) -> TaskDecided:
    if dry_run:
        world = persistently(desk, lambda: look(desk.tracking))
        if world is not None:
            choose(world)
        return TaskDecided(kind, None, body)
    begin(desk)
    event, _ = decide(desk, choose)
    return TaskDecided(kind, event.number, body)


@dataclass(frozen=True, slots=True)
class ShownTask:
    """One task whole, with the release it first came out with, and what was decided about its theme before and after.

    ``release`` is None while no release holds it.
    """

    accepted: AcceptedTask
    task: Task
    release: int | None
    decisions: tuple[ThemeDecision, ...]


def list_tasks(desk: Desk) -> tuple[TaskState, Mapping[str, int]]:
    """Tasks and decisions of the ledger, and the first release that holds each absorbed task."""
    world = persistently(desk, lambda: look(desk.tracking))
    state = task_state(world)
    return state, releases_of(world, state.tasks.values())


def releases_of(world: World | None, tasks: Iterable[AcceptedTask]) -> dict[str, int]:
    """The first release made of the iteration that absorbed a task, or of a later one, by task."""
    releases = sorted(world.state.releases.values(), key=lambda item: item.version) if world else []
    found: dict[str, int] = {}
    for task in tasks:
        if task.absorbed is not None:
            first = (item.version for item in releases if item.iteration >= task.absorbed.iteration)
            version = next(first, None)
            if version is not None:
                found[task.id] = version
    return found


def show_task(desk: Desk, task_id: str) -> ShownTask:
    """One task.

    Raises:
        UnknownName: no such task.
    """
    world = persistently(desk, lambda: look(desk.tracking))
    # Before the first decision there is no task, and that is what people are told.
    state = task_state(refuse_unsound(world) if world else None)
    accepted = known_task(state, task_id)
    release = releases_of(world, [accepted]).get(task_id)
    return ShownTask(accepted, task_document(desk.tracking, accepted), release, state.about(accepted.theme))


@dataclass(frozen=True, slots=True)
class Handed:
    """The tasks an iteration is handed: ``written`` as files, ``waiting`` ones with the reason why not."""

    written: tuple[str, ...]
    waiting: Mapping[str, str]


def write_tasks(desk: Desk, iteration: int, folder: Path, *, given: Path | None = None) -> Handed:
    """Write the accepted tasks of an iteration below ``folder``, one file each, as pipelines read them.

    ``given`` is a folder of task files that are handed over too, as they are.

    Raises:
        InputError: a given task has the id of an accepted one, or there is no such folder.
        DocumentError: a given file is no task.
        StorageError: the folder cannot be written.
    """
    files = {task.id: task for task in all_tasks(given) if task.iteration == iteration} if given else {}
    state = task_state(persistently(desk, lambda: look(desk.tracking)))
    waiting: dict[str, str] = {}
    for accepted in state.due(iteration):
        if accepted.id in files:
            raise InputError(f"the task {accepted.id} was accepted, and a file has its id", where=str(given))
        if not accepted.payload:
            waiting[accepted.id] = "it has no payload that a pipeline could read: people do it"
        elif accepted.project not in desk.flywheel.contracts:
            waiting[accepted.id] = f"{accepted.project} is no project any more"
        else:
            files[accepted.id] = task_document(desk.tracking, accepted).model_copy(update={"iteration": iteration})
    write_files({f"{number:04d}.json": _for_pipeline(files[name]) for number, name in enumerate(sorted(files))}, folder)
    return Handed(tuple(sorted(files)), waiting)


def _for_pipeline(task: Task) -> str:
    """The task without the names of its events: a pipeline acts on the payload and keeps away from the records."""
    return document_json(task.model_dump(mode="json", exclude={"events"}, exclude_none=True))
