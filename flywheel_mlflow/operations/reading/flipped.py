"""Gathers the samples of a KPI that came out otherwise in one of two iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.drift.flips import flips_of
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.pages.flipped import FlippedSamples

if TYPE_CHECKING:
    from flywheel_mlflow.drift import KpiFound
    from flywheel_mlflow.evidence.samples import KpiSamples
    from flywheel_mlflow.feedback.failures import KpiFailures
    from flywheel_mlflow.operations.reading.reader import Reader
    from flywheel_mlflow.reports.pages.comparison import Compared

_Logged = tuple["KpiSamples | None", "KpiFailures | None"]


def read_flips(reader: Reader, first: Compared, second: Compared, kpi: KpiFound) -> FlippedSamples:
    """The samples of a KPI that flipped from the first to the second, or why nobody knows.

    Raises:
        ServerUnreachable: nobody answers.
    """
    project_id, _, name = kpi.subject.partition(".")
    sides = (first, second)
    runs = [_run(side, project_id) for side in sides]
    if runs[0] == runs[1]:
        return FlippedSamples(kpi, unknown="both iterations rest on the same run")
    logged = []
    for run_id, side in zip(runs, sides, strict=True):
        if run_id is None:
            return FlippedSamples(kpi, unknown=f"no run of iteration {side.recorded.iteration} logged it")
        try:
            logged.append(_logged(reader, run_id, name))
        except FlywheelError as error:
            if is_trouble(error):
                raise
            return FlippedSamples(kpi, unknown=error.what)
    (before, failed_before), (now, failed_now) = logged
    if before is None or now is None:
        silent = [str(side.recorded.iteration) for side, found in zip(sides, logged, strict=True) if found[0] is None]
        return FlippedSamples(kpi, unknown=f"no outcomes of single samples in iteration {' and '.join(silent)}")
    texts: dict[str, str] = {}
    for failures in (failed_before, failed_now):
        texts |= failures.failures if failures else {}
    return FlippedSamples(
        kpi,
        flips_of(before.samples, now.samples, higher=kpi.direction == "higher"),
        texts=texts,
        interface=next((item.interface for item in (failed_now, failed_before) if item and item.interface), ""),
        traces=(before.traces, now.traces),
        runs=(runs[0] or "", runs[1] or ""),
    )


def _run(side: Compared, project_id: str) -> str | None:
    project = side.record.project(project_id)
    return project.evidence.run_id if project and project.evidence else None


def _logged(reader: Reader, run_id: str, name: str) -> _Logged:
    profiles = reader.session.tracking.profiles
    with scratch_folder() as folder:
        samples = profiles.kpi_samples(run_id, name, folder)
    if samples is None:
        return None, None
    with scratch_folder() as folder:
        return samples, profiles.kpi_failures(run_id, name, folder)
