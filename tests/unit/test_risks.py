"""Tests of the risk ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import BO, NOON, LedgerBuilder

from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.risks import HIGH_FROM, MEDIUM_FROM, ROLLBACK_DUE_DAYS, RiskKind, fold_risks

DAY = timedelta(days=1)


@pytest.mark.parametrize("likelihood", range(1, 6))
def test_severity_is_a_matrix(likelihood: int) -> None:
    """low, medium, high by likelihood times impact, and never lower for a larger impact."""
    told = []
    for impact in range(1, 6):
        story = LedgerBuilder()
        story.open_risk(likelihood, impact)
        told.append(story.risks["R0"].severity)
    products = [likelihood * impact for impact in range(1, 6)]
    assert told == ["high" if item >= HIGH_FROM else "medium" if item >= MEDIUM_FROM else "low" for item in products]
    order = [("low", "medium", "high").index(item) for item in told]
    assert order == sorted(order)


def test_the_corners_of_the_matrix() -> None:
    """One in one is low, five in five is high, and the first cells of medium and high are where they are said to be."""
    for pair, expected in {(1, 1): "low", (1, 4): "low", (1, 5): "medium", (3, 3): "medium", (3, 4): "high"}.items():
        story = LedgerBuilder()
        story.open_risk(*pair)
        assert story.risks["R0"].severity == expected


def test_a_risk_is_overdue_from_its_due_moment_on_until_it_is_closed() -> None:
    """Not a microsecond earlier, and not once its owner closed it; a stranger or a second time closes nothing."""
    story = LedgerBuilder()
    story.open_risk()
    risk = story.risks["R0"]
    assert not risk.is_overdue(risk.due - timedelta(microseconds=1))
    assert risk.is_overdue(risk.due)
    story.write(RiskKind.CLOSED, {"risk": "R0", "evidence": "run7", "reason": "mended"}, actor=BO)
    assert story.risks["R0"].closed_at is None  # a stranger
    story.write(RiskKind.CLOSED, {"risk": "R0", "evidence": "run7", "reason": "mended"}, actor=Identity(risk.owner))
    story.write(RiskKind.CLOSED, {"risk": "R0", "evidence": "run8", "reason": "again"}, actor=Identity(risk.owner))
    closed = story.risks["R0"]
    assert not closed.is_overdue(risk.due + DAY)
    assert (closed.closed_by, closed.evidence, closed.closing_reason) == (risk.owner, "run7", "mended")
    assert closed.closed_at == NOON + timedelta(minutes=2)


def test_an_update_changes_what_it_names_and_opens_again() -> None:
    """What the event leaves out stays; the closing is gone, with its evidence."""
    story = LedgerBuilder()
    story.open_risk(mitigation="umbrella")
    story.write(RiskKind.CLOSED, {"risk": "R0", "evidence": "run7", "reason": "mended"})
    story.write(RiskKind.UPDATED, {"risk": "R0", "owner": "bo", "due": (NOON + 9 * DAY).isoformat()})
    risk = story.risks["R0"]
    assert (risk.owner, risk.due, risk.mitigation, risk.severity) == ("bo", NOON + 9 * DAY, "umbrella", "high")
    assert (risk.closed_at, risk.closed_by, risk.evidence, risk.closing_reason) == (None, None, None, "")
    story.write(RiskKind.UPDATED, {"risk": "R0", "likelihood": 1, "impact": 2})
    assert story.risks["R0"].severity == "low"


@pytest.mark.parametrize(
    "change",
    [
        {"likelihood": 0},
        {"likelihood": 6},
        {"likelihood": -4},
        {"impact": 2.5},
        {"impact": "3"},
        {"impact": True},
        {"impact": None},
        {"due": "soon"},
        {"due": "2026-03-09T00:00:00"},
        {"due": None},
        {"owner": None},
        {"owner": ["ana"]},
    ],
)
def test_a_malformed_event_neither_opens_nor_changes_a_risk(change: dict[str, Any]) -> None:
    """A likelihood of 0 would make the worst risk a low one: such an event is as if it were not there."""
    story = LedgerBuilder()
    story.open_risk(**change)
    assert story.risks == {}
    opened = story.open_risk(5, 5)
    before = story.risks
    story.write(RiskKind.UPDATED, {"risk": f"R{opened.number}"} | change)
    assert story.risks == before


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (RiskKind.CLOSED, {"risk": "R9", "evidence": "run", "reason": "mended"}),
        (RiskKind.CLOSED, {"risk": "R0", "reason": "mended"}),
        (RiskKind.CLOSED, {"risk": "R0", "evidence": "run"}),
        (RiskKind.CLOSED, {"risk": ["R0"], "evidence": "run", "reason": "mended"}),
        (RiskKind.CLOSED, {"evidence": "run", "reason": "mended"}),
        (RiskKind.CLOSED, {"risk": "R0", "evidence": None, "reason": "mended"}),
        (RiskKind.UPDATED, {"risk": "R9", "owner": "bo"}),
        (RiskKind.UPDATED, {"owner": "bo"}),
        ("risk_forgotten", {"risk": "R0"}),
    ],
)
def test_a_risk_is_not_closed_by_half_an_event(kind: str, body: dict[str, Any]) -> None:
    """No risk is meant, or evidence or reason is missing: the risk stays open."""
    story = LedgerBuilder()
    story.open_risk()
    before = story.risks
    story.write(kind, body)
    assert story.risks == before


def test_an_override_opens_a_high_risk_due_when_it_ends() -> None:
    """Going on without a passing gate is owned by who did it, until the override runs out."""
    story = LedgerBuilder()
    story.register(1)
    event = story.override(until=(NOON + DAY).isoformat())
    risk = story.risks[f"R{event.number}"]
    assert (risk.severity, risk.owner, risk.due, risk.cause) == ("high", "ana", NOON + DAY, "override")
    assert "fire" in risk.title


def test_a_rollback_opens_a_risk() -> None:
    """Somebody has a month to say why it was necessary."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    event = story.start(1, "production", rollback=True, reason="it lies " + "x" * 900)
    (risk,) = story.risks.values()
    assert (risk.id, risk.severity) == (f"R{event.number}", "medium")
    assert risk.due == event.at + timedelta(days=ROLLBACK_DUE_DAYS)
    assert risk.title.startswith("production rolled back from release 2 to 1: it lies")
    assert len(risk.title) <= 250


