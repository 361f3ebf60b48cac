"""P09: classifies raw records, redacts them whole, quarantines the restricted ones, and measures what is left."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from p09_checks import PRIVACY_TECH, audit_log, check_precision, check_run, kinds, preflight_points
from p09_classification import SOURCE_LEVELS, Classified, classify, left_over, why_restricted
from p09_detection import LEVELS, RULES
from p09_drill import minutes_between, rehearse
from p09_redaction import Redactor, guessable_tokens
from p09_zones import ROLES, ZONES, Alert, alerts_of

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.pipelines import Workspace, main, read_jsonl, sample_record

FAULTS = {
    "leaked_pii": "redaction leaves the metadata of tickets alone, as if it knew the first level only",
    "plain_hash_tokens": "tokens are plain hashes without a key, which anybody can guess",
    "unresolved_alert": "the answers to the last access alert never arrived",
}

COMPLIANCE_TARGETS = (
    "least_privilege",
    "auditability",
    "de-identification before analytics",
    "incident response readiness",
)
KEY_VARIABLE = "FLYWHEEL_P09_TOKEN_KEY"
LICENCE = "CC0-1.0"


def token_key(work: Workspace) -> bytes:
    """The key of the tokens: from the environment, else the demonstration key, which is no secret."""
    text = os.environ.get(KEY_VARIABLE) or (work.data / "demonstration_key.hex").read_text(encoding="utf-8")
    try:
        key = bytes.fromhex(text.strip())
    except ValueError as error:
        raise InputError(f"{KEY_VARIABLE} is not hexadecimal") from error
    if len(key) < 32:
        raise InputError(f"{KEY_VARIABLE} has {len(key)} bytes, a key needs 32")
    return key


def build(work: Workspace) -> None:
    """Run the project once in its workspace."""
    platform = _platform(work)
    raws = list(read_jsonl(work.data / "raw_sensitive_records.jsonl"))
    planted = {row["record_id"]: row["planted"] for row in read_jsonl(work.data / "planted_identifiers.jsonl")}
    redactor = Redactor(
        token_key(work),
        keyed=work.fault != "plain_hash_tokens",
        blind_to=frozenset({"metadata"} if work.fault == "leaked_pii" else ()),
    )
    classified = [classify(raw) for raw in raws]
    redacted = [{**item.raw, "payload": redactor.redacted(item.raw["payload"])} for item in classified]
    quarantine = [
        {"record_id": item.record_id, "reason": why_restricted(item), "owner_team": item.raw["owner_team"]}
        for item in classified
        if item.restricted
    ]
    held = {row["record_id"] for row in quarantine}
    exports = [
        _export(item, payload["payload"], redactor)
        for item, payload in zip(classified, redacted, strict=True)
        if item.record_id not in held
    ]
    work.write_records("sanitized_exports", exports, card=_card(len(raws), len(exports)))

    alerts = alerts_of(_access_log(work))
    drill = json.loads((work.data / "drill.json").read_text(encoding="utf-8"))
    leak = next(item.raw for item in classified if item.restricted)
    rehearsal = rehearse([row for row in redacted if row["record_id"] not in held], leak, redactor)
    preflight = preflight_points(classified, held, exports)
    follow_ups = drill["follow_ups"] + _platform_follow_ups(platform)

    work.write_document("privacy_controls", _controls(redactor, preflight, drill | {"follow_ups": follow_ups}))
    left = left_over(planted, {row["record_id"]: row["payload"] for row in redacted})
    audit = audit_log(classified, held, exports, alerts)
    work.log_document(_metrics(classified, quarantine, audit, alerts, preflight, drill, follow_ups, planted, left))
    check_run(
        work, classified, held, exports, left, audit, alerts, preflight, rehearsal, drill | {"follow_ups": follow_ups}
    )
    candidates = [(item["kind"], item["value"]) for items in planted.values() for item in items]
    guessed = guessable_tokens(redactor, redacted, candidates)
    work.check("tokens_are_keyed", guessed == 0, f"{guessed} tokens can be guessed without the key", guessed=guessed)
    check_precision(work, classified, planted)


def _platform(work: Workspace) -> Mapping[str, Any]:
    path = work.input_path("platform_control_plane")
    return {} if path is None else json.loads(path.read_text(encoding="utf-8"))


def _platform_follow_ups(platform: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the platform still holds open against this project, as follow-ups of our own."""
    return [
        {
            "what": f"close {item['incident_id']}: {item['reason']}"[:300],
            "owner": "platform_governance",
            "due_in_iterations": 1,
        }
        for item in platform.get("open_incidents", [])
        if item.get("project_id") == "p09"
    ]


def _access_log(work: Workspace) -> list[dict[str, Any]]:
    log = list(read_jsonl(work.data / "access_log.jsonl"))
    if work.fault == "unresolved_alert":
        last = [event["event_id"] for event in log if event["action"] == "resolve_alert"][-1]
        log = [event for event in log if event["event_id"] != last]
    return log


