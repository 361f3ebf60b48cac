"""Tests of which direct calls a ledger permits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import LedgerBuilder

from flywheel_mlflow.console.permissions import (
    alias_denial,
    deletion_denial,
    ledger_denial,
    model_tag_denial,
    stage_denial,
    version_tag_denial,
)
from flywheel_mlflow.decisions.ledger import Ledger, LedgerFault
from flywheel_mlflow.decisions.releases import STAGES, Kind


def told() -> LedgerBuilder:
    """Release 1 was in production, 2 is there, 3 is a candidate."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    story.register(3)
    return story


def test_an_alias_stays_where_the_ledger_has_it() -> None:
    """It may be set to the release that is there, and to no other; other aliases are nobody's business."""
    state = told().state
    assert alias_denial(state, "production", 2) is None
    assert alias_denial(state, "canary", 3) is None
    refused = alias_denial(state, "production", 3)
    assert refused is not None
    assert "release 2" in refused.why
    assert "flywheel promote 3 --to production" in refused.instead
    assert alias_denial(state, "production", None) is not None
    assert alias_denial(state, "PRODUCTION", 2) is not None


def test_an_alias_nobody_decided_about_may_be_taken_away() -> None:
    """What the ledger has nowhere can go, and cannot come."""
    story = LedgerBuilder()
    story.register(1)
    assert alias_denial(story.state, "staging", None) is None
    assert alias_denial(story.state, "staging", 1) is not None


@given(alias=st.sampled_from(STAGES), version=st.integers(1, 4), to=st.sampled_from(STAGES), moving=st.integers(1, 3))
def test_an_open_move_opens_one_door(alias: str, version: int, to: str, moving: int) -> None:
    """While a move is open, its alias goes to its version alone; the other alias stays where it was."""
    story = told()
    story.start(moving, to)
    due = moving if alias == to else story.state.current[alias]
    assert (alias_denial(story.state, alias, version) is None) == (version == due)
    if alias == to:
        assert alias_denial(story.state, alias, None) is not None


def test_an_undone_move_closes_its_door() -> None:
    """Once a move was undone its alias goes there no more."""
    story = told()
    story.end(story.start(3, "staging"), Kind.MOVE_UNDONE)
    assert alias_denial(story.state, "staging", 3) is not None
    assert alias_denial(story.state, "staging", 2) is None


def test_stages_follow_the_ledger() -> None:
    """A version takes the stage its place in the ledger asks, during a move also the one after it."""
    story = told()
    for version, stage in ((1, "Archived"), (2, "Production"), (3, "None"), (9, "None")):
        assert stage_denial(story.state, version, stage, archive_others=False) is None
        assert stage_denial(story.state, version, stage, archive_others=True) is not None
    assert stage_denial(story.state, 3, "Staging", archive_others=False) is not None
    assert stage_denial(story.state, 9, "Staging", archive_others=False) is not None
    story.start(3, "staging")
    assert stage_denial(story.state, 3, "Staging", archive_others=False) is None
    assert stage_denial(story.state, 3, "Production", archive_others=False) is not None


def test_only_retired_releases_are_deleted() -> None:
    """A release goes once an event retires it; a version the ledger does not know may go."""
    story = told()
    assert deletion_denial(story.state, 3) is not None
    assert deletion_denial(story.state, 9) is None
    story.write(Kind.RETIRED, {"version": 3, "reason": "a test"})
    assert deletion_denial(story.state, 3) is None
    refused = deletion_denial(story.state, 2)
    assert refused is not None
    assert refused.text == "version 2 is a release (production) and not retired; " + refused.instead


def test_tags_of_a_version_repeat_the_ledger() -> None:
    """Only the mark of the newest recorded verdict can be written; other people's tags are theirs."""
    story = told()
    gate = story.gate(3, "staging")
    mark = f"PASS (event {gate.number}, run gate-run)"
    assert version_tag_denial(story.state, 3, "flywheel.gate.staging", mark) is None
    assert version_tag_denial(story.state, 3, "note", "x") is None
    for key, value in (
        ("flywheel.gate.staging", mark.replace("PASS", "BLOCK")),
        ("flywheel.gate.production", mark),
        ("flywheel.gate.staging", None),
        ("flywheel.bundle", "x"),
        ("Flywheel.bundle", "x"),
    ):
        assert version_tag_denial(story.state, 3, key, value) is not None, key
    assert version_tag_denial(story.state, 2, "flywheel.gate.staging", mark) is not None
    assert version_tag_denial(story.state, 9, "flywheel.bundle", "x") is not None


def test_the_pointer_to_a_ledger_is_nobodys_to_change() -> None:
    """On a governed model all our tags stay; on any other the pointer cannot be added."""
    assert model_tag_denial("flywheel.name", governed=True) is not None
    assert model_tag_denial("flywheel.name", governed=False) is None
    assert model_tag_denial("flywheel.ledger_run", governed=False) is not None
    assert model_tag_denial("FLYWHEEL.ledger_experiment", governed=False) is not None
    assert model_tag_denial("note", governed=True) is None


def test_a_damaged_ledger_permits_nothing() -> None:
    """One fault is enough, and is named."""
    assert ledger_denial(told().ledger) is None
    refused = ledger_denial(Ledger((), (LedgerFault(3, "event 3 was edited"),)))
    assert refused is not None
    assert "event 3 was edited" in refused.text
