"""Tests of the plans for promotion and rollback."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from releases_ledger import ANA, BO, NOON, STRANGER, LedgerBuilder, bundle_of, release_blueprint, release_plan

from flywheel_mlflow.base.errors import InputError, Refused, UnknownName
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.moves import (
    MovePlan,
    check_stage,
    mend,
    plan_promotion,
    plan_rollback,
    registry_stage,
    rollback_targets,
)
from flywheel_mlflow.decisions.releases import Basis, Kind
from flywheel_mlflow.promises.blueprint import Blueprint

HOUR = timedelta(hours=1)


def live(story: LedgerBuilder) -> dict[str, int]:
    """Aliases as the ledger has them."""
    return {name: version for name, version in story.state.current.items() if version is not None}


def promotion(
    story: LedgerBuilder,
    version: int = 1,
    to: str = "staging",
    *,
    actor: Identity = ANA,
    aliases: Mapping[str, int] | None = None,
    now: datetime = NOON + HOUR,
) -> MovePlan:
    return plan_promotion(
        story.state,
        version,
        to,
        blueprint=story.blueprint,
        aliases=live(story) if aliases is None else aliases,
        risks=story.risks.values(),
        actor=actor,
        now=now,
    )


def rolling_back(
    story: LedgerBuilder, version: int, *, actor: Identity = ANA, aliases: Mapping[str, int] | None = None
) -> MovePlan:
    return plan_rollback(
        story.state,
        version,
        blueprint=story.blueprint,
        aliases=live(story) if aliases is None else aliases,
        actor=actor,
        reason="it lies",
    )


def refused(ask: Any, *args: Any, **more: Any) -> Refused:
    """The refusal, which says rule, value, limit and what to do."""
    with pytest.raises(Refused) as caught:
        ask(*args, **more)
    error = caught.value
    assert error.rule
    assert error.value not in (None, "")
    assert error.limit not in (None, "")
    assert error.hint
    assert all(f"  {name}: " in error.diagnostics() for name in ("rule", "value", "limit"))
    return error


def passed() -> LedgerBuilder:
    """A release whose gate to staging passed."""
    story = LedgerBuilder()
    story.register()
    story.gate()
    return story


def test_a_current_pass_permits_the_move() -> None:
    """The plan names where the alias is, and the event that permits the move."""
    story = passed()
    plan = promotion(story)
    assert (plan.version, plan.to, plan.came_from, plan.by, plan.rollback) == (1, "staging", None, 1, False)
    assert plan.lease_s == story.blueprint.releases.move_lease_s
    steps = plan.steps()
    assert len(steps) == 6
    assert "staging still points to nothing" in steps[1]
    assert "promotion" in steps[0]


def test_production_comes_after_staging() -> None:
    """A release that never was in staging does not go to production, though the gate there passed."""
    story = passed()
    story.gate(to="production")
    error = refused(promotion, story, to="production")
    assert (error.value, error.limit) == ("candidate", "staging")
    assert "flywheel gate 1 --to staging" in (error.hint or "")
    story.move(1, "staging")
    assert promotion(story, to="production").came_from is None


def test_a_stage_without_a_gate_is_not_waited_for() -> None:
    """Where flywheel.yaml has no gate to staging, production can be the first stage."""
    plan = release_plan()
    plan["gates"] = plan["gates"][1:]
    plan["control_points"][0]["criteria"] = plan["boundaries"][0]["enforced_by"] = ["calm"]
    story = LedgerBuilder(release_blueprint(plan))
    story.register()
    story.gate(to="production")
    assert promotion(story, to="production").by == 1


@pytest.mark.parametrize(("kind", "word"), [(Kind.REJECTED, "rejected"), (Kind.RETIRED, "retired")])
def test_rejected_and_retired_never_move(kind: Kind, word: str) -> None:
    """Not even with a passing gate and an override."""
    story = passed()
    story.override()
    story.write(kind, {"version": 1, "role": "reviewer", "reason": "it leaks"}, actor=BO)
    error = refused(promotion, story)
    assert f"was {word} by bo" in error.what
    assert "it leaks" in str(error.value)


def test_a_move_changes_something() -> None:
    """A release that is there already is not moved there."""
    story = passed()
    story.move(1, "staging")
    story.gate()
    assert "in staging already" in refused(promotion, story).what


def test_strangers_do_not_move_releases() -> None:
    """Who lacks the role is told who has it."""
    story = passed()
    error = refused(promotion, story, actor=STRANGER)
    assert (error.value, error.limit) == ("stranger", "ana, bo, maker")
    assert (error.hint or "").startswith("ask one of ana, bo, maker")
    story.reach(2)
    story.reach(3)
    assert "roll back" in refused(rolling_back, story, 2, actor=STRANGER).what


def test_one_move_at_a_time() -> None:
    """While a move is open, whichever, no other is planned; once it is undone, it is."""
    story = passed()
    story.register(2)
    open_move = story.start(2, "staging")
    error = refused(promotion, story)
    assert "release 2 to staging is open, started by ana at 12:03:00" in error.what
    assert error.value == f"event {open_move.number}"
    story.end(open_move, Kind.MOVE_UNDONE)
    assert promotion(story).by == 1


@pytest.mark.parametrize("aliases", [{"staging": 9}, {"staging": 1}])
def test_an_alias_moved_by_hand_stops_everything(aliases: dict[str, int]) -> None:
    """The ledger left it at nothing, somebody pointed it elsewhere, even to where the plan would."""
    error = refused(promotion, passed(), aliases=aliases)
    assert (error.value, error.limit) == (aliases["staging"], "nothing")


def test_an_alias_taken_away_by_hand_stops_everything() -> None:
    """The other way round: the ledger has it, the server has not."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    error = refused(rolling_back, story, 1, aliases={"staging": 2})
    assert (error.value, error.limit) == ("nothing", 2)
    assert "production points to nothing" in error.what


