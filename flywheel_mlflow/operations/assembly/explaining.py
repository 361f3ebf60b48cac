"""Answers where a number comes from, and who is hit when something changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import Impact, edges, impact, producers
from flywheel_mlflow.evidence.provenance import Metrics
from flywheel_mlflow.evidence.registry import register
from flywheel_mlflow.evidence.runs import ProjectEvidence
from flywheel_mlflow.evidence.stages import score_projects
from flywheel_mlflow.operations.assembly.collecting import collect_iteration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flywheel_mlflow.evidence.provenance import Explanation
    from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Impacted:
    """Everything downstream of an interface or project."""

    changed: str
    producer: str
    interfaces: tuple[str, ...]
    reached: tuple[Impact, ...]


def explain_metric(flywheel: Flywheel, tracking: Tracking, iteration: int, name: str) -> Explanation:
    """The tree behind a number of an iteration, computed from what the server holds now.

    ``name`` is a full name (``p05.retrieval_hit_rate``) or one of the flywheel's own without
    its prefix (``mean_stage_score``).

    Raises:
        UnknownName: no number has that name.
        InputError: no project has evidence in this iteration.
    """
    if (metrics := _project_metrics(flywheel, tracking, iteration, name)) is not None and name in metrics:
        return metrics.explain(name)
    from flywheel_mlflow.assembly.metrics import DRIFT_COUNTS, LOCALISED
    from flywheel_mlflow.operations.assembly.assembling import gather, settle
    from flywheel_mlflow.operations.assembly.checking import read_sources

    # The comparison with the iteration before costs downloads, and only its own numbers rest on it.
    compared = f"flywheel.{name.removeprefix('flywheel.')}" in {LOCALISED, *(item for item, *_ in DRIFT_COUNTS)}
    gathered = gather(flywheel, tracking, iteration, compared=compared)
    if not gathered.collected.evidence:
        raise InputError(f"iteration {iteration} has no evidence", hint="log the projects' runs first")
    settled = settle(flywheel, gathered, read_sources(flywheel))
    metrics = settled.assembly.metrics
    return metrics.explain(name if name in metrics else f"flywheel.{name}" if f"flywheel.{name}" in metrics else name)


def _project_metrics(flywheel: Flywheel, tracking: Tracking, iteration: int, name: str) -> Metrics | None:
    """The numbers of projects, which rest on their own evidence alone; None for the assembly's, which rest on all.

    They need no comparison, ledger, overlap or consistency check, which are most of what an assembly costs.
    """
    contract = flywheel.contracts.get(name.partition(".")[0])
    if contract is None or contract.is_assembly:
        return None
    metrics = Metrics()
    evidence = collect_iteration(flywheel, tracking, iteration).evidence
    score_projects(register(flywheel.contracts, evidence, {}, (), iteration=iteration), flywheel.blueprint, metrics)
    return metrics if evidence else None


def impact_of(flywheel: Flywheel, tracking: Tracking | None, iteration: int | None, name: str) -> Impacted:
    """Who consumes an interface, or anything a project makes, transitively.

    Without an iteration the contracts alone answer, and no edge has a version.

    Raises:
        UnknownName: neither an interface nor a project.
    """
    makers = producers(flywheel.contracts.values())
    interfaces: tuple[str, ...]
    if name in makers:
        producer, interfaces = makers[name], (name,)
    elif name in flywheel.contracts:
        producer, interfaces = name, tuple(item.name for item in flywheel.contracts[name].interfaces_out)
    else:
        raise UnknownName("interface or project", name, [*makers, *flywheel.contracts])
    evidence: Mapping[str, ProjectEvidence] = {}
    before: Mapping[str, ProjectEvidence] = {}
    if tracking is not None and iteration is not None:
        evidence = collect_iteration(flywheel, tracking, iteration).evidence
        before = collect_iteration(flywheel, tracking, iteration - 1).evidence if iteration > 1 else {}
    found = edges(flywheel.contracts, evidence, before)
    start = [edge for edge in found if edge.interface in interfaces]
    return Impacted(name, producer, interfaces, impact(found, start))
