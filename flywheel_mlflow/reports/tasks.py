"""What an iteration did with its tasks, every string ready to be placed by a template."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flywheel_mlflow.feedback.absorption import AbsorbedTask, Absorption, Help
from flywheel_mlflow.reports.numbers import UNKNOWN, format_value


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
class TasksView:
    """The tasks of an iteration; ``summary`` is one line."""

    summary: str
    absorbed: tuple[AbsorbedRow, ...]
    open: tuple[OpenRow, ...]


def tasks_view(found: Absorption) -> TasksView:
    """The view of an iteration's tasks."""
    counts = Counter(item.helped for item in found.absorbed)
    told = ", ".join(f"{counts[item]} {item.value}" for item in Help if counts[item])
    summary = f"Tasks absorbed: {len(found.absorbed)}" + (f" ({told})" if told else "")
    if found.kept:
        summary += f"; kept from before: {len(found.kept)}"
    summary += f"; open: {len(found.open)}."
    return TasksView(
        summary=summary,
        absorbed=tuple(map(_absorbed, found.absorbed)),
        open=tuple(OpenRow(item.task, item.project, item.request, item.why) for item in found.open),
    )


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
