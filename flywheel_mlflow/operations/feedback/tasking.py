"""Turns themes into tasks, and writes what people decide about both into the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import document_json, sha256_text
from flywheel_mlflow.base.errors import InputError, Refused, UnknownName
from flywheel_mlflow.feedback.candidates import Candidate
from flywheel_mlflow.feedback.costs import cost_body
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.feedback.tasks import (
    MAX_TOLD,
    AcceptedTask,
    Task,
    TaskKind,
    TaskState,
    ThemeDecision,
    fold_tasks,
)
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    begin,
    persistently,
    read_snapshot,
    refuse_unsound,
)
from flywheel_mlflow.operations.feedback.handing import (
    accepted_document,
    check_cost,
    check_kpi,
    check_moves,
    file_task,
    read_cost,
    task_document,
)
from flywheel_mlflow.operations.feedback.pinned_tasks import releases_of
from flywheel_mlflow.operations.feedback.prioritising import work_of
from flywheel_mlflow.operations.feedback.theming import task_state
from flywheel_mlflow.operations.projects.pipeline import read_task
from flywheel_mlflow.operations.projects.project_run import check_iteration_number
from flywheel_mlflow.promises.budgets import CATEGORIES
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from flywheel_mlflow.feedback.absorption import AbsorbedTask, Absorption
    from flywheel_mlflow.tracking import Tracking

MAX_REASON = 2_000


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
    session: Session,
    theme_id: str,
    *,
    category: str,
    found_in: int | None = None,
    iteration: int | None = None,
    request: str = "",
    kpi: str = "",
    moves: Sequence[str] = (),
    cost: str = "",
    file: Path | None = None,
    dry_run: bool = False,
) -> PreparedTask:
    """Make a theme, or another candidate, a task for its project, and keep its document; nothing is decided yet.

    Args:
        session: who acts, where.
        theme_id: the theme, or the candidate.
        category: what the work is for: growth, efficiency, defence or organisation.
        found_in: the iteration whose feedback is meant; the newest the theme was found in if left out.
        iteration: the iteration that shall do it; the one after ``found_in`` if left out.
        request: what is asked, in words; the theme's title if left out.
        kpi: the project's KPI that shows whether it helped, on cases that the task does not hold.
        moves: findings that it is meant to move besides the KPI; those of the file if left out.
        cost: what it is expected to cost, such as 3d; what the file says, or what was said of the theme, if left out.
        file: a task file of the project's, whose payload and request are taken.
        dry_run: keep nothing.

    Raises:
        UnknownName: no such theme, category, KPI or finding.
        InputError: too many findings, the iteration is not after the feedback's, the file is another project's, no
            project can be named, or a cost that cannot be read.
    """
    theme = work_of(session.flywheel, session.tracking, theme_id, found_in, now=session.now())
    given = given_task(file, session.flywheel.contract(theme.project)) if file and theme.project else None
    task = task_of_theme(
        session,
        theme,
        category=category,
        iteration=iteration,
        request=request,
        kpi=kpi,
        moves=moves,
        cost=cost or _stated(session, theme_id),
        given=given,
    )
    return keep_task(session, task, dry_run=dry_run)


def task_of_theme(
    session: Session,
    theme: Theme | Candidate,
    *,
    category: str,
    iteration: int | None = None,
    request: str = "",
    kpi: str = "",
    moves: Sequence[str] = (),
    cost: str = "",
    given: Task | None = None,
) -> Task:
    """The task that a theme or candidate would become, with all of its events; ``given`` is the task of a file.

    Raises:
        UnknownName: no such category, KPI or finding.
        InputError: too many findings, the iteration is not after the feedback's, no project can be named, or a cost
            that cannot be read.
    """
    if theme.project is None:
        raise InputError(
            f"no project can be named that would do {theme.id}",
            hint="declare the assembly layer as a project: registry_role: assembly_layer",
        )
    if category not in CATEGORIES:
        raise UnknownName("category", category, CATEGORIES)
    turn = theme.iteration + 1 if iteration is None else check_iteration_number(iteration)
    if turn <= theme.iteration:
        raise InputError(
            f"a task of iteration {turn} would be done before its feedback, of iteration {theme.iteration}",
            hint=f"--for {theme.iteration + 1} or later",
        )
    chosen = kpi or (given.kpi if given and given.kpi else None)
    check_kpi(session.flywheel.contract(theme.project), chosen)
    meant = tuple(dict.fromkeys(moves)) or (given.moves if given else ())
    check_moves(session.flywheel, meant)
    expected = cost or (given.cost if given else None)
    check_cost(session.flywheel, expected)
    told = " ".join(request.split()) or (given.request if given else "")
    return Task(
        id=f"{theme.id}-{turn}",
        project=theme.project,
        iteration=turn,
        theme=theme.id,
        request=(told or theme.title)[:MAX_REASON],
        payload=given.payload if given else {},
        category=category,  # type: ignore[arg-type]
        cost=expected,
        kpi=chosen,
        moves=meant,
        feedback_iteration=theme.iteration,
        events=theme.events,
        records=theme.records,
    )


def _stated(session: Session, theme_id: str) -> str:
    """What people said a theme would cost, as they could have written it; empty while nobody did."""
    found = task_state(persistently(session, lambda: read_snapshot(session.tracking))).estimates.get(theme_id)
    return found.cost.written if found and found.cost else ""


def keep_task(session: Session, task: Task, *, dry_run: bool = False) -> PreparedTask:
    """Keep the document of a task, without the events that another task answers already."""
    held = _held_elsewhere(session, task)
    task = task.model_copy(update={"events": tuple(event for event in task.events if event not in held)})
    text = document_json(task)
    run_id = None if dry_run else _keep(session.tracking, task, text)
    return PreparedTask(task, sha256_text(text), run_id)


def given_task(file: Path, contract: Contract) -> Task:
    """The task in a file, for a theme of a project.

    Raises:
        DocumentError: it is none. InputError: it is another project's.
    """
    task = read_task(file)
    if task.project != contract.id:
        raise InputError(f"the task is for {task.project}, the theme is of {contract.id}", where=str(file))
    return task


def _held_elsewhere(session: Session, task: Task) -> frozenset[str]:
    """Events that another task of the same project and feedback holds: an event is answered once."""
    state = task_state(persistently(session, lambda: read_snapshot(session.tracking)))
    held: set[str] = set()
    for item in state.tasks.values():
        if not item.from_file and (item.project, item.theme_iteration) == (task.project, task.feedback_iteration):
            held |= set(task_document(session.tracking, item).events)
    return frozenset(held)


def _keep(tracking: Tracking, task: Task, text: str) -> str:
    from flywheel_mlflow.tracking import FeedbackDocument
    from flywheel_mlflow.tracking.feedback import KIND_TASK, TASK_FILE

    note = f"A task for {task.project} in iteration {task.iteration}; whether it was accepted stands in the ledger."
    return tracking.feedback.keep(FeedbackDocument(KIND_TASK, task.iteration, f"task {task.id}", TASK_FILE, text, note))


def accept_task(session: Session, run_id: str, digest: str, *, dry_run: bool = False) -> TaskDecided:
    """Accept a task that was prepared: from then on its iteration is handed it.

    Raises:
        InputError: its document is gone, was changed, or lacks what an accepted task says.
        Refused: the theme has this task already.
    """
    task = accepted_document(session.tracking, run_id, digest)
    if task.category is None or task.feedback_iteration is None:
        raise InputError("the task does not say what it is for, or which feedback it answers", where=f"run {run_id}")
    contract = session.flywheel.contract(task.project)
    check_kpi(contract, task.kpi)
    check_moves(session.flywheel, task.moves)
    body: dict[str, object] = {
        "task": task.id,
        "theme": task.theme,
        "theme_iteration": task.feedback_iteration,
        "project": task.project,
        "iteration": task.iteration,
        "category": task.category,
        "text": task.request[:MAX_TOLD],
        "kpi": task.kpi,
        "moves": list(task.moves),
        "events": len(task.events),
        "records": len(task.records),
        "payload": bool(task.payload),
        "run_id": run_id,
        "digest": digest,
        "cost": cost_body(read_cost(session.flywheel, task.cost)) if task.cost else None,
    }

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        known = fold_tasks(snapshot.ledger.counted).tasks.get(task.id)
        if known is not None:
            raise Refused(
                f"{task.id} is a task already, by {known.by}",
                rule="a theme becomes one task an iteration",
                hint=f"flywheel task show {task.id}; another iteration can be given with --for",
            )
        return NewEvent(TaskKind.ACCEPTED, body)

    return write_down(session, TaskKind.ACCEPTED, body, choose, dry_run=dry_run)


def decide_theme(
    session: Session, theme_id: str, kind: TaskKind, reason: str, *, found_in: int | None = None, dry_run: bool = False
) -> TaskDecided:
    """Queue or decline a theme, with a reason.

    Raises:
        UnknownName: no such theme. InputError: no reason. Refused: a task was made of it already.
    """
    told = given_reason(reason)
    theme = work_of(session.flywheel, session.tracking, theme_id, found_in, now=session.now())
    body: dict[str, object] = {
        "theme": theme.id,
        "iteration": theme.iteration,
        "project": theme.project,
        "title": theme.title,
        "reason": told,
    }

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        task = fold_tasks(snapshot.ledger.counted).task_of(theme.id, theme.iteration)
        if task is not None:
            raise Refused(
                f"{theme.id} became the task {task} already",
                rule="what was accepted is done, or stays open where everybody sees it",
                hint=f"flywheel task show {task}",
            )
        return NewEvent(kind, body)

    return write_down(session, kind, body, choose, dry_run=dry_run)


def absorb_task(session: Session, task_id: str, *, iteration: int, evidence: str, dry_run: bool = False) -> TaskDecided:
    """Write down that a task was absorbed, with the run that shows it.

    A task that nobody accepted came as a file: the run must have read it, and what it takes to hand the task on is kept
    with the decision.

    Raises:
        UnknownName: no such task. Refused: it was absorbed before, the run is gone, or it came too early.
    """
    run = session.tracking.collector.evidence_of(evidence, session.flywheel.contracts)
    read = run is not None and run.iteration == iteration and task_id in run.tasks
    body: dict[str, object] = {"task": task_id, "iteration": iteration, "run_id": evidence, "read": read}
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    from_file = run is not None and read and task_id not in task_state(snapshot).tasks
    if run is not None and from_file:
        body |= file_task(session.flywheel, session.tracking, run, task_id)
    elif snapshot is None:
        raise UnknownName("task", task_id, ())

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        state = fold_tasks(snapshot.ledger.counted)
        if from_file and task_id not in state.tasks:
            return NewEvent(TaskKind.ABSORBED, body)
        task = known_task(state, task_id)
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
        if run is None and session.tracking.assemblies.recorded_run(evidence, 1) is None:
            raise Refused(
                f"there is no run {evidence[:80]}",
                rule="absorption is shown by a run",
                hint="name a run id of this tracking server",
            )
        return NewEvent(TaskKind.ABSORBED, body)

    return write_down(session, TaskKind.ABSORBED, body, choose, dry_run=dry_run)


def decide_task(session: Session, task_id: str, kind: TaskKind, reason: str, *, dry_run: bool = False) -> TaskDecided:
    """Withdraw a task, so that no later iteration is handed it, or restore one that was withdrawn; with a reason.

    Raises:
        UnknownName: no such task. InputError: no reason. Refused: it stands withdrawn already, or does not.
    """
    body: dict[str, object] = {"task": task_id, "reason": given_reason(reason)}
    if persistently(session, lambda: read_snapshot(session.tracking)) is None:
        raise UnknownName("task", task_id, ())

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        stands = known_task(fold_tasks(snapshot.ledger.counted), task_id).withdrawn
        if kind is TaskKind.WITHDRAWN and stands is not None:
            raise Refused(
                f"{task_id} was withdrawn by {stands.by}: {stands.reason}",
                rule="a task is withdrawn once",
                hint=f"flywheel task restore {task_id} --reason TEXT",
            )
        if kind is TaskKind.RESTORED and stands is None:
            raise Refused(
                f"{task_id} is not withdrawn",
                rule="only a withdrawn task can be restored",
                hint=f"flywheel task show {task_id}",
            )
        return NewEvent(kind, body)

    return write_down(session, kind, body, choose, dry_run=dry_run)


def given_reason(text: str) -> str:
    """A reason on one line.

    Raises:
        InputError: it is empty.
    """
    reason = " ".join(text.split())[:MAX_REASON]
    if not reason:
        raise InputError("a decision needs a reason", hint="give one: --reason, or the field of the form")
    return reason


def unrecorded(session: Session, absorption: Absorption) -> tuple[AbsorbedTask, ...]:
    """The tasks that runs were found to have read and whose absorption the ledger does not say yet."""
    if not absorption.absorbed:
        return ()
    known = task_state(persistently(session, lambda: read_snapshot(session.tracking))).tasks
    return tuple(item for item in absorption.absorbed if item.task not in known or known[item.task].absorbed is None)


def known_task(state: TaskState, task_id: str) -> AcceptedTask:
    """A task by its id.

    Raises:
        UnknownName: no such task.
    """
    if task_id not in state.tasks:
        raise UnknownName("task", task_id, state.tasks)
    return state.tasks[task_id]


def write_down(
    session: Session,
    kind: TaskKind,
    body: Mapping[str, object],
    choose: Callable[[LedgerSnapshot], NewEvent],
    *,
    dry_run: bool,
) -> TaskDecided:
    """Write a decision about a theme or a task that ``choose`` permits; on a dry run only ask it."""
    if dry_run:
        snapshot = persistently(session, lambda: read_snapshot(session.tracking))
        if snapshot is not None:
            choose(snapshot)
        return TaskDecided(kind, None, body)
    begin(session)
    event, _ = append_decision(session, choose)
    return TaskDecided(kind, event.number, body)


@dataclass(frozen=True, slots=True)
class ShownTask:
    """One task whole, with the release it first came out with, and what was decided about its theme before and after.

    ``task`` is None when nobody kept its document, ``release`` while no release holds it.
    """

    accepted: AcceptedTask
    task: Task | None
    release: int | None
    decisions: tuple[ThemeDecision, ...]


def list_tasks(session: Session) -> tuple[TaskState, Mapping[str, int]]:
    """Tasks and decisions of the ledger, and the first release that holds each absorbed task."""
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    return task_state(snapshot), releases_of(session.tracking, snapshot)


def show_task(session: Session, task_id: str) -> ShownTask:
    """One task.

    Raises:
        UnknownName: no such task.
    """
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    # Before the first decision there is no task, and that is what people are told.
    state = task_state(refuse_unsound(snapshot) if snapshot else None)
    accepted = known_task(state, task_id)
    return ShownTask(
        accepted,
        task_document(session.tracking, accepted) if accepted.digest else None,
        releases_of(session.tracking, snapshot).get(task_id),
        () if accepted.theme is None or accepted.from_file else state.about(accepted.theme),
    )
