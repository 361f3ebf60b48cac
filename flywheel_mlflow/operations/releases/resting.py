"""Finds what releases rest on and somebody deleted: in MLflow's trash while it can be restored, or gone for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flywheel_mlflow.decisions.releases import STAGES, Release
from flywheel_mlflow.tracking import Tracking, VersionView

_RUNS, _VERDICT = "runs:/", "the verdict"


@dataclass(frozen=True, slots=True)
class Deleted:
    """Something deleted that a release rests on; ``restorable`` while it lies in MLflow's trash."""

    what: str
    restorable: bool
    hint: str


def deleted_runs(
    tracking: Tracking, releases: Iterable[Release], versions: Mapping[int, VersionView]
) -> Iterator[Deleted]:
    """The deleted runs that the releases rest on: their assembly with its bundle, pinned data, reports of verdicts."""
    held: dict[str, list[str]] = {}
    for release in releases:
        for run_id, what in _rests_on(release, versions.get(release.version)):
            held.setdefault(run_id, []).append(f"{what} of release {release.version}")
    for run_id, uses in held.items():
        is_active = tracking.server.is_run_active(run_id)
        if is_active:
            continue
        words = f"run {run_id} ({', '.join(dict.fromkeys(uses))})"
        if is_active is None and all(use.startswith(_VERDICT) for use in uses):
            continue  # the audit's look at the reports tells it
        if is_active is None:
            hint = "restore the store from a backup; what still stands: flywheel audit --full"
            yield Deleted(f"{words} is gone for good", restorable=False, hint=hint)
        else:
            hint = f"restore it before `mlflow gc` removes it: mlflow runs restore --run-id {run_id}"
            yield Deleted(f"{words} lies in MLflow's trash", restorable=True, hint=hint)


def _rests_on(release: Release, view: VersionView | None) -> Iterator[tuple[str, str]]:
    """The runs behind one release, each with what it holds."""
    yield release.run_id, "the assembly and bundle"
    for pin in view.pins.values() if view is not None else ():
        if pin.uri.startswith(_RUNS):
            yield pin.uri.removeprefix(_RUNS).partition("/")[0], f"{pin.interface}"
        if pin.run_id:
            yield pin.run_id, f"{pin.interface}"
    for to in STAGES:
        gate = release.last_gate(to)
        if gate is not None:
            yield gate.run_id, f"{_VERDICT} of event {gate.number}"


def deleted_experiments(tracking: Tracking) -> Iterator[Deleted]:
    """The deleted experiments of the flywheel: their runs go with them."""
    for item in tracking.server.experiments():
        if not item.active:
            hint = "restore it before `mlflow gc` removes it: `mlflow experiments restore`, or the MLflow UI"
            yield Deleted(f"the experiment {item.name} lies in MLflow's trash", restorable=True, hint=hint)
