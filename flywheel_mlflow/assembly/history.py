"""Tells the ledger's events in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flywheel_mlflow.base.quarters import NOTIFICATIONS_OPENED, REVIEWED
from flywheel_mlflow.decisions.experiments import ExperimentKind
from flywheel_mlflow.decisions.human_review import SUBMITTED
from flywheel_mlflow.decisions.ledger import CLOCK_CORRECTED, Event, Ledger
from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.decisions.risks import RiskKind
from flywheel_mlflow.decisions.variants import VariantKind
from flywheel_mlflow.feedback.costs import REUSE_WORDS, cost_of
from flywheel_mlflow.feedback.decisions import REROUTED
from flywheel_mlflow.feedback.tasks import TaskKind
from flywheel_mlflow.feedback.theme_corrections import CorrectionKind


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One event as a reader meets it: ``about`` is the release it concerns, None for others."""

    number: int
    at: datetime
    actor: str
    level: str
    kind: str
    about: int | None
    text: str


def describe_ledger(ledger: Ledger) -> tuple[LedgerLine, ...]:
    """Every event of a ledger as a sentence; one that counts for nothing says so."""
    loose = {event.number for event in ledger.unsealed}
    dated = {event.number: event for event in ledger.counted}
    told = describe_events(dated.get(event.number, event) for event in ledger.events)
    return tuple(
        replace(item, text=f"counts for nothing, no server sealed it: {item.text}") if item.number in loose else item
        for item in told
    )


def describe_events(events: Iterable[Event]) -> tuple[LedgerLine, ...]:
    """Every event as a sentence, in order; the end of a move names the release its start named."""
    started: dict[int, Mapping[str, Any]] = {}
    told: list[LedgerLine] = []
    for event in events:
        body = event.body
        if event.kind in (Kind.PROMOTION_STARTED, Kind.ROLLBACK_STARTED):
            started[event.number] = body
        move = body.get("move")
        begun = started.get(move, {}) if isinstance(move, int) else {}
        about = body.get("version", begun.get("version"))
        told.append(
            LedgerLine(
                number=event.number,
                at=event.at,
                actor=event.actor.name,
                level=event.actor.level,
                kind=event.kind,
                about=about if isinstance(about, int) else None,
                text=_sentence(event, begun),
            )
        )
    return tuple(told)


def _sentence(event: Event, begun: Mapping[str, Any]) -> str:
    words = _SENTENCES.get(event.kind)
    if words is None:
        return event.kind.replace("_", " ")
    # Whatever an event lacks is shown as lacking: the ledger is read by the audit too.
    get = {**dict.fromkeys(("version", "to", "from", "role", "reason"), "?"), **begun, **event.body}
    return words(get)


def _release(get: Mapping[str, Any]) -> str:
    return f"release {get['version']}"


def _from(get: Mapping[str, Any]) -> str:
    return "nothing" if get["from"] is None else f"release {get['from']}"


def _until(get: Mapping[str, Any]) -> str:
    """The end of an override as people write it; what is no moment stands as it was written."""
    text = str(get.get("until", "?"))
    try:
        moment = datetime.fromisoformat(text)
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment.tzinfo else text
    except (ValueError, OverflowError):
        return text


def _cost(value: Any) -> str:
    """A cost as people write it; what is none stands as a question mark."""
    try:
        return str(cost_of(value) or "?")
    except (KeyError, TypeError, ValueError):
        return "?"


