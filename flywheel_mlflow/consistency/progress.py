"""Checks of how far the iteration got: stage runs, and the milestones that follow from them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.documents import Entry, RunLine
from flywheel_mlflow.consistency.checking import (
    ConsistencyCheck,
    another_name,
    another_number,
    dropped,
    members,
    replaced,
    unequal,
)
from flywheel_mlflow.consistency.recompute import stage_score
from flywheel_mlflow.consistency.view import AssemblyView

STATUSES = ("completed", "at risk", "blocked", "missing")


def _runs(view: AssemblyView) -> Iterator[str]:
    stages = [stage.id for stage in view.now.flywheel.blueprint.stages]
    yield from unequal(f"{names.RUNS}: stages", [run.stage_id for run in view.runs], stages)
    for run in view.runs:
        yield from _run(run, view)


def _run(run: RunLine, view: AssemblyView) -> Iterator[str]:
    where, entries = f"stage run {run.stage_id}", _entries(run.stage_id, view)
    expected_id = f"{view.now.flywheel.name}/iteration-{view.now.iteration:03d}/{run.stage_id}"
    yield from unequal(f"{where}: run_id", run.run_id, expected_id)
    yield from unequal(f"{where}: iteration", run.iteration, view.now.iteration)
    if run.status not in STATUSES:
        yield f"{where}: {run.status!r} is no status"
    if run.score is not None and not 0 <= run.score <= 1:
        yield f"{where}: the score {run.score} is outside 0..1"
    yield from unequal(f"{where}: score", run.score, stage_score(run.stage_id, entries, view))
    yield from unequal(f"{where}: status", run.status, _status(entries, run.score, view))
    if (run.status == "completed") == bool(run.reasons):
        yield f"{where}: {run.status} with {len(run.reasons)} reasons against"
    ids = {entry.evidence.run_id for entry in entries if entry.evidence and entry.evidence.run_id}
    yield from members(f"{where}: evidence", run.evidence, ids)
    own = {entry.project_id for entry in entries}
    edges = [edge for entry in view.registry_lines for edge in entry.interfaces_in]
    yield from members(f"{where}: impact", run.impact, {edge.consumer for edge in edges if edge.producer in own} - own)


def _entries(stage_id: str, view: AssemblyView) -> list[Entry]:
    return [entry for entry in view.registry.values() if stage_id in entry.stages]


def _status(entries: list[Entry], score: float | None, view: AssemblyView) -> str:
    """The status that DESIGN's rule gives, from what the registry states."""
    scoring = view.now.flywheel.blueprint.scoring
    shown = [entry for entry in entries if entry.evidence is not None]
    if not shown:
        return "missing"
    failed = any(outcome not in (None, "passed") for entry in shown for outcome in entry.required_checks.values())
    weak = any(entry.score is not None and entry.score < scoring.blocked_below for entry in shown)
    if failed or weak:
        return "blocked"
    low = score is None or score < scoring.completed_from
    return "at risk" if low or not all(entry.consumable for entry in entries) else "completed"


def _milestones(view: AssemblyView) -> Iterator[str]:
    stages = {stage.id: stage for stage in view.now.flywheel.blueprint.stages}
    runs = {run.stage_id: run for run in view.runs}
    yield from members(f"{names.MILESTONES}: stages", (line.stage for line in view.milestones), stages)
    for line in view.milestones:
        where = f"milestone {line.milestone}"
        if line.stage not in stages or line.stage not in runs:
            yield f"{where}: there is no stage run {line.stage} that could close it"
            continue
        milestone, run = stages[line.stage].milestone, runs[line.stage]
        done = "done" if run.status == "completed" else "open"
        for field, found, expected in (
            ("id", line.milestone, milestone.id),
            ("title", line.title, milestone.title),
            ("owner", line.owner, milestone.owner),
            ("status", line.status, done),
            ("stage_status", line.stage_status, run.status),
            ("evidence", line.evidence, run.evidence),
            ("open_points", line.open_points, run.reasons),
        ):
            yield from unequal(f"{where}: {field}", found, expected)


def _other_status(old: str, rng: random.Random) -> str:
    return rng.choice([status for status in STATUSES if status != old])


def _flipped(old: str, _rng: random.Random) -> str:
    return "open" if old == "done" else "done"


FLYWHEEL_RUNS_COMPLETE = ConsistencyCheck(
    "flywheel_runs_complete",
    "every stage has one run, whose status and score follow from the registry by the blueprint's rule",
    _runs,
    (
        dropped(names.RUNS, key="stage_id"),
        replaced(names.RUNS, key="stage_id", field="status", value=_other_status),
        replaced(names.RUNS, key="stage_id", field="score", value=another_number),
        replaced(names.RUNS, key="stage_id", field="status", value=another_name),
        replaced(names.REGISTRY, key="project_id", field="score", value=another_number),
    ),
)
MILESTONES_COMPLETE = ConsistencyCheck(
    "milestones_complete",
    "every stage has one milestone, done exactly when the stage run is completed",
    _milestones,
    (
        dropped(names.MILESTONES, key="milestone"),
        replaced(names.MILESTONES, key="milestone", field="status", value=_flipped),
        replaced(names.MILESTONES, key="milestone", field="owner", value=another_name),
        replaced(names.RUNS, key="stage_id", field="status", value=_other_status),
    ),
)
