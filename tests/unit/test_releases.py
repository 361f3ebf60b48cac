"""Tests of the state of releases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import ANA, BO, NOON, LedgerBuilder, basis_of, bundle_of

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.decisions.folding import fold
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.moves import after_move, production_at
from flywheel_mlflow.decisions.releases import (
    ENDS,
    STAGES,
    STARTS,
    Basis,
    Kind,
    ReleaseStage,
    ReleaseState,
)
from flywheel_mlflow.decisions.risks import RiskKind, fold_risks

UNTIL = (NOON + timedelta(days=1)).isoformat()
NUMBERS = st.integers(0, 4)
#: Bodies that fit each other often enough that moves start, end and get in each other's way.
FITTING = st.fixed_dictionaries(
    {
        "version": st.integers(1, 3),
        "iteration": st.integers(1, 3),
        "run_id": st.just("run"),
        "bundle": st.just("b"),
        "place": st.just("p"),
        "to": st.sampled_from(STAGES),
        "from": st.none() | st.integers(1, 3),
        "by": st.none() | NUMBERS,
        "move": NUMBERS | st.integers(0, 20),
        "reason": st.just("because"),
        "lease_s": st.just(60),
        "role": st.just("reviewer"),
        "verdict": st.sampled_from(["PASS", "BLOCK"]),
        "basis": st.just({"bundle": "b", "gates": "g", "reference": "", "drift": ""}),
        "until": st.just(UNTIL),
        "report": st.just("r"),
        "statement": st.just("{}"),
        "second": st.sampled_from(["bo", "ana"]),
        "risk": st.sampled_from(["R0", "R1", "R2"]),
        "title": st.just("t"),
        "owner": st.just("ana"),
        "due": st.just(UNTIL),
        "likelihood": st.integers(1, 5),
        "impact": st.integers(1, 5),
        "evidence": st.just("run"),
    }
)
STRANGE: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        [10**3_000, -1, 0, 1e300, 1.5, "", "1", "999999999999", [], {}, [{}], "9999-12-31T23:59:59-23:00"]
    )
    | st.text(max_size=5)
)
MOVING = [*STARTS, *ENDS, Kind.MOVE_UNDONE]
KINDS = st.sampled_from([*sorted(MOVING), *sorted(MOVING), *Kind, *RiskKind, "sealed", "", "feedback_seen"])


@st.composite
def stories(draw: st.DrawFn) -> tuple[Event, ...]:
    """Events of all kinds: most fit what came before, some contradict it, some hold strange values or lack a key."""
    story = LedgerBuilder()
    for version in (1, 2):
        story.register(version)
    for kind in draw(st.lists(KINDS, min_size=4, max_size=16)):
        state, body = story.state, dict(draw(FITTING))
        if draw(st.integers(0, 4)):
            body["from"] = state.current[str(body["to"])]
            body["move"] = state.open_move.number if state.open_move else body["move"]
        elif draw(st.booleans()):
            name = draw(st.sampled_from(sorted(body)))
            body[name] = draw(STRANGE)
            if draw(st.booleans()):
                del body[name]
        story.write(kind, body, actor=draw(st.sampled_from([ANA, BO])))
    return story.ledger.events


@given(stories(), st.integers(min_value=0, max_value=30))
def test_a_fold_can_go_on(events: tuple[Event, ...], at: int) -> None:
    """Folding the later events onto the state after the earlier ones is folding all of them."""
    assert fold(events[at:], before=fold(events[:at])) == fold(events)


@given(stories())
def test_any_sequence_of_events_has_a_sane_state(events: tuple[Event, ...]) -> None:
    """At every point: one open move at most, each stage where its last done move went, every moved release known."""
    for count in range(len(events) + 1):
        state = fold(events[:count])
        assert state.events == count
        assert sum(move.ended is None for move in state.moves) <= 1
        assert all(move.version in state.releases and move.lease_ends() > move.at for move in state.moves)
        for stage in STAGES:
            done = [move for move in state.moves if move.done and move.to == stage]
            assert state.current[stage] == (done[-1].version if done else None)
            assert [move.came_from for move in done] == [None, *(move.version for move in done)][: len(done)]
        assert all(isinstance(state.stage_of(version), ReleaseStage) for version in state.releases)
        assert state.current["production"] not in state.was_in_production()
    _refute_disputed(events)
    assert isinstance(fold_risks(events), dict)


def _refute_disputed(events: tuple[Event, ...]) -> None:
    """Without the disputed events everything is as with them."""
    state = fold(events)
    doubtful = {number for number, _ in state.disputed}
    left = fold(event for event in events if event.number not in doubtful)
    assert left.disputed == ()
    assert (left.releases, left.current) == (state.releases, state.current)
    assert (left.moves, left.overrides) == (state.moves, state.overrides)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Kind.REGISTERED, {"version": None}),
        (Kind.REGISTERED, {"version": "2"}),
        (Kind.REGISTERED, {"version": 2.5}),
        (Kind.REGISTERED, {"version": True}),
        (Kind.REGISTERED, {"version": 0}),
        (Kind.REGISTERED, {"version": -3}),
        (Kind.REGISTERED, {"version": 1}),
        (Kind.REGISTERED, {"bundle": None}),
        (Kind.REGISTERED, {"run_id": {"$ne": 1}}),
        (Kind.GATE, {"version": 9}),
        (Kind.GATE, {"version": 1.0}),
        (Kind.GATE, {"verdict": ["PASS"]}),
        (Kind.GATE, {"basis": {}}),
        (Kind.GATE, {"basis": "bundle"}),
        (Kind.GATE, {"basis": {"bundle": 1, "gates": "", "reference": "", "drift": ""}}),
        (Kind.GATE, {"until": "tomorrow"}),
        (Kind.GATE, {"until": "2026-03-09"}),
        (Kind.GATE, {"until": "0001-01-01T00:00:00+20:00"}),
        (Kind.GATE, {"until": 1e9}),
        (Kind.APPROVED, {"version": 9}),
        (Kind.APPROVED, {"signature": "all mine"}),
        (Kind.APPROVED, {"signature": {"public_key": "x"}}),
        (Kind.APPROVED, {"signature": {"public_key": 1, "value": 2}}),
        (Kind.APPROVED, {"role": None}),
        (Kind.REJECTED, {"version": 9}),
        (Kind.REJECTED, {"reason": None}),
        (Kind.RETIRED, {"reason": 5}),
        (Kind.OVERRIDE, {"version": 9}),
        (Kind.OVERRIDE, {"second": "ana"}),
        (Kind.OVERRIDE, {"until": "2026-03-09T00:00:00"}),
        (Kind.PROMOTION_STARTED, {"version": 9}),
        (Kind.PROMOTION_STARTED, {"to": "moon"}),
        (Kind.PROMOTION_STARTED, {"from": 7}),
        (Kind.PROMOTION_STARTED, {"from": "nothing"}),
        (Kind.PROMOTION_STARTED, {"lease_s": 10**12}),
        (Kind.PROMOTION_STARTED, {"lease_s": 0}),
        (Kind.PROMOTION_STARTED, {"lease_s": None}),
        (Kind.PROMOTION_STARTED, {"by": -1}),
        (Kind.ROLLBACK_STARTED, {"reason": {}}),
        (Kind.PROMOTED, {"move": 0}),
        (Kind.PROMOTED, {"move": "0"}),
        (Kind.MOVE_UNDONE, {"move": None}),
    ],
)
def test_an_event_without_what_it_needs_decides_nothing(kind: Kind, change: dict[str, Any]) -> None:
    """Nothing is rounded, read out of text or made up: the event is disputed, and the state is as before."""
    story = LedgerBuilder()
    story.register(1)
    before = story.state
    body = {
        "version": 2 if kind is Kind.REGISTERED else 1,
        "iteration": 1,
        "run_id": "run",
        "bundle": bundle_of(1),
        "place": "p",
        "to": "staging",
        "from": None,
        "by": None,
        "move": 5,
        "reason": "because",
        "lease_s": 60,
        "role": "reviewer",
        "verdict": "PASS",
        "basis": plain(basis_of(1, story.blueprint)),
        "until": UNTIL,
        "report": "r",
        "statement": "{}",
        "second": "bo",
    }
    story.write(kind, body | change)
    state = story.state
    assert (state.releases, state.current, state.moves, state.overrides) == (
        before.releases,
        before.current,
        before.moves,
        before.overrides,
    )
    ((number, why),) = state.disputed
    assert number == 1
    assert len(why) < 300
    if kind not in ENDS | {Kind.MOVE_UNDONE}:  # with nothing changed the event does decide
        story.write(kind, body)
        assert len(story.state.disputed) == 1


def test_unknown_kinds_are_not_read() -> None:
    """What other parts of the product write is neither an error nor a decision."""
    story = LedgerBuilder()
    story.register(1)
    story.write("feedback_decided", {"version": 1, "verdict": "PASS"})
    story.write("", {})
    assert story.state.disputed == ()
    assert story.state.releases == fold(story.ledger.events[:1]).releases
    assert story.state.events == 3


def test_only_one_move_is_open() -> None:
    """A second start and a second end are disputed, whichever stage they are about."""
    story = LedgerBuilder()
    story.register(1)
    story.register(2)
    first = story.start(1, "staging")
    second = story.start(2, "production")
    assert story.state.open_move is not None
    assert story.state.open_move.number == first.number
    story.end(second)
    story.end(first)
    story.end(first, Kind.MOVE_UNDONE)
    state = story.state
    assert state.open_move is None
    assert state.current == {"staging": 1, "production": None}
    assert [number for number, _ in state.disputed] == [second.number, second.number + 1, second.number + 3]


def test_an_undone_move_never_happened() -> None:
    """The stage stays, the release reached nothing, and the move is told as ended and not done."""
    story = LedgerBuilder()
    story.register(1)
    story.end(story.start(1, "staging"), Kind.MOVE_UNDONE)
    state = story.state
    assert state.current["staging"] is None
    assert state.release(1).reached == frozenset()
    assert (state.moves[0].done, state.moves[0].ended_by) == (False, 2)
    assert state.moves[0].ended == state.moves[0].at + timedelta(minutes=1)


@pytest.mark.parametrize("kind", [Kind.REJECTED, Kind.RETIRED])
def test_rejected_and_retired_are_final(kind: Kind) -> None:
    """No later event moves such a release, and the first decision is the one that is kept."""
    story = LedgerBuilder()
    story.register(1)
    first = story.write(kind, {"version": 1, "role": "reviewer", "reason": "bad"}, actor=BO)
    story.write(kind, {"version": 1, "role": "reviewer", "reason": "worse"})
    story.start(1, "staging")
    state = story.state
    assert state.moves == ()
    assert "rejected or retired" in state.disputed[0][1]
    assert (state.release(1).rejected or state.release(1).retired) == first
    assert state.stage_of(1) is (ReleaseStage.REJECTED if kind is Kind.REJECTED else ReleaseStage.RETIRED)


def test_stages_follow_the_moves() -> None:
    """Candidate, staging, production, archived; production goes before staging; staging alone does not archive."""
    story = LedgerBuilder()
    story.register(1)
    assert story.state.stage_of(1) is ReleaseStage.CANDIDATE
    story.move(1, "staging")
    assert story.state.stage_of(1) is ReleaseStage.STAGING
    story.move(1, "production")
    assert story.state.stage_of(1) is ReleaseStage.PRODUCTION
    story.register(2)
    story.move(2, "staging")
    story.move(2, "production")
    assert story.state.stage_of(1) is ReleaseStage.ARCHIVED
    story.register(3)
    story.move(3, "staging")
    story.register(4)
    story.move(4, "staging")
    assert story.state.stage_of(3) is ReleaseStage.CANDIDATE
    assert story.state.release(3).reached == {"staging"}


def test_production_remembers_its_tenures() -> None:
    """The newest tenure first, each version once, the present one left out; any moment can be asked about."""
    story = LedgerBuilder()
    moments = []
    for version in (1, 2, 3):
        story.reach(version)
        moments.append(story.clock - timedelta(minutes=1))
    assert story.state.was_in_production() == (2, 1)
    story.move(1, "production", rollback=True)
    state = story.state
    assert state.was_in_production() == (3, 2)
    found = [production_at(state, moment) for moment in (NOON, *moments, story.clock)]
    assert [move.version if move else None for move in found] == [None, 1, 2, 3, 1]
    assert production_at(state, moments[0] - timedelta(microseconds=1)) is None


def test_after_a_move_is_what_the_fold_will_say() -> None:
    """The state foreseen is the state folded once the move has ended."""
    story = LedgerBuilder()
    story.register(1)
    before = story.state
    story.move(1, "staging")
    foreseen = after_move(before, 1, "staging")
    assert (foreseen.current, foreseen.releases) == (story.state.current, story.state.releases)
    assert before.current["staging"] is None


def test_the_newest_verdict_of_a_stage_counts() -> None:
    """Verdicts of the other stage do not, and of several the last one does."""
    story = LedgerBuilder()
    story.register(1)
    assert story.release().last_gate("staging") is None
    story.gate(to="staging")
    newest = story.gate(to="staging", verdict="BLOCK")
    story.gate(to="production")
    found = story.release().last_gate("staging")
    assert found is not None
    assert (found.number, found.verdict) == (newest.number, "BLOCK")


def test_times_are_told_in_utc() -> None:
    """An end written in another time zone is the same moment in UTC."""
    story = LedgerBuilder()
    story.register(1)
    story.gate(until="2026-03-02T01:00:00+02:00")
    found = story.release().gates[0].until
    assert f"{found:%Y-%m-%d %H:%M}" == "2026-03-01 23:00"


def test_what_changed_is_told_in_words() -> None:
    """Each of the four parts of a basis is named when it differs, and only then."""
    first = Basis("b", "g", "release 1", "d")
    assert first.changes(first) == ()
    told = first.changes(Basis("B", "G", "", "D"))
    assert len(told) == 4
    assert "release 1, now nothing" in told[2]
    assert first.changes(Basis("b", "g", "release 1", "D")) == ("the drift comparison",)


def test_a_release_is_found_by_the_stage_it_stands_in() -> None:
    """A number, or a stage something stands in; an empty stage is told, anything else lists what there is."""
    story = LedgerBuilder()
    story.register(1)
    state = ReleaseState(story.state.releases, {"staging": 1, "production": None})
    assert state.release_at("1") is state.release_at("staging") is state.release(1)
    with pytest.raises(InputError, match="no release is in production"):
        state.release_at("production")
    for stranger in ("9", "moon", "", "-1", "1.0"):
        with pytest.raises(UnknownName, match="known: 1"):
            state.release_at(stranger)


def test_an_unknown_release_is_named_with_those_there_are() -> None:
    """Asking for a version nobody registered lists the registered ones."""
    story = LedgerBuilder()
    story.register(1)
    for ask in (story.state.release, story.state.stage_of):
        with pytest.raises(UnknownName, match="known: 1"):
            ask(7)
    assert ReleaseState().open_move is None


def test_starts_and_ends_are_kinds_of_moves() -> None:
    """Every kind that starts has one that ends, and no kind is both."""
    assert len(STARTS) == len(ENDS) == 2
    assert not STARTS & ENDS


def restored(story: LedgerBuilder, version: int, lost: int, **more: Any) -> None:
    body = {"version": version, "lost": lost, "bundle": bundle_of(lost), "reason": "deleted"}
    story.write(Kind.RESTORED, body | more)


def test_a_restored_release_takes_the_place_of_the_lost_one() -> None:
    """Aliases, stages and tenures are its own; what was decided about the lost one stays with that one."""
    story = LedgerBuilder()
    story.reach(1)
    story.approve(1)
    restored(story, 2, 1)
    state = story.state
    assert state.current == {"staging": 2, "production": 2}
    assert [state.stage_of(version).value for version in (1, 2)] == ["retired", "production"]
    assert (state.release(2).stands_for, state.release(2).approvals) == (1, ())
    story.reach(3)
    assert story.state.was_in_production() == (2,)
    restored(story, 4, 2, bundle=bundle_of(1))
    assert (story.state.was_in_production(), story.state.heir(1)) == ((4,), 4)


@pytest.mark.parametrize(
    "change", [{"lost": 9}, {"bundle": bundle_of(2)}, {"version": 1}, {"version": "2"}, {"reason": None}]
)
def test_what_cannot_be_restored_is_in_dispute(change: dict[str, Any]) -> None:
    """Another bundle, a release nobody made, a version that is there: nothing changes."""
    story = LedgerBuilder()
    story.reach(1)
    before = story.state
    restored(story, **({"version": 2, "lost": 1} | change))
    assert (story.state.releases, story.state.current) == (before.releases, before.current)
    assert len(story.state.disputed) == 1


def test_nothing_is_restored_while_a_move_is_open_or_after_the_last_word() -> None:
    """A rejected or retired release is gone for good; an open move is mended first."""
    story = LedgerBuilder()
    story.register()
    story.start(1, "staging")
    restored(story, 2, 1)
    story.register(3)
    story.write(Kind.REJECTED, {"version": 3, "role": "reviewer", "reason": "no"})
    restored(story, 4, 3)
    assert sorted(story.state.releases) == [1, 3]
    assert len(story.state.disputed) == 2
