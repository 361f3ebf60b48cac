"""Finds what went wrong in the platform's history, and whether something closed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from p08_history import Catalogue, Experiment

from flywheel_mlflow.evidence.runs import Collected


@dataclass(frozen=True, slots=True)
class Rollback:
    """The decision to go back from what a regressed run made to the last released version."""

    rollback_id: str
    project_id: str
    run_id: str
    trigger_digest: str
    interface: str
    fallback: str
    fallback_digest: str
    reason: str

    def as_row(self) -> dict[str, Any]:
        """The rollback in the published columns; it is decided here, and carried out by who releases."""
        return {
            "rollback_id": self.rollback_id,
            "trigger_asset": f"{self.interface}:{self.trigger_digest}",
            "fallback_asset": self.fallback,
            "reason": self.reason,
            "approved_by": "platform_admin",
            "status": "decided",
        }


@dataclass(frozen=True, slots=True)
class Incident:
    """A run that failed or regressed; ``closed_by`` names what closed it, None while nothing has."""

    incident_id: str
    project_id: str
    iteration: int
    kind: str
    reason: str
    closed_by: str | None
    mttr_minutes: float | None

    def as_row(self) -> dict[str, Any]:
        """The incident for the control plane."""
        return {
            "incident_id": self.incident_id,
            "project_id": self.project_id,
            "iteration": self.iteration,
            "kind": self.kind,
            "reason": self.reason,
            "closing_object": self.closed_by,
            "mttr_minutes": self.mttr_minutes,
        }


def rollbacks_of(experiments: Iterable[Experiment], catalogue: Catalogue) -> list[Rollback]:
    """For each interface a regressed run changed: back to the newest released version from before it, if any."""
    found = []
    for run in experiments:
        if run.status != "regressed":
            continue
        for interface, digest in run.made:
            fallback = catalogue.fallback(interface, run.iteration)
            if fallback is None or fallback.digest == digest:
                continue
            found.append(
                Rollback(
                    f"rb_{interface}_{run.iteration}",
                    run.project_id,
                    run.run_id,
                    digest,
                    interface,
                    fallback.version_id,
                    fallback.digest,
                    f"worse than before: {', '.join(run.regressed)}",
                )
            )
    return found


def without_rollback(
    experiments: Iterable[Experiment], rollbacks: Sequence[Rollback], catalogue: Catalogue
) -> list[str]:
    """Runs that regressed with new data and that no rollback to a known version answers.

    A run that regressed on the very data of an accepted one has nothing to go back to in data.
    """
    answered = {
        (item.run_id, item.interface) for item in rollbacks if catalogue.find(item.interface, item.fallback_digest)
    }
    return [
        run.run_id
        for run in experiments
        if run.status == "regressed"
        and any(_needs(run, name, digest, answered, catalogue) for name, digest in run.made)
    ]


def _needs(run: Experiment, interface: str, digest: str, answered: set[tuple[str, str]], catalogue: Catalogue) -> bool:
    version = catalogue.find(interface, digest)
    is_new = version is None or version.status == "withheld"
    return is_new and (run.run_id, interface) not in answered


def incidents_of(
    history: Sequence[Collected], experiments: Sequence[Experiment], rollbacks: Iterable[Rollback]
) -> list[Incident]:
    """Runs that failed or regressed, and attempts that never ended well, each with what closed it."""
    answers = {item.run_id: item.rollback_id for item in rollbacks}
    found = []
    for run in experiments:
        if run.status == "completed":
            continue
        later = next((item for item in experiments if _mends(item, run)), None)
        minutes = None
        if later is not None and later.ended and run.ended:
            minutes = (later.ended - run.ended).total_seconds() / 60
        closed_by = f"run {later.run_id}" if later else answers.get(run.run_id)
        reason = "; ".join(run.reasons) or f"worse than before: {', '.join(run.regressed)}"
        found.append(
            Incident(f"inc_{run.run_id[:12]}", run.project_id, run.iteration, run.status, reason, closed_by, minutes)
        )
    for collected in history:
        for item in collected.skipped:
            if not item.reason.startswith("ended"):
                continue  # replaced by a newer run, still running, or written by somebody else
            valid = collected.evidence.get(item.project_id)
            mended = valid is not None and valid.carried_from is None
            closed_by = f"run {valid.run_id}" if mended and valid else None
            name = f"inc_{item.run_id[:12]}"
            found.append(Incident(name, item.project_id, collected.iteration, "aborted", item.reason, closed_by, None))
    return sorted(found, key=lambda item: (item.iteration, item.project_id, item.incident_id))


def _mends(later: Experiment, run: Experiment) -> bool:
    return later.project_id == run.project_id and later.iteration > run.iteration and later.status == "completed"


def alerts_of(experiments: Sequence[Experiment]) -> list[dict[str, Any]]:
    """One alert for each failed check of each run; resolved when a later run of the project passes that check."""
    found = []
    for run in experiments:
        after = [item for item in experiments if item.project_id == run.project_id and item.iteration > run.iteration]
        for check in run.failed_checks:
            mended = any(check not in item.failed_checks for item in after)
            found.append(
                {
                    "alert_id": f"alert_{run.run_id[:12]}_{check}",
                    "severity": "high" if run.status == "failed" else "medium",
                    "source": run.project_id,
                    "message": f"check {check} failed in iteration {run.iteration}",
                    "status": "resolved" if mended else "open",
                }
            )
    return found


def service_levels(
    experiments: Sequence[Experiment], incidents: Iterable[Incident], limits: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Each service level of the newest finished iteration: limit, what was measured, whether it is met.

    ``measured`` and ``met`` are None where there was nothing to measure.
    """
    newest = max((run.iteration for run in experiments), default=None)
    runs = [run for run in experiments if run.iteration == newest]
    ends = [run.ended for run in runs if run.ended]
    made = {pair: run.ended for run in runs for pair in run.made if run.ended}
    waits = [
        (run.ended - made[pair]).total_seconds() / 60 for run in runs for pair in run.read if run.ended and pair in made
    ]
    closers = {f"run {run.run_id}" for run in runs}
    recoveries = [
        item.mttr_minutes for item in incidents if item.mttr_minutes is not None and item.closed_by in closers
    ]
    measured: dict[str, float | None] = {
        "dataset_publish_hours": (max(ends) - min(ends)).total_seconds() / 3600 if len(ends) > 1 else None,
        "incident_response_minutes": max(recoveries, default=None),
        "lineage_freshness_minutes": median(waits) if waits else None,
    }
    return {
        name: {"limit": limit, "measured": value, "met": None if value is None else value <= limit}
        for name, limit in limits.items()
        for value in [measured.get(name)]
    }
