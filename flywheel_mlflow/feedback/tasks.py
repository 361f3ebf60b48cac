"""Tasks that feedback became, and what was decided about themes: folded from the ledger's events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, get_args

from pydantic import Field

from flywheel_mlflow.contract import Strict, Text
from flywheel_mlflow.ledger import Event
from flywheel_mlflow.names import Identifier, Label
from flywheel_mlflow.releases import whole, word

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
    feedback_iteration: int | None = Field(default=None, description="The iteration whose events it is made of.")
    events: tuple[Label, ...] = Field(default=(), description="The events it is made of.")
    records: tuple[Label, ...] = Field(
        default=(), description="The records these point at: nothing is measured on them any more."
    )


class TaskKind(StrEnum):
    """What an event decided about a theme or a task."""

    ACCEPTED = "task_accepted"
    QUEUED = "theme_queued"
    DECLINED = "theme_declined"
    ABSORBED = "task_absorbed"


@dataclass(frozen=True, slots=True)
class Absorbed:
    """That a task was absorbed: in which iteration, by which run, who said so. ``at`` is UTC."""

    iteration: int
    run_id: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class AcceptedTask:
    """A task as the ledger has it.

    ``events`` and ``records`` count what it is made of; the whole task is the artifact of run ``run_id`` with the
    sha256 ``digest``. ``theme_iteration`` is the iteration whose feedback it answers, ``iteration`` the one to do it.
    """

    id: str
    theme: str
    theme_iteration: int
    project: str
    iteration: int
    category: str
    text: str
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
        """The tasks an iteration is handed, by id: its own and all earlier ones.

        What was absorbed once is handed over again: a pipeline that builds its data anew would lose it otherwise.
        """
        return tuple(sorted((item for item in self.tasks.values() if item.iteration <= iteration), key=lambda i: i.id))


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
                    decisions.append(_decision(event, task.theme_iteration, task.id))
            elif event.kind in (TaskKind.QUEUED, TaskKind.DECLINED):
                decisions.append(_decision(event, whole(event.body["iteration"]), None))
            elif event.kind == TaskKind.ABSORBED:
                found = tasks[word(event.body["task"])]
                if found.absorbed is None:
                    tasks[found.id] = replace(found, absorbed=_absorbed(event))
        except (KeyError, TypeError, ValueError):
            continue  # the audit tells events that decide nothing
    return TaskState(tasks, tuple(decisions))


def _accepted(event: Event) -> AcceptedTask:
    body = event.body
    kpi = body.get("kpi")
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
        kpi=None if kpi is None else word(kpi),
        events=whole(body["events"], least=0),
        records=whole(body["records"], least=0),
        payload=body["payload"] is True,
        run_id=word(body["run_id"]),
        digest=word(body["digest"]),
        number=event.number,
        at=event.at,
        by=event.actor.name,
    )


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


def _absorbed(event: Event) -> Absorbed:
    return Absorbed(whole(event.body["iteration"]), word(event.body["run_id"]), event.at, event.actor.name)


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
