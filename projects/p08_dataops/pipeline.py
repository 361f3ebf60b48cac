"""P08: reads the platform's own history from the tracking server and says what is in order, and what is still open."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from p08_checks import Picture, check_governance, check_history, version_of
from p08_history import Experiment, catalogue_of, experiments_of
from p08_lineage import graph_of
from p08_operations import alerts_of, incidents_of, rollbacks_of, service_levels

from flywheel_mlflow.evidence.runs import InterfaceVersion, ProjectEvidence
from flywheel_mlflow.operations.projects.project_run import judge
from flywheel_mlflow.pipelines import Workspace, main, read_jsonl

FAULTS = {
    "broken_lineage": "the newest version is missing in the lineage graph, its edges are not",
    "no_exception_process": "exceptions are granted without an approver",
    "lost_rollback": "nobody decides on rollbacks (shows once the history holds a regression)",
}


@dataclass(frozen=True, slots=True)
class Current:
    """What this iteration has given us so far: the versions read, and what is in them."""

    versions: tuple[InterfaceVersion, ...]
    paths: Mapping[str, Path]

    def records(self, name: str) -> list[dict[str, Any]]:
        """The records of an input."""
        return list(read_jsonl(self.paths[name]))

    def document(self, name: str) -> dict[str, Any]:
        """The document of an opaque input; empty when it is none."""
        try:
            found = json.loads(self.paths[name].read_text(encoding="utf-8"))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def build(work: Workspace) -> None:
    """Run the project once in its workspace."""
    governance = json.loads((work.data / "governance.json").read_text(encoding="utf-8"))
    exceptions = _exceptions(work)
    current = _current(work)
    signals = _signals(current.records("retrieval_metrics"))
    picture = _picture(work, current, signals, governance["service_levels"])
    privacy = current.document("privacy_controls")

    work.write_document("platform_control_plane", _control_plane(governance, exceptions, picture, privacy))
    names = {"title": "One row per experiment run", "source": "runs of this flywheel on its tracking server"}
    work.write_records("ops_metrics", _rows(picture), card=names | {"licence": "CC0-1.0"})
    audit = _audit(picture, exceptions)
    work.log_document(_metrics(work, governance, picture, audit, signals))
    check_governance(work, governance, exceptions)
    check_history(work, picture, audit)


def _exceptions(work: Workspace) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((work.data / "exceptions.json").read_text(encoding="utf-8"))
    if work.fault == "no_exception_process":
        found = [{key: value for key, value in item.items() if key != "approver"} for item in found]
    return found


def _current(work: Workspace) -> Current:
    versions, paths = [], {}
    for wanted in work.run.contract.interfaces_in:
        version = work.run.log_input(wanted.name)
        versions.append(version)
        paths[wanted.name] = work.run.fetch_input(version, work.folder / "inputs" / wanted.name)
    return Current(tuple(versions), paths)


def _signals(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean of every numeric quality signal of the evaluation rows."""
    values: dict[str, list[float]] = {}
    for record in records:
        for name, value in record["quality_signals"].items():
            if isinstance(value, int | float):
                values.setdefault(name, []).append(float(value))
    return {name: fmean(found) for name, found in sorted(values.items())}


def _picture(work: Workspace, current: Current, signals: Mapping[str, float], limits: Mapping[str, float]) -> Picture:
    flywheel = work.run.flywheel
    contracts = {name: item for name, item in flywheel.contracts.items() if not item.is_assembly}

    def why_not(evidence: ProjectEvidence) -> tuple[str, ...]:
        return judge(flywheel, evidence).reasons

    history = work.history()
    judged = experiments_of(history, contracts, why_not, observer=work.run.contract.id)
    catalogue = catalogue_of(history, judged, contracts)
    for version in current.versions:
        catalogue.add(version.name, version.digest, work.iteration, "candidate", version.rows, None)
    experiments = judged + _pending(work, current, signals)
    rollbacks = [] if work.fault == "lost_rollback" else rollbacks_of(judged, catalogue)
    incidents = incidents_of(history, judged, rollbacks)
    graph = graph_of(catalogue, experiments, rollbacks)
    if work.fault == "broken_lineage":
        lost = catalogue.versions[-1].version_id
        graph = {**graph, "nodes": [node for node in graph["nodes"] if node["id"] != lost]}
    levels = service_levels(judged, incidents, limits)
    return Picture(experiments, catalogue, rollbacks, incidents, alerts_of(judged), levels, graph)


def _pending(work: Workspace, current: Current, signals: Mapping[str, float]) -> list[Experiment]:
    """The runs of this iteration that we read from, and this run itself; they are judged in the next iteration."""
    makers = {item.name: name for name, item in _makers(work).items()}
    read = tuple((version.name, version.digest) for version in current.versions)
    found = [
        _run(
            version.uri.removeprefix("runs:/").split("/")[0],
            makers[version.name],
            work.iteration,
            made=((version.name, version.digest),),
            primary=next(iter(signals.values()), None) if version.name == "retrieval_metrics" else None,
        )
        for version in current.versions
    ]
    # Not under its run id: the same history must give the same documents, however often it is read.
    return [*found, _run(f"{work.run.contract.id}@{work.iteration}", work.run.contract.id, work.iteration, read=read)]


def _makers(work: Workspace) -> dict[str, Any]:
    return {
        contract.id: item
        for contract in work.run.flywheel.contracts.values()
        for item in contract.interfaces_out
        if item.name in {wanted.name for wanted in work.run.contract.interfaces_in}
    }


