"""Writes what the platform declares of itself: roles, layers, services, and the exceptions granted so far."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROLES = ["platform_admin", "data_engineer", "ml_engineer", "reviewer", "analyst"]


def governance() -> dict[str, Any]:
    """The published governance objects; who may call what is ours."""
    return {
        "tenants": ["foundation-data", "legal-ai", "finance-ai"],
        "roles": ROLES,
        "layers": ["scheduler_layer", "metadata_layer", "storage_layer", "service_layer"],
        "apis": [
            api("POST /datasets/register", "metadata_layer", "data_engineer", "ml_engineer"),
            api("POST /experiments/launch", "scheduler_layer", "ml_engineer"),
            api("GET /lineage/{asset_id}", "metadata_layer", *ROLES),
            api("POST /releases/promote", "service_layer", "platform_admin", "reviewer"),
            api("POST /rollbacks/trigger", "service_layer", "platform_admin"),
            api("GET /ops/sla", "service_layer", *ROLES),
        ],
        "queues": [
            {"name": "ingest_queue", "layer": "scheduler_layer"},
            {"name": "eval_queue", "layer": "scheduler_layer"},
            {"name": "release_queue", "layer": "service_layer"},
            {"name": "backfill_queue", "layer": "storage_layer"},
        ],
        "ui_panels": [
            {"name": "versions", "calls": "POST /datasets/register"},
            {"name": "experiments", "calls": "POST /experiments/launch"},
            {"name": "lineage", "calls": "GET /lineage/{asset_id}"},
            {"name": "releases", "calls": "POST /releases/promote"},
            {"name": "service levels", "calls": "GET /ops/sla"},
        ],
        "workflows": ["register a version", "release a version", "grant an exception"],
        "raci": {
            "ingest": {"responsible": "data_engineer", "accountable": "platform_admin"},
            "experiments": {"responsible": "ml_engineer", "accountable": "platform_admin"},
            "evaluation": {"responsible": "reviewer", "accountable": "platform_admin"},
            "release": {"responsible": "platform_admin", "accountable": "reviewer"},
            "reporting": {"responsible": "analyst", "accountable": "platform_admin"},
        },
        "oncall_tiers": ["data_engineer", "ml_engineer", "platform_admin"],
        "cadences": ["daily run check", "weekly regression review", "monthly access review"],
        "exception_required_fields": ["exception_id", "reason", "risk_assessment", "approver", "expiry_date"],
        "service_levels": {
            "dataset_publish_hours": 6,
            "incident_response_minutes": 30,
            "lineage_freshness_minutes": 15,
        },
    }


def api(name: str, layer: str, *roles: str) -> dict[str, Any]:
    return {"name": name, "layer": layer, "roles": list(roles)}


def exceptions() -> list[dict[str, str]]:
    return [
        {
            "exception_id": "exc-001",
            "reason": "a backfill of old web pages may register versions without a parent",
            "risk_assessment": "low: the versions are candidates until a reviewer promotes them",
            "requested_by": "data_engineer",
            "approver": "platform_admin",
            "granted_date": "2025-02-10",
            "expiry_date": "2025-08-10",
        },
        {
            "exception_id": "exc-002",
            "reason": "analysts may call the lineage service from the reporting network during the audit",
            "risk_assessment": "low: the service answers with names and digests only",
            "requested_by": "analyst",
            "approver": "reviewer",
            "granted_date": "2025-03-03",
            "expiry_date": "2025-04-03",
        },
    ]


def generate(folder: Path) -> None:
    """Writes every data file into ``folder``."""
    for name, document in (("governance", governance()), ("exceptions", exceptions())):
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
