"""Tasks that feedback became, and what was decided about themes: folded from the ledger's events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, get_args

from pydantic import Field

from flywheel_mlflow.base.canonical import document_json, sha256_text
from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.decisions.event_values import whole, word
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.promises.strict import Strict, Text

#: Characters of a request in the ledger; the whole of it is in the task's own document.
MAX_TOLD = 500
#: Findings a task may name: an event of the ledger holds them all.
MAX_MOVES = 10

Category = Literal["growth", "efficiency", "defence", "organisation"]
#: What a budget is spent on: more or better capability, less effort, protection from harm, people and processes.
CATEGORIES: tuple[str, ...] = get_args(Category)


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
    None for a file; ``iteration`` the one to do it. The whole task is an artifact of run ``run_id`` with the sha256
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
    """Every task by id and every decision about a theme, oldest first."""

    tasks: Mapping[str, AcceptedTask] = field(default_factory=dict)
    decisions: tuple[ThemeDecision, ...] = ()

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


def fold_tasks(events: Iterable[Event]) -> TaskState:
    """Tasks and decisions; an event that lacks what it needs, or contradicts what stands, changes nothing."""
    tasks: dict[str, AcceptedTask] = {}
    decisions: list[ThemeDecision] = []
    for event in events:
        try:
            if event.kind == TaskKind.ACCEPTED:
                task = _accepted(event)
                if task.id not in tasks:
                    tasks[task.id] = task
                    decisions.append(_decision(event, whole(event.body["theme_iteration"]), task.id))
            elif event.kind in (TaskKind.QUEUED, TaskKind.DECLINED):
                decisions.append(_decision(event, whole(event.body["iteration"]), None))
            elif event.kind == TaskKind.ABSORBED:
                task = tasks.get(word(event.body["task"])) or _from_file(event)
                if task.absorbed is None:
                    tasks[task.id] = replace(task, absorbed=_absorbed(event, task))
            elif event.kind == TaskKind.WITHDRAWN:
                task = tasks[word(event.body["task"])]
                if task.withdrawn is None:
                    tasks[task.id] = replace(task, withdrawn=_withdrawn(event))
            elif event.kind == TaskKind.RESTORED:
                task = tasks[word(event.body["task"])]
                word(event.body["reason"])
                tasks[task.id] = replace(task, withdrawn=None)
        except (KeyError, TypeError, ValueError):
            continue  # the audit tells events that decide nothing
    return TaskState(tasks, tuple(decisions))


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
        kpi=_word_or_none(body.get("kpi")),
        events=whole(body["events"], least=0),
        records=whole(body["records"], least=0),
        payload=body["payload"] is True,
        run_id=word(body["run_id"]),
        digest=word(body["digest"]),
        number=event.number,
        at=event.at,
        by=event.actor.name,
    )


def _from_file(event: Event) -> AcceptedTask:
    """The task that came as a file, from the event that says that a run read it for the first time."""
    body = event.body
    category = _word_or_none(body.get("category"))
    if category is not None and category not in CATEGORIES:
        raise ValueError("no category of a budget")
    return AcceptedTask(
        id=word(body["task"]),
        theme=_word_or_none(body.get("theme")),
        theme_iteration=None,
        project=word(body["project"]),
        iteration=whole(body["asked_for"]),
        category=category,
        text=word(body["text"]),
        moves=_moves(body),
        kpi=_word_or_none(body.get("kpi")),
        events=0,
        records=whole(body["records"], least=0),
        payload=body["payload"] is True,
        run_id=word(body["run_id"]),
        digest=word(body["digest"]),
        number=event.number,
        at=event.at,
        by=event.actor.name,
    )


def _word_or_none(value: object) -> str | None:
    return None if value is None else word(value)


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
class Budget:
    """What the tasks of one category come to: how many, how many of them absorbed, how many events they answer."""

    category: str
    tasks: int
    absorbed: int
    events: int


def budget(tasks: Iterable[AcceptedTask]) -> tuple[Budget, ...]:
    """The tasks by category, every category listed."""
    found = tuple(tasks)
    lines = []
    for category in CATEGORIES:
        mine = [item for item in found if item.category == category]
        lines.append(
            Budget(category, len(mine), sum(item.absorbed is not None for item in mine), sum(i.events for i in mine))
        )
    return tuple(lines)
