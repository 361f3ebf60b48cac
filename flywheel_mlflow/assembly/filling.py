"""Fills the deliverables with what an assembly holds.

Nothing here holds a clock, a host or a path of the machine that assembled: equal evidence
gives equal bytes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.assembly.deliverables import (
    ACCEPTANCE_METRICS,
    ARCHITECTURE,
    BOTTLENECKS,
    BOUNDARIES,
    COSTS,
    DASHBOARD,
    DASHBOARD_METRICS,
    DELIVERABLES,
    FORMAT_VERSION,
    METRICS,
    MILESTONES,
    ORGANISATION,
    PHASES,
    REGISTRY,
    RUNS,
    STAGE_PLAN,
    plain_document,
)
from flywheel_mlflow.assembly.documents import (
    Acceptance,
    ArchitectureFile,
    BottleneckLine,
    BottlenecksFile,
    BoundariesFile,
    BoundaryLine,
    CostsFile,
    Crossing,
    DashboardFile,
    DashboardStage,
    EdgeLine,
    Enforcement,
    Entry,
    Evidence,
    Kpi,
    LayerLine,
    MechanismLine,
    MetricLine,
    MetricsFile,
    MilestoneLine,
    OpenRule,
    OrganisationFile,
    Output,
    Phases,
    PlannedStage,
    PointLine,
    Previous,
    ProjectCost,
    Reused,
    RiskLine,
    RunLine,
    Silent,
    SourceLine,
    TeamLine,
    VariantKpi,
    VariantLine,
    Version,
)
from flywheel_mlflow.base.canonical import canonical_json, document_json, plain
from flywheel_mlflow.evidence.lineage import Edge
from flywheel_mlflow.evidence.provenance import Metric
from flywheel_mlflow.evidence.registry import RegistryEntry
from flywheel_mlflow.evidence.runs import CheckSummary, InterfaceVersion, ProjectEvidence
from flywheel_mlflow.promises.personal_data import PERSONAL_DATA_CHECK


def json_files(assembly: Assembly) -> dict[str, str]:
    """The twelve deliverables that are data, as text by name; the report and the checks come after."""
    documents: dict[str, Any] = {
        REGISTRY: registry(assembly),
        PHASES: phase_inventory(assembly),
        ARCHITECTURE: architecture(assembly),
        BOUNDARIES: boundaries(assembly),
        STAGE_PLAN: stage_plan(assembly),
        RUNS: stage_runs(assembly),
        BOTTLENECKS: bottleneck_analysis(assembly),
        COSTS: cost_model(assembly),
        ORGANISATION: operating_model(assembly),
        MILESTONES: milestone_board(assembly),
        DASHBOARD: executive_dashboard(assembly),
        METRICS: metrics_document(assembly),
    }
    currency = assembly.flywheel.blueprint.currency
    return {name: _text(name, documents[name], currency) for name in DELIVERABLES if name in documents}


def _text(name: str, document: object, currency: str | None) -> str:
    found = plain_document(name, document, currency=currency)
    if name.endswith(".jsonl"):
        return "".join(canonical_json(line) + "\n" for line in found)
    return document_json(found)


def registry(assembly: Assembly) -> tuple[Entry, ...]:
    """The project registry: one entry per project, sorted by id."""
    return tuple(_entry(entry, assembly) for entry in assembly.registry.values())


def _entry(entry: RegistryEntry, assembly: Assembly) -> Entry:
    contract, evidence = entry.contract, entry.evidence
    summary = evidence.checks if evidence else None
    return Entry(
        project_id=contract.id,
        title=contract.title,
        registry_role=contract.registry_role,
        owner=contract.owner,
        phase=contract.phase,
        layers=contract.layers,
        stages=contract.stages,
        deliverables=contract.deliverables,
        contract_digest=contract.digest,
        state=entry.state.value,
        consumable=entry.consumable,
        reasons=entry.reasons,
        not_consumable_for=dict(entry.barred),
        notes=entry.notes,
        score=assembly.metrics.value(f"{contract.id}.score"),
        evidence=_evidence(evidence),
        overall_passed=None if summary is None else summary.total > 0 and not summary.not_passed,
        passed_checks=summary.passed if summary else None,
        total_checks=summary.total if summary else None,
        checks_not_passed=plain(summary.not_passed) if summary else {},
        required_checks={name: _outcome(summary, name) for name in contract.checks.required},
        kpis={
            item.kpi.name: Kpi(
                value=item.value,
                n=item.n,
                stderr=item.stderr,
                unit=item.kpi.unit,
                direction=item.kpi.direction,
                target=item.kpi.target,
                tolerance=item.kpi.tolerance,
                attainment=item.attainment,
            )
            for item in entry.kpis
        },
        interfaces_out=tuple(
            Output(
                name=item.promise.name,
                title=item.promise.title,
                format=item.promise.format,
                role=item.promise.role,
                required=item.promise.required,
                consumers=item.consumers,
                version=_version(item.version),
                change=item.change,
                personal_data=_outcome(summary, f"{item.promise.name}.{PERSONAL_DATA_CHECK}"),
            )
            for item in entry.interfaces
        ),
        interfaces_in=tuple(_edge(edge) for edge in assembly.edges if edge.consumer == contract.id),
        human_review_needed=contract.review.human,
        governance_controls=contract.review.controls,
        estimated_manual_review_hours=evidence.costs.review_hours if evidence else None,
        estimated_manual_review_cost=evidence.costs.review_cost if evidence else None,
        variants=tuple(variant_line(item, entry) for item in entry.variants.values()),
    )


def variant_line(run: ProjectEvidence, entry: RegistryEntry) -> VariantLine:
    """One variant of a project's entry."""
    return VariantLine(
        variant=run.variant,
        counts=entry.evidence is not None and entry.evidence.run_id == run.run_id,
        run_id=run.run_id,
        passed_checks=run.checks.passed,
        total_checks=run.checks.total,
        kpis={name: VariantKpi(value=kpi.value, n=kpi.n, stderr=kpi.stderr) for name, kpi in run.kpis.items()},
    )


