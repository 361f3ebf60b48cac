"""Compares two iterations: a pure function from both sides, the contracts and the thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flywheel_mlflow.drift.findings import Finding, KpiFound, KpiVerdict, Trend
from flywheel_mlflow.drift.history import History, quiet_differences
from flywheel_mlflow.drift.intentions import TaskChanges, TaskEffect, cause_of_loss, task_changes, with_outcomes
from flywheel_mlflow.drift.kpis import compare_kpis
from flywheel_mlflow.drift.losses import KpiCase
from flywheel_mlflow.drift.promises import lost_fields
from flywheel_mlflow.drift.report import DriftReport, Reference, error_finding, findings_of, verdict_of
from flywheel_mlflow.drift.schemas import compare_schemas
from flywheel_mlflow.drift.sides import ProjectSide, Side
from flywheel_mlflow.drift.signals import compare_data
from flywheel_mlflow.drift.suites import suites_of
from flywheel_mlflow.drift.trend import trend_of
from flywheel_mlflow.evidence.runs import RESOURCE
from flywheel_mlflow.promises.contract import Contract, Kpi
from flywheel_mlflow.promises.thresholds import DriftSettings


def compare(
    flywheel: str,
    contracts: Mapping[str, Contract],
    current: Side,
    reference: Side,
    *,
    settings: DriftSettings,
    history: History | None = None,
    tasks: Mapping[str, TaskEffect] | None = None,
    errors: Sequence[Finding] = (),
    full: bool = False,
) -> DriftReport:
    """The report of ``current`` against ``reference``.

    Args:
        flywheel: its name.
        contracts: by project id; the assembly layer is left out, its evidence is its own checks.
        current: the iteration judged.
        reference: the one it is judged against.
        settings: the thresholds.
        history: earlier iterations. Those after the reference draw the trend alone: noise is judged by what was known
            to be good, or a loss that lasts would soon be taken for noise.
        tasks: what tasks are meant to do, by id; those of both sides' runs that anybody describes.
        errors: what could not even be read.
        full: whether whole data were read rather than the samples logged with the runs.
    """
    upstream = [contract for _, contract in sorted(contracts.items()) if not contract.is_assembly]
    earlier = dict(history or {})
    found_errors = [*errors, *absent(upstream, current, reference)]
    differing = task_changes(current, reference, tasks or {})
    kpis = judge_kpis(upstream, current, reference, settings=settings, history=earlier)
    data = compare_data(upstream, current, reference, settings)
    found_errors += [
        error_finding(name, fault, f"flywheel collect --iteration {current.iteration}")
        for name, fault in data.faults.items()
    ]
    compared = with_outcomes(
        [_with_cause(item, differing) for item in kpis],
        data.signals,
        data.filters,
        differing,
        compare_schemas(upstream, current, reference),
    )
    findings = findings_of(
        compared.kpis,
        compared.signals,
        compared.filters,
        [*lost_fields(upstream, current, reference), *found_errors],
        iteration=current.iteration,
        reference=reference.iteration,
        schemas=compared.schemas,
    )
    return DriftReport(
        flywheel=flywheel,
        iteration=current.iteration,
        run_id=current.run_id,
        digest=current.digest,
        reference=Reference(reference.iteration, reference.run_id, reference.digest),
        verdict=verdict_of(findings, compared.kpis, compared.signals, compared.filters),
        findings=findings,
        kpis=compared.kpis,
        distributions=compared.signals,
        filters=compared.filters,
        schemas=compared.schemas,
        trend=tuple(_trends(upstream, current, earlier, settings)),
        settings=settings,
        full=full,
        tasks=differing,
    )


def _with_cause(item: KpiFound, tasks: TaskChanges) -> KpiFound:
    """A loss with the task whose gain it was, named first."""
    cause = cause_of_loss(item.subject, tasks) if item.verdict in (KpiVerdict.REGRESSED, KpiVerdict.VANISHED) else ""
    return replace(item, text=f"{cause}; {item.text}") if cause else item


def judge_kpis(
    contracts: Sequence[Contract],
    current: Side,
    reference: Side,
    *,
    settings: DriftSettings,
    history: History | None = None,
) -> tuple[KpiFound, ...]:
    """The verdict on each suite and KPI of these contracts, the same wherever it is asked for.

    False alarms are counted over all KPIs together, so give all contracts even where one verdict is wanted; samples
    decide only about the KPI they belong to. ``history`` is as :func:`compare` takes it.
    """
    known = {number: earlier for number, earlier in (history or {}).items() if number <= reference.iteration}
    if current.iteration <= reference.iteration:
        known = {}
    suites = [suite for contract in contracts if contract.id in current.projects for suite in suites_of(contract)]
    return compare_kpis(list(_cases(contracts, current, reference, known)), settings, suites)


def absent(contracts: Sequence[Contract], current: Side, reference: Side) -> Iterator[Finding]:
    """Projects that have evidence in the reference and none now: nothing of theirs can be compared."""
    for contract in contracts:
        if contract.id in reference.projects and contract.id not in current.projects:
            text = "no evidence in this iteration: nothing of this project can be compared"
            yield error_finding(contract.id, text, f"flywheel collect --iteration {current.iteration}")


def _cases(contracts: Sequence[Contract], current: Side, reference: Side, known: History) -> Iterator[KpiCase]:
    for contract in contracts:
        if contract.id not in current.projects:
            continue
        for kpi in contract.kpis:
            name = f"{contract.id}.{kpi.name}"
            yield KpiCase(
                subject=name,
                kpi=kpi,
                current=current.kpi(contract.id, kpi.name),
                reference=reference.kpi(contract.id, kpi.name),
                quiet=tuple(quiet_differences(known, name, higher=kpi.direction == "higher")),
                samples=current.samples.get(name),
                reference_samples=reference.samples.get(name),
                judged=current.judged.get(name),
                reference_judged=reference.judged.get(name),
                unlike=_unlike(kpi, current.projects[contract.id], reference.projects.get(contract.id)),
            )


def _unlike(kpi: Kpi, current: ProjectSide, reference: ProjectSide | None) -> str:
    """Why two values of a KPI are not alike enough to be judged: resources, of another machine; empty otherwise."""
    if not kpi.path.startswith(f"{RESOURCE}.") or reference is None:
        return ""
    here, there = current.machine, reference.machine
    if not here or not there:
        return "on which machine it was measured is unknown"
    return "" if here == there else f"measured on another machine: {there}, now {here}"


def _trends(contracts: Sequence[Contract], current: Side, earlier: History, settings: DriftSettings) -> Iterator[Trend]:
    iterations = [iteration for iteration in sorted(earlier) if iteration < current.iteration]
    shown = iterations[-(settings.trend - 1) :]
    for contract in contracts:
        for kpi in contract.kpis:
            name = f"{contract.id}.{kpi.name}"
            points = [(iteration, earlier[iteration].numbers.get(name)) for iteration in shown]
            points.append((current.iteration, current.kpi(contract.id, kpi.name).value))
            if any(value is not None for _, value in points):
                yield trend_of(name, points, higher=kpi.direction == "higher")
