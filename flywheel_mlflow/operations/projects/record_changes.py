"""Says which records of an interface changed from one iteration to another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.base.errors import InputError, MissingVersion, UnknownName
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import producers, version_of
from flywheel_mlflow.evidence.runs import InterfaceVersion
from flywheel_mlflow.operations.projects.run_inputs import evidence_of
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.records.record_changes import RecordChanges
    from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class ChangedRecords:
    """The records of an interface in an iteration against an earlier one; versions by their digest."""

    interface: str
    iteration: int
    since: int
    version: str
    before: str
    changes: RecordChanges


def changed_records(flywheel: Flywheel, tracking: Tracking, name: str, iteration: int, since: int) -> ChangedRecords:
    """What was added to, removed from and changed in an interface since another iteration; both versions are read.

    Raises:
        UnknownName: no such interface. MissingVersion: it has no version in one of the iterations.
        InputError: opaque data, or data that are not what was logged. RecordError: records without ids of their own.
    """
    from flywheel_mlflow import records
    from flywheel_mlflow.records.record_changes import compare_records

    makers = producers(flywheel.contracts.values())
    if name not in makers:
        raise UnknownName("interface", name, list(makers))
    contract = flywheel.contracts[makers[name]]
    promise = contract.interface(name)
    if promise is None or promise.format == "opaque":
        raise InputError(f"{name} is opaque: it holds no records that are known")

    def version_in(number: int) -> InterfaceVersion:
        found = version_of(evidence_of(tracking, contract, number), name)
        if found is None:
            raise MissingVersion(
                f"{name} has no version for iteration {number}",
                where=f"interfaces_out of {contract.id}",
                hint=f"flywheel collect --iteration {number}",
            )
        return found

    def data_of(version: InterfaceVersion, folder: Path) -> Path:
        path = tracking.data.fetch(version, folder)
        if short_digest(records.content_digest(path)) != version.digest:
            raise InputError(
                f"the data of {name} are not what was logged",
                where=version.uri,
                hint="the stored data was changed after it was logged: ask its producer",
            )
        return path

    now, before = version_in(iteration), version_in(since)
    with scratch_folder() as folder:
        changes = compare_records(data_of(now, folder / "now"), data_of(before, folder / "before"), promise.format)
    return ChangedRecords(name, iteration, since, now.digest, before.digest, changes)
