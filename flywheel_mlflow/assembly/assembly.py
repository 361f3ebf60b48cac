"""The assembly of one iteration: a pure function from contracts, blueprint and evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.assembly.budgets import add_budgets, runs_of_iteration
from flywheel_mlflow.assembly.memory import add_benefit, add_memory
from flywheel_mlflow.assembly.metrics import (
    Bottleneck,
    ReusedInterface,
    add_acceptance,
    add_costs,
    add_counts,
    add_drift,
    add_reflux,
    add_resources,
    add_track_record,
    find_bottlenecks,
    reused_interfaces,
)
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.assembly.track_record import NO_RECORD, TrackRecord
from flywheel_mlflow.drift import DriftReport
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import Edge, edges
from flywheel_mlflow.evidence.provenance import Metrics
from flywheel_mlflow.evidence.registry import RegistryEntry, register
from flywheel_mlflow.evidence.runs import Collected, CommonIds, Overlap, ProjectEvidence
from flywheel_mlflow.evidence.stages import StageRun, run_stages, score_projects
from flywheel_mlflow.feedback.absorption import NO_REFLUX, NOTHING_ABSORBED, Absorption, Reflux, absorption
from flywheel_mlflow.promises.scoring import BottleneckRule


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything assembled from one iteration's evidence; equal evidence gives equal assemblies."""

    flywheel: Flywheel
    iteration: int
    collected: Collected
    registry: Mapping[str, RegistryEntry]
    edges: tuple[Edge, ...]
    stage_runs: tuple[StageRun, ...]
    metrics: Metrics
    bottlenecks: tuple[Bottleneck, ...]
    undecided: tuple[BottleneckRule, ...]
    reused: tuple[ReusedInterface, ...]
    previous: RecordedAssembly | None
    drift: DriftReport | None = None
    absorption: Absorption = NOTHING_ABSORBED


def assemble(
    flywheel: Flywheel,
    collected: Collected,
    *,
    before: Collected | None = None,
    previous: RecordedAssembly | None = None,
    self_evidence: ProjectEvidence | None = None,
    overlaps: Iterable[Overlap] = (),
    common_ids: Iterable[CommonIds] = (),
    drift: DriftReport | None = None,
    record: TrackRecord = NO_RECORD,
    reflux: Reflux = NO_REFLUX,
    earlier_runs: Sequence[ProjectEvidence] = (),
) -> Assembly:
    """The assembly of an iteration.

    Args:
        flywheel: what was promised.
        collected: the evidence of this iteration.
        before: the evidence of the iteration before: feedback edges and schema changes need it.
        previous: what the assembly of the iteration before said.
        self_evidence: the evidence of the assembly layer itself, which is not collected but
            comes from its own checks on a draft of this assembly.
        overlaps: what comparing training with evaluation interfaces across projects found.
        common_ids: ids that two interfaces have in common and nothing explains.
        drift: the comparison with the iteration before; None when there is nothing to compare with.
        record: what the ledger says about releases and risks up to the end of this iteration's evidence.
        earlier_runs: the runs of iterations before, as far as budgets of a quarter ask for them.
        reflux: the feedback up to then: tasks of the ledger, events taken in.
    """
    blueprint, contracts = flywheel.blueprint, flywheel.contracts
    evidence = dict(collected.evidence)
    earlier = dict(before.evidence) if before else {}
    own = flywheel.assembly_project
    if own is not None:
        evidence.pop(own.id, None)
        if self_evidence is not None:
            evidence[own.id] = self_evidence
    found = edges(contracts, evidence, earlier)
    registry = register(
        contracts,
        evidence,
        earlier,
        found,
        iteration=collected.iteration,
        overlaps=overlaps,
        common_ids=common_ids,
        variants=collected.variants,
    )
    metrics = Metrics()
    score_projects(registry, blueprint, metrics)
    runs = run_stages(registry, blueprint, metrics)
    add_counts(registry, blueprint, metrics)
    add_acceptance(registry, runs, found, metrics, previous_ended=_last_end(earlier))
    fired, undecided = find_bottlenecks(blueprint, metrics, found)
    add_costs(registry, flywheel.blueprint.currency, metrics)
    add_resources(registry, metrics)
    reused = reused_interfaces(registry, found)
    readers = [(item.name, item.producer, len(item.readers)) for item in reused]
    add_benefit(registry, readers, blueprint.currency, metrics)
    made = runs_of_iteration(collected.evidence.values(), collected.variants)
    add_budgets(
        blueprint.budgets.runs, blueprint.budgets.prices, made, earlier_runs, metrics, declared=blueprint.digest
    )
    add_drift(drift, found, metrics)
    add_track_record(record, metrics)
    add_memory(registry, blueprint, record, metrics)
    done = absorption(collected.iteration, evidence, earlier, reflux, contracts, drift)
    add_reflux(reflux, done.absorbed, metrics)
    return Assembly(
        flywheel=flywheel,
        iteration=collected.iteration,
        collected=collected,
        registry=registry,
        edges=found,
        stage_runs=runs,
        metrics=metrics,
        bottlenecks=fired,
        undecided=undecided,
        reused=reused,
        previous=previous,
        drift=drift,
        absorption=done,
    )


def _last_end(evidence: Mapping[str, ProjectEvidence]) -> datetime | None:
    return max((item.ended for item in evidence.values() if item.ended and item.carried_from is None), default=None)
