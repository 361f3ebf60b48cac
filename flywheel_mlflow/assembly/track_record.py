"""What the ledger says about the flywheel so far: how releases fared at their gates, what became of risks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from flywheel_mlflow.base.quarters import REVIEWED
from flywheel_mlflow.decisions.folding import fold
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.risks import RiskKind, fold_risks


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Counts over the decisions up to some moment; all 0 before the first.

    ``recognised`` are risks that the flywheel opened by itself, ``reviews`` quarters that were reviewed,
    ``localisation_hours`` the median time from a release to the first explanation of its drift, None without one.
    """

    gated: int = 0
    passed: int = 0
    risks: int = 0
    closed: int = 0
    recognised: int = 0
    reviews: int = 0
    localisation_hours: float | None = None


#: Before the first decision.
NO_RECORD = TrackRecord()


def decided_until(events: Iterable[Event], moment: datetime | None) -> tuple[Event, ...]:
    """The events before the first one that is later than ``moment``.

    The ledger only grows at its end, so the answer for a moment that has passed never changes, and an assembly that
    counts decisions stays the same however often it is repeated.
    """
    found: list[Event] = []
    for event in events:
        if moment is None or event.at > moment:
            break
        found.append(event)
    return tuple(found)


def track_record(events: Iterable[Event]) -> TrackRecord:
    """How many releases met a gate and passed the one they met last, how many risks were opened and closed."""
    decided = tuple(events)
    releases = fold(decided).releases.values()
    last = [release.gates[-1].verdict for release in releases if release.gates]
    risks = fold_risks(decided).values()
    explained = [
        (min(item.at for item in release.explanations) - release.at).total_seconds() / 3600
        for release in releases
        if release.explanations
    ]
    return TrackRecord(
        gated=len(last),
        passed=sum(verdict == Verdict.PASS for verdict in last),
        risks=len(risks),
        closed=sum(risk.closed_at is not None for risk in risks),
        recognised=len({event.body.get("topic") for event in decided if event.kind == RiskKind.SEEN}),
        reviews=len({event.body.get("quarter") for event in decided if event.kind == REVIEWED}),
        localisation_hours=round(median(explained), 3) if explained else None,
    )
