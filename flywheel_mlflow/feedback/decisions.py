"""A person's word about where an event goes, which stands above the rules: folded from the ledger's events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.event_values import word
from flywheel_mlflow.decisions.ledger import Event

#: The kind of the ledger's events that send an event of feedback elsewhere.
REROUTED = "rerouted"


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """Somebody sent an event elsewhere: to which project, why, who, when (UTC). Counts as a misroute of the rules."""

    event_id: str
    to: str
    reason: str
    actor: str
    at: datetime


def routing_decisions(events: Iterable[Event]) -> tuple[RoutingDecision, ...]:
    """All routing decisions of the ledger, oldest first; one that cannot be read decides nothing."""
    found = []
    for event in events:
        if event.kind == REROUTED:
            try:
                said = [word(event.body[name]) for name in ("event", "to", "reason")]
            except (KeyError, TypeError, ValueError):
                continue
            found.append(RoutingDecision(said[0], said[1], said[2], event.actor.name, event.at))
    return tuple(found)


def in_force(decisions: Iterable[RoutingDecision]) -> Mapping[str, RoutingDecision]:
    """The newest decision for each event; of two at the same moment the later in the list."""
    return {item.event_id: item for item in sorted(decisions, key=lambda item: item.at)}
