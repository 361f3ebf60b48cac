"""Rehearses a leak: a raw record in the redacted zone is found and contained, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from p09_detection import find
from p09_redaction import Redactor
from p09_zones import ZONES, instant, may_read

#: What every exercise must have gone through, in this order.
STEPS = ("leak_injected", "detected", "readers_suspended", "record_moved", "key_rotated", "contained")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How the rehearsal ended; ``open_points`` is empty when the leak was found and contained."""

    leaked: str
    open_points: tuple[str, ...]


def rehearse(redacted: Sequence[Mapping[str, Any]], leak: Mapping[str, Any], redactor: Redactor) -> Rehearsal:
    """Place a raw record among the redacted ones, then do what the playbook says and look whether it helped."""
    zone = {record["record_id"]: dict(record["payload"]) for record in redacted}
    quarantine: dict[str, Any] = {}
    readers = dict(ZONES)
    name = leak["record_id"]
    zone[name] = dict(leak["payload"])
    open_points = []

    dirty = [record_id for record_id, payload in zone.items() if find(payload)]
    if name not in dirty:
        open_points.append("the scan does not find the leaked record")
    readers["redacted_zone"] = ()
    if any(may_read(role, "redacted_zone", readers) for role in ZONES["redacted_zone"]):
        open_points.append("readers keep the redacted zone")
    for record_id in dirty:
        quarantine[record_id] = zone.pop(record_id)
    after = Redactor(sha256(b"rotated" + redactor.key).digest(), keyed=redactor.keyed)
    values = [item for item in find(quarantine.get(name, {})) if item.rule.action == "tokenize"]
    joined = [
        item for item in values if redactor.token(item.rule.kind, item.value) == after.token(item.rule.kind, item.value)
    ]
    if joined:
        open_points.append(f"{len(joined)} tokens of the leaked record are the same under the new key")
    if any(find(payload) for payload in zone.values()):
        open_points.append("identifiers are left in the redacted zone")
    return Rehearsal(name, tuple(open_points))


def timeline_faults(drill: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with the record of an exercise: steps missing or out of order, follow-ups nobody owns."""
    steps = [entry["step"] for entry in drill["timeline"]]
    faults = [] if tuple(steps) == STEPS else [f"the steps are {', '.join(steps)}"]
    times = [instant(entry["at"]) for entry in drill["timeline"]]
    if times != sorted(times):
        faults.append("times go backwards")
    without = [item for item in drill["follow_ups"] if not item.get("owner") or not item.get("due_in_iterations")]
    if without or not drill["follow_ups"]:
        faults.append(f"{len(without)} of {len(drill['follow_ups'])} follow-ups have no owner or no date")
    return tuple(faults)


def minutes_between(drill: Mapping[str, Any], first: str, last: str) -> float | None:
    """Minutes from one step of the exercise to another; None when one of them is missing."""
    times = {entry["step"]: instant(entry["at"]) for entry in drill["timeline"]}
    if first not in times or last not in times:
        return None
    return (times[last] - times[first]).total_seconds() / 60
