"""What tasks were meant to move, and what became of the gains of tasks that were not handed on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from pydantic import ConfigDict

from flywheel_mlflow.drift.findings import (
    ChangeOutcome,
    DataVerdict,
    FilterFound,
    KpiFound,
    KpiVerdict,
    SignalFound,
)
from flywheel_mlflow.drift.schemas import SchemaFound
from flywheel_mlflow.drift.sides import Side

#: What ends the name of a project or interface in the name of a finding.
_WHOLE_ENDS = re.compile(r"[./]|: | \(")

Compared = TypeVar("Compared", KpiFound, SignalFound, FilterFound, SchemaFound)

# Two tables: as texts, "vanished" of a KPI equals "vanished" of data.
_KPI_OUTCOMES = {
    KpiVerdict.REGRESSED: ChangeOutcome.WORSE,
    KpiVerdict.VANISHED: ChangeOutcome.WORSE,
    KpiVerdict.IMPROVED: ChangeOutcome.BETTER,
}
_DATA_OUTCOMES = {
    DataVerdict.DRIFTED: ChangeOutcome.CHANGED,
    DataVerdict.VANISHED: ChangeOutcome.CHANGED,
}


@dataclass(frozen=True, slots=True)
class TaskEffect:
    """What a task is meant to do: its project, the KPI that shows whether it helped, and what else it moves.

    ``kpi`` is a full name (``p05.hit_rate``). ``moves`` name KPIs, signals (``corpus/quality_signals.length``), filters
    (``corpus/filter dedup``), schemas (``corpus/schema change``), or interfaces and projects for all of theirs.
    ``withdrawn`` says that people took it back.
    """

    task: str
    project: str
    kpi: str | None = None
    moves: tuple[str, ...] = ()
    withdrawn: bool = False

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class TaskChanges:
    """The tasks in which the two sides differ: ``new`` ones that only the current runs read, and ``lost`` ones."""

    new: tuple[TaskEffect, ...] = ()
    lost: tuple[TaskEffect, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


NO_TASK_CHANGES = TaskChanges()


def task_changes(current: Side, reference: Side, effects: Mapping[str, TaskEffect]) -> TaskChanges:
    """The tasks that only one side's runs read; of a task that nobody describes only its project is known.

    A project without a run on one side neither gained nor lost a task.
    """
    new: list[TaskEffect] = []
    lost: list[TaskEffect] = []
    for project in sorted(current.projects.keys() & reference.projects.keys()):
        now, before = set(current.projects[project].tasks), set(reference.projects[project].tasks)
        new += [effects.get(task, TaskEffect(task, project)) for task in sorted(now - before)]
        lost += [effects.get(task, TaskEffect(task, project)) for task in sorted(before - now)]
    return TaskChanges(tuple(new), tuple(lost))


def covers(subject: str, name: str) -> bool:
    """Whether ``subject`` speaks of a finding's name: itself, or all below a project or interface."""
    return name == subject or name.startswith((f"{subject}.", f"{subject}/", f"{subject}: ", f"{subject} ("))


def whole_of(name: str) -> str:
    """The project or interface that a finding's name begins with: it covers the finding."""
    return _WHOLE_ENDS.split(name, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Everything compared, with what its differences mean."""

    kpis: tuple[KpiFound, ...]
    signals: tuple[SignalFound, ...]
    filters: tuple[FilterFound, ...]
    schemas: tuple[SchemaFound, ...] = ()


def with_outcomes(
    kpis: Sequence[KpiFound],
    signals: Sequence[SignalFound],
    filters: Sequence[FilterFound],
    tasks: TaskChanges,
    schemas: Sequence[SchemaFound] = (),
) -> Outcomes:
    """Say of every difference whether it is better, worse, as a task intended, or changed.

    A task intends what it says it moves, in the comparison in which it is new, if its KPI did not get worse. Without a
    KPI, or with one that has no verdict, nothing confirms it.
    """
    judged = {item.subject: item for item in kpis}
    confirmed = tuple(task for task in tasks.new if task.kpi and _agrees(judged.get(task.kpi)))
    return Outcomes(
        tuple(with_outcome(item, confirmed) for item in kpis),
        tuple(with_outcome(item, confirmed) for item in signals),
        tuple(with_outcome(item, confirmed) for item in filters),
        tuple(with_outcome(item, confirmed) for item in schemas),
    )


def _agrees(kpi: KpiFound | None) -> bool:
    """Whether a task's own KPI speaks for it: it is not worse, and does not look worse than it may."""
    if kpi is None:
        return False
    return kpi.verdict in (KpiVerdict.IMPROVED, KpiVerdict.WITHIN) or (
        kpi.verdict is KpiVerdict.INCONCLUSIVE and kpi.worse is not None and not kpi.decides
    )


def with_outcome(item: Compared, confirmed: Iterable[TaskEffect] = ()) -> Compared:
    """What one difference means, given the tasks that intended anything and are confirmed by their KPIs."""
    outcome = _outcome(item)
    if outcome in (ChangeOutcome.WORSE, ChangeOutcome.CHANGED):
        task = next((one.task for one in confirmed if any(covers(name, item.subject) for name in one.moves)), "")
        outcome = ChangeOutcome.INTENDED if task else outcome
        return replace(item, outcome=outcome, task=task)
    return replace(item, outcome=outcome, task="")


def _outcome(item: KpiFound | SignalFound | FilterFound | SchemaFound) -> ChangeOutcome | None:
    """What the difference means where no task speaks of it."""
    return _KPI_OUTCOMES.get(item.verdict) if isinstance(item, KpiFound) else _DATA_OUTCOMES.get(item.verdict)


def cause_of_loss(subject: str, tasks: TaskChanges) -> str:
    """Why a KPI lost what a task had gained, in words; empty where no task of that KPI was lost."""
    names = {one.withdrawn: one.task for one in reversed(tasks.lost) if one.kpi == subject}
    if False in names:
        return f"{names[False]}, absorbed before, was not handed on"
    return f"{names[True]} was withdrawn" if True in names else ""
