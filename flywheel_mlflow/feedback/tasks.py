"""Tasks that feedback became, and what was decided about themes: folded from the ledger's events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from flywheel_mlflow.base.canonical import document_json, sha256_text
from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.decisions.event_values import optional_word, whole, word
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.feedback.costs import CostedTask, Estimate, Spent, cost_of, read_estimate, read_spent
from flywheel_mlflow.promises.budgets import CATEGORIES, Category, Cost, CostText
from flywheel_mlflow.promises.strict import Strict, Text

#: Characters of a request in the ledger; the whole of it is in the task's own document.
MAX_TOLD = 500
#: Findings a task may name: an event of the ledger holds them all.
MAX_MOVES = 10


class Task(Strict):
    """Work for a project in one iteration, as feedback asks for it.

    ``payload`` is what the project's own pipeline understands: records to add, queries that
    failed, verifier cases. It never holds the cases the improvement is measured on.
    """

    id: Label
    project: Identifier
    iteration: int = Field(strict=True, ge=1)
    theme: Label
    request: Text
    payload: dict[str, Any] = Field(default_factory=dict)
    category: Category | None = None
    cost: CostText | None = Field(default=None, description="What the change is expected to cost: 3d, 12h, 500 EUR.")
    kpi: Identifier | None = Field(
        default=None,
        description="The project's KPI that shows whether it helped, on cases that the task does not hold.",
    )
    moves: tuple[Label, ...] = Field(
        default=(),
        max_length=MAX_MOVES,
        description="Findings it is meant to move besides its KPI: a KPI (p05.hit_rate), a signal "
        "(knowledge_index/quality_signals.length), a filter (corpus/filter dedup), or an interface or project for all "
        "of its.",
    )
    feedback_iteration: int | None = Field(default=None, description="The iteration whose events it is made of.")
    events: tuple[Label, ...] = Field(default=(), description="The events it is made of.")
    records: tuple[Label, ...] = Field(
        default=(), description="The records these point at: nothing is measured on them any more."
    )


class TasksFile(Strict):
    """The tasks a run read, as it keeps them."""

    tasks: tuple[Task, ...]


def task_file(task: Task) -> str:
    """A task as pipelines are handed it: without the names of its events, which are none of their business.

    A pipeline acts on the payload and keeps away from the records.
    """
    return document_json(task.model_dump(mode="json", exclude={"events"}, exclude_none=True))


def task_digest(task: Task) -> str:
    """sha256 of a task as pipelines are handed it."""
    return sha256_text(task_file(task))


def tasks_file(tasks: Iterable[Task]) -> str:
    """The file in which a run keeps the tasks it read, by id; see :class:`TasksFile`."""
    ordered = sorted(tasks, key=lambda task: task.id)
    return document_json(
        {"tasks": [task.model_dump(mode="json", exclude={"events"}, exclude_none=True) for task in ordered]}
    )


class TaskKind(StrEnum):
    """What an event decided about a theme or a task."""

    ACCEPTED = "task_accepted"
    QUEUED = "theme_queued"
    DECLINED = "theme_declined"
    ABSORBED = "task_absorbed"
    WITHDRAWN = "task_withdrawn"
    RESTORED = "task_restored"
    ESTIMATED = "cost_estimated"
    SPENT = "cost_spent"


@dataclass(frozen=True, slots=True)
class Absorbed:
    """That a task was absorbed: in which iteration, by which run, who said so. ``at`` is UTC.

    ``read`` is True when that run read it, False when people did it.
    """

    iteration: int
    run_id: str
    at: datetime
    by: str
    read: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """That a task is handed on no more: who said so, why. ``at`` is UTC."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptedTask:
    """A task as the ledger has it: a theme that was accepted, or a file that a run read.

    ``events`` and ``records`` count what it is made of. ``theme_iteration`` is the iteration whose feedback it answers,
    None for a file; ``iteration`` the one to do it. ``cost`` is what was stated of it, ``spent`` what was told to be
    spent on it in all, oldest first. The whole task is an artifact of run ``run_id`` with the sha256
    ``digest``, empty when that run kept no document.
    """

    id: str
    theme: str | None
    theme_iteration: int | None
    project: str
    iteration: int
    category: str | None
    text: str
    moves: tuple[str, ...]
    kpi: str | None
    events: int
    records: int
    payload: bool
    run_id: str
    digest: str
    number: int
    at: datetime
    by: str
    absorbed: Absorbed | None = None
    withdrawn: Withdrawn | None = None
    cost: Cost | None = None
    spent: tuple[Spent, ...] = ()

    @property
    def costed(self) -> CostedTask:
        """What it says about costs."""
        finished = self.absorbed.at if self.absorbed else None
        return CostedTask(self.project, self.category, self.cost, self.spent, finished, self.withdrawn is not None)

    @property
    def from_file(self) -> bool:
        """Whether it came as a file, and no decision about a theme stands behind it."""
        return self.theme_iteration is None


