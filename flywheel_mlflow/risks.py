"""The risk ledger, folded from events: opened by hand, or by what happened to a release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from flywheel_mlflow.ledger import Event
from flywheel_mlflow.releases import Kind, moment, whole, word

#: Days until somebody must have answered for a rollback.
ROLLBACK_DUE_DAYS = 30
#: Likelihood times impact, each 1 to 5: the cells of the usual five-by-five matrix from which a risk counts as
#: medium and as high.
MEDIUM_FROM, HIGH_FROM = 5, 12


class RiskKind(StrEnum):
    """What an event did to a risk."""

    OPENED = "risk_opened"
    UPDATED = "risk_updated"
    CLOSED = "risk_closed"


@dataclass(frozen=True, slots=True)
class Risk:
    """One risk: ``likelihood`` and ``impact`` count from 1 to 5, ``due`` is UTC.

    ``cause`` says what opened it: ``person`` or the kind of event; ``evidence`` is the run that shows it closed.
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
    for event in events:
        try:
            opened = _opened(event)
            if opened is not None:
                risks[opened.id] = opened
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


def _opened(event: Event) -> Risk | None:
    body = event.body
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
        )
    if event.kind == Kind.OVERRIDE:
        title = f"Release {whole(body['version'])} goes to {body['to']} without a passing gate: {body['reason']}"
        return _automatic(event, title, likelihood=3, impact=4, due=moment(body["until"]))
    if event.kind == Kind.ROLLBACK_STARTED:
        title = f"{body['to']} rolled back from release {body['from']} to {body['version']}: {body['reason']}"
        return _automatic(event, title, likelihood=3, impact=3, due=event.at + timedelta(days=ROLLBACK_DUE_DAYS))
    return None


def _automatic(event: Event, title: str, *, likelihood: int, impact: int, due: datetime) -> Risk:
    return Risk(
        id=f"R{event.number}",
        title=title[:250],
        owner=event.actor.name,
        likelihood=likelihood,
        impact=impact,
        due=due,
        cause=event.kind,
        opened_at=event.at,
        opened_by=event.actor.name,
        number=event.number,
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
