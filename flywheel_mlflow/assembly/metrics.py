"""Metrics of the whole flywheel: coverage, checks, stages, acceptance, bottlenecks, costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.assembly.track_record import TrackRecord
from flywheel_mlflow.base.names import REVIEW_COST, cost_name
from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.drift import DataVerdict, DriftReport
from flywheel_mlflow.evidence.lineage import Edge, EdgeState, reach
from flywheel_mlflow.evidence.provenance import Metrics, Source, computed, share
from flywheel_mlflow.evidence.registry import EvidenceState, RegistryEntry
from flywheel_mlflow.evidence.runs import RESOURCE, RESOURCE_UNITS
from flywheel_mlflow.evidence.stages import MilestoneStatus, StageRun, StageStatus, evidence_source, obligations
from flywheel_mlflow.feedback.absorption import AbsorbedTask, Reflux, absorbed_events
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.scoring import BottleneckRule

SECONDS_PER_DAY = 86_400

#: Numbers of the comparison with the iteration before: metric, property of the report, what it counts.
DRIFT_COUNTS = (
    ("flywheel.regressed_kpi_count", "regressed_kpis", "KPIs that got worse than they may, or vanished"),
    ("flywheel.inconclusive_kpi_count", "inconclusive_kpis", "KPIs that few samples or a noisy history leave open"),
    ("flywheel.drifted_signal_count", "drifted_signals", "quality signals that changed or vanished, not as intended"),
    ("flywheel.drifted_filter_count", "drifted_filters", "filters that changed or vanished, not as intended"),
    ("flywheel.changed_schema_count", "changed_schemas", "schemas with fields gone or retyped, not as intended"),
    ("flywheel.drift_error_count", "errors", "what could not be compared"),
)

#: The share of regressed KPIs for which something upstream changed; it rests on the same comparison.
LOCALISED = "flywheel.regression_localisation_rate"


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A rule that fired, with the numbers that made it fire.

    ``distance`` is how far beyond its limit the worst value lies, as a share of the limit (the
    plain difference where the limit is 0); ``reach`` counts projects downstream in the same iteration;
    ``rank`` = severity weight x (1 + reach) x (1 + distance), higher is more pressing.
    """

    rule: BottleneckRule
    values: Mapping[str, float | None]
    distance: float
    reach: int
    rank: float


@dataclass(frozen=True, slots=True)
class ReusedInterface:
    """An interface that several projects build on: ``readers`` logged that they read this version."""

    name: str
    producer: str
    consumers: tuple[str, ...]
    readers: tuple[str, ...]


def add_counts(registry: Mapping[str, RegistryEntry], blueprint: Blueprint, metrics: Metrics) -> None:
    """Add how many projects, interfaces, checks and parts of the blueprint there are."""
    entries = list(registry.values())
    upstream = [entry for entry in entries if not entry.contract.is_assembly]
    evidenced = [entry for entry in upstream if entry.evidence is not None]
    with_evidence = [entry for entry in entries if entry.evidence is not None]
    contracts = Source("contracts", "projects/*/project.yaml")
    plan = Source("blueprint", "flywheel.yaml", digest=blueprint.digest)

    def count(name: str, value: int, rule: str, source: Source, unit: str = "count") -> None:
        metrics.add(computed(f"flywheel.{name}", value, unit, rule, source=source))

    def interfaces(items: Iterable[RegistryEntry]) -> int:
        return sum(len(entry.interfaces) for entry in items)

    count("project_count", len(entries), "contracts read", contracts)
    count(
        "phase_count", len({entry.contract.phase for entry in entries}), "distinct phases of all contracts", contracts
    )
    count("interface_count", interfaces(entries), "interfaces promised by all contracts", contracts)
    count(
        "upstream_interface_count",
        interfaces(evidenced),
        "interfaces promised by the upstream projects that have evidence",
        contracts,
    )
    versions = sum(item.version is not None for entry in entries for item in entry.interfaces)
    count("interface_version_count", versions, "interfaces with a logged version", Source("runs", "this iteration"))
    count("layer_count", len(blueprint.layers), "layers of the blueprint", plan)
    count("stage_count", len(blueprint.stages), "stages of the blueprint", plan)
    count("control_point_count", len(blueprint.control_points), "control points of the blueprint", plan)
    count("boundary_count", len(blueprint.boundaries), "boundaries of the blueprint", plan)
    count("team_count", len(blueprint.teams), "teams of the blueprint", plan)
    count("mechanism_count", len(blueprint.mechanisms), "governance mechanisms of the blueprint", plan)
    runs = Source("runs", "this iteration")
    count("evidenced_count", len(with_evidence), "projects with a valid run, carried ones included", runs)
    carried = sum(entry.state is EvidenceState.CARRIED for entry in entries)
    count("carried_count", carried, "projects whose evidence is carried from an earlier iteration", runs)
    count("upstream_evidenced_count", len(evidenced), "upstream projects with a valid run", runs)
    count("consumable_count", sum(entry.consumable for entry in entries), "projects without a reason against", runs)
    upstream_ready = sum(entry.consumable for entry in upstream)
    count("upstream_consumable_count", upstream_ready, "upstream projects without a reason against", runs)
    _add_checks(evidenced, metrics)


