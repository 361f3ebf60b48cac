"""The project registry: which projects can be consumed in an iteration, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isclose
from types import MappingProxyType

from flywheel_mlflow.evidence.lineage import Edge, EdgeState, version_of
from flywheel_mlflow.evidence.runs import (
    SAME_RECORDS,
    CommonIds,
    InterfaceVersion,
    Outcome,
    Overlap,
    ProjectEvidence,
    is_rewrite,
)
from flywheel_mlflow.evidence.schemas import change_class, retyped_fields
from flywheel_mlflow.promises.contract import Contract, Kpi
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.interfaces import InterfaceOut


class EvidenceState(StrEnum):
    """What stands behind a project in this iteration."""

    EVIDENCED = "evidenced"
    CARRIED = "carried"
    MISSING = "without evidence"


@dataclass(frozen=True, slots=True)
class RegisteredKpi:
    """A KPI against its promise.

    ``attainment`` is between 0 and 1, None when value or target is unknown.
    """

    kpi: Kpi
    value: float | None
    n: int | None
    attainment: float | None
    stderr: float | None = None


@dataclass(frozen=True, slots=True)
class RegisteredInterface:
    """A promised interface with the version that stands behind it, if any.

    ``change`` against the previous iteration: first, patch, minor or major; None without a version.
    """

    promise: InterfaceOut
    version: InterfaceVersion | None
    change: str | None
    consumers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One project of one iteration.

    ``variants`` are the runs of the variants its contract declares, the counting one's among them.
    ``reasons`` says why it is not consumable (empty when it is); ``barred`` maps a consumer to
    why this project is not consumable for it; ``notes`` are things a reader should know.
    """

    contract: Contract
    state: EvidenceState
    evidence: ProjectEvidence | None
    kpis: tuple[RegisteredKpi, ...]
    interfaces: tuple[RegisteredInterface, ...]
    reasons: tuple[str, ...]
    barred: Mapping[str, str]
    notes: tuple[str, ...]
    variants: Mapping[str, ProjectEvidence] = field(default_factory=dict)

    @property
    def project_id(self) -> str:
        """The project's id."""
        return self.contract.id

    @property
    def consumable(self) -> bool:
        """Whether others may build on it; being registered is not enough."""
        return not self.reasons


def register(
    contracts: Mapping[str, Contract],
    evidence: Mapping[str, ProjectEvidence],
    previous: Mapping[str, ProjectEvidence],
    found: Iterable[Edge],
    *,
    iteration: int,
    overlaps: Iterable[Overlap] = (),
    common_ids: Iterable[CommonIds] = (),
    variants: Mapping[str, Mapping[str, ProjectEvidence]] = MappingProxyType({}),
) -> dict[str, RegistryEntry]:
    """The registry of an iteration: one entry per contract, sorted by id.

    ``overlaps`` are the comparisons of training with evaluation interfaces, ``common_ids`` the ids that any two
    interfaces have in common, both across projects. ``variants`` are runs by project and variant.
    """
    everything, compared, shared = tuple(found), tuple(overlaps), tuple(common_ids)
    return {
        contract.id: _entry(
            contract,
            evidence.get(contract.id),
            previous.get(contract.id),
            everything,
            compared,
            shared,
            variants.get(contract.id, {}),
            iteration=iteration,
        )
        for contract in sorted(contracts.values(), key=lambda item: item.id)
    }


def _entry(
    contract: Contract,
    evidence: ProjectEvidence | None,
    before: ProjectEvidence | None,
    found: tuple[Edge, ...],
    compared: tuple[Overlap, ...],
    shared: tuple[CommonIds, ...],
    variants: Mapping[str, ProjectEvidence],
    *,
    iteration: int,
) -> RegistryEntry:
    outgoing = [edge for edge in found if edge.producer == contract.id]
    interfaces = tuple(_interface(promise, evidence, before, outgoing) for promise in contract.interfaces_out)
    kpis = tuple(register_kpi(kpi, evidence) for kpi in contract.kpis)
    if evidence is None:
        state = EvidenceState.MISSING
        what = "no valid run of the variant that counts" if variants else "no valid run"
        others = f"; there is one of {' and of '.join(variants)}" if variants else ""
        reasons: tuple[str, ...] = (f"{what} in iteration {iteration}{others}",)
    else:
        state = EvidenceState.CARRIED if evidence.carried_from is not None else EvidenceState.EVIDENCED
        reasons = (
            *_reasons(contract, evidence, interfaces, kpis),
            *_lacking(contract, found),
            *_contaminated(contract, compared),
        )
    return RegistryEntry(
        contract=contract,
        state=state,
        evidence=evidence,
        kpis=kpis,
        interfaces=interfaces,
        reasons=reasons,
        barred=_barred(outgoing),
        notes=(
            *_notes(contract, evidence, iteration),
            *_stale(contract, found),
            *_rewritten(interfaces, before),
            *_not_compared(contract, compared),
            *(str(item) for item in shared if contract.interface(item.one) or contract.interface(item.other)),
        ),
        variants=variants,
    )


def _interface(
    promise: InterfaceOut, evidence: ProjectEvidence | None, before: ProjectEvidence | None, outgoing: list[Edge]
) -> RegisteredInterface:
    version, earlier = version_of(evidence, promise.name), version_of(before, promise.name)
    change: str | None = None
    if version is not None:
        change = change_class(earlier, version) if earlier else "first"
    consumers = tuple(sorted(edge.consumer for edge in outgoing if edge.interface == promise.name))
    return RegisteredInterface(promise, version, change, consumers)


