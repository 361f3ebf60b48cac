"""Makes training records of executed trajectories: one for each decision worth learning."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from p07_agent import Event, Trajectory

from flywheel_mlflow.pipelines import sample_record

LICENCE = "CC0-1.0"
SOURCE = {"name": "trajectories executed in the sample world of P07", "license": LICENCE}
_SPEAKERS = {
    "user": "User",
    "decision": "Thought",
    "call": "Call",
    "observation": "Observation",
    "answer": "Assistant",
    "refusal": "Assistant",
}
#: What an agent learns to produce; a call is learnt together with the decision before it.
_TARGETS = ("call", "answer", "refusal")


def group_of(trajectory: Trajectory) -> str:
    """What a trajectory teaches: memory, safety, or general use of tools."""
    return trajectory.category if trajectory.category in ("memory", "safety") else "general"


def splits_of(trajectories: Iterable[Trajectory]) -> dict[str, str]:
    """Task -> split. Of each group the first task is for smoke tests, every fifth for validation, the rest to train.

    All variants of a task share its text, so the task is what is split.
    """
    tasks: dict[str, list[str]] = defaultdict(list)
    for item in trajectories:
        if item.task not in tasks[group_of(item)]:
            tasks[group_of(item)].append(item.task)
    return {
        name: "smoke" if place == 0 else "val" if place % 5 == 4 else "train"
        for names in tasks.values()
        for place, name in enumerate(sorted(names))
    }


def records_of(trajectory: Trajectory, split: str) -> list[dict[str, Any]]:
    """The steps of a trajectory worth learning, each with everything that came before it."""
    return [_record(trajectory, number, place, split) for number, place in enumerate(targets_of(trajectory))]


def targets_of(trajectory: Trajectory) -> list[int]:
    """Places of the events to learn.

    Not the slip itself, and nothing before it: up to there a recovery is, word for word, the same as its success.
    """
    events = trajectory.events
    after = next((place for place, event in enumerate(events) if event.slip and event.kind == "call"), -1)
    return [place for place, event in enumerate(events) if event.kind in _TARGETS and place > after]


def _record(trajectory: Trajectory, number: int, place: int, split: str) -> dict[str, Any]:
    target = trajectory.events[place]
    return sample_record(
        id=f"{trajectory.trajectory_id}_step_{number}",
        source=SOURCE,
        content=written(trajectory.events[: place + 1]),
        metadata={
            "task": trajectory.task,
            "trajectory": trajectory.trajectory_id,
            "variant": trajectory.variant,
            "category": trajectory.category,
            "target_event_type": target.kind,
            "tool_name": target.tool,
            "requires_memory": trajectory.category == "memory",
            "is_safety_case": trajectory.category == "safety",
            "license": LICENCE,
        },
        quality_signals={
            "trajectory_final_success": trajectory.success,
            "tool_calls": trajectory.calls,
            "saw_tool_error": trajectory.saw_error,
        },
        split=split,
        audit_trace=["executed", "compared with the expected answer", "cut into steps"],
    )


def written(events: Sequence[Event]) -> str:
    """The events as a dialogue, one line each."""
    return "\n".join(f"{_SPEAKERS[event.kind]}: {event.text}" for event in events)


def manifest_of(trajectories: Sequence[Trajectory], splits: dict[str, str]) -> dict[str, Any]:
    """What the training data must hold, counted on the trajectories and not on the records made of them."""
    steps = Counter[str]()
    safety = memory = 0
    for item in trajectories:
        count = len(targets_of(item))
        steps[splits[item.task]] += count
        safety += count * (item.category == "safety")
        memory += count * (item.category == "memory")
    return {
        "num_records": steps.total(),
        "num_train_records": steps["train"],
        "num_val_records": steps["val"],
        "num_smoke_records": steps["smoke"],
        "safety_record_count": safety,
        "memory_record_count": memory,
    }
