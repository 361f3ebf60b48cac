"""Experiments as the ledger tells them: started, and decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from flywheel_mlflow.decisions.event_values import whole, word
from flywheel_mlflow.decisions.ledger import Event


class ExperimentKind(StrEnum):
    """What an event did to an experiment."""

    STARTED = "experiment_started"
    DECIDED = "experiment_decided"


class Decision(StrEnum):
    """What people made of it: a treatment replaces the control, the control stays, or it ends without an answer."""

    SHIP = "ship"
    KEEP = "keep"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class DecidedExperiment:
    """A decision: ``advice`` is what the outcomes said then, ``evidence`` their digest, ``variant`` the winner.

    The winner counts from ``iteration`` on; None where nothing ships, and in events of before variants.
    """

    decision: Decision
    variant: str
    iteration: int | None
    reason: str
    advice: str
    evidence: str
    at: datetime
    by: str
    number: int


@dataclass(frozen=True, slots=True)
class StartedExperiment:
    """An experiment that was started, as it was declared then; ``number`` is the event's and names the round."""

    id: str
    declared: Mapping[str, Any]
    at: datetime
    by: str
    number: int
    decided: DecidedExperiment | None = None


def fold_experiments(events: Iterable[Event]) -> dict[str, StartedExperiment]:
    """The newest round of every experiment by id; an event that lacks what it needs changes nothing."""
    return {item.id: item for item in fold_rounds(events)}


def fold_rounds(events: Iterable[Event]) -> tuple[StartedExperiment, ...]:
    """Every round of every experiment, in the order they started."""
    rounds: dict[int, StartedExperiment] = {}
    newest: dict[str, int] = {}
    for event in events:
        try:
            if event.kind == ExperimentKind.STARTED:
                started = _started(event)
                if started.id not in newest or rounds[newest[started.id]].decided is not None:
                    newest[started.id] = started.number
                    rounds[started.number] = started
            elif event.kind == ExperimentKind.DECIDED:
                number = newest[word(event.body["experiment"])]
                if rounds[number].decided is None:
                    rounds[number] = replace(rounds[number], decided=_decided(event))
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(rounds.values())


def _started(event: Event) -> StartedExperiment:
    declared = event.body["declared"]
    if not isinstance(declared, Mapping):
        raise TypeError("a declaration is a mapping")
    return StartedExperiment(word(event.body["experiment"]), declared, event.at, event.actor.name, event.number)


def _decided(event: Event) -> DecidedExperiment:
    body = event.body
    decision = Decision(word(body["decision"]))
    variant = body.get("variant") or ""
    if (decision is Decision.SHIP) != bool(variant):
        raise ValueError("a variant is named where it ships")
    return DecidedExperiment(
        decision,
        word(variant) if variant else "",
        None if body.get("iteration") is None else whole(body["iteration"]),
        word(body["reason"]),
        word(body["advice"]),
        word(body["evidence"]),
        event.at,
        event.actor.name,
        event.number,
    )
