"""Counts the stored events of an iteration by where they go, and picks a page of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.feedback.decisions import RoutingDecision, in_force, routing_decisions
from flywheel_mlflow.feedback.routing import REASON, RULE, TO
from flywheel_mlflow.feedback.tasks import AcceptedTask
from flywheel_mlflow.operations.deciding import LedgerSnapshot
from flywheel_mlflow.operations.reading.reader import Reader
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.routes import SEVERITIES, UNROUTABLE
from flywheel_mlflow.reports.pages.feedback import QueuesFacts
from flywheel_mlflow.reports.pages.feedback_events import (
    PAGE_SIZE,
    UNKNOWN_SEVERITY,
    EventRow,
    EventState,
    Wanted,
)
from flywheel_mlflow.reports.pages.feedback_themes import ThemesFacts

if TYPE_CHECKING:
    import pyarrow as pa

    from flywheel_mlflow.tracking import StoredBatch

#: Characters of an event's text that a page holds; people paste whole logs.
MOST_TEXT = 2_000
_READ = ("id", "time", "source", "type", "scope", "severity", "text", TO, RULE, REASON)


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored events of an iteration, how they are routed now, and the themes they belong to.

    ``key`` is equal as long as nothing about that changed: the same ingestions, rules, decisions about routes.
    ``themes_key`` likewise for what was decided about themes.
    """

    iteration: int
    batches: tuple[StoredBatch, ...]
    decisions: Mapping[str, RoutingDecision]
    themes: ThemesFacts
    key: str
    themes_key: str


def stored_events(
    reader: Reader, snapshot: LedgerSnapshot | None, batches: tuple[StoredBatch, ...], themes: ThemesFacts
) -> Stored:
    """What is stored; nothing of it is read yet."""
    flywheel = reader.session.flywheel
    decisions = in_force(routing_decisions(snapshot.ledger.counted)) if snapshot else {}
    contracts = {name: contract.digest for name, contract in flywheel.contracts.items()}
    runs = [item.run_id for item in batches]
    state = themes.state
    absorbed = sorted(task.id for task in state.tasks.values() if task.absorbed)
    return Stored(
        iteration=batches[0].iteration,
        batches=batches,
        decisions=decisions,
        themes=themes,
        key=digest_of([runs, flywheel.blueprint.routing, contracts, decisions]),
        themes_key=digest_of([[item.number for item in state.decisions], absorbed, [t.id for t in themes.themes]]),
    )


def check_wanted(flywheel: Flywheel, wanted: Wanted) -> Wanted:
    """The question, if it can be answered.

    Raises:
        UnknownName: no such project. InputError: no such state or severity.
    """
    if wanted.project not in ("", UNROUTABLE):
        flywheel.contract(wanted.project)
    _check("state", wanted.state, [state.value for state in EventState])
    _check("severity", wanted.severity, [*SEVERITIES, UNKNOWN_SEVERITY])
    return wanted


def queues_of(reader: Reader, stored: Stored, tasks: Iterable[AcceptedTask]) -> QueuesFacts:
    """Where the events go, and what tasks answer; ages are reckoned at the beginning of the hour.

    Routing reads every event, so what it found is kept until something about it changes.
    """
    from flywheel_mlflow.operations.feedback.reflux import measure
    from flywheel_mlflow.operations.feedback.routing import Routed, route_iteration

    hour = reader.session.now().replace(minute=0, second=0, microsecond=0)

    def read() -> Routed:
        return route_iteration(reader.session.flywheel, reader.session.tracking, stored.iteration, now=hour)

    routed = reader.memory.recall(("feedback queues", stored.key, hour), read)
    measured = measure(routed, tasks)
    return QueuesFacts(
        total=routed.total,
        to=routed.to,
        rules=routed.rules,
        changed=routed.changed,
        rerouted=routed.rerouted,
        unroutable_rate=routed.unroutable_rate,
        misroute_rate=routed.misroute_rate,
        answered=measured.answered,
        absorbed=measured.absorbed,
        reflux_rate=measured.reflux_rate,
        age=routed.age,
        as_of=hour,
    )


