"""Judges by what the server holds whether the flywheel's rhythms are kept: its mechanisms, and its own iterations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from flywheel_mlflow.base.periods import Cadence, period_before, period_of
from flywheel_mlflow.promises.blueprint import Blueprint, Mechanism

EVERY_ITERATION, EVERY_CANDIDATE = "every iteration", "every release candidate"
REVIEW = "review"
#: What the rhythm of iterations is called beside the mechanisms, whose ids have no blank.
ITERATIONS = "new iterations"
#: A review looks back on a period, and is held after its end: days until it is late.
REVIEW_DAYS = 14
#: Days within which somebody must have looked at a release candidate.
CANDIDATE_DAYS = 7


class RhythmState(StrEnum):
    """Whether a rhythm is kept; nobody knows of one that leaves no trace."""

    KEPT = "kept"
    DUE = "due"
    LATE = "late"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CandidateTraces:
    """A release that may still go somewhere: when it was made, and when a gate looked at it."""

    version: int
    at: datetime
    looked_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Traces:
    """What the server holds that shows whether rhythms are kept; moments are UTC.

    ``held`` has the moments at which each trace was left. Where ``asked`` has an entry for it, it is only wanted in
    periods with one of those moments: without feedback nothing is triaged. ``assembled`` says when each iteration's
    assembly ended, ``begun`` when finished iterations of `flywheel run` began. ``since`` is the first sign of life.
    """

    since: datetime | None = None
    held: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    asked: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    assembled: Mapping[int, datetime] = field(default_factory=dict)
    begun: tuple[datetime, ...] = ()
    candidates: tuple[CandidateTraces, ...] = ()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """One rhythm as it stands.

    ``last`` is when it was held last, ``due`` by when it must be held next, or should have been where it is late; None
    where that depends on what people do first. ``missed`` names what it is late for. ``why`` says it in words.
    """

    id: str
    title: str
    owner: str
    cadence: str
    shown_by: str
    state: RhythmState
    last: datetime | None = None
    due: datetime | None = None
    missed: str = ""
    why: str = ""

    @property
    def is_late(self) -> bool:
        """Whether it should have been held by now."""
        return self.state is RhythmState.LATE


def rhythms(blueprint: Blueprint, traces: Traces, now: datetime) -> tuple[Rhythm, ...]:
    """Every rhythm of the blueprint as it stands at ``now`` (UTC); new iterations first, where they have a cadence."""
    return (*_iterations(blueprint, traces, now), *(_mechanism(item, traces, now) for item in blueprint.mechanisms))


def late(found: Iterable[Rhythm]) -> tuple[Rhythm, ...]:
    """Those that should have been held by now."""
    return tuple(item for item in found if item.is_late)


def shown_by(mechanism: Mechanism) -> str:
    """The trace that shows that a mechanism was held; empty where nothing is known to."""
    return mechanism.shown_by or (REVIEW if mechanism.cadence == Cadence.QUARTERLY else "")


def _iterations(blueprint: Blueprint, traces: Traces, now: datetime) -> tuple[Rhythm, ...]:
    schedule = blueprint.schedule
    if schedule.every is None or schedule.owner is None:
        return ()
    found = Rhythm(
        ITERATIONS, "New iterations", schedule.owner, schedule.every.value, "flywheel run", RhythmState.UNKNOWN
    )
    return (_by_calendar(found, schedule.every, traces.begun, None, traces.since, now),)


def _mechanism(mechanism: Mechanism, traces: Traces, now: datetime) -> Rhythm:
    trace = shown_by(mechanism)
    found = Rhythm(
        mechanism.id, mechanism.title, mechanism.owner, mechanism.cadence, trace or "nothing", RhythmState.UNKNOWN
    )
    if not trace:
        return replace(
            found, state=RhythmState.UNKNOWN, why="nothing shows whether it was held: flywheel.yaml has no shown_by"
        )
    held = traces.held.get(trace, ())
    if mechanism.cadence == EVERY_ITERATION:
        return _by_iteration(found, held, traces)
    if mechanism.cadence == EVERY_CANDIDATE:
        return _by_candidate(found, traces, now)
    if mechanism.cadence not in set(Cadence):
        return replace(found, state=RhythmState.UNKNOWN, why=f"{mechanism.cadence!r} is no cadence that can be checked")
    return _by_calendar(found, Cadence(mechanism.cadence), held, traces.asked.get(trace), traces.since, now)


def _by_calendar(
    rhythm: Rhythm,
    cadence: Cadence,
    held: tuple[datetime, ...],
    asked: tuple[datetime, ...] | None,
    since: datetime | None,
    now: datetime,
) -> Rhythm:
    """Late when the newest period that is over had to have it and neither it nor a later one did."""
    if since is None:
        return replace(rhythm, state=RhythmState.UNKNOWN, why="nothing was assembled or decided yet")
    grace = timedelta(days=REVIEW_DAYS if rhythm.shown_by == REVIEW else 0)
    last = max(held, default=None)
    over = period_before(cadence, now - grace)
    wanted = over.end > since and (asked is None or any(over.holds(moment) for moment in asked))
    if wanted and (last is None or last < over.start):
        why = f"nothing shows that it was held for {over.name}"
        return replace(rhythm, state=RhythmState.LATE, last=last, due=over.end + grace, missed=over.name, why=why)
    current = period_of(cadence, over.end)
    if last is not None and last >= current.start:
        following = period_of(cadence, period_of(cadence, last).end)
        why = f"held for {period_of(cadence, last).name}"
        return replace(rhythm, state=RhythmState.KEPT, last=last, due=following.end + grace, why=why)
    return replace(rhythm, state=RhythmState.DUE, last=last, due=current.end + grace, why=f"due for {current.name}")


def _by_iteration(rhythm: Rhythm, held: tuple[datetime, ...], traces: Traces) -> Rhythm:
    """Late when the iteration before the newest went by without it: after its assembly, until the next one's."""
    turns = sorted(traces.assembled)
    if not turns:
        return replace(rhythm, state=RhythmState.UNKNOWN, why="nothing was assembled yet")
    last, newest = max(held, default=None), turns[-1]
    if len(turns) > 1:
        before = turns[-2]
        if last is None or last < traces.assembled[before]:
            due, why = traces.assembled[newest], f"nothing shows that it was held for iteration {before}"
            return replace(rhythm, state=RhythmState.LATE, last=last, due=due, missed=f"iteration {before}", why=why)
    if last is not None and last >= traces.assembled[newest]:
        return replace(rhythm, state=RhythmState.KEPT, last=last, why=f"held for iteration {newest}")
    return replace(rhythm, state=RhythmState.DUE, last=last, why=f"due before iteration {newest + 1} is assembled")


def _by_candidate(rhythm: Rhythm, traces: Traces, now: datetime) -> Rhythm:
    """Late when nobody has looked at a release for days; the newest such release is named."""
    last = max((moment for item in traces.candidates for moment in item.looked_at), default=None)
    waiting = sorted((item for item in traces.candidates if not item.looked_at), key=lambda item: item.version)
    overdue = [item for item in waiting if item.at + timedelta(days=CANDIDATE_DAYS) <= now]
    if overdue:
        item = overdue[-1]
        due, why = item.at + timedelta(days=CANDIDATE_DAYS), f"no gate has looked at release {item.version}"
        return replace(rhythm, state=RhythmState.LATE, last=last, due=due, missed=f"release {item.version}", why=why)
    if waiting:
        due = waiting[0].at + timedelta(days=CANDIDATE_DAYS)
        return replace(rhythm, state=RhythmState.DUE, last=last, due=due, why=f"due for release {waiting[0].version}")
    why = "a gate has looked at every release" if last else "there is no release candidate"
    return replace(rhythm, state=RhythmState.KEPT, last=last, why=why)
