"""Compares two iterations: a pure function from both sides, the contracts and the thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flywheel_mlflow.contract import Contract
from flywheel_mlflow.drift.findings import Finding, KpiFound, Trend
from flywheel_mlflow.drift.kpis import KpiCase, compare_kpis
from flywheel_mlflow.drift.report import DriftReport, Reference, error_finding, findings_of, verdict_of
from flywheel_mlflow.drift.sides import Side
from flywheel_mlflow.drift.signals import compare_data
from flywheel_mlflow.drift.trend import trend_of
from flywheel_mlflow.thresholds import DriftSettings

#: Earlier iterations by number: the value of each KPI (``p05.hit_rate``) that was known.
History = Mapping[int, Mapping[str, float]]


def compare(
    flywheel: str,
    contracts: Mapping[str, Contract],
    current: Side,
    reference: Side,
    *,
    settings: DriftSettings,
    history: History | None = None,
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
        history: KPI values of earlier iterations. Those after the reference draw the trend alone: noise is judged
            by what was known to be good, or a loss that lasts would soon be taken for noise.
        errors: what could not even be read.
        full: whether whole data were read rather than the samples logged with the runs.
    """
    upstream = [contract for _, contract in sorted(contracts.items()) if not contract.is_assembly]
    earlier = dict(history or {})
    found_errors = [*errors, *absent(upstream, current, reference)]
    kpis = judge_kpis(upstream, current, reference, settings=settings, history=earlier)
    data = compare_data(upstream, current, reference, settings)
    found_errors += [
        error_finding(name, fault, f"flywheel collect --iteration {current.iteration}")
        for name, fault in data.faults.items()
    ]
    findings = findings_of(
        kpis,
        data.signals,
        data.filters,
        found_errors,
        iteration=current.iteration,
        reference=reference.iteration,
    )
    return DriftReport(
        flywheel=flywheel,
        iteration=current.iteration,
        run_id=current.run_id,
        digest=current.digest,
        reference=Reference(reference.iteration, reference.run_id, reference.digest),
        verdict=verdict_of(findings, kpis, data.signals, data.filters),
        findings=findings,
        kpis=kpis,
        distributions=data.signals,
        filters=data.filters,
        trend=tuple(_trends(upstream, current, earlier, settings)),
        settings=settings,
        full=full,
    )


def judge_kpis(
    contracts: Sequence[Contract],
    current: Side,
    reference: Side,
    *,
    settings: DriftSettings,
    history: History | None = None,
) -> tuple[KpiFound, ...]:
    """The verdict on each KPI of these contracts, the same wherever it is asked for.

    Noise is judged over all KPIs together, so give all contracts even where one verdict is wanted; samples decide
    only about the KPI they belong to. ``history`` is as :func:`compare` takes it.
    """
    return compare_kpis(list(_cases(contracts, current, reference, history or {}, settings)), settings)


def absent(contracts: Sequence[Contract], current: Side, reference: Side) -> Iterator[Finding]:
    """Projects that have evidence in the reference and none now: nothing of theirs can be compared."""
    for contract in contracts:
        if contract.id in reference.projects and contract.id not in current.projects:
            text = "no evidence in this iteration: nothing of this project can be compared"
            yield error_finding(contract.id, text, f"flywheel collect --iteration {current.iteration}")


def _cases(
    contracts: Sequence[Contract], current: Side, reference: Side, earlier: History, settings: DriftSettings
) -> Iterator[KpiCase]:
    known = [iteration for iteration in sorted(earlier) if iteration <= reference.iteration < current.iteration]
    for contract in contracts:
        if contract.id not in current.projects:
            continue
        for kpi in contract.kpis:
            name = f"{contract.id}.{kpi.name}"
            values = [earlier[iteration][name] for iteration in known if name in earlier[iteration]]
            yield KpiCase(
                subject=name,
                kpi=kpi,
                current=current.kpi(contract.id, kpi.name),
                reference=reference.kpi(contract.id, kpi.name),
                history=tuple(values[-settings.history :]),
                samples=current.samples.get(name),
                reference_samples=reference.samples.get(name),
            )


def _trends(contracts: Sequence[Contract], current: Side, earlier: History, settings: DriftSettings) -> Iterator[Trend]:
    iterations = [iteration for iteration in sorted(earlier) if iteration < current.iteration]
    shown = iterations[-(settings.trend - 1) :]
    for contract in contracts:
        for kpi in contract.kpis:
            name = f"{contract.id}.{kpi.name}"
            points = [(iteration, earlier[iteration].get(name)) for iteration in shown]
            points.append((current.iteration, current.kpi(contract.id, kpi.name).value))
            if any(value is not None for _, value in points):
                yield trend_of(name, points, higher=kpi.direction == "higher")
