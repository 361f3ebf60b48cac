"""Compares an iteration with another one, and keeps the comparison on the iteration's run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.deliverables import TASKS
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.drift import (
    DriftReport,
    Finding,
    History,
    ProjectSide,
    Side,
    TaskEffect,
    compare,
    error_finding,
    sides_of_evidence,
)
from flywheel_mlflow.feedback.absorption import absorption_from_json, effects_recorded
from flywheel_mlflow.operations.assembly.sides import BothSides, kpi_history, read_data, recorded_side
from flywheel_mlflow.operations.deciding import read_snapshot
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.drift import render_drift

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flywheel_mlflow.evidence.flywheel import Flywheel
    from flywheel_mlflow.evidence.runs import Collected
    from flywheel_mlflow.tracking import Tracking

#: The release in production, by the word people use for it.
PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class DriftFound:
    """A comparison and where it was kept; ``artifacts`` is empty when nothing was written.

    ``unrendered`` says why there is no HTML page, empty when there is one.
    """

    report: DriftReport
    run_id: str
    artifacts: tuple[str, ...]
    unrendered: str = ""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the comparison after an assembly: both are None when there was nothing to do."""

    found: DriftFound | None = None
    failure: FlywheelError | None = None


def reference_named(tracking: Tracking, name: str) -> RecordedAssembly:
    """The assembly that ``--against`` names: an iteration's number, or the word ``production``.

    Raises:
        InputError: it is neither, or there is no such assembly.
    """
    if name == PRODUCTION:
        found = production_assembly(tracking)
        if found is None:
            raise InputError("no release is in production", hint="compare with an iteration, such as --against 1")
        return found
    if not name.isdecimal() or int(name) < 1:
        raise InputError(f"--against cannot be {name!r}", hint=f"name an iteration's number, or {PRODUCTION}")
    return _assembly(tracking, int(name))


def reference_of(tracking: Tracking, iteration: int, name: str) -> RecordedAssembly:
    """What ``--against`` names for an iteration, the iteration before where it names nothing.

    Raises:
        InputError: the iteration itself was never assembled, or there is nothing to compare it with.
    """
    _assembly(tracking, iteration)
    if not name and iteration == 1:
        raise InputError(
            "there is no iteration before iteration 1", hint="name another with --against, or judge a later iteration"
        )
    return reference_named(tracking, name or str(iteration - 1))


def default_reference(tracking: Tracking, iteration: int, run_id: str) -> RecordedAssembly | None:
    """What an iteration is compared with unasked: the release in production, else the iteration before; or nothing."""
    found = production_assembly(tracking)
    if found is not None and found.run_id != run_id:
        return found
    return tracking.assemblies.recorded(iteration - 1) if iteration > 1 else None


def drift_iteration(
    flywheel: Flywheel,
    tracking: Tracking,
    iteration: int,
    *,
    against: RecordedAssembly | int,
    full: bool = False,
    engine: Engine = "local",
    dry_run: bool = False,
) -> DriftFound:
    """Compare the newest assembly of an iteration with another assembly.

    The comparison is written on the iteration's run, over an earlier one with the same reference: equal evidence
    gives an equal ``drift.json``. What cannot be read becomes an error finding, and the verdict is then no pass.

    Args:
        flywheel: what was promised.
        tracking: the server.
        iteration: the one judged.
        against: the assembly it is judged against, or its iteration.
        full: read the data of changed interfaces, instead of the samples logged with them.
        engine: what reads them, ``local`` or ``ray``.
        dry_run: compare and write nothing.

    Raises:
        InputError: one of the two was never assembled, both are the same, or an engine is named and no data are read.
        ClusterUnreachable: Ray cannot be used.
    """
    if engine != "local" and not full:
        raise InputError(f"{engine[:20]} is to read data, and a comparison of samples reads none", hint="add --full")
    current = _assembly(tracking, iteration)
    reference = _assembly(tracking, against) if isinstance(against, int) else against
    if current.run_id == reference.run_id:
        named = "" if isinstance(against, int) else ": the release in production is of that very assembly"
        raise InputError(
            f"iteration {iteration} cannot be compared with itself{named}", hint="name an earlier one with --against"
        )
    with _running(engine):
        report = _compare_recorded(flywheel, tracking, current, reference, full=full, engine=engine)
    if dry_run:
        return DriftFound(report, current.run_id, ())
    return _keep(tracking, report)