@pytest.mark.parametrize(
    ("more", "now", "why"),
    [
        ({"verdict": "BLOCK"}, NOON + HOUR, "the gate said BLOCK"),
        ({"verdict": "INCONCLUSIVE"}, NOON + HOUR, "the gate said INCONCLUSIVE"),
        ({"verdict": "pass"}, NOON + HOUR, "the gate said pass"),
        ({}, NOON + timedelta(days=14), "ran out on 2026-03-15 12:00"),
        ({"gates": "other"}, NOON + HOUR, "gates or roles in flywheel.yaml changed"),
        ({"bundle": bundle_of(3)}, NOON + HOUR, "about another bundle"),
        ({"reference": "release 8"}, NOON + HOUR, "which is not in production any more"),
    ],
)
def test_a_verdict_that_does_not_hold_any_more_permits_nothing(more: dict[str, str], now: datetime, why: str) -> None:
    """Another verdict than PASS, run out, other gates, another bundle, another reference: each alone suffices."""
    story = LedgerBuilder()
    story.register()
    basis = Basis(**{name: more.get(name, getattr(story.basis(1), name)) for name in Basis.__slots__})
    story.gate(basis=basis, verdict=more.get("verdict", "PASS"))
    error = refused(promotion, story, now=now)
    assert why in error.what
    assert error.limit == "PASS"
    assert error.hint == "flywheel gate 1 --to staging"


def test_without_a_verdict_nothing_moves() -> None:
    """A gate never evaluated, and a verdict for the other stage, permit nothing."""
    story = LedgerBuilder()
    story.register()
    assert refused(promotion, story).value == "no verdict"
    story.gate(to="production")
    assert "never evaluated" in refused(promotion, story).what


def test_a_later_verdict_takes_an_earlier_one_back() -> None:
    """The newest decides, not the best."""
    story = passed()
    story.gate(verdict="INCONCLUSIVE")
    assert "event 2" in refused(promotion, story).what


def test_a_verdict_is_for_the_release_in_production_it_was_compared_with() -> None:
    """Compared with nothing or with a predecessor, a PASS does not stand once another release is in production."""
    story = passed()
    story.register(5)
    story.move(5, "production")
    assert "in production is release 5 now" in refused(promotion, story).what
    story.gate()
    assert promotion(story).by == story.ledger.events[-1].number
    story.register(6)
    story.move(6, "production")
    error = refused(promotion, story)
    assert "compared it with release 5, in production is release 6 now" in error.what


def test_an_overdue_high_risk_takes_the_verdict_back() -> None:
    """For gates that ask about risks: what was no risk when the gate was judged can be overdue by now."""
    story = passed()
    story.move(1, "staging")
    story.gate(to="production")
    story.open_risk(due=(NOON + HOUR).isoformat())
    assert promotion(story, to="production", now=NOON + HOUR - timedelta(seconds=1)).to == "production"
    assert "a high risk is overdue by now: R5" in refused(promotion, story, to="production", now=NOON + HOUR).what
    story.write("risk_updated", {"risk": "R5", "likelihood": 1})
    assert promotion(story, to="production", now=NOON + HOUR).to == "production"