@dataclass(frozen=True, slots=True)
class ThemeDecision:
    """What somebody decided about a theme of an iteration: ``kind`` is accepted, queued or declined."""

    theme: str
    iteration: int
    kind: str
    reason: str
    task: str | None
    number: int
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class TaskState:
    """Every task by id, every decision about a theme, oldest first, and the newest estimate by what it is about."""

    tasks: Mapping[str, AcceptedTask] = field(default_factory=dict)
    decisions: tuple[ThemeDecision, ...] = ()
    estimates: Mapping[str, Estimate] = field(default_factory=dict)

    def about(self, theme: str) -> tuple[ThemeDecision, ...]:
        """What was decided about a theme, over all iterations."""
        return tuple(item for item in self.decisions if item.theme == theme)

    def latest(self, theme: str, iteration: int) -> ThemeDecision | None:
        """What stands about a theme of an iteration; None when nobody has decided."""
        found = [item for item in self.decisions if (item.theme, item.iteration) == (theme, iteration)]
        return found[-1] if found else None

    def task_of(self, theme: str, iteration: int) -> str | None:
        """The task that a theme of an iteration became, which no other decision undoes; None while it is none."""
        stands = self.latest(theme, iteration)
        return stands.task if stands else None

    def open_for(self, project: str) -> tuple[AcceptedTask, ...]:
        """The tasks of a project that no iteration absorbed yet and nobody withdrew, the first due first."""
        found = (item for item in self.tasks.values() if item.project == project)
        waiting = (item for item in found if item.absorbed is None and item.withdrawn is None)
        return tuple(sorted(waiting, key=lambda item: (item.iteration, item.id)))

    def due(self, iteration: int) -> tuple[AcceptedTask, ...]:
        """The tasks an iteration is handed, by id: accepted for it or absorbed up to it, and not withdrawn.

        What was absorbed once is handed over again: a pipeline that builds its data anew would lose it otherwise.
        """
        return tuple(
            item
            for _, item in sorted(self.tasks.items())
            if item.withdrawn is None
            and item.iteration <= iteration
            and (not item.from_file or (item.absorbed is not None and item.absorbed.iteration <= iteration))
        )


class _Fold:
    """What the events so far decided; each step raises for an event that lacks what it needs."""

    def __init__(self) -> None:
        self.tasks: dict[str, AcceptedTask] = {}
        self.decisions: list[ThemeDecision] = []
        self.estimates: dict[str, Estimate] = {}

    def accept(self, event: Event) -> None:
        task = _accepted(event)
        if task.id not in self.tasks:
            self.tasks[task.id] = task
            self.decisions.append(_decision(event, whole(event.body["theme_iteration"]), task.id))

    def put_off(self, event: Event) -> None:
        self.decisions.append(_decision(event, whole(event.body["iteration"]), None))

    def absorb(self, event: Event) -> None:
        task = self.tasks.get(word(event.body["task"])) or _from_file(event)
        if task.absorbed is None:
            self.tasks[task.id] = replace(task, absorbed=_absorbed(event, task))

    def withdraw(self, event: Event) -> None:
        task = self.tasks[word(event.body["task"])]
        if task.withdrawn is None:
            self.tasks[task.id] = replace(task, withdrawn=_withdrawn(event))

    def restore(self, event: Event) -> None:
        task = self.tasks[word(event.body["task"])]
        word(event.body["reason"])
        self.tasks[task.id] = replace(task, withdrawn=None)

    def estimate(self, event: Event) -> None:
        about = word(event.body["about"])
        found = read_estimate(event, self.estimates.get(about))
        self.estimates[about] = found
        if about in self.tasks and found.cost:
            self.tasks[about] = replace(self.tasks[about], cost=found.cost)

    def spend(self, event: Event) -> None:
        task = self.tasks[word(event.body["task"])]
        self.tasks[task.id] = replace(task, spent=(*task.spent, read_spent(event)))


