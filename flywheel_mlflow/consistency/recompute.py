"""The numbers of an assembly computed a second time, from its documents instead of from the evidence.

Written apart from ``metrics.py`` and ``stages.py`` on purpose: a mistake must be made twice to go
unnoticed. Only the blueprint's and the contracts' weights, and counts of skipped checks, which no
deliverable states, are taken from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flywheel_mlflow.assembly.deliverables import DRIFT
from flywheel_mlflow.assembly.documents import Entry, Kpi, Number
from flywheel_mlflow.base.names import REUSE_COST, cost_name
from flywheel_mlflow.consistency.view import AssemblyView
from flywheel_mlflow.drift import drift_report_from_json

#: Numbers that no deliverable holds the inputs of: times of another iteration, and shares over
#: histories (feedback, releases, risks) that are kept elsewhere.
NOT_IN_THE_DOCUMENTS = frozenset(
    {
        "flywheel.iteration_cycle_days",
        "flywheel.feedback_reflux_rate",
        "flywheel.release_pass_rate",
        "flywheel.risk_closure_rate",
        "flywheel.self_recognised_failures",
        "flywheel.rhythms_kept",
        "flywheel.localisation_hours",
    }
)


def recompute(view: AssemblyView) -> dict[str, Number]:
    """Every number that follows from the documents, by metric name."""
    entries = view.registry
    numbers: dict[str, Number] = {}
    for entry in entries.values():
        numbers.update(_project(entry, view))
    for stage in view.now.flywheel.blueprint.stages:
        numbers[f"stage.{stage.id}.score"] = stage_score(stage.id, entries.values(), view)
    flywheel = {
        **_registered(list(entries.values())),
        **_planned(view),
        **_checked(list(entries.values()), view),
        **_kept(list(entries.values())),
        **_staged(view),
        **_spent(list(entries.values()), view),
        **_saved(entries, view),
        **_remembered(list(entries.values()), view),
        "bottleneck_count": len(view.bottlenecks.bottlenecks),
        **_compared(view),
    }
    return numbers | {f"flywheel.{name}": value for name, value in flywheel.items()}


def attainment(kpi: Kpi) -> float | None:
    """How much of its target a KPI reaches, 0 to 1; None when value or target is unknown."""
    if kpi.value is None or kpi.target is None:
        return None
    short = kpi.target - kpi.value if kpi.direction == "higher" else kpi.value - kpi.target
    if short <= (kpi.tolerance or 0.0) * (1 + 1e-9):
        return 1.0
    if kpi.value * kpi.target <= 0:
        return 0.0
    small, large = sorted((abs(kpi.value), abs(kpi.target)))
    return small / large


def promises(entry: Entry) -> tuple[int, int]:
    """Promises kept and promises made: required interfaces, required checks, KPIs."""
    required = [item for item in entry.interfaces_out if item.required]
    kept = sum(item.version is not None for item in required)
    kept += sum(outcome == "passed" for outcome in entry.required_checks.values())
    kept += sum(kpi.value is not None for kpi in entry.kpis.values())
    return kept, len(required) + len(entry.required_checks) + len(entry.kpis)


def stage_score(stage_id: str, entries: Iterable[Entry], view: AssemblyView) -> float | None:
    """Mean score of a stage's projects as the registry states them, by the contracts' weights."""
    contracts = view.now.flywheel.contracts
    scored = [
        (entry.score, contracts[entry.project_id].weight)
        for entry in entries
        if stage_id in entry.stages and entry.score is not None and entry.project_id in contracts
    ]
    return _mean(scored)


def _mean(pairs: Iterable[tuple[Number, float]]) -> float | None:
    known = [(value, weight) for value, weight in pairs if value is not None and weight > 0]
    if not known:
        return None
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _due(entry: Entry, view: AssemblyView) -> int:
    """Checks that count: all but the skipped ones and those that only warn."""
    live = view.now.registry.get(entry.project_id)
    summary = live.evidence.checks if live and live.evidence else None
    return (entry.total_checks or 0) - (summary.skipped + summary.warned if summary else 0)


def _project(entry: Entry, view: AssemblyView) -> Iterator[tuple[str, Number]]:
    name = entry.project_id
    for kpi, item in entry.kpis.items():
        yield f"{name}.{kpi}", item.value
    yield from _suites(entry, view)
    weights = view.now.flywheel.blueprint.scoring.weights
    rate = _ratio(entry.passed_checks or 0, _due(entry, view)) if entry.evidence else None
    kpis = _mean((attainment(item), 1.0) for item in entry.kpis.values())
    conformity = _ratio(*promises(entry)) if entry.evidence else None
    yield f"{name}.check_pass_rate", rate
    yield f"{name}.kpi_attainment", kpis
    yield f"{name}.contract_conformity", conformity
    yield f"{name}.score", _mean(((rate, weights.checks), (kpis, weights.kpis), (conformity, weights.contract)))
    yield f"{name}.cost.review_hours", entry.estimated_manual_review_hours
    yield f"{name}.cost.{view.now.flywheel.blueprint.cost_name}", entry.estimated_manual_review_cost


def _suites(entry: Entry, view: AssemblyView) -> Iterator[tuple[str, Number]]:
    contract = view.now.flywheel.contracts[entry.project_id]
    for suite in contract.suites:
        members = [entry.kpis[kpi.name] for kpi in contract.members(suite)]
        sizes = [item.n for item in members if item.value is not None]
        weights = [float(item.n or 0) if all(sizes) else 1.0 for item in members]
        pairs = zip((item.value for item in members), weights, strict=True)
        yield f"{entry.project_id}.{suite.name}", _mean(pairs)


def _registered(entries: list[Entry]) -> dict[str, Number]:
    shown = [entry for entry in entries if entry.evidence]
    upstream = [entry for entry in shown if entry.upstream]
    consumable = [entry for entry in entries if entry.consumable]
    return {
        "project_count": len(entries),
        "phase_count": len({entry.phase for entry in entries}),
        "interface_count": sum(len(entry.interfaces_out) for entry in entries),
        "upstream_interface_count": sum(len(entry.interfaces_out) for entry in upstream),
        "interface_version_count": sum(item.version is not None for entry in entries for item in entry.interfaces_out),
        "evidenced_count": len(shown),
        "carried_count": sum(entry.evidence is not None and entry.evidence.carried_from is not None for entry in shown),
        "upstream_evidenced_count": len(upstream),
        "consumable_count": len(consumable),
        "upstream_consumable_count": sum(entry.upstream for entry in consumable),
        "asset_coverage": _ratio(len(shown), len(entries)),
        "consumable_share": _ratio(len(consumable), len(entries)),
    }


def _planned(view: AssemblyView) -> dict[str, Number]:
    boundaries, architecture, organisation = view.boundaries, view.architecture, view.organisation
    return {
        "layer_count": len(architecture.layers),
        "control_point_count": len(architecture.control_points),
        "stage_count": len(view.stage_plan),
        "boundary_count": len(boundaries.ownership_boundaries) + len(boundaries.risk_boundaries),
        "team_count": len(organisation.teams),
        "mechanism_count": len(organisation.governance_mechanisms),
    }


def _checked(entries: list[Entry], view: AssemblyView) -> dict[str, Number]:
    upstream = [entry for entry in entries if entry.upstream and entry.evidence]
    passed = sum(entry.passed_checks or 0 for entry in upstream)
    return {
        "upstream_checks_passed": passed,
        "upstream_check_count": sum(entry.total_checks or 0 for entry in upstream),
        "upstream_check_pass_rate": _ratio(passed, sum(_due(entry, view) for entry in upstream)),
    }


def _kept(entries: list[Entry]) -> dict[str, Number]:
    upstream = [entry for entry in entries if entry.upstream]
    counts = [promises(entry) for entry in upstream]
    edges = [edge for entry in upstream for edge in entry.interfaces_in]
    return {
        "registry_completeness": _ratio(sum(kept for kept, _ in counts), sum(made for _, made in counts)),
        "interface_mapping": _ratio(sum(edge.state == "matched" for edge in edges), len(edges)),
    }


def _staged(view: AssemblyView) -> dict[str, Number]:
    runs, done = view.runs, sum(line.status == "done" for line in view.milestones)
    return {
        "stage_completion_rate": _ratio(sum(run.status == "completed" for run in runs), len(runs)),
        "mean_stage_score": _mean((run.score, 1.0) for run in runs),
        "milestone_count": len(view.milestones),
        "milestone_done_count": done,
        "milestone_completion_rate": _ratio(done, len(view.milestones)),
    }


def _spent(entries: list[Entry], view: AssemblyView) -> dict[str, Number]:
    hours = [entry.estimated_manual_review_hours for entry in entries]
    money = [entry.estimated_manual_review_cost for entry in entries]
    return {"review_hours": sum_of_known(hours), view.now.flywheel.blueprint.cost_name: sum_of_known(money)}


def _saved(entries: dict[str, Entry], view: AssemblyView) -> dict[str, Number]:
    """What readers of an interface but the first did not have to do again."""
    cost = cost_name(view.now.flywheel.blueprint.currency, REUSE_COST)
    found: dict[str, list[float]] = {"reuse_hours_saved": [], cost: []}
    for item in view.costs.reused_interfaces:
        entry, others = entries.get(item.producer), len(item.read_this_version) - 1
        if entry is None:
            continue
        made = sum(out.version is not None for out in entry.interfaces_out)
        spent = (entry.estimated_manual_review_hours, entry.estimated_manual_review_cost)
        for sums, value in zip(found.values(), spent, strict=True):
            if others > 0 and made and value is not None:
                sums.append(others * value / made)
    return {name: sum_of_known(sums) for name, sums in found.items()}


def _remembered(entries: list[Entry], view: AssemblyView) -> dict[str, Number]:
    lines = (*view.boundaries.ownership_boundaries, *view.boundaries.risk_boundaries)
    enforced = {item.criterion for line in lines for item in line.enforced_by}
    made = [entry for entry in entries if entry.upstream and entry.evidence and entry.evidence.carried_from is None]
    warned = {name: item.evidence.checks.warned for name, item in view.now.registry.items() if item.evidence}
    problems = [_due(entry, view) - (entry.passed_checks or 0) + warned.get(entry.project_id, 0) for entry in made]
    return {
        "control_points_in_boundaries": sum(
            bool(enforced & set(point.criteria)) for point in view.architecture.control_points
        ),
        "problems_exposed": sum(problems) if problems else None,
    }


def _compared(view: AssemblyView) -> dict[str, Number]:
    """Counts of the comparison with the iteration before, from its document; unknown where there is none."""
    names = ("regressed_kpi", "inconclusive_kpi", "drifted_signal", "drifted_filter", "changed_schema", "drift_error")
    if DRIFT not in view.files:
        return dict.fromkeys([*(f"{name}_count" for name in names), "regression_localisation_rate"])
    report = drift_report_from_json(view.text(DRIFT), name=DRIFT)
    bad = {"vanished", "drifted"}
    worse = [item for item in report.kpis if item.outcome == "worse" and (not item.suite or item.verdict == "vanished")]
    counts = (
        len(worse),
        sum(item.verdict.value == "inconclusive" and not item.suite for item in report.kpis),
        sum(item.verdict.value in bad and not item.task for item in report.distributions),
        sum(item.verdict.value in bad and not item.task for item in report.filters),
        sum(item.change == "major" and not item.task for item in report.schemas),
        sum(item.kind.value == "error" for item in report.findings),
    )
    found: dict[str, Number] = {f"{name}_count": count for name, count in zip(names, counts, strict=True)}
    moved = {item.project for item in report.distributions if item.verdict.value != "unchanged"}
    moved |= {item.project for item in report.filters if item.verdict.value in bad}
    lost = [item.subject.split(".")[0] for item in worse]
    located = [name for name in lost if moved & _sources(name, view)]
    return found | {"regression_localisation_rate": _ratio(len(located), len(lost))}


def _sources(project: str, view: AssemblyView) -> set[str]:
    """A project and everything upstream of it in the same iteration, as the registry states its inputs."""
    found: set[str] = set()
    near = {project}
    while near:
        found |= near
        lines = [edge for name in near if name in view.registry for edge in view.registry[name].interfaces_in]
        near = {edge.producer for edge in lines if edge.from_iteration == "same"} - found
    return found


def sum_of_known(values: Iterable[Number]) -> float | None:
    """The sum of the known values, to six digits as the assembly rounds it; None when none is known."""
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None
