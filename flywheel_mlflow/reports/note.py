"""Writes the short Markdown that stands on an MLflow run page."""

from __future__ import annotations

from dataclasses import dataclass

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.assembly.deliverables import REPORT, RUNS, stored_name
from flywheel_mlflow.evidence.registry import register_kpi
from flywheel_mlflow.evidence.runs import ProjectEvidence
from flywheel_mlflow.evidence.stages import StageRun
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.reports.rendering import render_markdown
from flywheel_mlflow.reports.view import build_view, text_bar
from flywheel_mlflow.tables.texts import format_value, with_unit

#: MLflow keeps a run's description in a tag, and cuts tags at 8,000 characters without a word
#: (tried on 3.17.2; it counts characters, not bytes).
NOTE_LIMIT = 8_000


@dataclass(frozen=True, slots=True)
class KpiRow:
    """One KPI of a project against its target."""

    name: str
    value: str
    n: str
    target: str
    attainment: str


@dataclass(frozen=True, slots=True)
class InterfaceRow:
    """One promised interface; ``digest`` is empty when the run logged no version of it."""

    name: str
    digest: str
    rows: str


def assembly_note(assembly: Assembly) -> str:
    """The note of an assembly's run: verdict, stages, projects, bottlenecks; at most 8,000 characters."""
    report = stored_name(REPORT, assembly.flywheel.blueprint.deliverables.prefix)
    return cut_note(render_markdown("assembly_note.md.j2", view=build_view(assembly), report=report), report)


def stage_note(run: StageRun) -> str:
    """The note of a stage's run: status, score, what keeps it from being completed; at most 8,000 characters."""
    return cut_note(
        render_markdown(
            "stage_note.md.j2",
            title=run.stage.title,
            goal=run.stage.goal,
            status=run.status.value,
            score=format_value(run.score, "score 0..1"),
            bar=text_bar(run.score),
            milestone=f"{run.stage.milestone.title}: {run.milestone.value}",
            projects=run.projects,
            reasons=run.reasons,
        ),
        RUNS,
    )


def project_note(contract: Contract, evidence: ProjectEvidence) -> str:
    """The note of a project's run: checks, KPIs, interface versions, effort; at most 8,000 characters."""
    checks = evidence.checks
    absent = [name for name in contract.checks.required if name not in checks.required]
    note = render_markdown(
        "project_note.md.j2",
        contract=contract,
        iteration=evidence.iteration,
        kind=evidence.kind.value,
        checks=f"{checks.passed} of {checks.total} checks passed",
        absent=absent,
        not_passed=[(name, outcome.value) for name, outcome in checks.not_passed.items()],
        kpis=_kpis(contract, evidence),
        interfaces=_interfaces(contract, evidence),
        inputs=evidence.interfaces_in,
        hours=with_unit(evidence.costs.review_hours, "hours"),
        cost=with_unit(evidence.costs.review_cost, contract.currency or ""),
    )
    return cut_note(note, "the files of this run")


def _kpis(contract: Contract, evidence: ProjectEvidence) -> list[KpiRow]:
    found = [register_kpi(kpi, evidence) for kpi in contract.kpis]
    return [
        KpiRow(
            name=item.kpi.name,
            value=with_unit(item.value, item.kpi.unit),
            n="" if item.n is None else format_value(item.n, "count"),
            target="none" if item.kpi.target is None else with_unit(item.kpi.target, item.kpi.unit),
            attainment=format_value(item.attainment, "ratio"),
        )
        for item in found
    ]


def _interfaces(contract: Contract, evidence: ProjectEvidence) -> list[InterfaceRow]:
    versions = [(promise.name, evidence.interfaces_out.get(promise.name)) for promise in contract.interfaces_out]
    return [
        InterfaceRow(
            name=name,
            digest=version.digest if version else "",
            rows=format_value(version.rows, "count") if version else "",
        )
        for name, version in versions
    ]


def cut_note(note: str, artifact: str) -> str:
    """The note within MLflow's limit, cut at a line and saying so; ``artifact`` is where the rest is."""
    if len(note) <= NOTE_LIMIT:
        return note
    tail = f"\n\n... more in {artifact}\n"
    # A single line can be longer than the limit; then it is cut inside, which no table survives but the tail does.
    room = note[: NOTE_LIMIT - len(tail)]
    return (room.rsplit("\n", 1)[0] if "\n" in room else room) + tail
