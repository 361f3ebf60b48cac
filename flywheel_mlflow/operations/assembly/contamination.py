"""Compares every training interface with every evaluation interface, across projects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Collected, Overlap
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.records import WordSketch
    from flywheel_mlflow.records.ray_engine import RayCluster
    from flywheel_mlflow.tracking import Tracking

Sketches = Mapping[str, "Callable[[], WordSketch]"]


def find_overlaps(
    flywheel: Flywheel, tracking: Tracking, collected: Collected, *, engine: Engine = "local"
) -> tuple[Overlap, ...]:
    """What stands of each evaluation interface in each training interface that has a version.

    Fetches one file of content sketches for each run that made such an interface, and nothing at all when no
    evaluation interface has a version. Where a run logged none, what it holds is unknown.
    """
    training = _runs(flywheel, collected, "training")
    evaluation = _runs(flywheel, collected, "evaluation")
    if not training or not evaluation:
        return ()
    allowed = {
        promise.name: promise.allowed_contamination
        for contract in flywheel.contracts.values()
        for promise in contract.interfaces_out
    }
    from flywheel_mlflow.records.ray_engine import connected

    with scratch_folder() as folder, connected(engine) as cluster:
        sketches = _sketches(tracking, training | evaluation, folder)
        found = {
            (item.training, item.evaluation): item
            for item in _compared(training, evaluation, sketches, allowed, cluster)
        }
    pairs = sorted((train, test) for train in training for test in evaluation)
    return tuple(found.get(pair, Overlap(*pair, None, allowed=allowed[pair[1]])) for pair in pairs)


def _runs(flywheel: Flywheel, collected: Collected, role: str) -> dict[str, str]:
    """The runs that made interfaces of a role, by interface, sorted."""
    found = {}
    for project_id, evidence in collected.evidence.items():
        for promise in flywheel.contracts[project_id].interfaces_out:
            if promise.role == role and promise.name in evidence.interfaces_out and evidence.run_id is not None:
                found[promise.name] = evidence.run_id
    return dict(sorted(found.items()))


def _sketches(tracking: Tracking, runs: Mapping[str, str], folder: Path) -> Sketches:
    """What reads the content sketch of each interface whose run logged one."""
    from flywheel_mlflow.records import word_sketches_from_parquet

    found: dict[str, Callable[[], WordSketch]] = {}
    for run_id in sorted(set(runs.values())):
        path = tracking.data.words(run_id, folder / run_id)
        if path is not None:
            found |= {name: read for name, read in word_sketches_from_parquet(path).items() if runs.get(name) == run_id}
    return found


def _compared(
    training: Mapping[str, str],
    evaluation: Mapping[str, str],
    sketches: Sketches,
    allowed: Mapping[str, float],
    cluster: RayCluster | None,
) -> Iterator[Overlap]:
    from flywheel_mlflow.records import compare_words

    for item in compare_words(
        {name: sketches[name] for name in training if name in sketches},
        {name: sketches[name] for name in evaluation if name in sketches},
        cluster,
    ):
        # Nothing comparable at all is unknown, not clean.
        yield Overlap(
            item.training,
            item.evaluation,
            item.contained if item.compared else None,
            item.compared,
            tuple(f"{one.evaluation} in {one.training}" for one in item.examples),
            allowed[item.evaluation],
        )