def _add_checks(evidenced: Iterable[RegistryEntry], metrics: Metrics) -> None:
    summaries = [entry.evidence.checks for entry in evidenced if entry.evidence]
    inputs = tuple(f"{entry.project_id}.check_pass_rate" for entry in evidenced)
    passed = sum(summary.passed for summary in summaries)
    total = sum(summary.total for summary in summaries)
    due = sum(summary.passed + summary.failed + summary.error for summary in summaries)
    for name, value, unit, rule in (
        ("upstream_checks_passed", passed, "count", "sum of passed checks of the upstream projects with evidence"),
        ("upstream_check_count", total, "count", "sum of all checks of the upstream projects with evidence"),
        ("upstream_check_pass_rate", share(passed, due), "ratio", "passed checks / checks that were due, upstream"),
    ):
        note = "" if value is not None else "no upstream check was due"
        metrics.add(computed(f"flywheel.{name}", value, unit, rule, inputs=inputs, note=note))


def add_acceptance(
    registry: Mapping[str, RegistryEntry],
    runs: Iterable[StageRun],
    found: Iterable[Edge],
    metrics: Metrics,
    *,
    previous_ended: datetime | None,
) -> None:
    """Add the acceptance metrics of the flywheel; those nothing measures yet are unknown and say so.

    ``previous_ended`` is when the last project run of the iteration before ended.
    """
    stages, edges = list(runs), list(found)
    entries = list(registry.values())
    upstream = [entry for entry in entries if not entry.contract.is_assembly]

    def add(name: str, value: float | None, unit: str, rule: str, *inputs: str, note: str = "") -> None:
        metrics.add(
            computed(f"flywheel.{name}", value, unit, rule, tuple(f"flywheel.{item}" for item in inputs), note=note)
        )

    projects = len(entries)
    add(
        "asset_coverage",
        share(int(metrics.value("flywheel.evidenced_count") or 0), projects),
        "ratio",
        "projects with evidence / projects registered",
        "evidenced_count",
        "project_count",
    )
    add(
        "consumable_share",
        share(int(metrics.value("flywheel.consumable_count") or 0), projects),
        "ratio",
        "consumable projects / projects registered",
        "consumable_count",
        "project_count",
    )
    kept = [obligations(entry) for entry in upstream]
    add(
        "registry_completeness",
        share(sum(met for met, _ in kept), sum(due for _, due in kept)),
        "ratio",
        "promises kept / promises made by all upstream contracts: interface versions, required checks, KPI values",
        "upstream_evidenced_count",
    )
    judged = [edge for edge in edges if not registry[edge.consumer].contract.is_assembly]
    matched = sum(edge.state is EdgeState.MATCHED for edge in judged)
    add(
        "interface_mapping",
        share(matched, len(judged)),
        "ratio",
        "declared edges between upstream projects whose consumer read exactly the producer's version / declared edges",
        "interface_version_count",
    )
    completed = sum(run.status is StageStatus.COMPLETED for run in stages)
    scores = tuple(f"stage.{run.stage.id}.score" for run in stages)
    metrics.add(
        computed(
            "flywheel.stage_completion_rate",
            share(completed, len(stages)),
            "ratio",
            "completed stages / stages",
            inputs=scores,
        )
    )
    known = [run.score for run in stages if run.score is not None]
    metrics.add(
        computed(
            "flywheel.mean_stage_score",
            sum(known) / len(known) if known else None,
            "score 0..1",
            "mean of the known stage scores",
            inputs=scores,
            note="" if len(known) == len(stages) else f"{len(known)} of {len(stages)} stages have a score",
        )
    )
    done = sum(run.milestone is MilestoneStatus.DONE for run in stages)
    add("milestone_count", len(stages), "count", "one milestone for each stage", "stage_count")
    add("milestone_done_count", done, "count", "milestones whose stage is completed", "stage_completion_rate")
    add(
        "milestone_completion_rate",
        share(done, len(stages)),
        "ratio",
        "milestones done / milestones",
        "milestone_done_count",
        "milestone_count",
    )
    # A carried run belongs to an earlier iteration, and so does its end.
    fresh = [entry.evidence for entry in upstream if entry.evidence and entry.state is EvidenceState.EVIDENCED]
    ended = max((evidence.ended for evidence in fresh if evidence.ended), default=None)
    cycle: float | None = None
    if ended and previous_ended and ended >= previous_ended:
        cycle = (ended - previous_ended).total_seconds() / SECONDS_PER_DAY
    add(
        "iteration_cycle_days",
        cycle,
        "days",
        "end of the last project run of this iteration minus the same of the iteration before",
        "upstream_evidenced_count",
        note=_cycle_note(ended, previous_ended),
    )


