"""What the report of an assembly says, every string ready to be placed by a template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.assembly.deliverables import ACCEPTANCE_METRICS, METRICS, stored_name
from flywheel_mlflow.assembly.metrics import Bottleneck
from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.evidence.lineage import EdgeState
from flywheel_mlflow.evidence.registry import RegistryEntry
from flywheel_mlflow.evidence.stages import StageRun, StageStatus
from flywheel_mlflow.reports.changes import Change, StatusChange, change_summary, changes, status_changes
from flywheel_mlflow.reports.drift import DriftView, drift_view
from flywheel_mlflow.reports.escaping import Markdown
from flywheel_mlflow.reports.figures import Figures
from flywheel_mlflow.reports.gaps import Gap, Skipped, gaps, skipped_runs
from flywheel_mlflow.reports.published import Comparison, compare_published
from flywheel_mlflow.reports.tasks import TasksView, tasks_view
from flywheel_mlflow.tables.texts import UNKNOWN, format_value, unit_label

#: Numbers that moved are listed up to here; all of them are in the metrics document.
MOST_CHANGES = 30
#: Reasons of one stage are listed up to here; all of them are in the stage runs.
MOST_REASONS = 10

_BAR_CELLS = 10

_STATE_MEANS = {
    EdgeState.MATCHED: "the consumer read exactly the version the producer made",
    EdgeState.STALE: "the consumer read another version",
    EdgeState.UNREAD: "a version exists; the consumer logged no such input",
    EdgeState.UNVERSIONED: "the producer logged no version",
    EdgeState.NO_EVIDENCE: "the consumer has no run",
}

#: The worst status decides the first word of the verdict; the order is from worst to best.
_VERDICT_WORDS = {
    StageStatus.BLOCKED: "Blocked",
    StageStatus.MISSING: "Incomplete",
    StageStatus.AT_RISK: "At risk",
    StageStatus.COMPLETED: "Completed",
}


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """One line of the registry table."""

    project_id: str
    title: str
    phase: str
    owner: str
    state: str
    checks: str
    score: str
    consumable: str
    remark: str


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage; ``more`` counts the reasons left out."""

    title: str
    status: str
    score: str
    bar: str
    projects: tuple[str, ...]
    milestone: str
    reasons: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class BottleneckRow:
    """One rule that fired."""

    position: int
    title: str
    name: str
    severity: str
    numbers: tuple[str, ...]
    rule: str
    distance: str
    reach: str
    rank: str
    advice: str


