"""The fifteen deliverables of one assembly: their names, and how those that are data are read."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from flywheel_mlflow.assembly.documents import (
    ArchitectureFile,
    BottlenecksFile,
    BoundariesFile,
    CostsFile,
    DashboardFile,
    Entry,
    MetricsFile,
    MilestoneLine,
    OrganisationFile,
    Phases,
    PlannedStage,
    RunLine,
)
from flywheel_mlflow.base.documents import read_json

FORMAT_VERSION = 1

REGISTRY = "processed/upstream_project_registry.json"
PHASES = "processed/phase_inventory.json"
ARCHITECTURE = "processed/flywheel_architecture.json"
BOUNDARIES = "processed/system_boundaries.json"
STAGE_PLAN = "processed/stage_plan.json"
RUNS = "processed/flywheel_runs.jsonl"
BOTTLENECKS = "processed/bottleneck_analysis.json"
COSTS = "processed/cost_model.json"
ORGANISATION = "processed/org_operating_model.json"
MILESTONES = "console/milestone_board.json"
DASHBOARD = "console/executive_dashboard.json"
METRICS = "reports/p10_metrics.json"
REPORT = "reports/p10_report.md"
TEST_RESULTS = "reports/p10_test_results.json"
TEST_REPORT = "reports/p10_test_report.md"
#: Beside the fifteen, where there is an iteration before: the comparison with it.
DRIFT = "reports/drift.json"
#: And, where feedback became tasks: what this iteration did with them.
TASKS = "reports/tasks.json"

DELIVERABLES = (
    REGISTRY,
    PHASES,
    ARCHITECTURE,
    BOUNDARIES,
    STAGE_PLAN,
    RUNS,
    BOTTLENECKS,
    COSTS,
    ORGANISATION,
    MILESTONES,
    DASHBOARD,
    METRICS,
    REPORT,
    TEST_RESULTS,
    TEST_REPORT,
)

#: The numbers the executive dashboard repeats from the metrics; a check compares the two.
DASHBOARD_METRICS = (
    "project_count",
    "evidenced_count",
    "consumable_count",
    "upstream_checks_passed",
    "upstream_check_count",
    "stage_completion_rate",
    "mean_stage_score",
    "milestone_done_count",
    "bottleneck_count",
    "review_hours",
    "review_cost_rmb",
)

#: By which the flywheel itself is accepted, over its history, in the order readers meet them.
ACCEPTANCE_METRICS = (
    "asset_coverage",
    "registry_completeness",
    "interface_mapping",
    "feedback_reflux_rate",
    "regression_localisation_rate",
    "iteration_cycle_days",
    "release_pass_rate",
    "milestone_completion_rate",
    "risk_closure_rate",
)


WRITE_AGAIN = "write it again with `flywheel assemble --force`"
#: What each deliverable that is data must be.
SHAPES: dict[str, TypeAdapter[Any]] = {
    REGISTRY: TypeAdapter(tuple[Entry, ...]),
    PHASES: TypeAdapter(Phases),
    ARCHITECTURE: TypeAdapter(ArchitectureFile),
    BOUNDARIES: TypeAdapter(BoundariesFile),
    STAGE_PLAN: TypeAdapter(tuple[PlannedStage, ...]),
    RUNS: TypeAdapter(tuple[RunLine, ...]),
    BOTTLENECKS: TypeAdapter(BottlenecksFile),
    COSTS: TypeAdapter(CostsFile),
    ORGANISATION: TypeAdapter(OrganisationFile),
    MILESTONES: TypeAdapter(tuple[MilestoneLine, ...]),
    DASHBOARD: TypeAdapter(DashboardFile),
    METRICS: TypeAdapter(MetricsFile),
}


def read_document(name: str, text: str, *, where: str = "") -> Any:
    """A deliverable that is data, of its text; what only other versions know is passed over.

    ``where`` says where the text comes from, for errors.

    Raises:
        DocumentError: it is not what this package writes there.
    """
    if name.endswith(".jsonl"):
        text = f"[{','.join(text.splitlines())}]"
    return read_json(SHAPES[name], text, name=where or name, hint=WRITE_AGAIN, newer=True)


def plain_document(name: str, document: object) -> Any:
    """A deliverable as plain values."""
    return SHAPES[name].dump_python(document, mode="json", by_alias=True)
