"""Finds what people read of releases in MLflow that is not what was written: descriptions, tags, run pages."""

from __future__ import annotations

from collections.abc import Iterator

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.decisions.releases import STAGES, Release
from flywheel_mlflow.operations.assembly.read_copy import copy_faults
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.operations.releases.audit_scene import Finding, Scene
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.tracking import VersionView, tags


def rewritten(scene: Scene) -> Iterator[Finding]:
    """Descriptions and tags of model versions that say something else than the ledger."""
    for release in scene.looked_into():
        view = scene.versions[release.version]
        if release.description is not None and sha256_text(view.description) != release.description:
            yield Finding(
                "description-changed",
                f"the description of model version {release.version} is not the one it was registered with",
                "do not believe it: flywheel release show and the bundle say what the release is",
            )
        for key, told, wanted in _labels(release, view, len(scene.snapshot.ledger.events)):
            yield Finding(
                "tag-changed",
                f"model version {release.version}: tag {key} is {told[:60]!r}, by the ledger it is {wanted[:60]!r}",
                "do not believe it; set it back in the MLflow UI, a verdict's by evaluating the gate again",
            )


def _labels(release: Release, view: VersionView, events: int) -> Iterator[tuple[str, str, str]]:
    """Tags that differ: name, what is there, what was written. A verdict's tag may be missing: it is written last."""
    wanted = {
        tags.ITERATION: str(release.iteration),
        tags.BUNDLE_PLACE: release.place,
        tags.AUTHOR: release.author.name,
    }
    for key, value in wanted.items():
        if view.tags.get(key) != value:
            yield key, view.tags.get(key, ""), value
    for to in STAGES:
        key, gate = f"{tags.GATE_PREFIX}{to}", release.last_gate(to)
        value = f"{gate.verdict} (event {gate.number}, run {gate.run_id})" if gate is not None else ""
        told = view.tags.get(key, value)
        if told != value and not _lies_behind(told, events):
            yield key, told, value


def _lies_behind(told: str, events: int) -> bool:
    """Whether a verdict's tag names an event behind the end of the ledger: another finding tells that."""
    number = told.partition("(event ")[2].partition(",")[0]
    return number.isdecimal() and int(number) >= events


def repainted(scene: Scene) -> Iterator[Finding]:
    """Run pages of assemblies that show other numbers, statuses or stages than their files."""
    runs = {release.run_id: release for release in scene.looked_into()}
    for run_id, release in runs.items():
        try:
            with scratch_folder() as folder:
                files = scene.tracking.assemblies.files(run_id, folder)
            faults = copy_faults(scene.tracking, run_id, files, None)
        except FlywheelError as error:
            if is_trouble(error):
                raise
            continue  # the run is gone, which is told where that is looked for
        for fault in faults:
            yield Finding(
                "run-page-changed",
                f"the assembly of release {release.version} (run {run_id}): {fault}",
                f"flywheel check --iteration {release.iteration}; the files of the bundle are what was released",
            )