def _estimated(get: Mapping[str, Any]) -> str:
    cost = _cost(get["cost"]) if get.get("cost") is not None else ""
    reuse = REUSE_WORDS.get(str(get.get("reuse")), "")
    return ", ".join(part for part in (cost, reuse) if part) or "?"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    Kind.REGISTERED: lambda get: f"{_release(get)} made from iteration {get.get('iteration', '?')}",
    Kind.GATE: lambda get: f"gate to {get['to']} says {get.get('verdict', '?')} for {_release(get)}",
    Kind.APPROVED: lambda get: f"{_release(get)} approved as {get['role']}: {get['reason']}",
    Kind.REJECTED: lambda get: f"{_release(get)} rejected as {get['role']}: {get['reason']}",
    Kind.RETIRED: lambda get: f"{_release(get)} retired: {get['reason']}",
    Kind.DRIFT_EXPLAINED: lambda get: (
        f"drift of {_release(get)} explained ({', '.join(map(str, get.get('subjects', ())))}): {get['reason']}"
    ),
    Kind.OVERRIDE: lambda get: (
        f"override: {_release(get)} may go to {get['to']} without a passing gate until {_until(get)}, "
        f"with {get.get('second', '?')}: {get['reason']}"
    ),
    Kind.OVERRIDE_CONFIRMED: lambda get: (
        f"override (event {get.get('override', '?')}) of {_release(get)} confirmed: {get['reason']}"
    ),
    Kind.PROMOTION_STARTED: lambda get: f"promotion of {_release(get)} to {get['to']} starts, from {_from(get)}",
    Kind.PROMOTED: lambda get: f"{_release(get)} is in {get['to']}",
    Kind.ROLLBACK_STARTED: lambda get: f"rollback from {_from(get)} to {_release(get)} starts: {get['reason']}",
    Kind.ROLLED_BACK: lambda get: f"{_release(get)} is in {get['to']} again",
    Kind.MOVE_UNDONE: lambda get: f"the move of {_release(get)} to {get['to']} did not happen: {get.get('why', '?')}",
    Kind.RECONCILED: lambda get: (
        f"{get.get('alias', '?')} put back to {get.get('put_back') or 'nothing'}, "
        f"where it was {get.get('found') or 'nothing'}"
    ),
    Kind.RESTORED: lambda get: f"{_release(get)} registered for release {get.get('lost', '?')}: {get['reason']}",
    CLOCK_CORRECTED: lambda get: f"events {', '.join(map(str, get.get('events', ())))} were dated ahead of their time",
    RiskKind.OPENED: lambda get: f"risk opened: {get.get('title', '?')} (owner {get.get('owner', '?')})",
    REVIEWED: lambda get: f"{get.get('quarter', '?')} reviewed",
    NOTIFICATIONS_OPENED: lambda get: f"notifications of {get.get('quarter', '?')} are remembered from here on",
    RiskKind.SEEN: lambda get: f"risk seen: {get.get('title', '?')} (owner {get.get('owner', '?')})",
    RiskKind.UPDATED: lambda get: f"risk {get.get('risk', '?')} changed",
    RiskKind.CLOSED: lambda get: f"risk {get.get('risk', '?')} closed: {get['reason']}",
    REROUTED: lambda get: (
        f"feedback {get.get('event', '?')} sent to {get['to']}, not {get['from'] or 'nowhere'}: {get['reason']}"
    ),
    ExperimentKind.STARTED: lambda get: f"experiment {get.get('experiment', '?')} started",
    ExperimentKind.DECIDED: lambda get: (
        f"experiment {get.get('experiment', '?')} decided: {get['decision']} {get.get('variant') or ''}".rstrip()
        + f" (the outcomes advised {get.get('advice', '?')}): {get['reason']}"
    ),
    VariantKind.CHOSEN: lambda get: (
        f"{get.get('variant', '?')} of {get.get('project', '?')} counts from iteration {get.get('iteration', '?')} on: "
        f"{get['reason']}"
    ),
    TaskKind.ACCEPTED: lambda get: (
        f"task {get.get('task', '?')} accepted for {get.get('project', '?')} in iteration {get.get('iteration', '?')} "
        f"({get.get('category', '?')}): {get.get('text', '?')}"
    ),
    TaskKind.QUEUED: lambda get: f"theme {get.get('theme', '?')} queued ({get.get('title', '?')}): {get['reason']}",
    TaskKind.DECLINED: lambda get: f"theme {get.get('theme', '?')} declined ({get.get('title', '?')}): {get['reason']}",
    CorrectionKind.RENAMED: lambda get: f"theme {get['theme']} renamed to {get.get('title', '?')}: {get['reason']}",
    CorrectionKind.MERGED: lambda get: f"theme {get['theme']} merged into {get.get('into', '?')}: {get['reason']}",
    CorrectionKind.MOVED: lambda get: (
        f"{len(get.get('events', ()))} events of theme {get['theme']} moved to {get.get('into', '?')}: {get['reason']}"
    ),
    SUBMITTED: lambda get: (
        f"{get.get('items', '?')} items of {get.get('subject', '?')} ({get.get('project', '?')}) looked at"
    ),
    TaskKind.ABSORBED: lambda get: f"task {get.get('task', '?')} absorbed in iteration {get.get('iteration', '?')}",
    TaskKind.WITHDRAWN: lambda get: f"task {get.get('task', '?')} withdrawn: {get['reason']}",
    TaskKind.RESTORED: lambda get: f"task {get.get('task', '?')} restored: {get['reason']}",
    TaskKind.ESTIMATED: lambda get: f"{get.get('about', '?')} estimated ({_estimated(get)}): {get['reason']}",
    TaskKind.SPENT: lambda get: f"{_cost(get.get('total'))} spent on task {get.get('task', '?')} in all",
}
