"""The assembly layer's own checks, each with a proof that it can fail.

Example::

    checks = run_checks(view)                  # one evidence.Check for each of CHECKS
    proofs = prove(view, seed=7)               # one Proof for each of CHECKS
    all_proved(proofs)                         # none that could not fail, and not all without a place to break
"""

from __future__ import annotations

from collections.abc import Iterable

from flywheel_mlflow.consistency import (
    agreement,
    backing,
    design,
    numbers,
    outputs,
    progress,
    proof,
    registration,
    written,
)
from flywheel_mlflow.consistency.checking import ConsistencyCheck, carry_out
from flywheel_mlflow.consistency.proof import Proof, Trial, all_proved
from flywheel_mlflow.consistency.view import AssemblyView
from flywheel_mlflow.evidence.runs import Check

__all__ = [
    "CHECKS",
    "PUBLISHED",
    "AssemblyView",
    "ConsistencyCheck",
    "Proof",
    "Trial",
    "all_proved",
    "prove",
    "run_checks",
]

#: The thirteen checks the published assembly has, by their published names.
PUBLISHED = (
    written.PY_COMPILE,
    numbers.EVALUATE_FLYWHEEL,
    written.REQUIRED_FILES_EXIST,
    registration.ALL_UPSTREAM_PROJECTS_REGISTERED,
    registration.PHASE_INVENTORY_CONSISTENT,
    design.ARCHITECTURE_PRESENT,
    design.STAGE_PLAN_COVERS,
    progress.FLYWHEEL_RUNS_COMPLETE,
    progress.MILESTONES_COMPLETE,
    design.BOUNDARIES_PRESENT,
    outputs.BOTTLENECK_COST_ORG,
    agreement.DASHBOARD_MATCHES_METRICS,
    numbers.UPSTREAM_CHECKS_AGGREGATED,
)

#: All checks, in the order of the reports.
CHECKS = (
    *PUBLISHED,
    design.EVERY_BOUNDARY_ENFORCED,
    registration.EVERY_PROJECT_HAS_LAYER_AND_STAGE,
    agreement.REPORT_AGREES_WITH_METRICS,
    agreement.DASHBOARD_AGREES_WITH_REGISTRY,
    registration.DELIVERABLES_AGREE_WITH_REGISTRY,
    backing.REGISTRY_AGREES_WITH_TRACKING,
    backing.SELF_EVIDENCE_AGREES,
    numbers.METRICS_ARE_EXPLAINED,
    numbers.NO_LITERAL_SCORES,
    written.NO_STALE_ARTIFACT,
)


def run_checks(view: AssemblyView, checks: Iterable[ConsistencyCheck] = CHECKS) -> tuple[Check, ...]:
    """The outcome of every check; none of them raises for a broken or missing deliverable."""
    return tuple(carry_out(check, view) for check in checks)


def prove(view: AssemblyView, *, seed: int, checks: Iterable[ConsistencyCheck] = CHECKS) -> tuple[Proof, ...]:
    """Every check against every fault it names; equal seeds break equal places."""
    return proof.prove(view, checks, seed=seed)
