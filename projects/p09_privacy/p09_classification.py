"""Gives every raw record its level, from its source and from what is found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p09_detection import Finding, Level, find, level_of
from p09_redaction import survives

#: Source type -> its own level (published).
SOURCE_LEVELS: Mapping[str, Level] = {
    "support_ticket": "confidential",
    "employee_payroll": "restricted",
    "kyc_form": "restricted",
    "analytics_export": "internal",
}


@dataclass(frozen=True, slots=True)
class Classified:
    """A raw record with its level and what was found in it."""

    raw: Mapping[str, Any]
    level: Level | None
    findings: list[Finding]

    @property
    def record_id(self) -> str:
        """The raw record's id."""
        return str(self.raw["record_id"])

    @property
    def restricted(self) -> bool:
        """Whether it has to stay in quarantine."""
        return self.level == "restricted"


def classify(raw: Mapping[str, Any]) -> Classified:
    """The record's level: its source's own, raised by what is found; None for a source type nobody classified."""
    findings = find(raw["payload"])
    base = SOURCE_LEVELS.get(raw["source_type"])
    return Classified(raw, None if base is None else level_of(base, findings), findings)


def why_restricted(item: Classified) -> str:
    """What makes a record restricted: its source, what it holds, or both."""
    kinds = sorted({finding.rule.kind for finding in item.findings if finding.rule.level == "restricted"})
    own = SOURCE_LEVELS.get(item.raw["source_type"]) == "restricted"
    return "; ".join([*(["restricted source"] if own else []), *(["holds " + ", ".join(kinds)] if kinds else [])])


def left_over(
    planted: Mapping[str, list[dict[str, str]]], redacted: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """(record id, kind) of every planted identifier that can still be read in its whole redacted record."""
    return [
        (name, item["kind"])
        for name, items in planted.items()
        for item in items
        if survives(item["value"], redacted[name])
    ]