def add_track_record(record: TrackRecord, metrics: Metrics) -> None:
    """Add the acceptance metrics that the ledger answers, as it was when this iteration's evidence ended."""
    for name, value, rule, note in (
        (
            "release_pass_rate",
            share(record.passed, record.gated),
            "releases whose newest gate verdict passed / releases that met a gate, up to the end of this evidence",
            "" if record.gated else "no release had met a gate by then",
        ),
        (
            "risk_closure_rate",
            share(record.closed, record.risks),
            "risks closed / risks opened, up to the end of this evidence",
            "" if record.risks else "no risk had been opened by then",
        ),
    ):
        source = Source("ledger", "the decisions by then")
        metrics.add(computed(f"flywheel.{name}", value, "ratio", rule, source=source, note=note))


def add_reflux(reflux: Reflux, absorbed: Iterable[AbsorbedTask], metrics: Metrics) -> None:
    """Add the share of feedback that came back as absorbed tasks, as it was when this iteration's evidence ended."""
    taken_in = reflux.taken_in or 0
    metrics.add(
        computed(
            "flywheel.feedback_reflux_rate",
            share(absorbed_events(reflux, absorbed), taken_in),
            "ratio",
            "events answered by absorbed tasks / events taken in, up to the end of this evidence",
            source=Source("ledger", "the decisions by then"),
            note="" if taken_in else "no feedback had been taken in by then",
        )
    )


def _cycle_note(ended: datetime | None, previous_ended: datetime | None) -> str:
    if previous_ended is None:
        return "no earlier iteration to measure from"
    if ended is None:
        return "no run of this iteration to measure to"
    return "" if ended >= previous_ended else "its last run ended before that of the iteration before"


def find_bottlenecks(
    blueprint: Blueprint, metrics: Metrics, found: Iterable[Edge]
) -> tuple[tuple[Bottleneck, ...], tuple[BottleneckRule, ...]]:
    """Rules that fired, most pressing first, and rules left open because a value is unknown."""
    edges = tuple(found)
    fired: list[Bottleneck] = []
    undecided: list[BottleneckRule] = []
    for rule in blueprint.bottlenecks:
        parsed = parse_rule(rule.when)
        values = metrics.values_of(parsed.metrics)
        holds = parsed.holds(values)
        if holds is None:
            undecided.append(rule)
        elif holds:
            fired.append(_bottleneck(rule, values, blueprint, edges))
    inputs = tuple(dict.fromkeys(name for item in fired for name in item.values if name in metrics))
    metrics.add(
        computed("flywheel.bottleneck_count", len(fired), "count", "bottleneck rules that fired", inputs=inputs)
    )
    return tuple(sorted(fired, key=lambda item: (-item.rank, item.rule.id))), tuple(undecided)


def _bottleneck(
    rule: BottleneckRule, values: Mapping[str, float | None], blueprint: Blueprint, edges: tuple[Edge, ...]
) -> Bottleneck:
    true = [condition for condition in parse_rule(rule.when).conditions if condition.holds(values[condition.metric])]
    distance = max(condition.distance(values[condition.metric]) or 0.0 for condition in true)
    downstream = reach(edges, {condition.metric.split(".")[0] for condition in true})
    weight = blueprint.scoring.severity_weights[rule.severity]
    return Bottleneck(rule, values, distance, downstream, weight * (1 + downstream) * (1 + distance))


