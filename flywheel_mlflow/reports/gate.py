"""Writes a gate's verdict for people: one line for the verdict, one row for each criterion, what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.gates import CriterionResult, GateResult
from flywheel_mlflow.decisions.releases import Release
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.reports.rendering import render_markdown


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """One criterion as strings, ready to be placed."""

    verdict: str
    id: str
    value: str
    limit: str
    n: str
    reason: str
    evidence: str
    next: str


def criterion_rows(result: GateResult) -> tuple[CriterionRow, ...]:
    """The criteria, those that stop the release first."""
    order = {Verdict.BLOCK: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
    return tuple(_row(item) for item in sorted(result.criteria, key=lambda item: order[item.verdict]))


def _row(item: CriterionResult) -> CriterionRow:
    return CriterionRow(
        verdict=item.verdict.value,
        id=item.id,
        value="" if item.value is None else f"{item.value:g}",
        limit="" if item.limit is None else f"{item.limit:g}",
        n="" if item.n is None else str(item.n),
        reason=item.reason,
        evidence=", ".join(run[:8] for run in item.evidence),
        next=item.next,
    )


def summary(result: GateResult) -> str:
    """The verdict in one sentence, with how many criteria say what."""
    counts = {verdict: sum(item.verdict is verdict for item in result.criteria) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return f"release {result.version} to {result.to}: {result.verdict.value} ({told})"


def gate_report(result: GateResult, blueprint: Blueprint, release: Release) -> str:
    """The verdict as Markdown, for the run's page and for reading."""
    gate = blueprint.gate_to(result.to)
    return render_markdown(
        "gate.md.j2",
        result=result,
        summary=summary(result),
        at=f"{result.at:%Y-%m-%d %H:%M} UTC",
        gate_id=gate.id if gate else result.gate,
        release=release,
        rows=criterion_rows(result),
        demands=[(item.id, item.demand, item.method) for item in result.criteria],
        reference=result.basis.reference or "nothing",
    )
