"""Finds the version of an interface that a project's run reads."""

from __future__ import annotations

from flywheel_mlflow.base.errors import MissingVersion, UnknownName
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import producers, version_of
from flywheel_mlflow.evidence.runs import ConsumedInterface, InterfaceVersion, ProjectEvidence
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.tracking import Tracking


def find_input(
    flywheel: Flywheel,
    tracking: Tracking,
    contract: Contract,
    iteration: int,
    name: str,
    *,
    digest: str | None,
    release: str | None,
) -> tuple[InterfaceVersion, ConsumedInterface]:
    """The version of the input ``name`` that a run of ``contract`` reads in an iteration, and what it is noted as.

    Raises:
        UnknownName: the contract does not declare the input, or it has no version with this digest.
        MissingVersion: there is no version that this run may read, with what to run.
        Refused: nothing is released there, or the release leaves the interface out.
    """
    wanted = next((item for item in contract.interfaces_in if item.name == name), None)
    if wanted is None:
        names = [item.name for item in contract.interfaces_in]
        raise UnknownName("input interface", name, names, where=f"interfaces_in of {contract.id}")
    if release is not None:
        version = _released(tracking, name, release, digest)
        return version, ConsumedInterface(name, version.digest)
    turn = iteration - (wanted.from_iteration == "previous")
    producer = flywheel.contracts[producers(flywheel.contracts.values())[name]]
    evidence = evidence_of(tracking, producer, turn)
    found = version_of(evidence, name)
    if found is None:
        again = [producer.id, contract.id] if turn == iteration else [producer.id]
        raise _missing_version(name, producer, turn, evidence, again)
    if digest is not None and found.digest != digest:
        raise UnknownName(f"version of {name} in iteration {turn}", digest, [found.digest])
    return found, ConsumedInterface(name, found.digest, evidence.carried_from if evidence else None)


def evidence_of(tracking: Tracking, producer: Contract, iteration: int) -> ProjectEvidence | None:
    """The evidence that stands for a producer in an iteration, carried where its contract allows that."""
    if iteration < 1:
        return None
    only = frozenset({producer.id})
    return tracking.collector.collect({producer.id: producer}, iteration, only=only).evidence.get(producer.id)


def _released(tracking: Tracking, name: str, release: str, digest: str | None) -> InterfaceVersion:
    from flywheel_mlflow.operations.projects.resolving import resolve_interface

    found = resolve_interface(tracking, name, release)
    if digest is not None and found.digest != digest:
        raise UnknownName(f"version of {name} in release {found.release}", digest, [found.digest])
    return InterfaceVersion(
        name=name, uri=found.uri, digest=found.digest, schema_digest=found.schema_digest, rows=found.rows
    )


def _missing_version(
    name: str, producer: Contract, iteration: int, evidence: ProjectEvidence | None, again: list[str]
) -> MissingVersion:
    """Why an input has no version; ``again`` are the projects to run."""
    carry = producer.carry
    if iteration < 1:
        why = "there is no iteration before the first"
    elif evidence is not None:
        why = f"run {evidence.run_id} of {producer.id} logged no version of it"
        if evidence.carried_from is not None:
            why += f" (carried from iteration {evidence.carried_from})"
    elif not carry.allowed:
        why = f"{producer.id} has no valid run in iteration {iteration}, and its contract allows no carrying"
    else:
        why = f"{producer.id} has no valid run in iteration {iteration} nor in the {carry.max_age} before"
    return MissingVersion(
        f"{name} has no version for iteration {iteration}: {why}",
        where=f"interfaces_out of {producer.id}",
        hint=f"run its producer first: `flywheel run-projects --iteration {iteration} --only {','.join(again)}`"
        if iteration >= 1
        else "declare the input as not required, for the first iteration",
    )
