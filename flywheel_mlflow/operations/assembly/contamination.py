"""Compares every training interface with every evaluation interface, across projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Collected, InterfaceVersion, Overlap
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.records.fingerprints import Hashes
    from flywheel_mlflow.tracking import Tracking


def find_overlaps(flywheel: Flywheel, tracking: Tracking, collected: Collected) -> tuple[Overlap, ...]:
    """The overlap of each training with each evaluation interface that has a version.

    Downloads the fingerprints (8 bytes a record) of these interfaces, and nothing at all when
    no evaluation interface has a version.
    """
    training = _versions(flywheel, collected, "training")
    evaluation = _versions(flywheel, collected, "evaluation")
    if not training or not evaluation:
        return ()
    known = {name: _fingerprints(tracking, run_id, name) for name, (run_id, _) in (training | evaluation).items()}
    return tuple(Overlap(train, test, _shared(known[train], known[test])) for train in training for test in evaluation)


def _versions(flywheel: Flywheel, collected: Collected, role: str) -> dict[str, tuple[str, InterfaceVersion]]:
    """Interfaces of a role that have a version, with the run that made it, sorted by name."""
    found = {}
    for project_id, evidence in collected.evidence.items():
        for promise in flywheel.contracts[project_id].interfaces_out:
            version = evidence.interfaces_out.get(promise.name)
            if promise.role == role and version is not None and evidence.run_id is not None:
                found[promise.name] = (evidence.run_id, version)
    return dict(sorted(found.items()))


def _fingerprints(tracking: Tracking, run_id: str, name: str) -> Hashes | None:
    from flywheel_mlflow.records import fingerprints_from_parquet

    with scratch_folder() as folder:
        data = tracking.data.fingerprints(run_id, name, folder)
    return None if data is None else fingerprints_from_parquet(data)


def _shared(training: Hashes | None, evaluation: Hashes | None) -> int | None:
    from flywheel_mlflow.records import contamination

    if training is None or evaluation is None:
        return None
    return contamination(training, evaluation).overlap
