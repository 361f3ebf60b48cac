"""Looks at a finished run from outside: what must hold before anything leaves the raw zone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from p09_classification import Classified
from p09_detection import LEVELS, RULES, fold
from p09_drill import Rehearsal, timeline_faults
from p09_zones import ROLES, ZONES, Alert, alerting_works

from flywheel_mlflow.pipelines import Workspace

#: The published options, each of which must have an answer below.
TECH_OPTIONS = frozenset({"differential_privacy", "tee", "fhe", "tokenization"})


#: Technique -> what this project does with it.
PRIVACY_TECH = {
    "tokenization": "used: HMAC-SHA-256 tokens in place of identifiers that must stay joinable",
    "differential_privacy": "not used: no statistics of persons are published, only records without identifiers",
    "tee": "not used: no foreign machine computes on raw records",
    "fhe": "not used: nobody computes on encrypted records here",
}


#: What the audit log must show of each record.
STEPS_OF_A_RECORD = ("classify", "redact", "quarantine or export")


def preflight_points(
    classified: list[Classified], held: set[str], exports: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The five published points to settle before anything leaves, each looked at anew."""
    exported = {record["source"]["record"] for record in exports}
    restricted = {item.record_id for item in classified if item.restricted}
    readers = {role for roles in ZONES.values() for role in roles}
    points = {
        "all records classified": all(item.level in LEVELS for item in classified),
        "restricted records isolated": restricted <= held and not restricted & exported,
        "alerts wired": alerting_works(),
        "role model present": readers == set(ROLES) and all(ZONES.values()),
        "privacy tech options documented": {name for name, answer in PRIVACY_TECH.items() if answer} >= TECH_OPTIONS,
    }
    return [{"name": name, "passed": passed} for name, passed in points.items()]


def audit_log(
    classified: list[Classified], held: set[str], exports: list[dict[str, Any]], alerts: tuple[Alert, ...]
) -> list[dict[str, str]]:
    """One entry for every step a record took, and for every alert."""
    entries = [("data_processor", "classify", item.record_id) for item in classified if item.level]
    entries += [("data_processor", "redact", item.record_id) for item in classified]
    entries += [("privacy_admin", "quarantine", name) for name in sorted(held)]
    entries += [("data_processor", "export", record["source"]["record"]) for record in exports]
    entries += [("auditor", "alert", alert.alert_id) for alert in alerts]
    return [
        {"event_id": f"audit-{number:05d}", "actor": actor, "action": action, "target": target}
        for number, (actor, action, target) in enumerate(entries, start=1)
    ]


def kinds() -> list[str]:
    """The kinds of identifiers there are rules for."""
    return sorted({rule.kind for rule in RULES})


def check_run(
    work: Workspace,
    classified: list[Classified],
    held: set[str],
    exports: list[dict[str, Any]],
    left: list[tuple[str, str]],
    audit: list[dict[str, str]],
    alerts: tuple[Alert, ...],
    preflight: list[dict[str, Any]],
    rehearsal: Rehearsal,
    drill: Mapping[str, Any],
) -> None:
    """Log the published checks of this project."""
    unclassified = [item.record_id for item in classified if item.level is None]
    work.check("all_records_classified", bool(classified) and not unclassified, f"{len(unclassified)} without a level")
    restricted = {item.record_id for item in classified if item.restricted}
    exported = {record["source"]["record"] for record in exports}
    loose = (restricted - held) | (restricted & exported)
    work.check(
        "restricted_records_quarantined", bool(restricted) and not loose, f"{len(loose)} of {len(restricted)} loose"
    )
    work.check(
        "redacted_records_remove_direct_pii",
        not left,
        f"{len(left)} planted identifiers can still be read",
        records=sorted({name for name, _ in left})[:5],
        kinds=sorted({kind for _, kind in left}),
    )
    silent = [kind for kind in kinds() if not any(f.rule.kind == kind for item in classified for f in item.findings)]
    work.check("pii_detection_rules_present", not silent, f"kinds that found nothing: {', '.join(silent) or 'none'}")
    work.check("role_and_zone_model_present", next(p["passed"] for p in preflight if p["name"] == "role model present"))
    works = next(point["passed"] for point in preflight if point["name"] == "alerts wired")
    steps = Counter(entry["target"] for entry in audit)
    untraced = [item.record_id for item in classified if steps[item.record_id] != len(STEPS_OF_A_RECORD)]
    message = f"{len(alerts)} alerts; {len(untraced)} records without all of {', '.join(STEPS_OF_A_RECORD)}"
    work.check("alerts_and_audit_present", works and bool(alerts) and not untraced, message)
    still = [alert.alert_id for alert in alerts if alert.resolved_after_minutes is None]
    work.check("alerts_resolved", not still, f"{len(still)} of {len(alerts)} alerts unanswered", open=still)
    seen = "tok_" in json.dumps([record["payload"] for record in exports])
    missing = sorted(TECH_OPTIONS - {name for name, answer in PRIVACY_TECH.items() if answer})
    message = f"without an answer: {', '.join(missing) or 'none'}; tokens {'are' if seen else 'are not'} in the exports"
    work.check("privacy_tech_options_complete", not missing and seen, message)
    failed = [point["name"] for point in preflight if not point["passed"]]
    work.check("preflight_all_passed", not failed, ", ".join(failed))
    faults = (*timeline_faults(drill), *rehearsal.open_points)
    work.check("incident_and_postmortem_present", not faults, "; ".join(faults), leaked=rehearsal.leaked)


def check_precision(work: Workspace, classified: list[Classified], planted: Mapping[str, list[dict[str, str]]]) -> None:
    """Rules that take harmless numbers for identifiers spoil the export: nothing may be found that was not planted."""
    wrong = [
        (item.record_id, finding.rule.kind)
        for item in classified
        for finding in item.findings
        if finding.value not in {fold(known["value"]) for known in planted[item.record_id]}
    ]
    kinds = sorted({kind for _, kind in wrong})
    work.check("harmless_values_kept", not wrong, f"{len(wrong)} harmless values taken for identifiers", kinds=kinds)
