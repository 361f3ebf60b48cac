"""Tests of which projects the evidence names behind a gate that blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from drift_cases import compared, side
from flywheels import contract, small_flywheel
from releases_ledger import NOON, LedgerBuilder, release_blueprint, release_plan

from flywheel_mlflow.assembly.culprits import culprits, named_in_drift, named_in_registry
from flywheel_mlflow.decisions.gate_facts import Answer, DriftAnswer, GateFacts, Measured, Verdict
from flywheel_mlflow.decisions.gates import evaluate

CONTRACTS = small_flywheel().contracts


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"project_id": name, "evidence": {}, "consumable": True, "checks_not_passed": {}} | more


REGISTRY = [
    entry("p01", checks_not_passed={"bad": "failed"}, interfaces_out=[{"name": "a", "personal_data": "failed"}]),
    entry("p02", consumable=False, checks_not_passed={"left": "skipped"}),
    entry("p03", evidence=None, consumable=False),
    entry("p10", checks_not_passed={"own": "failed"}),
]


def test_a_registry_names_who_failed_is_missing_or_cannot_be_consumed() -> None:
    """Skipped checks are no failures, and the assembly's own checks are not the upstream's."""
    found = named_in_registry(REGISTRY, "p10")
    assert found["checks"] == found["flywheel.upstream_check_pass_rate"] == ("p01",)
    assert found["personal_data"] == ("p01",)
    assert found["flywheel.asset_coverage"] == ("p03",)
    assert found["flywheel.consumable_share"] == ("p02", "p03")
    assert found["consistency"] == found["reproducible"] == ("p10",)


@pytest.mark.parametrize("junk", [None, 3, {"a": 1}, [1, None], [{"checks_not_passed": 3}]])
def test_what_is_no_registry_names_nobody(junk: object) -> None:
    """Nothing is guessed from a bundle that is not shaped as one."""
    assert not named_in_registry(junk, None)["checks"]


def test_drift_names_the_project_it_is_about() -> None:
    """A comparison that passes names nobody."""
    report = compared(side(3, kpis={"quality": 0.5}), side(2, kpis={"quality": 0.9}), made=contract("p01"))
    assert named_in_drift(report, (), CONTRACTS) == ("p01",)
    same = compared(side(3, kpis={"quality": 0.9}), side(2, kpis={"quality": 0.9}), made=contract("p01"))
    assert named_in_drift(same, (), CONTRACTS) == ()


PLAN = release_plan()
PLAN["gates"][0]["criteria"] += [
    {"id": "good", "kind": "floor", "demand": "Good.", "metric": "p02.accuracy", "limit": 0.9},
    {"id": "usable", "kind": "floor", "demand": "Usable.", "metric": "flywheel.consumable_share", "limit": 0.9},
    {"id": "steady", "kind": "drift", "demand": "Steady."},
]
PLAN["boundaries"] = [{"id": "wall", "kind": "risk", "rule": "No way.", "enforced_by": ["good", "signed"]}]
BLUEPRINT = release_blueprint(PLAN)


def blamed(to: str, **more: Any) -> tuple[str, ...]:
    story = LedgerBuilder(BLUEPRINT)
    story.register()
    good = Answer(Verdict.PASS, "good")
    facts = GateFacts(
        release=story.release(),
        basis=story.basis(1),
        metrics={"p02.accuracy": Measured(0.95), "flywheel.consumable_share": Measured(1.0)},
        reference="",
        reference_metrics={},
        checks=good,
        consistency=good,
        reproducible=good,
        drift=DriftAnswer.always(good),
        approvals=(),
        risks=(),
        now=NOON,
        named=named_in_registry(REGISTRY, "p10") | {"drift": ("p03", "not declared")},
    )
    facts = replace(facts, **more)
    gate = BLUEPRINT.gate_to(to)
    assert gate is not None
    return culprits(evaluate(gate, facts, BLUEPRINT), facts, BLUEPRINT, CONTRACTS)


LOW = {"p02.accuracy": Measured(0.1), "flywheel.consumable_share": Measured(1.0)}


@pytest.mark.parametrize(
    ("to", "changes", "expected"),
    [
        ("staging", {}, ()),
        ("staging", {"metrics": LOW}, ("p02",)),
        ("staging", {"checks": Answer(Verdict.BLOCK, "3 of 4")}, ("p01",)),
        ("staging", {"drift": DriftAnswer.always(Answer(Verdict.BLOCK, "moved"))}, ("p03",)),
        ("staging", {"drift": DriftAnswer.always(Answer(None, "nobody looked"))}, ()),
        ("staging", {"metrics": LOW | {"flywheel.consumable_share": Measured(0.5)}}, ("p02", "p03")),
        ("production", {"metrics": LOW}, ("p02",)),  # a boundary, by the criterion that enforces it
    ],
)
def test_who_is_behind_what_blocks(to: str, changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    """Whose KPI misses, whose checks failed, whose drift it is; an approval that lacks names nobody."""
    assert blamed(to, **changes) == expected
