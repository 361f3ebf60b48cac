"""Tests of rhythms: which period a moment lies in, which iteration is due, what is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flywheels import blueprint_document
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.assembly.next_iteration import next_iteration
from flywheel_mlflow.assembly.recorded import FinishedIteration, RecordedAssembly
from flywheel_mlflow.base.periods import Cadence, period_before, period_of
from flywheel_mlflow.decisions.rhythms import (
    CANDIDATE_DAYS,
    ITERATIONS,
    REVIEW_DAYS,
    CandidateTraces,
    Rhythm,
    RhythmState,
    Traces,
    rhythms,
)
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.tracking.tags import read_span, write_span

#: A Tuesday.
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - UTC by the strategy


def rhythm(cadence: str, traces: Traces, now: datetime = NOW, **more: Any) -> Rhythm:
    """The only mechanism of a blueprint, as it stands."""
    mechanism = {"id": "look", "title": "Look", "owner": "builders", "cadence": cadence} | more
    (found,) = rhythms(Blueprint.model_validate(blueprint_document() | {"mechanisms": [mechanism]}), traces, now)
    return found


def assembly(iteration: int, ended: datetime, *, begun: datetime | None = None) -> RecordedAssembly:
    finished = FinishedIteration(begun, ended) if begun else None
    return RecordedAssembly(iteration, f"run{iteration}", "", {}, ended=ended, finished=finished)


@given(st.sampled_from(Cadence), MOMENTS)
def test_every_moment_lies_in_one_period(cadence: Cadence, moment: datetime) -> None:
    """Periods follow each other without a gap, and each has a name of its own."""
    period = period_of(cadence, moment)
    before = period_before(cadence, moment)
    assert period.holds(moment)
    assert before.end == period.start
    assert not before.holds(moment)
    assert before.name != period.name
    assert period_of(cadence, before.start) == before


@given(MOMENTS, MOMENTS)
def test_a_span_comes_back(begun: datetime, ended: datetime) -> None:
    """What says that an iteration is finished is read as it was written, by the second."""
    whole = begun.replace(microsecond=0), ended.replace(microsecond=0)
    assert read_span(write_span(begun, ended)) == whole


@given(st.text() | st.just("2026-12-01T00:00:00/2026-12-01T00:00:00"))
def test_no_other_text_is_a_span(text: str) -> None:
    """A tag that somebody else wrote, or that names no zone, says nothing."""
    assert read_span(text) is None


def test_the_calendar_says_what_is_late() -> None:
    """Held last week: due this week. Not held last week: late for it, until it is held again."""
    since = NOW - 60 * DAY
    due = rhythm("weekly", Traces(since, {"gate": (NOW - 7 * DAY,)}), shown_by="gate")
    assert (due.state, due.missed, due.due) == (RhythmState.DUE, "", datetime(2026, 12, 7, tzinfo=UTC))
    late = rhythm("weekly", Traces(since, {"gate": (NOW - 14 * DAY,)}), shown_by="gate")
    assert (late.state, late.missed, late.due) == (RhythmState.LATE, "2026-W48", datetime(2026, 11, 30, tzinfo=UTC))
    again = rhythm("weekly", Traces(since, {"gate": (NOW - 14 * DAY, NOW - DAY)}), shown_by="gate")
    assert (again.state, again.due) == (RhythmState.KEPT, datetime(2026, 12, 14, tzinfo=UTC))
    assert rhythm("weekly", Traces(since), shown_by="gate").missed == "2026-W48"


def test_nothing_is_late_before_there_was_anything() -> None:
    """A flywheel of today is due, an empty one unknown: neither is late."""
    assert rhythm("weekly", Traces(NOW - DAY / 2), shown_by="gate").state is RhythmState.DUE
    assert rhythm("weekly", Traces(), shown_by="gate").state is RhythmState.UNKNOWN


def test_what_was_not_asked_for_is_not_late() -> None:
    """A week without feedback needs no triage."""
    idle = Traces(NOW - 60 * DAY, asked={"feedback_decision": (NOW - 20 * DAY,)})
    assert rhythm("weekly", idle, shown_by="feedback_decision").state is RhythmState.DUE
    busy = Traces(NOW - 60 * DAY, asked={"feedback_decision": (NOW - 6 * DAY,)})
    assert rhythm("weekly", busy, shown_by="feedback_decision").state is RhythmState.LATE


def test_a_quarter_is_reviewed_after_its_end() -> None:
    """Two weeks after a quarter with decisions its review is late; a quarterly mechanism is shown by it unasked."""
    traces = Traces(NOW - 200 * DAY, asked={"review": (datetime(2026, 8, 1, tzinfo=UTC),)})
    end = datetime(2026, 10, 1, tzinfo=UTC)
    early = rhythm("quarterly", traces, end + (REVIEW_DAYS - 1) * DAY)
    assert early.state is not RhythmState.LATE
    late = rhythm("quarterly", traces, end + REVIEW_DAYS * DAY)
    assert (late.state, late.missed, late.shown_by) == (RhythmState.LATE, "2026Q3", "review")
    held = Traces(traces.since, {"review": (datetime(2026, 7, 1, tzinfo=UTC),)}, traces.asked)
    assert rhythm("quarterly", held).state is not RhythmState.LATE


def test_iterations_and_candidates_have_their_own_time() -> None:
    """An iteration that went by unlooked at, and a candidate nobody looked at for a week, are late."""
    turns = {1: NOW - 9 * DAY, 2: NOW - 2 * DAY}
    held = Traces(NOW - 9 * DAY, {"gate": (NOW - 5 * DAY,)}, assembled=turns)
    assert rhythm("every iteration", held, shown_by="gate").state is RhythmState.DUE
    missed = rhythm("every iteration", Traces(NOW - 9 * DAY, assembled=turns), shown_by="gate")
    assert (missed.state, missed.missed) == (RhythmState.LATE, "iteration 1")
    assert rhythm("every iteration", Traces(), shown_by="gate").state is RhythmState.UNKNOWN

    made = NOW - CANDIDATE_DAYS * DAY
    waits = Traces(made, candidates=(CandidateTraces(1, made, (made,)), CandidateTraces(2, made)))
    late = rhythm("every release candidate", waits, shown_by="gate")
    assert (late.state, late.missed) == (RhythmState.LATE, "release 2")
    assert rhythm("every release candidate", waits, NOW - DAY, shown_by="gate").state is RhythmState.DUE
    assert rhythm("every release candidate", Traces(), shown_by="gate").state is RhythmState.KEPT


@pytest.mark.parametrize(("cadence", "trace"), [("weekly", None), ("now and then", "gate")])
def test_what_cannot_be_checked_is_unknown(cadence: str, trace: str | None) -> None:
    """Without a trace, or with a cadence only people understand, nobody can say that it is kept."""
    found = rhythm(cadence, Traces(NOW - 60 * DAY), shown_by=trace)
    assert (found.state, bool(found.why)) == (RhythmState.UNKNOWN, True)


def test_new_iterations_are_a_rhythm() -> None:
    """A declared cadence of iterations is watched like a mechanism."""
    plan = blueprint_document() | {"mechanisms": [], "schedule": {"every": "weekly", "owner": "builders"}}
    (found,) = rhythms(Blueprint.model_validate(plan), Traces(NOW - 60 * DAY, begun=(NOW - 20 * DAY,)), NOW)
    assert (found.id, found.state, found.missed) == (ITERATIONS, RhythmState.LATE, "2026-W48")


def test_the_next_iteration() -> None:
    """The first one, the unfinished one, or the one after the newest that is finished."""
    assert next_iteration((), None, NOW).number == 1
    assert next_iteration([assembly(3, NOW)], None, NOW).number == 3
    assert next_iteration([assembly(3, NOW, begun=NOW), assembly(2, NOW)], None, NOW).number == 4
    # Assembled again by hand after it was finished: it stays finished.
    assert next_iteration([assembly(3, NOW), assembly(3, NOW, begun=NOW)], None, NOW).number == 4


def test_with_a_cadence_one_iteration_begins_in_each_period() -> None:
    """None is due twice in a week; one that is not finished goes on until the week is over."""
    week, monday = Cadence.WEEKLY, datetime(2026, 11, 30, tzinfo=UTC)
    late = monday - timedelta(minutes=10)
    assert next_iteration([assembly(3, NOW, begun=monday)], week, NOW).number is None
    # It began on Sunday night and ended on Monday.
    assert next_iteration([assembly(3, NOW, begun=late)], week, NOW).number == 4
    assert next_iteration([assembly(3, monday)], week, NOW).number == 3
    assert next_iteration([assembly(3, late)], week, NOW).number == 4


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({"every": "weekly"}, "name the owner"),
        ({"every": "weekly", "owner": "nobody"}, "schedule.owner: nothing is called 'nobody'"),
        ({"every": "sometimes", "owner": "builders"}, "'daily', 'weekly'"),
        ({"feedback": [{}]}, "name either files or traces"),
        ({"feedback": [{"files": "a", "traces": "b"}]}, "name either files or traces"),
        ({"feedback": [{"traces": "b", "mapping": "langfuse"}]}, "a mapping is for files"),
        ({"feedback": [{"files": "../outside"}]}, "below this file's folder"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(schedule: dict[str, Any], told: str) -> None:
    """Each fault is told where it stands."""
    with pytest.raises(ValueError, match=told):
        Blueprint.model_validate(blueprint_document() | {"schedule": schedule})


def test_a_schedule_is_no_evidence() -> None:
    """Another schedule, or another way to watch a mechanism, changes no digest: it voids no approval."""
    plan = blueprint_document()
    before = Blueprint.model_validate(plan).digest
    plan["schedule"] = {"every": "weekly", "owner": "builders"}
    plan["mechanisms"][0]["shown_by"] = "gate"
    assert Blueprint.model_validate(plan).digest == before