def _run(
    run_id: str,
    project_id: str,
    iteration: int,
    *,
    made: tuple[tuple[str, str], ...] = (),
    read: tuple[tuple[str, str], ...] = (),
    primary: float | None = None,
) -> Experiment:
    return Experiment(
        run_id, project_id, iteration, None, "completed", made, read, primary, None, (), (), (), judged=False
    )


def _rows(picture: Picture) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run.run_id,
            "project_id": run.project_id,
            "iteration": run.iteration,
            "dataset_version": version_of(picture, run),
            "artifact_id": run.artifact_id,
            "status": run.status,
            "metric_primary": run.primary,
            "latency_ms": run.latency_ms,
            "release_decision": run.decision,
        }
        for run in picture.experiments
    ]


def _control_plane(
    governance: Mapping[str, Any],
    exceptions: Sequence[Mapping[str, str]],
    picture: Picture,
    privacy: Mapping[str, Any],
) -> dict[str, Any]:
    """What projects of the next iteration read: versions, what to keep away from, where to go back to, what is open."""
    withheld = [item for item in picture.catalogue.versions if item.status == "withheld"]
    released = {item.interface: item for item in picture.catalogue.versions if item.status == "released"}
    return {
        "format_version": 1,
        "roles": governance["roles"],
        "permissions": {item["name"]: item["roles"] for item in governance["apis"]},
        "versions": [item.as_row() for item in picture.catalogue.versions],
        "regressed_versions": [{"interface": item.interface, "digest": item.digest} for item in withheld],
        "fallbacks": [
            {"interface": name, "version_id": item.version_id, "digest": item.digest}
            for name, item in sorted(released.items())
        ],
        "rollback_events": [item.as_row() for item in picture.rollbacks],
        "open_incidents": [item.as_row() for item in picture.open_incidents],
        "service_levels": picture.levels,
        "exception_process": {"required_fields": governance["exception_required_fields"], "granted": list(exceptions)},
        "privacy": {"roles": privacy.get("roles", []), "preflight": privacy.get("preflight")},
        "lineage": picture.graph,
    }


def _audit(picture: Picture, exceptions: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """One entry for each version, judged run, rollback, incident and exception."""
    entries = [("data_engineer", "register_version", item.version_id) for item in picture.catalogue.versions]
    entries += [("platform_admin", f"judge_run:{run.decision}", run.run_id) for run in picture.judged]
    entries += [("platform_admin", "decide_rollback", item.rollback_id) for item in picture.rollbacks]
    entries += [
        ("platform_admin", "close_incident" if item.closed_by else "open_incident", item.incident_id)
        for item in picture.incidents
    ]
    entries += [(item.get("approver", "nobody"), "grant_exception", item["exception_id"]) for item in exceptions]
    return [
        {"event_id": f"audit_{number:05d}", "actor": actor, "action": action, "target": target}
        for number, (actor, action, target) in enumerate(entries, start=1)
    ]


def _metrics(
    work: Workspace,
    governance: Mapping[str, Any],
    picture: Picture,
    audit: Sequence[Mapping[str, str]],
    signals: Mapping[str, float],
) -> dict[str, Any]:
    met = [item["met"] for item in picture.levels.values() if item["met"] is not None]
    minutes = [item.mttr_minutes for item in picture.incidents if item.mttr_minutes is not None]
    resolved = sum(alert["status"] == "resolved" for alert in picture.alerts)
    statuses = Counter(run.status for run in picture.experiments)
    versions = picture.catalogue.versions
    return {
        "tenant_count": len(governance["tenants"]),
        "project_count": sum(not item.is_assembly for item in work.run.flywheel.contracts.values()),
        "role_count": len(governance["roles"]),
        "layer_count": len(governance["layers"]),
        "api_count": len(governance["apis"]),
        "queue_count": len(governance["queues"]),
        "ui_panel_count": len(governance["ui_panels"]),
        "dataset_version_count": len(versions),
        "released_version_count": sum(item.status == "released" for item in versions),
        "experiment_count": len(picture.experiments),
        "judged_experiment_count": len(picture.judged),
        "experiment_status_distribution": dict(sorted(statuses.items())),
        # What stands now: the newest judged run of each project. All turns together are in the distribution.
        "regression_run_count": sum(run.status == "regressed" for run in picture.newest),
        "failed_run_count": sum(run.status == "failed" for run in picture.newest),
        "rollback_count": len(picture.rollbacks),
        "alert_count": len(picture.alerts),
        "resolved_alert_rate": resolved / len(picture.alerts) if picture.alerts else None,
        "audit_event_count": len(audit),
        "incident_count": len(picture.incidents),
        "open_incident_count": len(picture.open_incidents),
        "avg_incident_mttr_minutes": fmean(minutes) if minutes else None,
        "avg_incident_mttr_minutes_stderr": stdev(minutes) / len(minutes) ** 0.5 if len(minutes) > 1 else None,
        "sla": picture.levels,
        "sla_met_rate": sum(met) / len(met) if met else None,
        "lineage_node_count": len(picture.graph["nodes"]),
        "lineage_edge_count": len(picture.graph["edges"]),
        "governance_workflow_count": len(governance["workflows"]),
        "raci_workstream_count": len(governance["raci"]),
        "oncall_tier_count": len(governance["oncall_tiers"]),
        "operating_cadence_count": len(governance["cadences"]),
        "application_signals": dict(signals),
    }


if __name__ == "__main__":
    main(__file__, build, FAULTS)
