"""The risk ledger, folded from events: opened by hand, by what happened to a release, or by what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from flywheel_mlflow.decisions.event_values import moment, whole, word
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.releases import Kind

#: Days until somebody must have answered for a rollback.
ROLLBACK_DUE_DAYS = 30
#: Days until somebody must have answered for a gate that blocks.
GATE_DUE_DAYS = 30
#: What a gate's verdict is called when it blocks (gates.Verdict, which reads risks and so cannot be imported here).
BLOCKS = "BLOCK"
#: Likelihood times impact, each 1 to 5: the cells of the usual five-by-five matrix from which a risk counts as
#: medium and as high.
MEDIUM_FROM, HIGH_FROM = 5, 12


#: Causes that open a risk of their own each time: every override and rollback is answered for by itself.
_ALWAYS_NEW = frozenset({"person", str(Kind.OVERRIDE), str(Kind.ROLLBACK_STARTED)})


class RiskKind(StrEnum):
    """What an event did to a risk."""

    OPENED = "risk_opened"
    UPDATED = "risk_updated"
    CLOSED = "risk_closed"
    SEEN = "risk_seen"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One time a risk showed itself: the event, and the iteration where one is known."""

    number: int
    at: datetime
    iteration: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Risk:
    """One risk: ``likelihood`` and ``impact`` count from 1 to 5, ``due`` is UTC.

    ``projects`` are those the evidence names: of a gate the ones behind the criteria that block; of an override or a
    rollback those that the last gate before it named for that release; none where no evidence names any.
    ``cause`` says what opened it: ``person``, the kind of event, or what was found (``drift``, ``theme``, ``review``);
    ``evidence`` is the run that shows it closed. ``topic`` is the same for the same risk whenever it comes back:
    ``sightings`` are the times it showed itself while open, ``before`` the earlier risks of this topic.
    """

    id: str
    title: str
    owner: str
    likelihood: int
    impact: int
    due: datetime
    cause: str
    opened_at: datetime
    opened_by: str
    number: int
    mitigation: str = ""
    projects: tuple[str, ...] = ()
    closed_at: datetime | None = None
    closed_by: str | None = None
    evidence: str | None = None
    closing_reason: str = ""
    topic: str = ""
    sightings: tuple[Sighting, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def iterations(self) -> tuple[int, ...]:
        """The iterations it was seen in, in order."""
        return tuple(sorted({item.iteration for item in self.sightings if item.iteration is not None}))

    @property
    def severity(self) -> str:
        """low, medium or high, by likelihood times impact."""
        product = self.likelihood * self.impact
        return "high" if product >= HIGH_FROM else "medium" if product >= MEDIUM_FROM else "low"

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is open past its due date."""
        return self.closed_at is None and self.due <= now


def fold_risks(events: Iterable[Event]) -> dict[str, Risk]:
    """Every risk by id, in the order they were opened; an event that lacks what it needs changes nothing."""
    risks: dict[str, Risk] = {}
    turns: dict[int, int] = {}
    named: dict[int, tuple[str, ...]] = {}
    for event in events:
        try:
            if event.kind == Kind.REGISTERED:
                turns[whole(event.body["version"])] = whole(event.body["iteration"])
            opened = _opened(event)
            if event.kind == Kind.GATE:
                named[whole(event.body["version"])] = _words(event.body.get("projects", []))
            if opened is not None:
                about = _release(event)
                opened = replace(opened, projects=opened.projects or named.get(about or 0, ()))
                _add(risks, opened, Sighting(event.number, event.at, _turn(event, turns), opened.title))
            elif event.kind == RiskKind.UPDATED:
                risk = risks[word(event.body["risk"])]
                risks[risk.id] = _updated(risk, event)
            elif event.kind == RiskKind.CLOSED:
                risk = risks[word(event.body["risk"])]
                if risk.closed_at is not None or event.actor.name != risk.owner:
                    continue  # a risk is closed once, by its owner
                risks[risk.id] = replace(
                    risk,
                    closed_at=event.at,
                    closed_by=event.actor.name,
                    evidence=word(event.body["evidence"]),
                    closing_reason=word(event.body["reason"]),
                )
        except (KeyError, TypeError, ValueError, OverflowError):
            continue  # the audit tells events that decide nothing
    return risks


def _turn(event: Event, turns: dict[int, int]) -> int | None:
    """The iteration an event is about: it says so, or the release it names was made of it."""
    if "iteration" in event.body:
        return whole(event.body["iteration"])
    version = _release(event)
    return turns.get(version) if version is not None else None


def _release(event: Event) -> int | None:
    """The release an event is about: a rollback is about the one that was taken back."""
    version = event.body.get("from" if event.kind == Kind.ROLLBACK_STARTED else "version")
    return version if isinstance(version, int) else None


def _add(risks: dict[str, Risk], found: Risk, sighting: Sighting) -> None:
    """One more risk; or, where a finding of the same topic is open, one more sighting of it."""
    same = [risk for risk in risks.values() if risk.topic == found.topic]
    still = next((risk for risk in same if risk.closed_at is None), None)
    if still is not None and found.cause not in _ALWAYS_NEW:
        projects = tuple(dict.fromkeys((*still.projects, *found.projects)))
        risks[still.id] = replace(still, sightings=(*still.sightings, sighting), projects=projects)
        return
    earlier = tuple(risk.id for risk in same)
    risks[found.id] = replace(found, sightings=(sighting,), before=earlier)


def _opened(event: Event) -> Risk | None:
    body = event.body
    if event.kind == RiskKind.SEEN:
        found = _found(event, word(body["title"]), word(body["topic"]), due=moment(body["due"]))
        return replace(
            found,
            owner=word(body["owner"]),
            likelihood=_one_to_five(body["likelihood"]),
            impact=_one_to_five(body["impact"]),
            cause=word(body["cause"]),
            projects=_words(body.get("projects", [])),
        )
    if event.kind == Kind.GATE:
        if body["verdict"] != BLOCKS:
            return None
        title = f"The gate to {word(body['to'])} blocks release {whole(body['version'])}{_criteria(body)}"
        due = event.at + timedelta(days=GATE_DUE_DAYS)
        return _found(event, title, f"gate/{body['to']}", due=due)
    if event.kind == RiskKind.OPENED:
        return Risk(
            id=f"R{event.number}",
            title=word(body["title"]),
            owner=word(body["owner"]),
            likelihood=_one_to_five(body["likelihood"]),
            impact=_one_to_five(body["impact"]),
            due=moment(body["due"]),
            cause=word(body.get("cause", "person")),
            opened_at=event.at,
            opened_by=event.actor.name,
            number=event.number,
            mitigation=word(body.get("mitigation", "")),
            projects=_words(body.get("projects", [])),
            topic=f"title/{' '.join(word(body['title']).casefold().split())}",
        )
    if event.kind == Kind.OVERRIDE:
        title = f"Release {whole(body['version'])} goes to {body['to']} without a passing gate: {body['reason']}"
        return replace(_found(event, title, f"override/{body['to']}", due=moment(body["until"])), impact=4)
    if event.kind == Kind.ROLLBACK_STARTED:
        title = f"{body['to']} rolled back from release {body['from']} to {body['version']}: {body['reason']}"
        return _found(event, title, f"rollback/{body['to']}", due=event.at + timedelta(days=ROLLBACK_DUE_DAYS))
    return None


def _criteria(body: Mapping[str, Any]) -> str:
    """The criteria that block, as far as the event names them."""
    verdicts = body.get("criteria")
    names = [name for name, verdict in verdicts.items() if verdict == BLOCKS] if isinstance(verdicts, dict) else []
    return f": {', '.join(sorted(names))}" if names else ""


def _found(event: Event, title: str, topic: str, *, due: datetime) -> Risk:
    """A risk nobody opened by hand: likely and grave in the middle, owned by who was there."""
    return Risk(
        id=f"R{event.number}",
        title=title[:250],
        owner=event.actor.name,
        likelihood=3,
        impact=3,
        due=due,
        cause=event.kind,
        opened_at=event.at,
        opened_by=event.actor.name,
        number=event.number,
        topic=topic,
    )


def _updated(risk: Risk, event: Event) -> Risk:
    body = event.body
    return replace(
        risk,
        owner=word(body.get("owner", risk.owner)),
        due=moment(body["due"]) if "due" in body else risk.due,
        likelihood=_one_to_five(body.get("likelihood", risk.likelihood)),
        impact=_one_to_five(body.get("impact", risk.impact)),
        mitigation=word(body.get("mitigation", risk.mitigation)),
        closed_at=None,
        closed_by=None,
        evidence=None,
        closing_reason="",
    )


def _one_to_five(value: object) -> int:
    found = whole(value)
    if found > 5:
        raise ValueError("likelihood and impact count from 1 to 5")
    return found


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("projects are a list of names")
    return tuple(word(item) for item in value)


@dataclass(frozen=True, slots=True)
class CrossProjectRisk:
    """A cross-project risk that flywheel.yaml names, with the projects in its layers."""

    id: str
    title: str
    owner: str
    layers: tuple[str, ...]
    projects: tuple[str, ...]
