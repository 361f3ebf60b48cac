"""Measures what becomes of feedback: how much is routed, answered by tasks, absorbed, and how long it waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.feedback.measures import Age
from flywheel_mlflow.feedback.tasks import AcceptedTask, CategoryCount, by_category
from flywheel_mlflow.operations.deciding import read_snapshot
from flywheel_mlflow.operations.feedback.routing import Routed, route_iteration
from flywheel_mlflow.operations.feedback.theming import task_state
from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class IterationFeedback:
    """The feedback of one iteration by the rules and decisions of today.

    ``answered`` counts events that a task answers, ``absorbed`` those whose task was absorbed, ``tasks_absorbed`` the
    tasks this iteration absorbed, of whatever feedback. Rates are shares (0..1), None where nothing could be counted.
    """

    iteration: int
    events: int
    unroutable_rate: float | None
    misroute_rate: float | None
    age: Age | None
    answered: int
    absorbed: int
    tasks_absorbed: int

    @property
    def reflux_rate(self) -> float | None:
        """The share of the events that came back as absorbed tasks; None without events."""
        return self.absorbed / self.events if self.events else None


@dataclass(frozen=True, slots=True)
class FeedbackMetrics:
    """The feedback of every iteration, oldest first, and the tasks by what they are for."""

    iterations: tuple[IterationFeedback, ...]
    by_category: tuple[CategoryCount, ...]

    @property
    def reflux_rate(self) -> float | None:
        """The share over all iterations; None without events."""
        events = sum(item.events for item in self.iterations)
        return sum(item.absorbed for item in self.iterations) / events if events else None


def feedback_metrics(
    flywheel: Flywheel, tracking: Tracking, *, now: datetime, iteration: int | None = None
) -> FeedbackMetrics:
    """What became of the feedback of one iteration, or of all; reads every event of them once."""
    tasks = tuple(task_state(read_snapshot(tracking)).tasks.values())
    turns = {batch.iteration for batch in tracking.feedback.batches()} | {
        task.absorbed.iteration for task in tasks if task.absorbed
    }
    chosen = sorted(turn for turn in turns if iteration in (None, turn))
    measured = (measure(route_iteration(flywheel, tracking, turn, now=now), tasks) for turn in chosen)
    return FeedbackMetrics(tuple(measured), by_category(tasks))


def measure(routed: Routed, tasks: Iterable[AcceptedTask]) -> IterationFeedback:
    """What became of the feedback of one iteration; ``tasks`` are all of the ledger's."""
    everything, iteration = tuple(tasks), routed.iteration
    mine = [task for task in everything if task.theme_iteration == iteration]
    return IterationFeedback(
        iteration=iteration,
        events=routed.total,
        unroutable_rate=routed.unroutable_rate,
        misroute_rate=routed.misroute_rate,
        age=routed.age,
        answered=sum(task.events for task in mine),
        absorbed=sum(task.events for task in mine if task.absorbed),
        tasks_absorbed=sum(task.absorbed is not None and task.absorbed.iteration == iteration for task in everything),
    )