def test_a_gate_that_does_not_ask_about_risks_does_not_care() -> None:
    """Staging asks nothing about risks, so an overdue one does not stop it."""
    story = passed()
    story.open_risk(due=NOON.isoformat())
    assert promotion(story).by == 1


def test_an_override_permits_what_the_gate_does_not() -> None:
    """Its number stands in the plan, and so does its reason."""
    story = LedgerBuilder()
    story.register()
    story.gate(verdict="BLOCK")
    event = story.override()
    plan = promotion(story)
    assert (plan.by, plan.reason) == (event.number, "the shop is on fire")


@pytest.mark.parametrize(
    "change",
    [
        {"until": (NOON + HOUR).isoformat()},
        {"bundle": bundle_of(2)},
        {"to": "production"},
        {"version": 2},
        {"second": "ana"},
        {"second": None},
    ],
)
def test_an_override_that_does_not_fit_permits_nothing(change: dict[str, Any]) -> None:
    """Run out, for another bundle, stage or release, or without a second person."""
    story = LedgerBuilder()
    story.register()
    story.register(2)
    story.override(**change)
    assert refused(promotion, story).value == "no verdict"


def test_an_override_permits_one_promotion() -> None:
    """Once its move is done it opens the door no more; a move that was undone did not use it."""
    story = LedgerBuilder()
    story.register()
    story.gate(verdict="BLOCK")
    event = story.override()
    undone = story.start(1, "staging", by=event.number)
    story.end(undone, Kind.MOVE_UNDONE)
    assert promotion(story).by == event.number
    story.end(story.start(1, "staging", by=event.number))
    story.register(2)
    story.move(2, "staging")
    assert refused(promotion, story).value == "BLOCK"


def test_an_override_waits_for_its_second_person() -> None:
    """Named is not asked: until the second person confirms, it permits nothing, and says for whom it waits."""
    story = LedgerBuilder()
    story.register()
    story.gate(verdict="BLOCK")
    event = story.override(confirmed=False)
    error = refused(promotion, story)
    assert "waits for bo to confirm it" in error.what
    assert str(error.hint).startswith("bo: flywheel override-confirm 1")
    said = {"override": event.number, "version": 1, "to": "staging", "reason": "agreed"}
    for who in ("ana", "maker", "stranger"):
        story.write(Kind.OVERRIDE_CONFIRMED, said, actor=Identity(who))
        assert refused(promotion, story).value == error.value
    story.write(Kind.OVERRIDE_CONFIRMED, said, actor=Identity("bo"))
    assert promotion(story).by == event.number
    assert len(story.state.disputed) == 3


@pytest.mark.parametrize("change", [{"override": 99}, {"override": "2"}, {"reason": 7}, {"override": True}])
def test_a_confirmation_of_nothing_confirms_nothing(change: dict[str, Any]) -> None:
    """One of another event, or without what it needs, is in dispute; so is a second one of the same override."""
    story = LedgerBuilder()
    story.register()
    event = story.override(confirmed=False)
    said = {"override": event.number, "version": 1, "to": "staging", "reason": "agreed"}
    story.write(Kind.OVERRIDE_CONFIRMED, said | change, actor=Identity("bo"))
    assert [item.confirmed for item in story.state.overrides] == [None]
    confirmed = story.write(Kind.OVERRIDE_CONFIRMED, said, actor=Identity("bo"))
    story.write(Kind.OVERRIDE_CONFIRMED, said, actor=Identity("bo"))
    assert [item.confirmed for item in story.state.overrides] == [confirmed.number]
    assert len(story.state.disputed) == 2


def four_eyes(least: int) -> Blueprint:
    """The usual rules, with so many different people demanded of the gate to staging."""
    document = release_plan()
    document["gates"][0]["distinct_people"] = least
    return release_blueprint(document)


@pytest.mark.parametrize(
    ("least", "people", "promotes"),
    [(2, [], False), (2, ["ana"], False), (2, ["bo"], True), (3, ["bo"], False), (3, ["bo", "maker"], True)],
)
def test_enough_different_people_stand_behind_a_promotion(least: int, people: list[str], promotes: bool) -> None:
    """Who promotes is one of them: ana, who explained and approved, does not promote alone."""
    story = LedgerBuilder(blueprint=four_eyes(least))
    story.register()
    gate = story.gate(people=people)
    if promotes:
        assert promotion(story).by == gate.number
        return
    error = refused(promotion, story)
    assert (error.value, error.limit) == (len({*people, "ana"}), least)
    assert "distinct_people" in error.rule
    assert "flywheel approve 1 --role reviewer" in str(error.hint)