def add_costs(registry: Mapping[str, RegistryEntry], currency: str | None, metrics: Metrics) -> None:
    """Add the human effort: per project as stated, and the sums over those that state any."""
    for key, name, unit, title in (
        ("review_hours", "review_hours", "hours", "manual review hours"),
        (REVIEW_COST, cost_name(currency), currency or "money", "manual review cost"),
    ):
        undeclared = "flywheel.yaml declares no currency" if key == REVIEW_COST and currency is None else ""
        stated: list[str] = []
        total = 0.0
        for entry in registry.values():
            value = getattr(entry.evidence.costs, key) if entry.evidence else None
            path = getattr(entry.contract.costs, key)
            metric = metrics.add(
                computed(
                    f"{entry.project_id}.cost.{name}",
                    value,
                    unit,
                    f"{title} as the project states it",
                    source=evidence_source(entry, path or ""),
                    note="" if value is not None else undeclared or "the project states none",
                )
            )
            if value is not None:
                stated.append(metric.name)
                total += value
        silent = len(registry) - len(stated)
        metrics.add(
            computed(
                f"flywheel.{name}",
                round(total, 6) if stated else None,
                unit,
                f"sum of the {title} of the projects that state any",
                inputs=tuple(stated),
                note=undeclared
                or (
                    f"{silent} of {len(registry)} projects state none: their effort is unknown, not 0" if silent else ""
                ),
            )
        )


def add_resources(registry: Mapping[str, RegistryEntry], metrics: Metrics) -> None:
    """Add what each project's run took, as far as it measured that."""
    for entry in registry.values():
        if entry.evidence is None:
            continue
        taken = entry.evidence.resources
        for name, value in taken.numbers().items():
            path = f"{RESOURCE}.{name}"
            metrics.add(
                computed(
                    f"{entry.project_id}.{path}",
                    value,
                    RESOURCE_UNITS[name],
                    f"measured by the run, on {taken.machine}",
                    source=evidence_source(entry, path),
                )
            )


def add_drift(drift: DriftReport | None, found: Iterable[Edge], metrics: Metrics) -> None:
    """Add how many KPIs, signals and filters the comparison with the iteration before found worse; unknown without.

    A regressed KPI counts as localised when the same comparison found data that changed, or a filter that drifted, in
    its own project or in one upstream of it in the same iteration: then there is a suspect to look at.
    """
    for name, value, rule in DRIFT_COUNTS:
        metrics.add(
            computed(
                name,
                None if drift is None else int(getattr(drift, value)),
                "count",
                f"{rule}, since the iteration before",
                source=Source("comparison", "the iteration before"),
                note="" if drift is not None else "nothing to compare with",
            )
        )
    regressed = [item.subject.partition(".")[0] for item in drift.kpis if item.stops] if drift else []
    changed = _changed_projects(drift) if drift else frozenset()
    feeds = tuple(found)
    localised = sum(not changed.isdisjoint(_with_upstream(project, feeds)) for project in regressed)
    metrics.add(
        computed(
            LOCALISED,
            share(localised, len(regressed)),
            "ratio",
            "KPIs that got worse with data or a filter that changed in their project or upstream of it / "
            "KPIs that regressed or vanished",
            inputs=("flywheel.regressed_kpi_count",),
            note="" if regressed else "no KPI regressed" if drift is not None else "nothing to compare with",
        )
    )


def _changed_projects(drift: DriftReport) -> frozenset[str]:
    """Projects with data whose digest differs (whatever the tests say of it), or a filter that drifted or vanished."""
    data = {item.project for item in drift.distributions if item.verdict is not DataVerdict.UNCHANGED}
    moved = (DataVerdict.DRIFTED, DataVerdict.VANISHED)
    return frozenset(data | {item.project for item in drift.filters if item.verdict in moved})


def _with_upstream(project: str, found: Iterable[Edge]) -> frozenset[str]:
    """A project with all that feed it within the same iteration, transitively."""
    feeds = [(edge.producer, edge.consumer) for edge in found if edge.from_iteration == "same"]
    reached, todo = {project}, [project]
    while todo:
        reader = todo.pop()
        new = {producer for producer, consumer in feeds if consumer == reader} - reached
        reached |= new
        todo += sorted(new)
    return frozenset(reached)


def reused_interfaces(registry: Mapping[str, RegistryEntry], found: Iterable[Edge]) -> tuple[ReusedInterface, ...]:
    """Interfaces with two or more upstream consumers: each saves building the same thing again."""
    edges = [edge for edge in found if not registry[edge.consumer].contract.is_assembly]
    reused = []
    for entry in registry.values():
        for item in entry.interfaces:
            mine = [edge for edge in edges if edge.interface == item.promise.name]
            consumers = tuple(sorted({edge.consumer for edge in mine}))
            readers = tuple(sorted({edge.consumer for edge in mine if edge.state is EdgeState.MATCHED}))
            if len(consumers) > 1:
                reused.append(ReusedInterface(item.promise.name, entry.project_id, consumers, readers))
    return tuple(sorted(reused, key=lambda item: (-len(item.consumers), item.name)))
