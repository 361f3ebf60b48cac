"""Reads from the server what shows whether the flywheel's rhythms are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.quarters import REVIEWED, read_quarter
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.releases import STAGES, Kind, ReleaseState
from flywheel_mlflow.decisions.rhythms import REVIEW, CandidateTraces, Rhythm, Traces, rhythms
from flywheel_mlflow.decisions.risks import RiskKind
from flywheel_mlflow.feedback.decisions import REROUTED
from flywheel_mlflow.feedback.tasks import TaskKind
from flywheel_mlflow.operations.assembly.iterations import MOST_ASSEMBLIES, counted
from flywheel_mlflow.operations.deciding import LedgerSnapshot, read_snapshot

if TYPE_CHECKING:
    from flywheel_mlflow.operations.deciding import Session
    from flywheel_mlflow.tracking import Tracking

#: The trace that an event of the ledger is.
_TRACES = {
    Kind.GATE: "gate",
    TaskKind.ACCEPTED: "feedback_decision",
    TaskKind.QUEUED: "feedback_decision",
    TaskKind.DECLINED: "feedback_decision",
    REROUTED: "feedback_decision",
    RiskKind.OPENED: "risk_decision",
    RiskKind.UPDATED: "risk_decision",
    RiskKind.CLOSED: "risk_decision",
}


def read_rhythms(session: Session) -> tuple[Rhythm, ...]:
    """Every rhythm of the blueprint as it stands now.

    Raises:
        ServerError: the server is away, or refuses.
    """
    blueprint = session.flywheel.blueprint
    if not blueprint.mechanisms and blueprint.schedule.every is None:
        return ()
    return judge_rhythms(session, read_snapshot(session.tracking))


def judge_rhythms(session: Session, snapshot: LedgerSnapshot | None) -> tuple[Rhythm, ...]:
    """The same with a ledger that was just read."""
    return rhythms(session.flywheel.blueprint, read_traces(session.tracking, snapshot), session.now())


def read_traces(tracking: Tracking, snapshot: LedgerSnapshot | None) -> Traces:
    """What assemblies, the ledger and ingestions of feedback show."""
    listed = tracking.assemblies.listed(most=MOST_ASSEMBLIES)
    fed = tuple(batch.at for batch in tracking.feedback.batches())
    return traces_of(listed, snapshot, fed)


def traces_of(listed: Iterable[RecordedAssembly], snapshot: LedgerSnapshot | None, fed: tuple[datetime, ...]) -> Traces:
    """What these show; ``listed`` are assemblies, newest first, ``fed`` says when feedback came in."""
    runs = tuple(listed)
    assembled = {item.iteration: item.ended for item in counted(runs) if item.sound and item.ended}
    events = snapshot.ledger.counted if snapshot else ()
    decided = tuple(event.at for event in events)
    held: dict[str, list[datetime]] = defaultdict(list)
    for trace, moment in _left(events):
        held[trace].append(moment)
    held["assembly"] += [item.ended for item in runs if item.sound and item.ended]
    return Traces(
        since=min((*assembled.values(), *decided, *fed), default=None),
        held={trace: tuple(moments) for trace, moments in held.items()},
        asked={REVIEW: decided, "feedback_decision": fed},
        assembled=assembled,
        begun=tuple(item.finished.begun for item in runs if item.finished),
        candidates=tuple(_candidates(snapshot.state)) if snapshot else (),
    )


def _left(events: Iterable[Event]) -> Iterator[tuple[str, datetime]]:
    for event in events:
        if event.kind in _TRACES:
            yield _TRACES[event.kind], event.at
        elif event.kind == REVIEWED:
            try:
                yield REVIEW, read_quarter(str(event.body.get("quarter"))).start
            except InputError:
                continue  # an event that lacks what it needs decides nothing


def _candidates(state: ReleaseState) -> Iterator[CandidateTraces]:
    """The releases that are newer than those in a stage, and may still go there."""
    reached = max((version for stage in STAGES if (version := state.current[stage])), default=0)
    for item in state.releases.values():
        if item.version > reached and not (item.rejected or item.retired):
            moments = (*(gate.at for gate in item.gates), *(yes.at for yes in item.approvals))
            yield CandidateTraces(item.version, item.at, moments)