def test_a_rollback_takes_the_verdict_back() -> None:
    """A release that was taken out of production needs a new verdict; the old one was given before that was known."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2, "staging")
    story.gate(2, "production")
    story.move(2, "production")
    story.move(1, "production", rollback=True)
    error = refused(promotion, story, 2, "production")
    assert "it was rolled back since the verdict" in error.what
    assert error.value == "PASS, not current any more"
    again = story.gate(2, "production")
    assert promotion(story, 2, "production").by == again.number


def test_a_pass_is_used_before_an_override() -> None:
    """An override opens no door that is open already."""
    story = passed()
    story.override()
    assert promotion(story).by == 1


def test_only_stages_are_moved_to() -> None:
    """Other names are refused as input, with those there are."""
    for name in ("archived", "Production", ""):
        with pytest.raises(InputError, match="staging, production"):
            promotion(passed(), to=name)
    assert check_stage("staging") == "staging"


def test_unknown_releases_are_named() -> None:
    """A version nobody registered is an unknown name, for both moves."""
    for ask in (promotion, rolling_back):
        with pytest.raises(UnknownName, match="unknown release '9'"):
            ask(passed(), 9)


def test_a_rollback_needs_no_gate() -> None:
    """Production goes back to where it was, for a reason."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    plan = rolling_back(story, 1)
    assert (plan.version, plan.to, plan.came_from, plan.by, plan.rollback) == (1, "production", 2, None, True)
    assert plan.reason == "it lies"
    assert "rollback" in plan.steps()[0]


def test_a_rollback_only_goes_where_production_was() -> None:
    """Not to a candidate, not to itself, not to a rejected one, not while a move is open."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    story.reach(3, "staging")
    assert refused(rolling_back, story, 3).limit == "1"
    assert "in production already" in refused(rolling_back, story, 2).what
    open_move = story.start(3, "production")
    assert refused(rolling_back, story, 1).value == f"event {open_move.number}"
    story.end(open_move, Kind.MOVE_UNDONE)
    story.write(Kind.REJECTED, {"version": 1, "role": "reviewer", "reason": "it leaks"})
    assert "it leaks" in str(refused(rolling_back, story, 1).value)
    assert rollback_targets(story.state) == ()


def test_a_second_rollback_goes_further_back() -> None:
    """What a rollback took out is not gone back to by itself, until somebody promotes it again on purpose."""
    story = LedgerBuilder()
    for version in (1, 2, 3):
        story.reach(version)
    assert rollback_targets(story.state) == (2, 1)
    story.move(2, "production", rollback=True)
    assert rollback_targets(story.state) == (1,)
    assert rolling_back(story, 3).version == 3
    story.move(3, "production")
    assert rollback_targets(story.state) == (2, 1)
    story.reach(4)
    assert rollback_targets(story.state) == (3, 2, 1)


def test_an_open_move_is_mended_by_what_the_alias_says() -> None:
    """There already: finish; still where it was: undo; anywhere else: nobody can tell."""
    story = LedgerBuilder()
    story.reach(1)
    story.register(2)
    story.start(2, "production")
    move = story.state.open_move
    assert move is not None
    assert mend(move, {"production": 2}) is True
    assert mend(move, {"production": 1}) is False
    assert mend(move, {"production": 7}) is None
    assert mend(move, {}) is None


def test_the_first_move_is_undone_when_the_alias_is_nowhere() -> None:
    """Where nothing was before, nothing is where it was."""
    story = LedgerBuilder()
    story.register()
    story.start(1, "staging")
    move = story.state.open_move
    assert move is not None
    assert mend(move, {}) is False


def test_the_registry_shows_the_stage() -> None:
    """MLflow's four names: None, Staging, Production, Archived once it was anywhere."""
    story = LedgerBuilder()
    story.register()
    assert registry_stage(story.state, 1) == "None"
    story.move(1, "staging")
    assert registry_stage(story.state, 1) == "Staging"
    story.move(1, "production")
    assert registry_stage(story.state, 1) == "Production"
    story.reach(2)
    assert registry_stage(story.state, 1) == "Archived"
    story.reach(3, "staging")
    story.reach(4, "staging")
    assert registry_stage(story.state, 3) == "Archived"
