"""Tests of the way of a release to its next stage: one step is next, those after it say what they wait for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from dashboard_cases import CLEAN, LOST, answered
from releases_ledger import BLUEPRINT, NOON, LedgerBuilder, release_blueprint, release_plan

from flywheel_mlflow.decisions.approvals import judge_all
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.moves import not_current
from flywheel_mlflow.decisions.release_path import (
    PathFacts,
    ReleasePath,
    StepName,
    StepState,
    next_stage,
    release_path,
)
from flywheel_mlflow.decisions.releases import Explained
from flywheel_mlflow.promises.blueprint import Blueprint

DRIFTING = release_plan()
DRIFTING["gates"][0]["criteria"].append({"id": "same", "kind": "drift", "demand": "Nothing drifted."})
DRIFT_BLUEPRINT = release_blueprint(DRIFTING)
EXPLAINED = Explained(3, NOON, Identity("ana"), "", tuple(item.subject for item in LOST.findings), "wanted")


def path(story: LedgerBuilder, blueprint: Blueprint = BLUEPRINT, to: str = "staging", **changed: Any) -> ReleasePath:
    """The way of release 1 of a story, whose comparison with iteration 1 found nothing."""
    release, basis = story.release(), story.basis(1)
    record = release.last_gate(to)
    facts = PathFacts(
        release=release,
        basis=basis,
        answered=answered(CLEAN).answered,
        uncompared="",
        compare="flywheel drift --iteration 2 --against 1",
        approvals=judge_all(release, story.ledger.events, blueprint=blueprint, basis=basis, now=NOON),
        record=record,
        stopped=not_current(record, release, story.state, to, blueprint=blueprint, risks=(), now=NOON) or "",
    )
    return release_path(to, replace(facts, **changed), blueprint)


def states(found: ReleasePath) -> list[str]:
    """The states of the five steps."""
    return [step.state.value for step in found.steps]


@pytest.fixture
def story() -> LedgerBuilder:
    """Release 1, about which nothing was decided."""
    builder = LedgerBuilder(DRIFT_BLUEPRINT)
    builder.register()
    return builder


def test_without_a_comparison_evidence_is_next(story: LedgerBuilder) -> None:
    """Where the gate asks about drift and nobody compared, that is the next step, with its command; the rest waits."""
    found = path(story, DRIFT_BLUEPRINT, answered=None, uncompared="nobody has compared it with iteration 1 yet")
    assert states(found) == ["next", "waiting", "waiting", "waiting", "waiting"]
    assert found.next == found.step(StepName.EVIDENCE)
    assert found.steps[0].command.startswith("flywheel drift")
    assert {step.after for step in found.steps[1:]} == {StepName.EVIDENCE}


def test_findings_wait_for_an_explanation(story: LedgerBuilder) -> None:
    """With a finding left explaining is next, for whoever holds a role; explained, an approval is."""
    found = path(story, DRIFT_BLUEPRINT, answered=answered(LOST).answered)
    assert states(found) == ["done", "next", "waiting", "waiting", "waiting"]
    assert found.steps[1].text == f"{len(LOST.findings)} finding to explain"
    assert found.steps[1].who == ("ana", "bo", "maker")
    after = path(story, DRIFT_BLUEPRINT, answered=answered(LOST, EXPLAINED).answered)
    assert states(after) == ["done", "done", "next", "waiting", "waiting"]
    assert after.steps[1].text == "1 finding explained by ana"


def test_the_author_is_not_asked_to_approve(story: LedgerBuilder) -> None:
    """An approval waits for those who hold the role, but for whoever made the release."""
    found = path(story)
    assert found.step(StepName.EXPLAIN).text == "this gate asks for no explanation"
    assert found.next == found.step(StepName.APPROVE)
    assert found.next is not None
    assert found.next.who == ("ana", "bo")


def test_a_void_approval_is_told(story: LedgerBuilder) -> None:
    """An approval for other evidence does not count, and the step says whose."""
    story.approve(basis=replace(story.basis(1), drift="another"))
    assert "the approval of ana does not count" in path(story).step(StepName.APPROVE).text


def test_the_way_ends_with_the_promotion(story: LedgerBuilder) -> None:
    """Approved, the gate is evaluated; passed, somebody who moves releases promotes."""
    story.approve()
    assert states(path(story)) == ["done", "done", "done", "next", "waiting"]
    story.gate(basis=replace(story.basis(1), gates=BLUEPRINT.gates_digest), people=["ana"])
    found = path(story, basis=replace(story.basis(1), gates=BLUEPRINT.gates_digest))
    assert states(found)[3:] == ["done", "next"]
    assert found.steps[4].who == ("ana", "bo", "maker")


def test_who_promotes_is_somebody_else_where_the_gate_wants_two() -> None:
    """Where a gate asks for two people, the one who approved is not named for the promotion."""
    plan = release_plan()
    plan["gates"][0]["distinct_people"] = 2
    blueprint = release_blueprint(plan)
    story = LedgerBuilder(blueprint)
    story.register()
    story.approve()
    story.gate(people=["ana"])
    assert path(story, blueprint).steps[4].who == ("bo", "maker")


def test_evidence_that_a_verdict_found_wanting_is_next(story: LedgerBuilder) -> None:
    """What the gate demands of the evidence itself no decision mends; another basis asks the gate anew."""
    story.approve()
    story.gate(verdict="BLOCK", criteria={"green": "BLOCK", "signed": "PASS"})
    found = path(story, DRIFT_BLUEPRINT)
    assert found.next == found.step(StepName.EVIDENCE)
    assert "Every check passes." in found.steps[0].text
    anew = path(story, DRIFT_BLUEPRINT, basis=replace(story.basis(1), drift="compared again"))
    assert anew.steps[0].state is StepState.DONE


def test_a_kpi_of_the_comparison_cannot_be_explained() -> None:
    """A criterion about one KPI is answered by the evidence: nothing is left to explain, and the verdict stands."""
    plan = release_plan()
    kept = {"id": "kept", "kind": "drift", "metric": "p01.hit_rate", "demand": "The hit rate is kept."}
    plan["gates"][0]["criteria"].append(kept)
    blueprint = release_blueprint(plan)
    story = LedgerBuilder(blueprint)
    story.register()
    story.gate(verdict="BLOCK", criteria={"kept": "BLOCK"})
    found = path(story, blueprint, answered=answered(LOST).answered)
    assert found.next == found.step(StepName.EVIDENCE)
    assert "The hit rate is kept." in found.steps[0].text
    assert found.step(StepName.EXPLAIN).text == "this gate asks for no explanation"


def test_where_a_release_is_on_its_way_to() -> None:
    """A candidate goes to staging, a release there to production; one in production has arrived."""
    story = LedgerBuilder()
    story.register()
    assert next_stage(story.state, story.release(), BLUEPRINT) == "staging"
    story.move(1, "staging")
    assert next_stage(story.state, story.release(), BLUEPRINT) == "production"
    story.move(1, "production")
    assert next_stage(story.state, story.release(), BLUEPRINT) is None