def test_projects_are_a_list_of_names() -> None:
    """One name is not read as a list of its letters."""
    story = LedgerBuilder()
    story.open_risk(projects="p01")
    story.open_risk(projects=["p01", 2])
    kept = story.open_risk(projects=["p01", "p02"])
    assert {name: risk.projects for name, risk in story.risks.items()} == {f"R{kept.number}": ("p01", "p02")}


@given(st.lists(st.sampled_from(["open", "close", "update", "noise"]), max_size=12))
def test_risks_come_in_the_order_they_were_opened(acts: list[str]) -> None:
    """Each opening is one risk for ever, whatever happens to it; it is open if its last event did not close it."""
    story, opened, shut = LedgerBuilder(), [], set()
    for act in acts:
        if act == "open":
            opened.append(f"R{story.open_risk().number}")
        elif act == "noise":
            story.write("noise", {"risk": "R0"})
        elif opened and act == "close":
            owner = Identity(story.risks[opened[-1]].owner)
            story.write(RiskKind.CLOSED, {"risk": opened[-1], "evidence": "run", "reason": "mended"}, actor=owner)
            shut.add(opened[-1])
        elif opened:
            story.write(RiskKind.UPDATED, {"risk": opened[0], "owner": "bo"})
            shut.discard(opened[0])
    risks = fold_risks(story.ledger.events)
    assert list(risks) == opened
    assert {name for name, risk in risks.items() if risk.closed_at} == shut
