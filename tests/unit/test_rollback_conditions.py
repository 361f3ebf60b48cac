"""Tests of the conditions under which production is to be taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from releases_ledger import ANA, NOON, LedgerBuilder, release_plan

from flywheel_mlflow.decisions.risks import Risk, RiskKind
from flywheel_mlflow.decisions.rollback_conditions import (
    PROPOSED,
    JudgedCondition,
    ProductionFacts,
    judge_conditions,
    proposals,
)
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.rollbacks import RollbackCondition

HOUR = timedelta(hours=1)
FACTS = ProductionFacts(2, NOON)


def judged(facts: ProductionFacts = FACTS, **said: Any) -> JudgedCondition:
    condition = RollbackCondition.model_validate({"id": "c", "title": "It broke", "owner": "builders"} | said)
    (found,) = judge_conditions([condition], facts)
    return found


def incident(**more: Any) -> Risk:
    values: dict[str, Any] = {
        "id": "R7", "title": "It leaks", "owner": "ana", "likelihood": 4, "impact": 4, "due": NOON + HOUR,
        "cause": "person", "opened_at": NOON + HOUR, "opened_by": "ana", "number": 7,
    }  # fmt: skip
    return Risk(**(values | more))


def test_kpis_speak_when_they_were_measured_since() -> None:
    """A rule holds or not on numbers of runs since the promotion; without such a number it cannot be told."""
    facts = replace(FACTS, kpis={"p05.hit_rate": 0.6})
    assert judged(facts, when="p05.hit_rate < 0.7").holds is True
    assert judged(facts, when="p05.hit_rate < 0.5").holds is False
    unknown = judged(facts, when="p05.hit_rate < 0.7 and p05.latency > 9")
    assert (unknown.holds, "p05.latency" in unknown.text) == (None, True)
    assert judged(replace(FACTS, unknown="the run is gone"), when="p05.hit_rate < 0.7").text == "the run is gone"


def test_drift_speaks_of_the_projects_that_measure_production() -> None:
    """Something of one of them got worse; a project that nobody compared since leaves it open."""
    worse = replace(FACTS, worse={"p05": ("p05.hit_rate fell",), "p07": ()})
    assert judged(worse, drift=["p05", "p06"]).holds is True
    assert judged(worse, drift=["p07"]).holds is False
    assert judged(worse, drift=["p06"]).holds is None
    assert judged(worse, drift=["p07", "p06"]).holds is None


def test_guardrails_speak_of_experiments_on_this_release() -> None:
    """One that was started before the release, or never, says nothing about it."""
    facts = replace(FACTS, guardrails={"shorter": ("latency of b is worse than of the control",), "longer": ()})
    assert [judged(facts, guardrail=name).holds for name in ("shorter", "longer", "other")] == [True, False, None]


@pytest.mark.parametrize(
    ("more", "holds"),
    [
        ({}, True),
        ({"closed_at": NOON + 2 * HOUR}, False),
        ({"opened_at": NOON}, False),
        ({"impact": 1, "likelihood": 5}, False),
        ({"cause": "override"}, False),
        ({"cause": PROPOSED}, False),
    ],
)
def test_incidents_are_what_people_opened_since(more: dict[str, Any], holds: bool) -> None:
    """Closed ones, those from before, milder ones, and those that opened themselves do not count."""
    assert judged(replace(FACTS, risks=(incident(**more),)), incident="high").holds is holds


def test_a_proposal_is_about_one_release() -> None:
    """Once another release is in production it is over; closed ones are over too."""
    found = judged(replace(FACTS, risks=(incident(),)), incident="high")
    story = LedgerBuilder()
    body = {"cause": PROPOSED, "topic": found.topic, "title": found.reason, "iteration": 1, "likelihood": 4,
            "impact": 4, "due": (NOON + HOUR).isoformat(), "owner": "ana", "projects": []}  # fmt: skip
    story.write(RiskKind.SEEN, body)
    risks = story.risks.values()
    assert [risk.title for risk in proposals(risks, 2)] == ["It broke (rollback_when c): risk R7: It leaks"]
    assert proposals(risks, 1) == proposals(risks, 12) == proposals(risks, None) == ()
    (risk,) = risks
    story.write(RiskKind.CLOSED, {"risk": risk.id, "evidence": "run", "reason": "a false alarm"}, actor=ANA)
    assert proposals(story.risks.values(), 2) == ()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "name one of"),
        ({"when": "p05.hit_rate < 0.7", "incident": "high"}, "name one of"),
        ({"when": "hit rate is bad"}, "cannot read"),
        ({"drift": []}, "at least 1 item"),
        ({"guardrail": "nothing_like_it"}, "rollback_when.c.guardrail: nothing is called 'nothing_like_it'"),
        ({"incident": "high", "owner": "nobody"}, "rollback_when.c.owner: nothing is called 'nobody'"),
    ],
)
def test_faults_are_told(said: dict[str, Any], told: str) -> None:
    """No condition, two, or one about something that is not there."""
    condition = {"id": "c", "title": "It broke", "owner": "builders"} | said
    with pytest.raises(ValueError, match=told):
        Blueprint.model_validate(release_plan() | {"rollback_when": [condition]})


def test_nothing_moves_by_itself_unless_somebody_may_move_it() -> None:
    """Where everybody may roll back, no rollback is left to a schedule."""
    condition = {"id": "c", "title": "It broke", "owner": "builders", "incident": "high", "action": "rollback"}
    plan = release_plan() | {"rollback_when": [condition]}
    assert Blueprint.model_validate(plan).rollback_when[0].action == "rollback"
    plan["releases"] = {}
    with pytest.raises(ValueError, match=r"needs releases\.may_move"):
        Blueprint.model_validate(plan)
