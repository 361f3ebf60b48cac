"""The fifteen deliverables of one assembly: their names, and the data of those that are JSON.

Nothing here holds a clock, a host or a path of the machine that assembled: equal evidence
gives equal bytes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.assembly.metrics import Bottleneck
from flywheel_mlflow.base.canonical import canonical_json, document_json, plain
from flywheel_mlflow.evidence.lineage import Edge
from flywheel_mlflow.evidence.registry import RegistryEntry
from flywheel_mlflow.evidence.runs import InterfaceVersion, ProjectEvidence
from flywheel_mlflow.evidence.stages import StageRun

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


def json_files(assembly: Assembly) -> dict[str, str]:
    """The twelve deliverables that are data, as text by name; the report and the checks come after."""
    documents: dict[str, Any] = {
        REGISTRY: registry_document(assembly),
        PHASES: phase_inventory(assembly),
        ARCHITECTURE: architecture(assembly),
        BOUNDARIES: boundaries(assembly),
        STAGE_PLAN: stage_plan(assembly),
        BOTTLENECKS: bottleneck_analysis(assembly),
        COSTS: cost_model(assembly),
        ORGANISATION: operating_model(assembly),
        MILESTONES: milestone_board(assembly),
        DASHBOARD: executive_dashboard(assembly),
        METRICS: metrics_document(assembly),
    }
    files = {name: document_json(document) for name, document in documents.items()}
    files[RUNS] = "".join(canonical_json(run_line(run, assembly)) + "\n" for run in assembly.stage_runs)
    return {name: files[name] for name in DELIVERABLES if name in files}


def registry_document(assembly: Assembly) -> list[dict[str, Any]]:
    """The project registry: one entry per project, sorted by id."""
    return [_entry(entry, assembly) for entry in assembly.registry.values()]


def _entry(entry: RegistryEntry, assembly: Assembly) -> dict[str, Any]:
    contract, evidence = entry.contract, entry.evidence
    summary = evidence.checks if evidence else None
    return {
        "project_id": contract.id,
        "title": contract.title,
        "registry_role": contract.registry_role,
        "owner": contract.owner,
        "phase": contract.phase,
        "layers": list(contract.layers),
        "stages": list(contract.stages),
        "deliverables": list(contract.deliverables),
        "contract_digest": contract.digest,
        "state": entry.state.value,
        "consumable": entry.consumable,
        "reasons": list(entry.reasons),
        "not_consumable_for": dict(entry.barred),
        "notes": list(entry.notes),
        "score": assembly.metrics.value(f"{contract.id}.score"),
        "evidence": _evidence(evidence),
        "overall_passed": None if summary is None else summary.total > 0 and not summary.not_passed,
        "passed_checks": summary.passed if summary else None,
        "total_checks": summary.total if summary else None,
        "checks_not_passed": plain(summary.not_passed) if summary else {},
        "required_checks": {
            name: summary.required[name].value if summary and name in summary.required else None
            for name in contract.checks.required
        },
        "kpis": {
            item.kpi.name: {
                "value": item.value,
                "n": item.n,
                "stderr": item.stderr,
                "unit": item.kpi.unit,
                "direction": item.kpi.direction,
                "target": item.kpi.target,
                "tolerance": item.kpi.tolerance,
                "attainment": item.attainment,
            }
            for item in entry.kpis
        },
        "interfaces_out": [
            {
                "name": item.promise.name,
                "title": item.promise.title,
                "format": item.promise.format,
                "role": item.promise.role,
                "required": item.promise.required,
                "consumers": list(item.consumers),
                "version": _version(item.version),
                "change": item.change,
            }
            for item in entry.interfaces
        ],
        "interfaces_in": [_edge(edge) for edge in assembly.edges if edge.consumer == contract.id],
        "human_review_needed": contract.review.human,
        "governance_controls": list(contract.review.controls),
        "estimated_manual_review_hours": evidence.costs.review_hours if evidence else None,
        "estimated_manual_review_cost_rmb": evidence.costs.review_cost_rmb if evidence else None,
    }


def _evidence(evidence: ProjectEvidence | None) -> dict[str, Any] | None:
    if evidence is None:
        return None
    return {
        "kind": evidence.kind.value,
        "run_id": evidence.run_id,
        "iteration": evidence.iteration,
        "carried_from": evidence.carried_from,
        "ended": plain(evidence.ended),
        "contract_digest": evidence.contract_digest,
        "evidence_digest": evidence.evidence_digest,
        "code_version": evidence.code_version,
        "tasks": list(evidence.tasks),
    }


def _version(version: InterfaceVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    return {
        "uri": version.uri,
        "digest": version.digest,
        "schema_digest": version.schema_digest,
        "fields": [{"path": item.path, "type": item.type, "required": item.required} for item in version.fields],
        "rows": version.rows,
        "bytes": version.bytes,
    }


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "interface": edge.interface,
        "from": edge.producer,
        "to": edge.consumer,
        "from_iteration": edge.from_iteration,
        "required": edge.required,
        "state": edge.state.value,
        "made": edge.made,
        "read": edge.read,
        "missing_fields": None if edge.missing is None else list(edge.missing),
    }


def phase_inventory(assembly: Assembly) -> dict[str, Any]:
    """Counts over the registry, by phase."""
    value = assembly.metrics.value
    passed, total = value("flywheel.upstream_checks_passed"), value("flywheel.upstream_check_count")
    return {
        "project_count": value("flywheel.project_count"),
        "phase_distribution": dict(sorted(Counter(item.contract.phase for item in assembly.registry.values()).items())),
        "all_evidenced_projects_passed": passed == total if total else None,
        "total_passed_checks": passed,
        "total_checks": total,
        "interface_count": value("flywheel.interface_count"),
        "upstream_interface_count": value("flywheel.upstream_interface_count"),
    }


def architecture(assembly: Assembly) -> dict[str, Any]:
    """Layers with the projects that declare them, control points, and the lineage graph."""
    blueprint = assembly.flywheel.blueprint
    return {
        "layers": [
            {
                "id": layer.id,
                "title": layer.title,
                "responsibilities": list(layer.responsibilities),
                "mapped_projects": [
                    entry.project_id for entry in assembly.registry.values() if layer.id in entry.contract.layers
                ],
            }
            for layer in blueprint.layers
        ],
        "control_points": [
            {
                "id": point.id,
                "title": point.title,
                "before_stages": list(point.before),
                "question": point.question,
                "criteria": list(point.criteria),
            }
            for point in blueprint.control_points
        ],
        "interfaces": [_edge(edge) for edge in assembly.edges],
    }


def boundaries(assembly: Assembly) -> dict[str, Any]:
    """Boundaries with the gate criteria that enforce each, and the interface edges."""
    blueprint = assembly.flywheel.blueprint
    gates = {criterion.id: gate.id for gate in blueprint.gates for criterion in gate.criteria}

    def of(kind: str) -> list[dict[str, Any]]:
        return [
            {
                "id": item.id,
                "rule": item.rule,
                "enforced_by": [{"criterion": name, "gate": gates[name]} for name in item.enforced_by],
            }
            for item in blueprint.boundaries
            if item.kind == kind
        ]

    return {
        "ownership_boundaries": of("ownership"),
        "risk_boundaries": of("risk"),
        "interfaces": [
            {"from": edge.producer, "to": edge.consumer, "artifact": edge.interface} for edge in assembly.edges
        ],
    }


def stage_plan(assembly: Assembly) -> list[dict[str, Any]]:
    """The stages with their projects and what these deliver."""
    return [
        {
            "stage_id": run.stage.id,
            "title": run.stage.title,
            "goal": run.stage.goal,
            "enters_through": run.stage.enters_through,
            "projects": list(run.projects),
            "deliverables": [
                name for project_id in run.projects for name in assembly.registry[project_id].contract.deliverables
            ],
            "milestone": run.stage.milestone.id,
        }
        for run in assembly.stage_runs
    ]


def run_line(run: StageRun, assembly: Assembly) -> dict[str, Any]:
    """One stage run as a line of flywheel_runs.jsonl."""
    downstream = sorted({edge.consumer for edge in assembly.edges if edge.producer in run.projects} - set(run.projects))
    return {
        "run_id": f"{assembly.flywheel.name}/iteration-{assembly.iteration:03d}/{run.stage.id}",
        "stage_id": run.stage.id,
        "iteration": assembly.iteration,
        "status": run.status.value,
        "score": run.score,
        "impact": downstream,
        "evidence": list(run.evidence),
        "reasons": list(run.reasons),
    }


def bottleneck_analysis(assembly: Assembly) -> dict[str, Any]:
    """Bottlenecks, most pressing first, with the numbers behind each, and rules left open."""
    return {
        "bottlenecks": [_bottleneck(item, position) for position, item in enumerate(assembly.bottlenecks, start=1)],
        "rules_not_decidable": [
            {
                "name": rule.id,
                "rule": rule.when,
                "why": "a value the rule reads is unknown",
            }
            for rule in assembly.undecided
        ],
        "rules_evaluated": len(assembly.flywheel.blueprint.bottlenecks),
    }


def _bottleneck(item: Bottleneck, position: int) -> dict[str, Any]:
    return {
        "position": position,
        "name": item.rule.id,
        "title": item.rule.title,
        "severity": item.rule.severity,
        "rule": item.rule.when,
        "values": dict(item.values),
        "distance_from_limit": item.distance,
        "downstream_projects": item.reach,
        "rank": item.rank,
        "advice": item.rule.advice,
    }


def cost_model(assembly: Assembly) -> dict[str, Any]:
    """Human effort as stated, who states none, and which interfaces several projects share."""
    value = assembly.metrics.value

    def silent(key: str) -> list[str]:
        return [item for item in assembly.registry if value(f"{item}.cost.{key}") is None]

    return {
        "estimated_manual_review_hours": value("flywheel.review_hours"),
        "estimated_manual_review_cost_rmb": value("flywheel.review_cost_rmb"),
        "by_project": {
            item: {
                "review_hours": value(f"{item}.cost.review_hours"),
                "review_cost_rmb": value(f"{item}.cost.review_cost_rmb"),
            }
            for item in assembly.registry
        },
        "unknown": {"review_hours": silent("review_hours"), "review_cost_rmb": silent("review_cost_rmb")},
        "reused_interfaces": [
            {
                "interface": item.name,
                "from": item.producer,
                "consumers": list(item.consumers),
                "read_this_version": list(item.readers),
            }
            for item in assembly.reused
        ],
    }


def operating_model(assembly: Assembly) -> dict[str, Any]:
    """Teams with what they own, and the governance mechanisms."""
    blueprint = assembly.flywheel.blueprint
    return {
        "teams": [
            {
                "id": team.id,
                "title": team.title,
                "responsibilities": list(team.responsibilities),
                "projects": [item.project_id for item in assembly.registry.values() if item.contract.owner == team.id],
                "milestones": [stage.milestone.id for stage in blueprint.stages if stage.milestone.owner == team.id],
            }
            for team in blueprint.teams
        ],
        "governance_mechanisms": [
            {"id": item.id, "title": item.title, "owner": item.owner, "cadence": item.cadence}
            for item in blueprint.mechanisms
        ],
        "cross_project_risks": [
            {"id": item.id, "title": item.title, "owner": item.owner, "layers": list(item.layers)}
            for item in blueprint.risks
        ],
    }


def milestone_board(assembly: Assembly) -> list[dict[str, Any]]:
    """The milestones: done exactly when their stage is completed."""
    return [
        {
            "milestone": run.stage.milestone.id,
            "title": run.stage.milestone.title,
            "stage": run.stage.id,
            "status": run.milestone.value,
            "stage_status": run.status.value,
            "owner": run.stage.milestone.owner,
            "evidence": list(run.evidence),
            "open_points": list(run.reasons),
        }
        for run in assembly.stage_runs
    ]


def executive_dashboard(assembly: Assembly) -> dict[str, Any]:
    """The state in one screen of data."""
    dashboard: dict[str, Any] = {name: assembly.metrics.value(f"flywheel.{name}") for name in DASHBOARD_METRICS}
    return dashboard | {
        "format_version": FORMAT_VERSION,
        "flywheel": assembly.flywheel.name,
        "iteration": assembly.iteration,
        "stages": [
            {"stage": run.stage.id, "title": run.stage.title, "status": run.status.value, "score": run.score}
            for run in assembly.stage_runs
        ],
        "first_bottlenecks": [item.rule.id for item in assembly.bottlenecks[:3]],
        "not_consumable": {
            item.project_id: item.reasons[0] for item in assembly.registry.values() if not item.consumable
        },
    }


def metrics_document(assembly: Assembly) -> dict[str, Any]:
    """Every number of the assembly: the flywheel's own by bare name, then all with their origin."""
    prefix = "flywheel."
    own: dict[str, Any] = {
        name.removeprefix(prefix): metric.value for name, metric in assembly.metrics.items() if name.startswith(prefix)
    }
    return own | {
        "format_version": FORMAT_VERSION,
        "flywheel": assembly.flywheel.name,
        "iteration": assembly.iteration,
        "phase_distribution": phase_inventory(assembly)["phase_distribution"],
        "acceptance": {
            name: {
                "value": assembly.metrics.value(prefix + name),
                "note": assembly.metrics[prefix + name].note,
            }
            for name in ACCEPTANCE_METRICS
        },
        "bottlenecks": [f"{item.rule.id}({item.rule.severity})" for item in assembly.bottlenecks],
        "previous": _previous(assembly),
        "metrics": assembly.metrics.as_document(),
    }


def _previous(assembly: Assembly) -> dict[str, Any] | None:
    if assembly.previous is None:
        return None
    return {
        "iteration": assembly.previous.iteration,
        "run_id": assembly.previous.run_id,
        "digest": assembly.previous.digest,
    }


def tasks_document(assembly: Assembly) -> dict[str, Any]:
    """What the iteration did with the tasks it was handed, and whether each absorbed one helped."""
    return {"format_version": FORMAT_VERSION, "iteration": assembly.iteration, **plain(assembly.absorption)}
