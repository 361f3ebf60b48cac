"""Takes what the flywheel finds in as feedback: failed checks and samples, drift, decisions of the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from flywheel_mlflow.assembly.deliverables import DRIFT
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.drift import DriftReport, drift_report_from_json
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Collected
from flywheel_mlflow.feedback.failures import KpiFailures
from flywheel_mlflow.feedback.findings import own_events
from flywheel_mlflow.operations.assembly.collecting import collect_iteration
from flywheel_mlflow.operations.deciding import read_snapshot
from flywheel_mlflow.operations.feedback.feedback import OWN_FINDINGS, Ingested, Intake
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Noticed:
    """What became of an iteration's findings; ``unread`` says what could not be looked at, and why."""

    ingested: Ingested
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoticedAfter:
    """The same after an assembly, which it never fails: one of the two is None."""

    noticed: Noticed | None = None
    failure: FlywheelError | None = None


def pull_findings(flywheel: Flywheel, tracking: Tracking, iteration: int, *, dry_run: bool = False) -> Noticed:
    """Take an iteration's failed checks and samples, its drift against the one before, and decisions about releases.

    Each finding is told once: a second time finds nothing new. Drift is read from the newest assembly, decisions are
    those about releases of this iteration or an earlier one. What cannot be read does not keep the rest from being
    told.
    """
    collected = collect_iteration(flywheel, tracking, iteration)
    return _take(flywheel, tracking, collected, dry_run=dry_run)


def _take(flywheel: Flywheel, tracking: Tracking, collected: Collected, *, dry_run: bool) -> Noticed:
    unread: list[str] = []
    drift = _drift(tracking, collected.iteration, unread)
    decisions = _decisions(tracking, unread)
    failures = _failures(tracking, collected, unread)
    events = own_events(
        collected.evidence, flywheel.contracts, drift, decisions, failures, iteration=collected.iteration
    )
    intake = Intake(flywheel, tracking.feedback, collected.iteration, dry_run=dry_run)
    return Noticed(intake.events(OWN_FINDINGS, events, own=True), tuple(unread))


def notice_after_assembly(flywheel: Flywheel, tracking: Tracking, iteration: int) -> NoticedAfter:
    """The same at the end of an assembly, or what stopped it: telling findings never fails the assembly."""
    try:
        return NoticedAfter(pull_findings(flywheel, tracking, iteration))
    except FlywheelError as error:
        return NoticedAfter(failure=error)


def _drift(tracking: Tracking, iteration: int, unread: list[str]) -> DriftReport | None:
    """The comparison the newest assembly holds; None where there is none, which is said."""
    recorded: RecordedAssembly | None = tracking.assemblies.recorded(iteration)
    if recorded is None:
        unread.append(f"drift: iteration {iteration} has no valid assembly; run `flywheel assemble -i {iteration}`")
        return None
    try:
        with scratch_folder() as folder:
            text = tracking.artifacts.text(recorded.run_id, DRIFT, folder)
        return None if text is None else drift_report_from_json(text, name=f"{DRIFT} of run {recorded.run_id}")
    except FlywheelError as error:
        unread.append(f"drift: {error.what}")
        return None


def _failures(tracking: Tracking, collected: Collected, unread: list[str]) -> dict[str, list[KpiFailures]]:
    """What failed in the evaluations of this iteration's own runs, by project."""
    found: dict[str, list[KpiFailures]] = {}
    for name, item in sorted(collected.evidence.items()):
        if item.run_id is None or item.carried_from is not None:
            continue
        try:
            with scratch_folder() as folder:
                kept = tracking.profiles.failures(item.run_id, folder)
        except FlywheelError as error:
            unread.append(f"failures of {name}: {error.what}")
            continue
        found[name] = []
        for kpi, failures in kept.items():
            if isinstance(failures, FlywheelError):
                unread.append(f"failures of {name}.{kpi}: {failures.what}")
                continue
            found[name].append(failures)
            if failures.total > len(failures.failures):
                unread.append(f"failures of {name}.{kpi}: its run kept {len(failures.failures)} of {failures.total:,}")
    return found


def _decisions(tracking: Tracking, unread: list[str]) -> tuple[Event, ...]:
    """The ledger as far as it can be read; nothing before the first release."""
    try:
        snapshot = read_snapshot(tracking)
    except FlywheelError as error:
        unread.append(f"decisions: {error.what}")
        return ()
    return snapshot.ledger.counted if snapshot else ()