def drift_after_assembly(flywheel: Flywheel, tracking: Tracking, iteration: int, run_id: str) -> Followed:
    """The comparison that follows an assembly, or what stopped it: a comparison never fails the assembly.

    Nothing is done where there is nothing to compare with, or where the comparison is there already.
    """
    try:
        reference = default_reference(tracking, iteration, run_id)
        if reference is None:
            return Followed()
        with scratch_folder() as folder:
            if tracking.comparisons.text(run_id, reference.run_id, folder) is not None:
                return Followed()
        return Followed(drift_iteration(flywheel, tracking, iteration, against=reference))
    except FlywheelError as error:
        return Followed(failure=error)


def production_assembly(tracking: Tracking) -> RecordedAssembly | None:
    """The assembly of the release in production; None when there is none."""
    snapshot = read_snapshot(tracking)
    current = snapshot.state.current["production"] if snapshot else None
    if snapshot is None or current is None:
        return None
    release = snapshot.state.release(current)
    return tracking.assemblies.recorded_run(release.run_id, release.iteration)


def _assembly(tracking: Tracking, iteration: int) -> RecordedAssembly:
    found = tracking.assemblies.recorded(iteration)
    if found is None:
        raise InputError(
            f"iteration {iteration} has no valid assembly", hint=f"run `flywheel assemble --iteration {iteration}`"
        )
    return found


def _running(engine: Engine) -> AbstractContextManager[object]:
    """An engine, started once for all data that it reads."""
    if engine == "local":
        return nullcontext()
    from flywheel_mlflow.records.ray_engine import connected

    return connected(engine)


def _compare_recorded(
    flywheel: Flywheel,
    tracking: Tracking,
    current: RecordedAssembly,
    reference: RecordedAssembly,
    *,
    full: bool,
    engine: Engine,
) -> DriftReport:
    errors: list[Finding] = []
    both = BothSides(_side(tracking, current, errors), _side(tracking, reference, errors))
    if not errors:
        both = read_data(tracking, flywheel.contracts.values(), both.current, both.reference, full=full, engine=engine)
    settings = flywheel.blueprint.drift
    history = kpi_history(tracking, reference, current.iteration, settings.history)
    return compare(
        flywheel.name,
        flywheel.contracts,
        both.current,
        both.reference,
        settings=settings,
        history={**_trend(tracking, current, reference, settings.trend), **history},
        tasks={**_tasks(tracking, reference, errors), **_tasks(tracking, current, errors)},
        errors=[*errors, *both.errors],
        full=full,
    )


def _trend(tracking: Tracking, current: RecordedAssembly, reference: RecordedAssembly, most: int) -> History:
    """The numbers a trend shows and no verdict counts: of iterations after the reference, before the one judged."""
    since = reference.iteration if reference.iteration < current.iteration else 0
    most = min(most, current.iteration - 1 - since)
    earlier = tracking.assemblies.earlier(current.iteration, most=most, ended_before=current.ended)
    return {item.iteration: item.as_history() for item in earlier if item.iteration > since}


def _tasks(tracking: Tracking, recorded: RecordedAssembly, errors: list[Finding]) -> dict[str, TaskEffect]:
    """What an assembly's tasks were meant to do, as it recorded them; nothing where it was handed none."""
    name = f"{TASKS} of run {recorded.run_id}"
    try:
        with scratch_folder() as folder:
            text = tracking.artifacts.text(recorded.run_id, TASKS, folder)
        return {} if text is None else effects_recorded(absorption_from_json(text, name=name))
    except FlywheelError as error:
        command = f"flywheel assemble --iteration {recorded.iteration} --force"
        errors.append(error_finding(f"iteration {recorded.iteration}", error.what, command))
        return {}


