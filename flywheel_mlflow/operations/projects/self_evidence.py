"""The evidence of the assembly layer itself: its own checks, numbers and interfaces, marked as such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from flywheel_mlflow.assembly import deliverables, filling
from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.base.canonical import digest_of, document_json, plain, sha256_text, short_digest
from flywheel_mlflow.evidence.runs import (
    Check,
    ConsumedInterface,
    EvidenceKind,
    InterfaceVersion,
    ProjectEvidence,
)
from flywheel_mlflow.operations.projects.gathering import Gathering
from flywheel_mlflow.promises.contract import Contract

OWN_INTERFACES_FOLDER = "interfaces"


def self_evidence(assembly: Assembly, checks: Iterable[Check]) -> ProjectEvidence | None:
    """What this assembly shows about the assembly layer; None when the flywheel declares none.

    It has no run id and no end: its run is the one the assembly is about to be written on, and
    an assembly reads no clock.
    """
    contract = assembly.flywheel.assembly_project
    if contract is None:
        return None
    blueprint = assembly.flywheel.blueprint
    gathering = Gathering(contract)
    metrics = deliverables.METRICS
    document = deliverables.plain_document(metrics, filling.metrics_document(assembly), currency=None)
    gathering.add_document(document, place=deliverables.stored_name(metrics, blueprint.deliverables.prefix))
    gathering.add_checks(checks)
    for name, text in _interface_texts(assembly, contract).items():
        gathering.add_interface(
            InterfaceVersion(
                name=name,
                uri=_place(name),
                digest=short_digest(sha256_text(text)),
                schema_digest=short_digest(digest_of([])),
                bytes=len(text.encode("utf-8")),
            )
        )
    for item in _read(assembly, contract):
        gathering.add_input(item)
    evidence = gathering.evidence(iteration=assembly.iteration, kind=EvidenceKind.SELF, run_id=None, code_version="")
    # The metrics document holds this evidence's own score, so the digest is over what is kept of it.
    return replace(evidence, evidence_digest=digest_of(evidence))


def own_files(assembly: Assembly) -> dict[str, str]:
    """The data of the assembly layer's own interfaces, by artifact path."""
    contract = assembly.flywheel.assembly_project
    if contract is None:
        return {}
    return {_place(name): text for name, text in _interface_texts(assembly, contract).items()}


def _place(name: str) -> str:
    return f"{OWN_INTERFACES_FOLDER}/{name}.json"


def _interface_texts(assembly: Assembly, contract: Contract) -> Mapping[str, str]:
    """The texts of the interfaces the contract promises and the assembly makes.

    The project registry leaves the assembly layer's own entry out: that entry holds the
    digest of this very text.
    """
    blueprint = assembly.flywheel.blueprint
    entries = tuple(item for item in filling.registry(assembly) if item.project_id != contract.id)
    made = {
        "project_registry": deliverables.plain_document(deliverables.REGISTRY, entries, currency=blueprint.currency),
        "release_gate": plain(blueprint.gates),
        "feedback_routing": plain(blueprint.routing),
    }
    promised = {item.name for item in contract.interfaces_out}
    return {name: document_json(document) for name, document in made.items() if name in promised}


def _read(assembly: Assembly, contract: Contract) -> Iterable[ConsumedInterface]:
    """The interface versions the assembly read: each one that exists among its declared inputs."""
    for edge in assembly.edges:
        if edge.consumer == contract.id and edge.made is not None:
            yield ConsumedInterface(edge.interface, edge.made)