@dataclass(frozen=True, slots=True)
class OpenRule:
    """A rule that cannot be decided, and the metrics that are unknown."""

    title: str
    rule: str
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AcceptanceRow:
    """One acceptance metric; ``note`` says why it is unknown, or how it is computed."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class CostRow:
    """The human effort one project states."""

    project_id: str
    title: str
    hours: str
    cost: str


@dataclass(frozen=True, slots=True)
class CostView:
    """Human effort: sums, projects that state any, ids of those that state none, published totals beside ours.

    ``currency`` heads the column of costs.
    """

    hours: str
    cost: str
    currency: str
    rows: tuple[CostRow, ...]
    silent: tuple[str, ...]
    published: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class LineageRow:
    """How many interface edges are in one state: between projects, and to the assembly layer."""

    state: str
    means: str
    between: str
    to_assembly: str


@dataclass(frozen=True, slots=True)
class ReportView:
    """The whole report, in the order it is read."""

    title: str
    iteration: int
    verdict: str
    counts: tuple[tuple[str, str], ...]
    change_summary: str
    status_changes: tuple[StatusChange, ...]
    changes: tuple[Change, ...]
    more_changes: int
    metrics_file: str
    drift: DriftView | None
    tasks: TasksView | None
    projects: tuple[ProjectRow, ...]
    stages: tuple[StageRow, ...]
    bottlenecks: tuple[BottleneckRow, ...]
    open_rules: tuple[OpenRule, ...]
    rule_count: int
    acceptance: tuple[AcceptanceRow, ...]
    costs: CostView
    lineage: tuple[LineageRow, ...]
    gaps: tuple[Gap, ...]
    skipped: tuple[Skipped, ...]
    figures: Markdown


def build_view(assembly: Assembly, published: Mapping[str, object] | None = None) -> ReportView:
    """The report's view data.

    ``published`` holds totals somebody published for the same projects, by our names for
    them (``review_hours``, ``review_cost``).
    """
    figures = Figures(assembly.metrics)
    moved = changes(assembly)
    shown = moved[:MOST_CHANGES]
    for change in shown:
        figures.show(change.name)
    projects = tuple(_project(entry, figures) for entry in assembly.registry.values())
    stages = tuple(_stage(run, figures) for run in assembly.stage_runs)
    return ReportView(
        title=assembly.flywheel.blueprint.title,
        iteration=assembly.iteration,
        verdict=verdict_line(assembly, figures),
        counts=_counts(assembly, figures),
        change_summary=change_summary(assembly, moved),
        status_changes=status_changes(assembly),
        changes=shown,
        more_changes=len(moved) - len(shown),
        metrics_file=stored_name(METRICS, assembly.flywheel.blueprint.deliverables.prefix).rpartition("/")[2],
        drift=drift_view(assembly.drift) if assembly.drift is not None else None,
        tasks=tasks_view(assembly.absorption, assembly.iteration) if assembly.absorption.any else None,
        projects=projects,
        stages=stages,
        bottlenecks=tuple(
            _bottleneck(position, item, assembly, figures)
            for position, item in enumerate(assembly.bottlenecks, start=1)
        ),
        open_rules=_open_rules(assembly),
        rule_count=len(assembly.flywheel.blueprint.bottlenecks),
        acceptance=tuple(_acceptance(name, assembly, figures) for name in ACCEPTANCE_METRICS),
        costs=_costs(assembly, published, figures),
        lineage=lineage_rows(assembly),
        gaps=gaps(assembly),
        skipped=skipped_runs(assembly),
        figures=figures.comment(),
    )


def verdict_line(assembly: Assembly, figures: Figures | None = None) -> str:
    """The state of the flywheel in one line, by rule.

    The first word is that of the worst stage: Blocked, Incomplete (a stage without any
    evidence), At risk, Completed. Then stages, consumable projects, and the most pressing bottleneck.
    """
    shown = figures or Figures(assembly.metrics)
    counts = Counter(run.status for run in assembly.stage_runs)
    word = next(word for status, word in _VERDICT_WORDS.items() if counts[status])
    others = [
        f"{counts[status]} {status.value}"
        for status in _VERDICT_WORDS
        if counts[status] and status is not StageStatus.COMPLETED
    ]
    stages = f"{shown.show('flywheel.milestone_done_count')} of {shown.show('flywheel.stage_count')} stages completed"
    projects = (
        f"{shown.show('flywheel.consumable_count')} of {shown.show('flywheel.project_count')} projects consumable"
    )
    rest = f" ({', '.join(others)})" if others else ""
    return f"{word}: {stages}{rest}; {projects}; {_pressing(assembly, shown)}."


def _pressing(assembly: Assembly, figures: Figures) -> str:
    if assembly.bottlenecks:
        first = assembly.bottlenecks[0]
        numbers = ", ".join(f"{name} = {figures.with_unit(name)}" for name in first.values)
        return f"first bottleneck: {first.rule.title} ({numbers}; rule {first.rule.when})"
    if assembly.undecided:
        count = len(assembly.undecided)
        return f"no bottleneck found, {count} {'rule' if count == 1 else 'rules'} cannot be decided"
    return "no bottleneck found"


def _counts(assembly: Assembly, figures: Figures) -> tuple[tuple[str, str], ...]:
    show = figures.show
    kinds = Counter(entry.evidence.kind.value for entry in assembly.registry.values() if entry.evidence)
    evidence = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    checks = f"{show('flywheel.upstream_checks_passed')} of {show('flywheel.upstream_check_count')}"
    upstream = f"{show('flywheel.upstream_interface_count')} of them by upstream projects with evidence"
    versions = f"{show('flywheel.interface_version_count')} have a version"
    return (
        ("Projects registered", show("flywheel.project_count")),
        ("Projects with evidence", show("flywheel.evidenced_count") + (f" ({evidence})" if evidence else "")),
        ("Projects consumable", show("flywheel.consumable_count")),
        ("Upstream checks passed", f"{checks}, from {show('flywheel.upstream_evidenced_count')} projects"),
        ("Interfaces promised", f"{show('flywheel.interface_count')}, {upstream}; {versions}"),
        ("Mean stage score", show("flywheel.mean_stage_score")),
        ("Milestones done", f"{show('flywheel.milestone_done_count')} of {show('flywheel.milestone_count')}"),
        ("Bottlenecks", show("flywheel.bottleneck_count")),
        ("Manual review", f"{figures.with_unit('flywheel.review_hours')}, {_cost(assembly, figures)}"),
    )


def _cost(assembly: Assembly, figures: Figures) -> str:
    return figures.with_unit(f"flywheel.{assembly.flywheel.blueprint.cost_name}")


def _project(entry: RegistryEntry, figures: Figures) -> ProjectRow:
    contract, evidence = entry.contract, entry.evidence
    barred = (f"not for {consumer}: {why}" for consumer, why in entry.barred.items())
    said = entry.reasons or (*barred, *entry.notes)
    more = f" (+{len(said) - 1} more)" if len(said) > 1 else ""
    return ProjectRow(
        project_id=contract.id,
        title=contract.title,
        phase=contract.phase,
        owner=contract.owner,
        state=f"{entry.state.value}, {evidence.kind.value}" if evidence else entry.state.value,
        checks=f"{evidence.checks.passed} of {evidence.checks.total}" if evidence else UNKNOWN,
        score=figures.show(f"{contract.id}.score"),
        consumable="yes" if entry.consumable else "no",
        remark=f"{said[0]}{more}" if said else "",
    )


def _stage(run: StageRun, figures: Figures) -> StageRow:
    return StageRow(
        title=run.stage.title,
        status=run.status.value,
        score=figures.show(f"stage.{run.stage.id}.score"),
        bar=text_bar(run.score),
        projects=run.projects,
        milestone=f"{run.stage.milestone.title}: {run.milestone.value}",
        reasons=run.reasons[:MOST_REASONS],
        more=max(0, len(run.reasons) - MOST_REASONS),
    )


def text_bar(score: float | None) -> str:
    """A score between 0 and 1 as ten cells, rounded down so that only a full score fills it; dots when unknown."""
    if score is None:
        return "\N{MIDDLE DOT}" * _BAR_CELLS
    filled = min(_BAR_CELLS, max(0, int(score * _BAR_CELLS + 1e-9)))
    return "\N{FULL BLOCK}" * filled + "\N{LIGHT SHADE}" * (_BAR_CELLS - filled)


def _bottleneck(position: int, item: Bottleneck, assembly: Assembly, figures: Figures) -> BottleneckRow:
    samples = {
        f"{entry.project_id}.{found.kpi.name}": found.n for entry in assembly.registry.values() for found in entry.kpis
    }

    def number(name: str) -> str:
        n = samples.get(name)
        return f"{name} = {figures.with_unit(name)}" + (f" (n = {format_value(n, 'count')})" if n is not None else "")

    return BottleneckRow(
        position=position,
        title=item.rule.title,
        name=item.rule.id,
        severity=item.rule.severity,
        numbers=tuple(map(number, item.values)),
        rule=item.rule.when,
        distance=format_value(item.distance, "ratio"),
        reach=format_value(item.reach, "count"),
        rank=format_value(item.rank, "hours"),
        advice=item.rule.advice,
    )


def _open_rules(assembly: Assembly) -> tuple[OpenRule, ...]:
    return tuple(
        OpenRule(
            title=rule.title,
            rule=rule.when,
            unknown=tuple(
                dict.fromkeys(name for name in parse_rule(rule.when).metrics if assembly.metrics.value(name) is None)
            ),
        )
        for rule in assembly.undecided
    )


def _acceptance(name: str, assembly: Assembly, figures: Figures) -> AcceptanceRow:
    metric = assembly.metrics[f"flywheel.{name}"]
    return AcceptanceRow(name, figures.with_unit(metric.name), metric.note or metric.rule)


def _costs(assembly: Assembly, published: Mapping[str, object] | None, figures: Figures) -> CostView:
    rows, silent = [], []
    blueprint = assembly.flywheel.blueprint
    for entry in assembly.registry.values():
        names = [f"{entry.project_id}.cost.{key}" for key in ("review_hours", blueprint.cost_name)]
        if all(assembly.metrics.value(name) is None for name in names):
            silent.append(entry.project_id)
        else:
            rows.append(CostRow(entry.project_id, entry.contract.title, *(figures.show(name) for name in names)))
    return CostView(
        hours=figures.with_unit("flywheel.review_hours"),
        cost=_cost(assembly, figures),
        currency=unit_label(blueprint.currency) if blueprint.currency else "Cost",
        rows=tuple(rows),
        silent=tuple(silent),
        published=compare_published(assembly, published),
    )


def lineage_rows(assembly: Assembly) -> tuple[LineageRow, ...]:
    """The interface edges counted by state, every state listed."""
    own = assembly.flywheel.assembly_project
    counts = Counter((edge.state, own is not None and edge.consumer == own.id) for edge in assembly.edges)
    return tuple(
        LineageRow(
            state=state.value,
            means=means,
            between=format_value(counts[state, False], "count"),
            to_assembly=format_value(counts[state, True], "count"),
        )
        for state, means in _STATE_MEANS.items()
    )