def page_of(reader: Reader, stored: Stored, wanted: Wanted) -> tuple[int, tuple[EventRow, ...]]:
    """How many events are asked for, and one page of them, in the order they came in."""
    key = ("feedback page", stored.key, stored.themes_key, wanted)
    return reader.memory.recall(key, lambda: _read_page(reader, stored, wanted))


def _check(name: str, value: str, known: Iterable[str]) -> None:
    if value and value not in known:
        raise InputError(f"{name} is {value[:40]!r}", hint=f"one of {', '.join(known)}")


def _read_page(reader: Reader, stored: Stored, wanted: Wanted) -> tuple[int, tuple[EventRow, ...]]:
    from flywheel_mlflow.feedback.routed import routed_now
    from flywheel_mlflow.operations.feedback.feedback import router_of

    states = _states(stored.themes)
    router = router_of(reader.session.flywheel)
    first = (wanted.page - 1) * PAGE_SIZE
    rows: list[dict[str, Any]] = []
    total = 0
    with scratch_folder() as folder:
        events = reader.session.tracking.feedback.events(stored.batches, Path(folder))
        for batch in routed_now(events, router, stored.decisions):
            chosen = _chosen(batch, wanted, states)
            start = max(first - total, 0)
            room = PAGE_SIZE - len(rows)
            if start < chosen.num_rows and room:
                rows += chosen.slice(start, room).select(_READ).to_pylist()
            total += chosen.num_rows
    return total, tuple(_row(row, states) for row in rows)


def _states(themes: ThemesFacts) -> dict[str, EventState]:
    """What became of each event that belongs to a theme."""
    found: dict[str, EventState] = {}
    for theme in themes.themes:
        found |= dict.fromkeys(theme.events, _state(theme.id, theme.iteration, themes))
    return found


def _state(theme: str, iteration: int, themes: ThemesFacts) -> EventState:
    stands = themes.state.latest(theme, iteration)
    if stands is None:
        return EventState.WAITING
    task = themes.state.tasks.get(stands.task or "")
    if task is not None:
        return EventState.ABSORBED if task.absorbed else EventState.ACCEPTED
    return EventState.DECLINED if stands.kind == "declined" else EventState.QUEUED


def _chosen(batch: pa.RecordBatch, wanted: Wanted, states: Mapping[str, EventState]) -> pa.RecordBatch:
    """The events of a batch that are asked for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    masks = []
    to = batch.column(TO)
    if wanted.project:
        masks.append(
            to.is_null() if wanted.project == UNROUTABLE else pc.fill_null(pc.equal(to, wanted.project), False)
        )
    if wanted.severity:
        severity = batch.column("severity")
        unknown = wanted.severity == UNKNOWN_SEVERITY
        masks.append(severity.is_null() if unknown else pc.fill_null(pc.equal(severity, wanted.severity), False))
    if wanted.state == EventState.UNROUTABLE:
        masks.append(to.is_null())
    elif wanted.state:
        alone = wanted.state == EventState.ALONE
        names = [name for name, state in states.items() if alone or state == wanted.state]
        inside = pc.is_in(batch.column("id"), pa.array(names, pa.string()))
        masks.append(pc.and_(to.is_valid(), pc.invert(inside) if alone else inside))
    for mask in masks[1:]:
        masks[0] = pc.and_(masks[0], mask)
    return batch.filter(masks[0]) if masks else batch


def _row(row: Mapping[str, Any], states: Mapping[str, EventState]) -> EventRow:
    lost = row[TO] is None
    return EventRow(
        id=row["id"],
        at=row["time"],
        source=row["source"],
        type=row["type"],
        scope=row["scope"],
        severity=row["severity"],
        text=row["text"][:MOST_TEXT],
        to=row[TO],
        rule=row[RULE],
        reason=row[REASON],
        state=EventState.UNROUTABLE if lost else states.get(row["id"], EventState.ALONE),
    )
