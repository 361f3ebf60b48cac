"""Says who may enter which zone, and finds the reads that were against it in the access log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: Zone -> roles that may read it (published).
ZONES: Mapping[str, tuple[str, ...]] = {
    "raw_zone": ("privacy_admin",),
    "quarantine_zone": ("privacy_admin", "incident_responder"),
    "redacted_zone": ("data_processor", "analyst"),
    "audit_zone": ("auditor", "privacy_admin"),
}
ROLES = ("privacy_admin", "data_processor", "analyst", "auditor", "incident_responder")
#: Of one read of the raw zone: more than the whole sample is somebody copying it (190 records, read in parts of 40).
BULK_RECORDS = 200
#: Who may close an alert.
RESPONDERS = frozenset({"incident_responder", "privacy_admin"})


def may_read(role: str, zone: str, zones: Mapping[str, tuple[str, ...]] = ZONES) -> bool:
    """Whether a role may read a zone; unknown zones are closed to everybody."""
    return role in zones.get(zone, ())


def instant(stamp: str) -> datetime:
    """The moment an ISO 8601 time stamp names.

    Raises:
        ValueError: it is none, or has no offset.
    """
    at = datetime.fromisoformat(stamp)
    if at.tzinfo is None:
        raise ValueError(f"{stamp!r} has no offset from UTC")
    return at


@dataclass(frozen=True, slots=True)
class Alert:
    """One read against the rules; ``resolved_after_minutes`` is None while nobody has answered it."""

    alert_id: str
    severity: str
    actor: str
    reason: str
    resolved_after_minutes: float | None

    def as_row(self) -> dict[str, Any]:
        """The alert in the published columns."""
        status = "open" if self.resolved_after_minutes is None else "resolved"
        return {
            "alert_id": self.alert_id,
            "severity": self.severity,
            "actor": self.actor,
            "reason": self.reason,
            "status": status,
        }


def why_alarming(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """(severity, reason) when a read is against the rules, else None."""
    if event["action"] != "read":
        return None
    if not may_read(event["role"], event["zone"]):
        return "high", f"{event['role']} read {event['zone']}"
    if event["zone"] == "raw_zone" and event["records"] > BULK_RECORDS:
        return "medium", f"{event['records']} raw records in one read"
    return None


def alerts_of(log: Iterable[Mapping[str, Any]]) -> tuple[Alert, ...]:
    """The alerts of an access log; one counts as answered only by a later entry of somebody entitled to it."""
    events = list(log)
    answers = {
        event["about"]: event for event in events if event["action"] == "resolve_alert" and event["role"] in RESPONDERS
    }
    found = []
    for event in events:
        why = why_alarming(event)
        if why is None:
            continue
        answer, minutes = answers.get(event["event_id"]), None
        if answer is not None and instant(answer["at"]) > instant(event["at"]):
            minutes = (instant(answer["at"]) - instant(event["at"])).total_seconds() / 60
        found.append(Alert(f"alert-{event['event_id']}", why[0], event["actor"], why[1], minutes))
    return tuple(found)


def alerting_works() -> bool:
    """Whether a canary for each rule raises an alert and harmless reads raise none."""
    forbidden = [(role, zone) for zone, readers in ZONES.items() for role in ROLES if role not in readers]
    allowed = [(role, zone) for zone, readers in ZONES.items() for role in readers]
    bulk = _read("privacy_admin", "raw_zone", BULK_RECORDS + 1)
    return (
        all(why_alarming(_read(role, zone, 1)) for role, zone in forbidden)
        and why_alarming(bulk) is not None
        and not any(why_alarming(_read(role, zone, 1)) for role, zone in allowed)
    )


def _read(role: str, zone: str, records: int) -> dict[str, Any]:
    return {"event_id": "canary", "action": "read", "actor": "canary", "role": role, "zone": zone, "records": records}