def _outcome(summary: CheckSummary | None, name: str) -> str | None:
    return summary.required[name].value if summary and name in summary.required else None


def _evidence(evidence: ProjectEvidence | None) -> Evidence | None:
    if evidence is None:
        return None
    return Evidence(
        kind=evidence.kind.value,
        run_id=evidence.run_id,
        iteration=evidence.iteration,
        carried_from=evidence.carried_from,
        ended=plain(evidence.ended),
        contract_digest=evidence.contract_digest,
        evidence_digest=evidence.evidence_digest,
        code_version=evidence.code_version,
        tasks=evidence.tasks,
        machine=evidence.machine,
    )


def _version(version: InterfaceVersion | None) -> Version | None:
    if version is None:
        return None
    return Version(
        uri=version.uri,
        digest=version.digest,
        schema_digest=version.schema_digest,
        fields=version.fields,
        rows=version.rows,
        bytes=version.bytes,
        records_digest=version.records_digest,
        schema_format=version.schema_format,
    )


def _edge(edge: Edge) -> EdgeLine:
    return EdgeLine(
        interface=edge.interface,
        producer=edge.producer,
        consumer=edge.consumer,
        from_iteration=edge.from_iteration,
        required=edge.required,
        state=edge.state.value,
        made=edge.made,
        read=edge.read,
        missing_fields=edge.missing,
        same_records=edge.same_records,
    )


def phase_inventory(assembly: Assembly) -> Phases:
    """Counts over the registry, by phase."""

    def count(name: str) -> int:
        return cast("int", assembly.metrics.value(f"flywheel.{name}"))  # counts of what is there are known

    passed, total = count("upstream_checks_passed"), count("upstream_check_count")
    return Phases(
        project_count=count("project_count"),
        phase_distribution=dict(sorted(Counter(item.contract.phase for item in assembly.registry.values()).items())),
        all_evidenced_projects_passed=passed == total if total else None,
        total_passed_checks=passed,
        total_checks=total,
        interface_count=count("interface_count"),
        upstream_interface_count=count("upstream_interface_count"),
    )


