"""Judges the platform: what it declares of itself, and what its history shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from p08_history import Catalogue, Experiment
from p08_lineage import Graph, bad_parents, dangling
from p08_operations import Incident, Rollback, without_rollback

from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.pipelines import Workspace


@dataclass(frozen=True, slots=True)
class Picture:
    """The platform as its history shows it."""

    experiments: list[Experiment]
    catalogue: Catalogue
    rollbacks: list[Rollback]
    incidents: list[Incident]
    alerts: list[dict[str, Any]]
    levels: dict[str, dict[str, Any]]
    graph: Graph

    @property
    def judged(self) -> list[Experiment]:
        """The runs of finished turns."""
        return [run for run in self.experiments if run.judged]

    @property
    def newest(self) -> list[Experiment]:
        """The newest judged run of each project: what stands now."""
        return list({run.project_id: run for run in self.judged}.values())

    @property
    def open_incidents(self) -> list[Incident]:
        """Incidents nothing has closed."""
        return [item for item in self.incidents if item.closed_by is None]


def version_of(picture: Picture, run: Experiment) -> str | None:
    """The version a run is about: what it made, or else what it read."""
    for interface, digest in (*run.made, *run.read):
        version = picture.catalogue.find(interface, digest)
        if version is not None:
            return version.version_id
    return None


def check_governance(work: Workspace, governance: Mapping[str, Any], exceptions: Sequence[Mapping[str, str]]) -> None:
    """Log whether what the platform declares fits together: roles, layers, services, exceptions."""
    roles, layers = set(governance["roles"]), set(governance["layers"])
    apis = {item["name"]: item for item in governance["apis"]}
    lame = [name for name, item in apis.items() if not item["roles"] or not set(item["roles"]) <= roles]
    duties = [name for name, item in governance["raci"].items() if item["responsible"] == item["accountable"]]
    message = f"{len(lame)} services without a known role; {len(duties)} duties answer to themselves"
    work.check("role_and_permission_model_present", bool(apis) and not lame and not duties, message)
    placed = [item["layer"] for item in (*apis.values(), *governance["queues"])]
    empty = sorted(layers ^ set(placed))
    work.check(
        "architecture_layers_complete", not empty, f"layers that are empty or unknown: {', '.join(empty) or 'none'}"
    )
    blind = [panel["name"] for panel in governance["ui_panels"] if panel["calls"] not in apis]
    complete = bool(governance["ui_panels"]) and bool(governance["queues"]) and not blind
    work.check("api_queue_ui_present", complete, f"panels that call nothing: {', '.join(blind) or 'none'}")
    lacking = [item["exception_id"] for item in exceptions if not _is_granted(item, governance)]
    message = f"{len(lacking)} of {len(exceptions)} exceptions lack a field, an end or another's approval"
    work.check("governance_exception_process_present", bool(exceptions) and not lacking, message, ids=lacking)


def _is_granted(item: Mapping[str, str], governance: Mapping[str, Any]) -> bool:
    """Whether an exception has every field demanded, ends, and was approved by somebody else with a role."""
    if not all(item.get(name) for name in governance["exception_required_fields"]):
        return False
    ends = date.fromisoformat(item["granted_date"]) < date.fromisoformat(item["expiry_date"])
    return ends and item["approver"] in governance["roles"] and item["approver"] != item.get("requested_by")


def check_history(work: Workspace, picture: Picture, audit: Sequence[Mapping[str, str]]) -> None:
    """Log whether the history is whole: versions, lineage, rollbacks, incidents, service levels."""
    wrong = bad_parents(picture.catalogue)
    count = len(picture.catalogue.versions)
    work.check(
        "version_lineage_links_valid", bool(count) and not wrong, f"{len(wrong)} of {count} versions", ids=wrong[:5]
    )
    finished = [run for run in picture.experiments if run.status != "failed"]
    loose = [run.run_id for run in finished if version_of(picture, run) is None]
    work.check("experiments_reference_versions", bool(finished) and not loose, f"{len(loose)} of {len(finished)} runs")
    unanswered = without_rollback(picture.judged, picture.rollbacks, picture.catalogue)
    message = f"{len(unanswered)} regressed runs without a rollback; {len(picture.rollbacks)} rollbacks"
    work.check("regressions_have_rollback", not unanswered, message, runs=unanswered[:5])
    nowhere = dangling(picture.graph)
    message = f"{len(nowhere)} of {len(picture.graph['edges'])} edges lead nowhere"
    work.check("lineage_edges_resolve", bool(picture.graph["edges"]) and not nowhere, message, edges=nowhere[:5])
    logged = {entry["target"] for entry in audit}
    needed = {item.incident_id for item in picture.incidents} | {item.rollback_id for item in picture.rollbacks}
    missing = sorted(needed - logged)
    work.check("alerts_audit_incidents_present", bool(logged) and not missing, f"{len(missing)} without an audit entry")
    unmet = sorted(name for name, item in picture.levels.items() if item["met"] is False)
    known = [name for name, item in picture.levels.items() if item["met"] is not None]
    outcome = Outcome.SKIPPED if not known else Outcome.FAILED if unmet else Outcome.PASSED
    message = f"not met: {', '.join(unmet) or 'none'}; measured: {', '.join(known) or 'none, the history is too short'}"
    work.run.log_check("sla_all_met", outcome, message=message)
