"""The fifteen deliverables of one assembly: their names, and how those that are data are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from flywheel_mlflow.base.canonical import parsed_json
from flywheel_mlflow.base.documents import parse_json, read_json
from flywheel_mlflow.base.names import REVIEW_COST, cost_name, without_currency

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
METRICS = "reports/metrics.json"
REPORT = "reports/report.md"
TEST_RESULTS = "reports/test_results.json"
TEST_REPORT = "reports/test_report.md"
#: Beside the fifteen: the test results as other tools read them.
JUNIT = "reports/test_results.xml"
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

#: The numbers the executive dashboard repeats from the metrics, beside the cost, whose name holds the currency; a check
#: compares the two.
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


#: Those whose names a flywheel may give a prefix (``deliverables.prefix`` in flywheel.yaml).
_PREFIXED = re.compile(
    r"\breports/(?:[a-z][a-z0-9_]*?_)??(metrics\.json|report\.md|test_results\.(?:json|xml)|test_report\.md)"
)
#: The keys that end with the flywheel's currency (``estimated_manual_review_cost_eur``), in the shapes without it.
_MONEY = (REVIEW_COST, f"estimated_manual_{REVIEW_COST}")

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


def stored_name(name: str, prefix: str | None) -> str:
    """How a flywheel with that prefix calls a deliverable; in a sentence, each that it names."""
    return name if prefix is None else _PREFIXED.sub(rf"reports/{prefix}_\1", name)


def by_name(files: Mapping[str, str]) -> dict[str, str]:
    """An assembly's files by the names of this module, whatever prefix they were stored with."""
    return {_PREFIXED.sub(r"reports/\1", name): text for name, text in files.items()}


def stored(files: Mapping[str, str], prefix: str | None) -> dict[str, str]:
    """An assembly's files by the names under which a flywheel with that prefix keeps them."""
    return {stored_name(name, prefix): text for name, text in files.items()}


def read_document(name: str, text: str, *, where: str = "") -> Any:
    """A deliverable that is data, of its text; what only other versions know is passed over.

    ``where`` says where the text comes from, for errors.

    Raises:
        DocumentError: it is not what this package writes there.
    """
    if name.endswith(".jsonl"):
        text = f"[{','.join(text.splitlines())}]"
    if name in (REGISTRY, COSTS):
        text = parsed_json(without_currencies(name, parse_json(text, name=where or name)))
    return read_json(SHAPES[name], text, name=where or name, hint=WRITE_AGAIN, newer=True)


def plain_document(name: str, document: object, *, currency: str | None) -> Any:
    """A deliverable as plain values; keys of money end with the currency."""
    plain = SHAPES[name].dump_python(document, mode="json", by_alias=True)
    for part in _priced(name, plain):
        for key in _MONEY:
            if key in part:
                part[cost_name(currency, key)] = part.pop(key)
    return plain


def without_currencies(name: str, document: Any) -> Any:
    """A deliverable's plain values as its shape knows them: keys of money without their currency."""
    for part in _priced(name, document):
        for key in [key for key in part if without_currency(key) in _MONEY]:
            part[without_currency(key)] = part.pop(key)
    return document


def _priced(name: str, document: Any) -> list[dict[str, Any]]:
    """The parts of a deliverable that hold money."""
    parts: list[Any] = []
    if name == REGISTRY and isinstance(document, list):
        parts = document
    elif name == COSTS and isinstance(document, dict):
        projects = document.get("by_project")
        parts = [document, document.get("unknown"), *(projects.values() if isinstance(projects, dict) else ())]
    return [part for part in parts if isinstance(part, dict)]
