"""Stage runs: status and score of every stage of an iteration, computed from the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from flywheel_mlflow.evidence.provenance import Metric, Metrics, Source, computed, weighted_mean
from flywheel_mlflow.evidence.registry import EvidenceState, RegistryEntry
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.promises.blueprint import Blueprint, Stage


class StageStatus(StrEnum):
    """How a stage stands."""

    COMPLETED = "completed"
    AT_RISK = "at risk"
    BLOCKED = "blocked"
    MISSING = "missing"


class MilestoneStatus(StrEnum):
    """Whether a stage's milestone is reached."""

    DONE = "done"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage evaluated in one iteration.

    ``score`` is between 0 and 1, None when no project of the stage has evidence; ``reasons``
    says what keeps it from being completed.
    """

    stage: Stage
    status: StageStatus
    score: float | None
    projects: tuple[str, ...]
    evidence: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def milestone(self) -> MilestoneStatus:
        """A milestone is done exactly when its stage is completed."""
        return MilestoneStatus.DONE if self.status is StageStatus.COMPLETED else MilestoneStatus.OPEN


def score_projects(registry: Mapping[str, RegistryEntry], blueprint: Blueprint, metrics: Metrics) -> None:
    """Add every project's KPIs, score parts and score to ``metrics``."""
    for entry in registry.values():
        _add_kpis(entry, metrics)
        _add_suites(entry, metrics)
        _add_score(entry, blueprint, metrics)


def evidence_source(entry: RegistryEntry, place: str) -> Source | None:
    """Where a number of a project was read: its run, or this assembly for its own; None without evidence."""
    evidence = entry.evidence
    if evidence is None:
        return None
    if evidence.run_id is None:
        return Source("self-evidence", "this assembly", place, evidence.evidence_digest)
    return Source("run", evidence.run_id, place, evidence.evidence_digest)


def _add_kpis(entry: RegistryEntry, metrics: Metrics) -> None:
    for item in entry.kpis:
        metrics.add(
            Metric(
                name=f"{entry.project_id}.{item.kpi.name}",
                value=item.value,
                unit=item.kpi.unit,
                rule=f"read from the project's run, place {item.kpi.path}",
                source=evidence_source(entry, item.kpi.path),
                note="" if item.value is not None else "the project states no value",
                direction=item.kpi.direction,
            )
        )


def _add_suites(entry: RegistryEntry, metrics: Metrics) -> None:
    """The mean of each suite, so that gates and trends know it by its name."""
    for suite in entry.contract.suites:
        names = {kpi.name for kpi in entry.contract.members(suite)}
        known = [item for item in entry.kpis if item.kpi.name in names and item.value is not None]
        sized = all(item.n for item in known)
        metrics.add(
            Metric(
                name=f"{entry.project_id}.{suite.name}",
                value=weighted_mean((item.value, float(item.n or 0) if sized else 1.0) for item in known),
                unit=next(item.kpi.unit for item in entry.kpis if item.kpi.name in names),
                rule="mean of its KPIs, weighted by their samples where all are known",
                inputs=tuple(f"{entry.project_id}.{item.kpi.name}" for item in known),
                note=f"{len(names) - len(known)} of {len(names)} KPIs have no value" if len(known) < len(names) else "",
                direction=suite.direction,
            )
        )


def _add_score(entry: RegistryEntry, blueprint: Blueprint, metrics: Metrics) -> None:
    prefix, evidence = entry.project_id, entry.evidence
    summary = evidence.checks if evidence else None
    checks = metrics.add(
        computed(
            name=f"{prefix}.check_pass_rate",
            value=summary.pass_rate if summary else None,
            unit="ratio",
            rule="passed checks / (passed + failed + error); skipped ones and warnings are left out",
            source=evidence_source(entry, f"checks {summary.passed} of {summary.total} passed" if summary else ""),
            note="no evidence" if summary is None else "no check ran" if summary.pass_rate is None else "",
        )
    )
    known = [item for item in entry.kpis if item.attainment is not None]
    kpis = metrics.add(
        computed(
            name=f"{prefix}.kpi_attainment",
            value=weighted_mean((item.attainment, 1.0) for item in entry.kpis),
            unit="ratio",
            rule="mean over KPIs of value/target (target/value where lower is better), 1 at most",
            inputs=tuple(f"{prefix}.{item.kpi.name}" for item in known),
            note=""
            if len(known) == len(entry.kpis)
            else f"{len(known)} of {len(entry.kpis)} KPIs have value and target",
        )
    )
    met, due = obligations(entry)
    contract = metrics.add(
        computed(
            name=f"{prefix}.contract_conformity",
            value=met / due if evidence and due else None,
            unit="ratio",
            rule="promises kept / made: required interfaces versioned, required checks passed, KPIs given",
            source=evidence_source(entry, f"{met} of {due} promises kept"),
            note="" if evidence else "no evidence",
        )
    )
    weights = blueprint.scoring.weights
    metrics.add(
        computed(
            name=f"{prefix}.score",
            value=weighted_mean(
                ((checks.value, weights.checks), (kpis.value, weights.kpis), (contract.value, weights.contract))
            ),
            unit="score 0..1",
            rule=f"mean weighted {weights.checks:g} checks, {weights.kpis:g} KPIs, {weights.contract:g} contract; "
            "unknown parts left out",
            inputs=(checks.name, kpis.name, contract.name),
            note="" if evidence else "no evidence",
        )
    )