def architecture(assembly: Assembly) -> ArchitectureFile:
    """Layers with the projects that declare them, control points, and the lineage graph."""
    blueprint = assembly.flywheel.blueprint
    return ArchitectureFile(
        layers=tuple(
            LayerLine(
                id=layer.id,
                title=layer.title,
                responsibilities=layer.responsibilities,
                mapped_projects=tuple(
                    entry.project_id for entry in assembly.registry.values() if layer.id in entry.contract.layers
                ),
            )
            for layer in blueprint.layers
        ),
        control_points=tuple(
            PointLine(
                id=point.id,
                title=point.title,
                before_stages=point.before,
                question=point.question,
                criteria=point.criteria,
            )
            for point in blueprint.control_points
        ),
        interfaces=tuple(_edge(edge) for edge in assembly.edges),
    )


def boundaries(assembly: Assembly) -> BoundariesFile:
    """Boundaries with the gate criteria that enforce each, and the interface edges."""
    blueprint = assembly.flywheel.blueprint
    gates = {criterion.id: gate.id for gate in blueprint.gates for criterion in gate.criteria}

    def of(kind: str) -> tuple[BoundaryLine, ...]:
        return tuple(
            BoundaryLine(
                id=item.id,
                rule=item.rule,
                enforced_by=tuple(Enforcement(criterion=name, gate=gates[name]) for name in item.enforced_by),
            )
            for item in blueprint.boundaries
            if item.kind == kind
        )

    return BoundariesFile(
        ownership_boundaries=of("ownership"),
        risk_boundaries=of("risk"),
        interfaces=tuple(
            Crossing(producer=edge.producer, consumer=edge.consumer, artifact=edge.interface) for edge in assembly.edges
        ),
    )


def stage_plan(assembly: Assembly) -> tuple[PlannedStage, ...]:
    """The stages with their projects and what these deliver."""
    return tuple(
        PlannedStage(
            stage_id=run.stage.id,
            title=run.stage.title,
            goal=run.stage.goal,
            enters_through=run.stage.enters_through,
            projects=run.projects,
            deliverables=tuple(
                name for project_id in run.projects for name in assembly.registry[project_id].contract.deliverables
            ),
            milestone=run.stage.milestone.id,
        )
        for run in assembly.stage_runs
    )


def stage_runs(assembly: Assembly) -> tuple[RunLine, ...]:
    """The stage runs, each a line of flywheel_runs.jsonl."""
    return tuple(
        RunLine(
            run_id=f"{assembly.flywheel.name}/iteration-{assembly.iteration:03d}/{run.stage.id}",
            stage_id=run.stage.id,
            iteration=assembly.iteration,
            status=run.status.value,
            score=run.score,
            impact=tuple(
                sorted({edge.consumer for edge in assembly.edges if edge.producer in run.projects} - {*run.projects})
            ),
            evidence=run.evidence,
            reasons=run.reasons,
        )
        for run in assembly.stage_runs
    )


def bottleneck_analysis(assembly: Assembly) -> BottlenecksFile:
    """Bottlenecks, most pressing first, with the numbers behind each, and rules left open."""
    return BottlenecksFile(
        bottlenecks=tuple(
            BottleneckLine(
                position=position,
                name=item.rule.id,
                title=item.rule.title,
                severity=item.rule.severity,
                rule=item.rule.when,
                values=dict(item.values),
                distance_from_limit=item.distance,
                downstream_projects=item.reach,
                rank=item.rank,
                advice=item.rule.advice,
            )
            for position, item in enumerate(assembly.bottlenecks, start=1)
        ),
        rules_not_decidable=tuple(
            OpenRule(name=rule.id, rule=rule.when, why="a value the rule reads is unknown")
            for rule in assembly.undecided
        ),
        rules_evaluated=len(assembly.flywheel.blueprint.bottlenecks),
    )


def cost_model(assembly: Assembly) -> CostsFile:
    """Human effort as stated, who states none, and which interfaces several projects share."""
    value, cost = assembly.metrics.value, assembly.flywheel.blueprint.cost_name

    def silent(key: str) -> tuple[str, ...]:
        return tuple(item for item in assembly.registry if value(f"{item}.cost.{key}") is None)

    return CostsFile(
        estimated_manual_review_hours=value("flywheel.review_hours"),
        estimated_manual_review_cost=value(f"flywheel.{cost}"),
        by_project={
            item: ProjectCost(
                review_hours=value(f"{item}.cost.review_hours"),
                review_cost=value(f"{item}.cost.{cost}"),
            )
            for item in assembly.registry
        },
        unknown=Silent(review_hours=silent("review_hours"), review_cost=silent(cost)),
        reused_interfaces=tuple(
            Reused(
                interface=item.name,
                producer=item.producer,
                consumers=item.consumers,
                read_this_version=item.readers,
            )
            for item in assembly.reused
        ),
    )


