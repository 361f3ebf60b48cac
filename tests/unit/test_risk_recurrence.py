"""Tests of risks that open by themselves, come back, and spread."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flywheels import small_flywheel
from releases_ledger import BO, NOON, LedgerBuilder

from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.decisions.risk_paths import in_layers, propagation
from flywheel_mlflow.decisions.risks import GATE_DUE_DAYS, RiskKind

CONTRACTS = small_flywheel().contracts


def gate(version: int, to: str = "staging", verdict: str = "BLOCK") -> dict[str, Any]:
    return {"version": version, "to": to, "verdict": verdict, "criteria": {"green": verdict, "signed": "PASS"}}


def finding(topic: str = "drift/p01", **said: Any) -> dict[str, Any]:
    return {
        "cause": "drift", "topic": topic, "title": "Drift of p01", "iteration": 3, "likelihood": 3, "impact": 3,
        "due": (NOON + timedelta(days=30)).isoformat(), "owner": "builders", "projects": ["p01"],
    } | said  # fmt: skip


def close(story: LedgerBuilder, name: str) -> None:
    owner = Identity(story.risks[name].owner)
    story.write(RiskKind.CLOSED, {"risk": name, "evidence": "run", "reason": "mended"}, actor=owner)


def test_a_gate_that_is_tried_again_opens_no_second_risk() -> None:
    """Ten blocking verdicts are one open risk, seen ten times; a passing one is none."""
    story = LedgerBuilder()
    story.register(1)
    story.write(Kind.GATE, gate(1, verdict="PASS"))
    assert story.risks == {}
    tried = [story.write(Kind.GATE, gate(1), actor=BO) for _ in range(10)]
    (risk,) = story.risks.values()
    assert (risk.id, risk.cause, risk.severity, risk.owner) == ("R2", "gate", "medium", "bo")
    assert risk.title == "The gate to staging blocks release 1: green"
    assert len(risk.sightings) == 10
    assert risk.sightings[-1].number == tried[-1].number
    assert risk.due == story.ledger.events[2].at + timedelta(days=GATE_DUE_DAYS)


def test_a_risk_names_the_projects_the_evidence_names() -> None:
    """A gate those behind its criteria, each time it blocks; an override or rollback those of its last gate."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    story.write(Kind.GATE, gate(2, to="production") | {"projects": ["p01"]})
    story.write(Kind.GATE, gate(2, to="production") | {"projects": ["p02", "p01"]})
    story.override(2, "production")
    story.move(1, "production", rollback=True)
    assert {risk.topic: risk.projects for risk in story.risks.values()} == {
        "gate/production": ("p01", "p02"),
        "override/production": ("p02", "p01"),
        "rollback/production": ("p02", "p01"),
    }
    path = propagation(CONTRACTS, story.risks[max(story.risks)].projects)
    assert [item.project for item in path.reached] == ["p03", "p10"]


def test_a_release_whose_gate_passed_leaves_a_rollback_without_projects() -> None:
    """Nothing names one, so none is guessed; what an older gate named of it was answered since."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    story.write(Kind.GATE, gate(2) | {"projects": ["p01"]})
    story.write(Kind.GATE, gate(2, verdict="PASS") | {"projects": []})
    story.move(1, "production", rollback=True)
    assert [risk.projects for risk in story.risks.values() if risk.topic == "rollback/production"] == [()]


def test_another_gate_is_another_risk() -> None:
    """What blocks staging says nothing about production."""
    story = LedgerBuilder()
    story.write(Kind.GATE, gate(1))
    story.write(Kind.GATE, gate(1, to="production"))
    assert [risk.topic for risk in story.risks.values()] == ["gate/staging", "gate/production"]


def test_what_comes_back_names_what_it_was_before() -> None:
    """Seen in iterations 3 and 5, closed, seen in 7: a new risk that points to the closed one."""
    story = LedgerBuilder()
    story.write(RiskKind.SEEN, finding(iteration=3))
    story.write(RiskKind.SEEN, finding(iteration=5, title="worse"))
    (first,) = story.risks.values()
    assert (first.iterations, first.title, first.projects) == ((3, 5), "Drift of p01", ("p01",))
    close(story, first.id)
    event = story.write(RiskKind.SEEN, finding(iteration=7))
    again = story.risks[f"R{event.number}"]
    assert (again.before, again.iterations, again.closed_at) == ((first.id,), (7,), None)
    assert story.risks[first.id].closed_by == "builders"


def test_a_risk_by_hand_recurs_by_its_title() -> None:
    """Each is a risk of its own, as somebody wanted it; the earlier one of the same title is named."""
    story = LedgerBuilder()
    story.open_risk(title="Brain drain")
    story.open_risk(title="brain  Drain")
    assert [risk.before for risk in story.risks.values()] == [(), ("R0",)]


def test_a_release_tells_the_iteration() -> None:
    """A gate names a release, and the release was made of an iteration."""
    story = LedgerBuilder()
    story.register(4)
    story.write(Kind.GATE, gate(4))
    (risk,) = story.risks.values()
    assert risk.iterations == (4,)


def test_half_a_finding_is_no_risk() -> None:
    """An event that lacks or bends what a risk needs changes nothing."""
    for change in ({"due": "soon"}, {"likelihood": 9}, {"projects": "p01"}, {"topic": None}, {"iteration": "3"}):
        story = LedgerBuilder()
        story.write(RiskKind.SEEN, finding(**change))
        story.write(Kind.GATE, {"version": 1, "verdict": "BLOCK"})
        assert story.risks == {}, change


def test_a_path_follows_the_interfaces() -> None:
    """From p01 over its data to p02 and on; what is fed a turn later comes later; layers in the order reached."""
    path = propagation(CONTRACTS, ["p01", "nobody"])
    assert (path.projects, path.layers) == (("p01",), ("sources",))
    assert [(item.project, item.turns) for item in path.reached] == [("p02", 0), ("p10", 0), ("p03", 0)]
    assert path.reached[-1].through == ("p01_data", "p02_data")
    assert path.all_layers == ("sources", "governance")
    late = propagation(CONTRACTS, ["p10"])
    assert [(item.project, item.turns) for item in late.reached] == [("p03", 1)]
    assert propagation(CONTRACTS, []).reached == ()
    assert in_layers(CONTRACTS, ["governance"]) == ("p02", "p10")
