"""Judges the KPIs of two assemblies by drift's rules: the kept comparison if there is one, else recorded values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.drift import KpiFound
from flywheel_mlflow.drift.differences import recorded_findings
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.operations.assembly.sides import kpi_history
from flywheel_mlflow.operations.deciding import Session, is_trouble
from flywheel_mlflow.operations.reading.reader import Memory
from flywheel_mlflow.operations.reading.reporting import read_comparison

if TYPE_CHECKING:
    from flywheel_mlflow.drift import DriftReport


@dataclass(frozen=True, slots=True)
class Recorded:
    """One of two assemblies: its iteration, its run, and the values of its KPIs by their full name.

    ``assembly`` is what the run said, where that was read already.
    """

    iteration: int
    run_id: str
    values: Mapping[str, KpiValue]
    assembly: RecordedAssembly | None = None


@dataclass(frozen=True, slots=True)
class KpiVerdicts:
    """The verdict on each KPI, where the verdicts come from in a sentence, and whether somebody kept them."""

    kpis: tuple[KpiFound, ...]
    source: str
    kept: bool


def judge_recorded(session: Session, before: Recorded, after: Recorded, memory: Memory) -> KpiVerdicts:
    """Drift's verdicts on the KPIs of ``after`` against ``before``, those that were kept where somebody compared them.

    Everything that tells two assemblies or releases apart asks here, so that a KPI has one verdict wherever it stands.
    """
    kept, why = _kept(session, before, after, memory)
    if kept is not None:
        source = "The verdicts are those of the comparison that `flywheel drift` kept on the run."
        return KpiVerdicts(kept.kpis, source, kept=True)
    settings = session.flywheel.blueprint.drift
    reference = before.assembly or session.tracking.assemblies.recorded_run(before.run_id, before.iteration)
    history = kpi_history(session.tracking, reference, after.iteration, settings.history) if reference else {}
    kpis = recorded_findings(
        session.flywheel.contracts.values(),
        before.values,
        after.values,
        settings,
        history=history,
    )
    source = (
        "Nobody kept a comparison of these two, so the verdicts are computed here from the recorded values and sample "
        "sizes, by the same rules; outcomes of single samples are not read"
    )
    source += f" (the kept comparison cannot be read: {why})." if why else "."
    if before.iteration != after.iteration:
        source += f" `flywheel drift --iteration {after.iteration} --against {before.iteration}` reads them."
    return KpiVerdicts(kpis, source, kept=False)


def _kept(session: Session, before: Recorded, after: Recorded, memory: Memory) -> tuple[DriftReport | None, str]:
    """The kept comparison, or why it cannot be read."""
    if before.run_id == after.run_id:
        return None, ""  # an assembly is never compared with itself
    try:
        found = read_comparison(session.tracking, after.run_id, before.run_id, memory)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return None, error.what
    return (found[0] if found else None), ""