def _export(item: Classified, payload: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    return sample_record(
        id=f"p09-{item.record_id}",
        source={"dataset": "raw_sensitive_records", "record": item.record_id, "license": LICENCE},
        payload=payload,
        metadata={
            "source_type": item.raw["source_type"],
            "sensitivity_level": item.level or "unclassified",
            "domain": item.raw["domain"],
            "owner_team": item.raw["owner_team"],
            "license": LICENCE,
        },
        quality_signals={"identifiers_replaced": len(item.findings), "fields": len(payload)},
        split="reference",
        audit_trace=[f"classified {item.level}", f"redacted with key {redactor.key_id}", "cleared for analytics"],
    )


def _card(raw: int, exported: int) -> dict[str, Any]:
    return {
        "title": "Redacted records cleared for analytics",
        "source": "raw_sensitive_records.jsonl of this project, made by data/generate.py",
        "licence": LICENCE,
        "filters": [
            {
                "rule": "restricted records stay in quarantine",
                "constant": "restricted",
                "rows_in": raw,
                "rows_out": exported,
                "reason": "redaction lowers the risk of a restricted record, it does not make it analytics data",
            }
        ],
        "hazards": [
            "a person named only in free text, and in no field of the record, is not recognised",
            "equal values have equal tokens: records of one person can be joined by whoever reads them",
        ],
    }


def _controls(redactor: Redactor, preflight: list[dict[str, Any]], drill: Mapping[str, Any]) -> dict[str, Any]:
    """What other projects apply: levels, rules with their patterns, zones, and what to do in an incident."""
    return {
        "format_version": 1,
        "sensitivity_levels": list(LEVELS),
        "source_types": dict(SOURCE_LEVELS),
        # Each kind has one action, whichever of its rules found it.
        "pii_rules": {rule.kind: rule.action for rule in RULES},
        "media_rules": {"people_without_release": "exclude"},
        "rules": [
            {
                "kind": rule.kind,
                "action": rule.action,
                "level": rule.level,
                "pattern": rule.pattern,
                "validator": rule.validator,
                "fields": list(rule.fields),
            }
            for rule in RULES
        ],
        "export": {"levels": [level for level in LEVELS if level != "restricted"], "forbidden_kinds": kinds()},
        "tokens": {"scheme": "hmac-sha256" if redactor.keyed else "sha256", "key_id": redactor.key_id},
        "zones": {zone: list(roles) for zone, roles in ZONES.items()},
        "roles": list(ROLES),
        "compliance_targets": list(COMPLIANCE_TARGETS),
        "privacy_tech": dict(PRIVACY_TECH),
        "preflight": {"checks": preflight, "overall_passed": all(point["passed"] for point in preflight)},
        "incident_playbook": {
            "steps": [{"step": entry["step"], "role": entry["role"]} for entry in drill["timeline"]],
            "follow_ups": drill["follow_ups"],
        },
    }


def _metrics(
    classified: list[Classified],
    quarantine: list[dict[str, Any]],
    audit: list[dict[str, str]],
    alerts: tuple[Alert, ...],
    preflight: list[dict[str, Any]],
    drill: Mapping[str, Any],
    follow_ups: list[dict[str, Any]],
    planted: Mapping[str, list[dict[str, str]]],
    left: list[tuple[str, str]],
) -> dict[str, Any]:
    identifiers = sum(map(len, planted.values()))
    resolved = sum(alert.resolved_after_minutes is not None for alert in alerts)
    found = Counter(finding.rule.kind for item in classified for finding in item.findings)
    return {
        "domain_count": len({item.raw["domain"] for item in classified}),
        "compliance_target_count": len(COMPLIANCE_TARGETS),
        "source_type_count": len({item.raw["source_type"] for item in classified}),
        "role_count": len(ROLES),
        "privacy_tech_count": len(PRIVACY_TECH),
        "raw_record_count": len(classified),
        "restricted_record_count": sum(item.restricted for item in classified),
        "quarantine_count": len(quarantine),
        "sensitivity_distribution": dict(Counter(item.level for item in classified if item.level)),
        "pii_detection_distribution": dict(sorted(found.items())),
        "planted_identifier_count": identifiers,
        "leftover_distribution": dict(sorted(Counter(kind for _, kind in left).items())),
        "direct_pii_removed_rate": (identifiers - len(left)) / identifiers if identifiers else None,
        "alert_count": len(alerts),
        "resolved_alert_rate": resolved / len(alerts) if alerts else None,
        "audit_event_count": len(audit),
        "preflight_pass_rate": sum(point["passed"] for point in preflight) / len(preflight),
        "incident_response_minutes": minutes_between(drill, "detected", "contained"),
        "postmortem_follow_up_count": len(follow_ups),
    }


if __name__ == "__main__":
    main(__file__, build, FAULTS)