def obligations(entry: RegistryEntry) -> tuple[int, int]:
    """Promises kept, and promises made: required interfaces, required checks, declared KPIs."""
    passed = entry.evidence.checks.required if entry.evidence else {}
    kept = [item.version is not None for item in entry.interfaces if item.promise.required]
    kept += [passed.get(name) is Outcome.PASSED for name in entry.contract.checks.required]
    kept += [item.value is not None for item in entry.kpis]
    return sum(kept), len(kept)


def run_stages(registry: Mapping[str, RegistryEntry], blueprint: Blueprint, metrics: Metrics) -> tuple[StageRun, ...]:
    """One stage run per stage of the blueprint; adds the stage scores to ``metrics``."""
    return tuple(_run_stage(stage, registry, blueprint, metrics) for stage in blueprint.stages)


def _run_stage(stage: Stage, registry: Mapping[str, RegistryEntry], blueprint: Blueprint, metrics: Metrics) -> StageRun:
    entries = [entry for entry in registry.values() if stage.id in entry.contract.stages]
    scored = [entry for entry in entries if metrics.value(f"{entry.project_id}.score") is not None]
    score = metrics.add(
        computed(
            name=f"stage.{stage.id}.score",
            value=weighted_mean((metrics.value(f"{item.project_id}.score"), item.contract.weight) for item in entries),
            unit="score 0..1",
            rule="mean of its projects' scores, weighted as declared; projects without evidence left out",
            inputs=tuple(f"{entry.project_id}.score" for entry in scored),
            note=_evidenced(len(scored), len(entries)),
        )
    )
    status, reasons = _status(entries, score.value, blueprint, metrics)
    return StageRun(
        stage=stage,
        status=status,
        score=score.value,
        projects=tuple(entry.project_id for entry in entries),
        evidence=tuple(
            sorted({entry.evidence.run_id for entry in entries if entry.evidence and entry.evidence.run_id})
        ),
        reasons=reasons,
    )


def _evidenced(scored: int, entries: int) -> str:
    if not entries:
        return "no project belongs to this stage"
    return "" if scored == entries else f"{scored} of {entries} projects have evidence"


def _status(
    entries: Iterable[RegistryEntry], score: float | None, blueprint: Blueprint, metrics: Metrics
) -> tuple[StageStatus, tuple[str, ...]]:
    """The status by rule, first match wins: missing, blocked, completed, at risk."""
    items = list(entries)
    scoring = blueprint.scoring
    if all(entry.state is EvidenceState.MISSING for entry in items):
        return StageStatus.MISSING, ("no project of this stage has evidence",)
    blocked = [reason for entry in items for reason in _blocking(entry, scoring.blocked_below, metrics)]
    if blocked:
        return StageStatus.BLOCKED, tuple(blocked)
    short = [f"{entry.project_id}: {entry.reasons[0]}" for entry in items if not entry.consumable]
    if score is None:
        short.append("its score is unknown")
    elif score < scoring.completed_from:
        short.append(f"score {score:.4f} is below {scoring.completed_from:g}")
    return (StageStatus.AT_RISK if short else StageStatus.COMPLETED), tuple(short)


def _blocking(entry: RegistryEntry, floor: float, metrics: Metrics) -> Iterable[str]:
    if entry.evidence is None:
        return
    for name, outcome in sorted(entry.evidence.checks.required.items()):
        if outcome is not Outcome.PASSED and name in entry.contract.checks.required:
            yield f"{entry.project_id}: required check {name}: {outcome.value}"
    score = metrics.value(f"{entry.project_id}.score")
    if score is not None and score < floor:
        yield f"{entry.project_id}: score {score:.4f} is below {floor:g}"
