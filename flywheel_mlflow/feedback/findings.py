"""What the flywheel finds by itself, said as feedback events: failed checks, drift, and what the ledger records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flywheel_mlflow.canonical import canonical_json, sha256_text
from flywheel_mlflow.drift.findings import Finding, Verdict
from flywheel_mlflow.evidence import Check, CheckSeverity, Outcome
from flywheel_mlflow.feedback.events import FeedbackEvent
from flywheel_mlflow.routes import GapType, Scope, Severity, Source

#: Who reports what the flywheel finds by itself; a rule of ``routing`` knows these events by it.
REPORTER = "flywheel"
MAX_FINDING_TEXT = 4000

_BAD = (Outcome.FAILED, Outcome.ERROR)

#: What a ledger event says of itself; the rest becomes part of the text.
_HEAD = frozenset({"number", "at", "actor", "kind", "project"})

#: Ledger events that are observations, with what they mean: source, type, scope, severity, and how they read.
_LEDGER: dict[str, tuple[Source, GapType, Scope, Severity, str]] = {
    "rolled_back": ("platform", "process_gap", "chain", "high", "rollback"),
    "override": ("governance", "process_gap", "chain", "high", "override of a gate"),
    "rejected": ("governance", "process_gap", "project", "medium", "rejected release"),
    "move_undone": ("platform", "process_gap", "chain", "medium", "a move of a release was undone"),
    "privacy_hit": ("governance", "data_gap", "project", "high", "privacy boundary trigger"),
}


def events_of_checks(
    project_id: str, iteration: int, run_id: str, checks: Iterable[Check], at: datetime
) -> tuple[FeedbackEvent, ...]:
    """One event for each check of a run that failed or could not be carried out.

    ``at`` is the end of the run. The same run gives the same events, so telling them twice adds nothing.
    """
    return tuple(
        _finding(
            key=f"check/{project_id}/{run_id}/{check.name}",
            at=at,
            source="evaluation",
            text=f"check {check.name} of {project_id} {check.outcome.value} in iteration {iteration}: {check.message}",
            project=project_id,
            type="process_gap" if check.outcome is Outcome.ERROR else "data_gap",
            scope="project",
            severity="high" if check.severity is CheckSeverity.BLOCKING else "low",
            run_id=run_id,
        )
        for check in checks
        if check.outcome in _BAD
    )


def events_of_drift(
    findings: Iterable[Finding], *, iteration: int, run_id: str, at: datetime, projects: Iterable[str]
) -> tuple[FeedbackEvent, ...]:
    """One event for each finding of a comparison that does not pass.

    ``run_id`` is the run that was compared; ``projects`` are the ids a finding's subject may begin with
    (``p05.retrieval_hit_rate``), by which the event knows what it is about.
    """
    known = set(projects)
    return tuple(
        _finding(
            key=f"drift/{run_id}/{item.kind.value}/{item.subject}",
            at=at,
            source="evaluation",
            text=f"drift of {item.subject} in iteration {iteration}: {item.text}",
            project=_project(item.subject, known),
            type="data_gap",
            scope="project",
            severity="high" if item.verdict is Verdict.BLOCK and item.decides else "medium",
            recommended_action=item.next or None,
            run_id=run_id,
        )
        for item in findings
        if item.verdict is not Verdict.PASS
    )


def events_of_ledger(events: Iterable[Mapping[str, Any]]) -> tuple[FeedbackEvent, ...]:
    """One event for each rollback, override, rejection, undone move and privacy hit among ledger events.

    A ledger event is a mapping with at least ``number`` (int), ``at`` (aware datetime), ``actor`` and ``kind``; what
    else it has becomes part of the text. Other kinds are no observations.
    """
    found = []
    for event in events:
        meaning = _LEDGER.get(str(event["kind"]))
        if meaning is None:
            continue
        source, gap, scope, severity, words = meaning
        details = {key: value for key, value in event.items() if key not in _HEAD}
        found.append(
            _finding(
                key=f"ledger/{event['number']}/{event['at'].isoformat()}",
                at=event["at"],
                source=source,
                text=f"{words} by {event['actor']}: {canonical_json(details)}",
                project=event.get("project"),
                type=gap,
                scope=scope,
                severity=severity,
            )
        )
    return tuple(found)


def _finding(*, key: str, at: datetime, text: str, **said: Any) -> FeedbackEvent:
    """An event named by what it is about, whatever characters that holds."""
    return FeedbackEvent(
        id=f"{REPORTER}-{sha256_text(_whole(key))[:32]}",
        time=at,
        text=_whole(text)[:MAX_FINDING_TEXT],
        reporter=REPORTER,
        **said,
    )


def _whole(text: str) -> str:
    """The text without halves of characters, which UTF-8 cannot write."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _project(subject: str, known: set[str]) -> str | None:
    first = subject.split(".", maxsplit=1)[0].split("/", maxsplit=1)[0]
    return first if first in known else None