def register_kpi(kpi: Kpi, evidence: ProjectEvidence | None) -> RegisteredKpi:
    """The KPI's value in the evidence, judged against its target."""
    measured = evidence.kpis.get(kpi.name) if evidence else None
    if measured is None:
        return RegisteredKpi(kpi, None, None, None)
    return RegisteredKpi(kpi, measured.value, measured.n, attainment(kpi, measured.value), measured.stderr)


def attainment(kpi: Kpi, value: float | None) -> float | None:
    """How much of the target is reached, from 0 to 1; None when value or target is unknown.

    Within the tolerance of the target, or beyond it on the better side, is 1. Otherwise the
    ratio of the two, the smaller over the larger: value/target where higher is better,
    target/value where lower is better. Opposite signs, or a target of 0 that is missed, are 0.
    """
    if value is None or kpi.target is None:
        return None
    short = kpi.target - value if kpi.direction == "higher" else value - kpi.target
    # A tolerance of 0.1 must take 0.3 for 0.4, whatever binary fractions make of the difference.
    allowed = kpi.tolerance or 0.0
    if short <= allowed or isclose(short, allowed, rel_tol=1e-9):
        return 1.0
    part, whole = (value, kpi.target) if kpi.direction == "higher" else (kpi.target, value)
    if whole < 0 and part < 0:
        part, whole = -whole, -part
    return max(0.0, min(1.0, part / whole)) if whole > 0 else 0.0


def _reasons(
    contract: Contract,
    evidence: ProjectEvidence,
    interfaces: Iterable[RegisteredInterface],
    kpis: Iterable[RegisteredKpi],
) -> Iterable[str]:
    for name in contract.checks.required:
        outcome = evidence.checks.required.get(name)
        if outcome is None:
            yield f"required check {name} did not run"
        elif outcome is not Outcome.PASSED:
            yield f"required check {name}: {outcome.value}"
    rate = evidence.checks.pass_rate
    if rate is None:
        yield "no check ran"
    elif rate < contract.checks.min_pass_rate:
        due = [name for name, outcome in evidence.checks.not_passed.items() if outcome is not Outcome.SKIPPED]
        worst = ", ".join(sorted(due)[:3])
        yield f"check pass rate {rate:.4f} is below {contract.checks.min_pass_rate:g} (not passed: {worst})"
    for item in kpis:
        if item.kpi.required and item.value is None:
            yield f"required KPI {item.kpi.name} is unknown"
    for interface in interfaces:
        if interface.promise.required and interface.version is None:
            yield f"interface {interface.promise.name} has no version: its data was never logged"
        elif interface.version is not None:
            retyped = retyped_fields(field_types(interface.promise.fields), interface.version)
            if retyped:
                yield f"interface {interface.promise.name} does not keep its promise of {', '.join(retyped)}"


def _lacking(contract: Contract, found: Iterable[Edge]) -> Iterable[str]:
    """Inputs without a field this project cannot do without: what it made of them cannot be right."""
    for edge in found:
        if edge.consumer == contract.id and edge.required and edge.missing:
            yield f"{edge.interface} of {edge.producer} lacks {', '.join(edge.missing)}, which this project needs"


def _contaminated(contract: Contract, compared: Iterable[Overlap]) -> Iterable[str]:
    for item in compared:
        if item.shared and not item.is_allowed and contract.interface(item.training):
            yield str(item)


def _stale(contract: Contract, found: Iterable[Edge]) -> Iterable[str]:
    for edge in found:
        if edge.consumer == contract.id and edge.state is EdgeState.STALE:
            words = f"read {edge.interface} {edge.read}, while {edge.producer} made {edge.made}"
            yield f"{words}: the {SAME_RECORDS}" if edge.same_records else words


def _rewritten(interfaces: Iterable[RegisteredInterface], before: ProjectEvidence | None) -> Iterable[str]:
    for item in interfaces:
        if is_rewrite(version_of(before, item.promise.name), item.version):
            yield f"{item.promise.name} holds the {SAME_RECORDS}"


def _not_compared(contract: Contract, compared: Iterable[Overlap]) -> Iterable[str]:
    for item in compared:
        if not contract.interface(item.training):
            continue
        if item.shared is None:
            yield f"whether {item.training} contains records of {item.evaluation} is unknown: a run logged no words"
        elif item.shared and item.is_allowed:
            yield f"{item}: {item.allowed:.4g} of them are allowed"


def _barred(outgoing: Iterable[Edge]) -> dict[str, str]:
    """Consumers this project cannot serve, because its schema lacks fields they need."""
    barred: dict[str, list[str]] = {}
    for edge in outgoing:
        if edge.missing:
            barred.setdefault(edge.consumer, []).append(f"{edge.interface} lacks {', '.join(edge.missing)}")
    return {consumer: "; ".join(sorted(lacks)) for consumer, lacks in sorted(barred.items())}


def _notes(contract: Contract, evidence: ProjectEvidence | None, iteration: int) -> Iterable[str]:
    if evidence is None:
        return
    if evidence.carried_from is not None:
        age = iteration - evidence.carried_from
        turns = "iteration" if age == 1 else "iterations"
        yield f"carried from iteration {evidence.carried_from}, {age} {turns} old"
    if not evidence.is_verified:
        yield "not verified: the run keeps no digest of what was read from it"
    if evidence.contract_digest != contract.digest:
        yield "the contract changed after this run was logged"
    if contract.review.human:
        yield "needs human review before release"
