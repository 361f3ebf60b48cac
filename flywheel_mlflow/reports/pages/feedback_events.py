"""The events of an iteration, a page of them at a time; every text in them may come from anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.evidence.owners import Owner
from flywheel_mlflow.promises.routes import SEVERITIES, UNROUTABLE
from flywheel_mlflow.reports.dashboard_blocks import Field, Form, Section
from flywheel_mlflow.reports.pages.deciding import choice_field, hidden, reason_field
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code
from flywheel_mlflow.tables.texts import moment_text

#: Events on one page.
PAGE_SIZE = 50
#: Characters of an event's id that name it in a choice.
_ID_SHOWN, _TEXT_SHOWN = 60, 80
UNKNOWN_SEVERITY = "unknown"


class EventState(StrEnum):
    """What became of an event, by the theme it belongs to."""

    UNROUTABLE = "unroutable"
    ALONE = "in no theme"
    WAITING = "theme waits"
    QUEUED = "theme queued"
    DECLINED = "theme declined"
    ACCEPTED = "task open"
    ABSORBED = "absorbed"


_STATE_TONES = {
    EventState.UNROUTABLE: Tone.ATTENTION,
    EventState.WAITING: Tone.ATTENTION,
    EventState.ABSORBED: Tone.GOOD,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for, empty texts for all; ``page`` counts from 1."""

    project: str = ""
    state: str = ""
    severity: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event: where it goes and why, and what became of it; ``to`` is None where no rule takes it."""

    id: str
    at: datetime
    source: str
    type: str | None
    scope: str | None
    severity: str | None
    text: str
    to: str | None
    rule: str | None
    reason: str | None
    state: EventState


@dataclass(frozen=True, slots=True)
class EventsFacts:
    """One page of the events asked for; ``total`` counts all of them, ``projects`` can be sent an event.

    ``owners`` answer for projects, by project. ``refused`` says why nobody can send one elsewhere now.
    """

    iteration: int
    wanted: Wanted
    total: int
    rows: tuple[EventRow, ...]
    projects: tuple[str, ...]
    refused: str
    addresses: Addresses
    owners: Mapping[str, Owner] = field(default_factory=dict)


def event_section(facts: EventsFacts) -> Section:
    """The events asked for, with where they go."""
    first = (facts.wanted.page - 1) * PAGE_SIZE
    last = first + len(facts.rows)
    shown = f"Events {first + 1:,} to {last:,} of {facts.total:,}" if facts.rows else f"Events: {facts.total:,}"
    columns = ("event", "text", "goes to", "state", "severity", "type and scope", "observed", "by rule")
    return Section(
        "events",
        "Events",
        notes=tuple(_pages(facts, last)),
        filters=(_filter(facts),),
        tables=(Table(shown, columns, tuple(_row(item, facts) for item in facts.rows), "none on this page."),),
        forms=_reroute(facts),
    )


def _row(item: EventRow, facts: EventsFacts) -> tuple[Cell, ...]:
    who = facts.owners.get(item.to or "")
    also = (Cell(who.names),) if who else ()
    goes = (
        Cell(item.to, href=facts.addresses.project(item.to), also=also) if item.to else Cell("nobody", Tone.ATTENTION)
    )
    return (
        code(item.id),
        Cell(item.text),
        goes,
        Cell(item.state.value, _STATE_TONES.get(item.state, Tone.NONE)),
        Cell(item.severity or UNKNOWN_SEVERITY, Tone.BAD if item.severity == "high" else Tone.NONE),
        Cell(f"{item.type or 'unknown'}, {item.scope or 'unknown'}"),
        Cell(f"{item.source}, {moment_text(item.at)}"),
        Cell(f"{item.rule or 'none'}: {item.reason or 'no rule takes it'}"),
    )


def _pages(facts: EventsFacts, last: int) -> Iterator[Cell]:
    page = facts.wanted.page
    if page > 1:
        yield Cell(f"page {page - 1}, newer in the files' order", href=_at(facts, page - 1))
    if last < facts.total and facts.rows:
        yield Cell(f"page {page + 1}", href=_at(facts, page + 1))


def _at(facts: EventsFacts, page: int) -> str:
    wanted = facts.wanted
    asked = {"project": wanted.project, "state": wanted.state, "severity": wanted.severity, "page": str(page)}
    return facts.addresses.feedback(facts.iteration, **{name: value or None for name, value in asked.items()})


def _filter(facts: EventsFacts) -> Form:
    projects = [("", "all"), (UNROUTABLE, "nobody: unroutable"), *((name, name) for name in facts.projects)]
    states = [("", "all"), *((state.value, state.value) for state in EventState)]
    severities = [("", "all"), *((name, name) for name in (*SEVERITIES, UNKNOWN_SEVERITY))]
    return Form(
        facts.addresses.feedback(),
        "Choose events",
        "Show",
        "",
        (
            hidden("iteration", facts.iteration),
            _optional(choice_field("project", "They go to", projects, value=facts.wanted.project)),
            _optional(choice_field("state", "State", states, value=facts.wanted.state)),
            _optional(choice_field("severity", "Severity", severities, value=facts.wanted.severity)),
        ),
    )


def _optional(asked: Field) -> Field:
    return Field(asked.name, asked.label, asked.kind, asked.value, asked.choices, required=False)


def _reroute(facts: EventsFacts) -> tuple[Form, ...]:
    if not facts.rows:
        return ()
    events = [(item.id, f"{item.id[:_ID_SHOWN]}: {item.text[:_TEXT_SHOWN]}") for item in facts.rows]
    return (
        Form(
            facts.addresses.act("reroute"),
            "Send an event elsewhere",
            "Send it there",
            "Your word stands above the rules, and counts as a misroute of theirs when they had sent it somewhere.",
            (
                choice_field("event", "The event, of those on this page", events),
                choice_field("to", "To the project", [(name, name) for name in facts.projects]),
                reason_field("Why the rules are wrong here, kept for good"),
            ),
            refused=facts.refused,
        ),
    )
