"""Finds the ids that any two interfaces of an iteration have in common and nothing explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import id_origins
from flywheel_mlflow.evidence.runs import Collected, CommonIds
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.records.id_sketches import IdSketch
    from flywheel_mlflow.tracking import Tracking


def find_common_ids(flywheel: Flywheel, tracking: Tracking, collected: Collected) -> tuple[CommonIds, ...]:
    """What every two interfaces of records have in common that neither lineage nor a contract explains.

    Fetches one small file for each run that made such interfaces, and nothing where there is one interface alone.
    """
    runs = {
        promise.name: evidence.run_id
        for project_id, evidence in collected.evidence.items()
        for promise in flywheel.contracts[project_id].interfaces_out
        if promise.format != "opaque" and promise.name in evidence.interfaces_out and evidence.run_id is not None
    }
    if len(runs) < 2:
        return ()
    from flywheel_mlflow.records import common_ids, id_sketches_from_parquet

    sketches: dict[str, IdSketch] = {}
    with scratch_folder() as folder:
        for run_id in sorted(set(runs.values())):
            path = tracking.data.ids(run_id, folder / run_id)
            if path is not None:
                read = id_sketches_from_parquet(path.read_bytes())
                sketches |= {name: item for name, item in read.items() if runs.get(name) == run_id}
    unknown = [CommonIds(name, "", None) for name in sorted(runs.keys() - sketches.keys())]
    return (*common_ids(sketches, id_origins(flywheel.contracts.values())), *unknown)