_STEPS: Mapping[str, Callable[[_Fold, Event], None]] = {
    TaskKind.ACCEPTED: _Fold.accept,
    TaskKind.QUEUED: _Fold.put_off,
    TaskKind.DECLINED: _Fold.put_off,
    TaskKind.ABSORBED: _Fold.absorb,
    TaskKind.WITHDRAWN: _Fold.withdraw,
    TaskKind.RESTORED: _Fold.restore,
    TaskKind.ESTIMATED: _Fold.estimate,
    TaskKind.SPENT: _Fold.spend,
}


def fold_tasks(events: Iterable[Event]) -> TaskState:
    """Tasks and decisions; an event that lacks what it needs, or contradicts what stands, changes nothing."""
    found = _Fold()
    for event in events:
        step = _STEPS.get(event.kind)
        if step is None:
            continue
        try:
            step(found, event)
        except (KeyError, TypeError, ValueError):
            continue  # the audit tells events that decide nothing
    return TaskState(found.tasks, tuple(found.decisions), found.estimates)


def _accepted(event: Event) -> AcceptedTask:
    body = event.body
    if body["category"] not in CATEGORIES:
        raise ValueError("no category of a budget")
    return AcceptedTask(
        id=word(body["task"]),
        theme=word(body["theme"]),
        theme_iteration=whole(body["theme_iteration"]),
        project=word(body["project"]),
        iteration=whole(body["iteration"]),
        category=word(body["category"]),
        text=word(body["text"]),
        moves=_moves(body),
        kpi=optional_word(body.get("kpi")),
        events=whole(body["events"], least=0),
        records=whole(body["records"], least=0),
        payload=body["payload"] is True,
        run_id=word(body["run_id"]),
        digest=word(body["digest"]),
        number=event.number,
        at=event.at,
        by=event.actor.name,
        cost=cost_of(body.get("cost")),
    )


def _from_file(event: Event) -> AcceptedTask:
    """The task that came as a file, from the event that says that a run read it for the first time."""
    body = event.body
    category = optional_word(body.get("category"))
    if category is not None and category not in CATEGORIES:
        raise ValueError("no category of a budget")
    return AcceptedTask(
        id=word(body["task"]),
        theme=optional_word(body.get("theme")),
        theme_iteration=None,
        project=word(body["project"]),
        iteration=whole(body["asked_for"]),
        category=category,
        text=word(body["text"]),
        moves=_moves(body),
        kpi=optional_word(body.get("kpi")),
        events=0,
        records=whole(body["records"], least=0),
        payload=body["payload"] is True,
        run_id=word(body["run_id"]),
        digest=word(body["digest"]),
        number=event.number,
        at=event.at,
        by=event.actor.name,
        cost=cost_of(body.get("cost")),
    )


def _moves(body: Mapping[str, Any]) -> tuple[str, ...]:
    named = body.get("moves", [])
    if not isinstance(named, list | tuple):
        raise TypeError("no list of findings")
    return tuple(map(word, named))


def _decision(event: Event, iteration: int, task: str | None) -> ThemeDecision:
    return ThemeDecision(
        theme=word(event.body["theme"]),
        iteration=iteration,
        kind=event.kind.rsplit("_", 1)[1],
        reason=word(event.body.get("reason", "")),
        task=task,
        number=event.number,
        at=event.at,
        by=event.actor.name,
    )


def _absorbed(event: Event, task: AcceptedTask) -> Absorbed:
    body = event.body
    return Absorbed(
        iteration=whole(body["iteration"]),
        run_id=word(body["run_id"]),
        at=event.at,
        by=event.actor.name,
        # Earlier versions did not say it: only what has a payload can be read.
        read=body.get("read", task.payload) is True,
    )


def _withdrawn(event: Event) -> Withdrawn:
    return Withdrawn(event.at, event.actor.name, word(event.body["reason"]))


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """The tasks of one class: how many, how many of them absorbed, how many events they answer."""

    category: str
    tasks: int
    absorbed: int
    events: int


def by_category(tasks: Iterable[AcceptedTask]) -> tuple[CategoryCount, ...]:
    """The tasks by class, every class listed."""
    found = tuple(tasks)
    lines = []
    for category in CATEGORIES:
        mine = [item for item in found if item.category == category]
        absorbed = sum(item.absorbed is not None for item in mine)
        lines.append(CategoryCount(category, len(mine), absorbed, sum(item.events for item in mine)))
    return tuple(lines)