def _side(tracking: Tracking, recorded: RecordedAssembly, errors: list[Finding]) -> Side:
    """One side, or an empty one and an error: a comparison that fails is missing evidence, not a crash."""
    try:
        return recorded_side(tracking, recorded)
    except FlywheelError as error:
        command = f"flywheel assemble --iteration {recorded.iteration} --force"
        errors.append(error_finding(f"iteration {recorded.iteration}", error.what, command))
        return Side(recorded.iteration, recorded.run_id, recorded.digest, {})


def _keep(tracking: Tracking, report: DriftReport) -> DriftFound:
    files = {"drift.json": report.to_json(), "drift.md": render_drift(report)}
    unrendered = ""
    try:
        from flywheel_mlflow.monitoring import render_html

        files["drift.html"] = render_html(report)
    except FlywheelError as error:
        unrendered = error.what
    with scratch_folder() as folder:
        written = tracking.comparisons.write(
            report.run_id,
            report.reference.run_id,
            verdict=report.verdict.value,
            files=files,
            metrics=_metrics(report),
            folder=folder,
        )
    return DriftFound(report, report.run_id, written, unrendered)


def _metrics(report: DriftReport) -> Mapping[str, float]:
    """The counts of a comparison as metrics, under the same names in every iteration."""
    return {
        "drift.regressed_kpis": float(report.regressed_kpis),
        "drift.inconclusive_kpis": float(report.inconclusive_kpis),
        "drift.drifted_signals": float(report.drifted_signals),
        "drift.untested_signals": float(report.untested_signals),
        "drift.drifted_filters": float(report.drifted_filters),
        "drift.changed_schemas": float(report.changed_schemas),
        "drift.lost_fields": float(report.lost_fields),
        "drift.errors": float(report.errors),
        "drift.against_iteration": float(report.reference.iteration),
    }


def compare_evidence(
    flywheel: Flywheel,
    tracking: Tracking,
    collected: Collected,
    before: Collected,
    previous: RecordedAssembly | None,
    *,
    tasks: Mapping[str, TaskEffect],
) -> DriftReport:
    """The comparison an assembly contains: this iteration's evidence with that of the iteration before.

    ``tasks`` are what both sides' tasks are meant to do. What cannot be read is an error finding, and raises nothing.
    """
    current = Side(collected.iteration, "", "", _upstream(flywheel, collected))
    reference = Side(
        before.iteration,
        previous.run_id if previous else "",
        previous.digest if previous else "",
        _upstream(flywheel, before),
    )
    settings = flywheel.blueprint.drift
    errors: list[Finding] = []
    history: History = {}
    both = BothSides(current, reference)
    try:
        both = read_data(tracking, flywheel.contracts.values(), current, reference)
        if previous is not None:
            history = kpi_history(tracking, previous, collected.iteration, settings.history)
        else:
            earlier = tracking.assemblies.earlier(before.iteration, most=settings.history)
            history = {item.iteration: item.as_history() for item in earlier}
    except FlywheelError as error:
        command = f"flywheel drift --iteration {collected.iteration} --against {before.iteration}"
        errors.append(error_finding(f"iteration {before.iteration}", error.what, command))
    return compare(
        flywheel.name,
        flywheel.contracts,
        both.current,
        both.reference,
        settings=settings,
        history=history,
        tasks=tasks,
        errors=[*errors, *both.errors],
    )


def _upstream(flywheel: Flywheel, collected: Collected) -> dict[str, ProjectSide]:
    own = flywheel.assembly_project
    return sides_of_evidence({name: item for name, item in collected.evidence.items() if own is None or name != own.id})
