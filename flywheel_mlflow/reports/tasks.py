"""What an iteration did with its tasks, every string ready to be placed by a template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from flywheel_mlflow.feedback.absorption import AbsorbedTask, Absorption, Help, LostTask
from flywheel_mlflow.tables.texts import UNKNOWN, format_value


@dataclass(frozen=True, slots=True)
class AbsorbedRow:
    """One absorbed task, with its KPI before and now."""

    task: str
    project: str
    request: str
    events: str
    kpi: str
    before: str
    after: str
    helped: str


@dataclass(frozen=True, slots=True)
class OpenRow:
    """One task that nothing read, and why."""

    task: str
    project: str
    request: str
    why: str


@dataclass(frozen=True, slots=True)
class LostRow:
    """One task whose gain is gone, and why; ``moved`` are its KPI and the findings it was meant to move."""

    task: str
    project: str
    moved: str
    why: str


@dataclass(frozen=True, slots=True)
class WithdrawnRow:
    """One task that is handed on no more: who said so, when, why."""

    task: str
    project: str
    by: str
    day: str
    reason: str


@dataclass(frozen=True, slots=True)
class TasksView:
    """The tasks of an iteration; ``summary`` is one line, ``again`` the command that hands lost ones on."""

    summary: str
    absorbed: tuple[AbsorbedRow, ...]
    open: tuple[OpenRow, ...]
    lost: tuple[LostRow, ...]
    withdrawn: tuple[WithdrawnRow, ...]
    again: str


def tasks_view(found: Absorption, iteration: int) -> TasksView:
    """The view of an iteration's tasks."""
    counts = Counter(item.helped for item in found.absorbed)
    told = ", ".join(f"{counts[item]} {item.value}" for item in Help if counts[item])
    summary = f"Tasks absorbed: {len(found.absorbed)}" + (f" ({told})" if told else "")
    if found.kept:
        summary += f"; kept from before: {len(found.kept)}"
    summary += f"; open: {len(found.open)}"
    if found.withdrawn:
        summary += f"; withdrawn: {len(found.withdrawn)}"
    summary += f"; LOST: {len(found.lost)} ({', '.join(item.task for item in found.lost)})." if found.lost else "."
    return TasksView(
        summary=summary,
        absorbed=tuple(map(_absorbed, found.absorbed)),
        open=tuple(OpenRow(item.task, item.project, item.request, item.why) for item in found.open),
        lost=tuple(LostRow(item.task, item.project, _moved(item), item.why) for item in found.lost),
        withdrawn=tuple(
            WithdrawnRow(item.task, item.project, item.by, f"{item.at:%Y-%m-%d}", item.reason)
            for item in found.withdrawn
        ),
        again=run_again(found.lost, iteration),
    )


def run_again(lost: Iterable[LostTask], iteration: int) -> str:
    """The command that hands lost tasks on; empty when there are none."""
    projects = sorted({item.project for item in lost})
    return f"flywheel run-projects --iteration {iteration} --only {','.join(projects)}" if projects else ""


def _moved(item: LostTask) -> str:
    return ", ".join(filter(None, (item.kpi, *item.moves))) or "no KPI named"


def _absorbed(item: AbsorbedTask) -> AbsorbedRow:
    return AbsorbedRow(
        task=item.task,
        project=item.project,
        request=item.request or "handed over as a file",
        events=UNKNOWN if item.events is None else f"{item.events} events",
        kpi=item.kpi or UNKNOWN,
        before=_number(item.before, item.before_n),
        after=_number(item.after, item.after_n),
        helped=f"{item.helped.value}: {item.why}",
    )


def _number(value: float | None, n: int | None) -> str:
    shown = format_value(value, "ratio" if value is not None and 0 <= value <= 1 else "")
    return f"{shown} (n = {n})" if n is not None and value is not None else shown