def operating_model(assembly: Assembly) -> OrganisationFile:
    """Teams with what they own, and the governance mechanisms."""
    blueprint = assembly.flywheel.blueprint
    return OrganisationFile(
        teams=tuple(
            TeamLine(
                id=team.id,
                title=team.title,
                responsibilities=team.responsibilities,
                projects=tuple(i.project_id for i in assembly.registry.values() if i.contract.owner == team.id),
                milestones=tuple(s.milestone.id for s in blueprint.stages if s.milestone.owner == team.id),
            )
            for team in blueprint.teams
        ),
        governance_mechanisms=tuple(
            MechanismLine(id=item.id, title=item.title, owner=item.owner, cadence=item.cadence)
            for item in blueprint.mechanisms
        ),
        cross_project_risks=tuple(
            RiskLine(id=item.id, title=item.title, owner=item.owner, layers=item.layers) for item in blueprint.risks
        ),
    )


def milestone_board(assembly: Assembly) -> tuple[MilestoneLine, ...]:
    """The milestones: done exactly when their stage is completed."""
    return tuple(
        MilestoneLine(
            milestone=run.stage.milestone.id,
            title=run.stage.milestone.title,
            stage=run.stage.id,
            status=run.milestone.value,
            stage_status=run.status.value,
            owner=run.stage.milestone.owner,
            evidence=run.evidence,
            open_points=run.reasons,
        )
        for run in assembly.stage_runs
    )


def executive_dashboard(assembly: Assembly) -> DashboardFile:
    """The state in one screen of data."""
    repeated = (*DASHBOARD_METRICS, assembly.flywheel.blueprint.cost_name)
    numbers: dict[str, Any] = {name: assembly.metrics.value(f"flywheel.{name}") for name in repeated}
    return DashboardFile(
        **numbers,
        format_version=FORMAT_VERSION,
        flywheel=assembly.flywheel.name,
        iteration=assembly.iteration,
        stages=tuple(
            DashboardStage(stage=run.stage.id, title=run.stage.title, status=run.status.value, score=run.score)
            for run in assembly.stage_runs
        ),
        first_bottlenecks=tuple(item.rule.id for item in assembly.bottlenecks[:3]),
        not_consumable={item.project_id: item.reasons[0] for item in assembly.registry.values() if not item.consumable},
    )


def metrics_document(assembly: Assembly) -> MetricsFile:
    """Every number of the assembly: the flywheel's own by bare name, then all with their origin."""
    prefix = "flywheel."
    own: dict[str, Any] = {
        name.removeprefix(prefix): metric.value for name, metric in assembly.metrics.items() if name.startswith(prefix)
    }
    previous = assembly.previous
    return MetricsFile(
        **own,
        format_version=FORMAT_VERSION,
        flywheel=assembly.flywheel.name,
        iteration=assembly.iteration,
        phase_distribution=phase_inventory(assembly).phase_distribution,
        acceptance={
            name: Acceptance(value=assembly.metrics.value(prefix + name), note=assembly.metrics[prefix + name].note)
            for name in ACCEPTANCE_METRICS
        },
        bottlenecks=tuple(f"{item.rule.id}({item.rule.severity})" for item in assembly.bottlenecks),
        previous=None
        if previous is None
        else Previous(iteration=previous.iteration, run_id=previous.run_id, digest=previous.digest),
        metrics={name: _metric(metric) for name, metric in assembly.metrics.items()},
    )


def _metric(metric: Metric) -> MetricLine:
    source = metric.source
    return MetricLine(
        value=metric.value,
        unit=metric.unit,
        direction=metric.direction,
        rule=metric.rule,
        inputs=metric.inputs,
        source=None if source is None else SourceLine(**plain(source)),
        note=metric.note,
    )


def tasks_document(assembly: Assembly) -> dict[str, Any]:
    """What the iteration did with the tasks it was handed, and whether each absorbed one helped."""
    return {"format_version": FORMAT_VERSION, "iteration": assembly.iteration, **plain(assembly.absorption)}
