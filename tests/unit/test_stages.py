"""Tests of stage runs and scores."""

from __future__ import annotations

from typing import Any

import pytest
from flywheels import READY, contract, evidence_of, kpi_document, small_flywheel
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.provenance import Metrics
from flywheel_mlflow.evidence.registry import register
from flywheel_mlflow.evidence.runs import Check, KpiValue, Outcome, ProjectEvidence, summarize_checks
from flywheel_mlflow.evidence.stages import (
    MilestoneStatus,
    StageRun,
    StageStatus,
    evidence_source,
    obligations,
    run_stages,
    score_projects,
)
from flywheel_mlflow.promises.contract import Contract

BROKEN = Check("ready", Outcome.FAILED)
OTHERS = tuple(Check(f"c{number}", Outcome.FAILED) for number in range(9))


def staged(evidence: dict[str, ProjectEvidence], wheel: Flywheel | None = None) -> tuple[dict[str, StageRun], Metrics]:
    wheel = wheel or small_flywheel()
    registry = register(wheel.contracts, evidence, {}, (), iteration=2)
    metrics = Metrics()
    score_projects(registry, wheel.blueprint, metrics)
    return {run.stage.id: run for run in run_stages(registry, wheel.blueprint, metrics)}, metrics


def first(p01: dict[str, Any] | None, p02: dict[str, Any] | None, wheel: Flywheel | None = None) -> StageRun:
    """The run of the stage of p01 and p02, with what each showed; None for a project without evidence."""
    wheel = wheel or small_flywheel(completed_from=0.95)
    shown = {"p01": p01, "p02": p02}
    evidence = {
        name: evidence_of(wheel.contracts[name], *more.pop("checks", (READY,)), **more)
        for name, more in ((name, dict(given)) for name, given in shown.items() if given is not None)
    }
    return staged(evidence, wheel)[0]["first"]


def test_all_promises_kept_is_completed() -> None:
    """Status, score, milestone and evidence of a stage whose projects kept every promise."""
    run = first({}, {})
    assert (run.status, run.score, run.reasons) == (StageStatus.COMPLETED, 1.0, ())
    assert run.milestone is MilestoneStatus.DONE
    assert run.evidence == ("run-p01", "run-p02")
    assert run.projects == ("p01", "p02")


def test_without_evidence_a_stage_is_missing_and_its_score_unknown() -> None:
    """Unknown is never 0, and never done."""
    run = first(None, None)
    assert (run.status, run.score, run.evidence) == (StageStatus.MISSING, None, ())
    assert run.milestone is MilestoneStatus.OPEN
    assert run.reasons == ("no project of this stage has evidence",)


@pytest.mark.parametrize(
    ("p01", "p02", "status", "reason"),
    [
        ({"checks": (BROKEN,)}, {}, StageStatus.BLOCKED, "p01: required check ready: failed"),
        ({"checks": (BROKEN,)}, None, StageStatus.BLOCKED, "p01: required check ready: failed"),
        ({"checks": (READY, *OTHERS), "kpis": {}, "interfaces_out": {}}, {}, StageStatus.BLOCKED, "p01: score 0.1"),
        ({}, None, StageStatus.AT_RISK, "p02: no valid run in iteration 2"),
        ({"interfaces_out": {}}, {}, StageStatus.AT_RISK, "p01: interface p01_data has no version"),
        ({}, {"kpis": {"size": KpiValue(1), "accuracy": KpiValue(0.0)}}, StageStatus.AT_RISK, "score 0.8"),
    ],
)
def test_the_first_rule_that_matches_gives_the_status(
    p01: dict[str, Any], p02: dict[str, Any] | None, status: StageStatus, reason: str
) -> None:
    """Missing comes before blocked, blocked before completed, and everything short of it is at risk."""
    run = first(p01, p02)
    assert run.status is status
    assert run.reasons[0].startswith(reason)
    assert run.milestone is MilestoneStatus.OPEN


def test_every_reason_is_told() -> None:
    """A stage blocked twice, and one at risk for two causes, names both."""
    assert len(first({"checks": (BROKEN,)}, {"checks": (BROKEN,)}).reasons) == 2
    poor = {"interfaces_out": {}, "kpis": {"size": KpiValue(1), "accuracy": KpiValue(0.0)}}
    assert [reason.split()[0] for reason in first({}, poor).reasons] == ["p02:", "score"]


def test_the_limits_belong_to_the_better_side() -> None:
    """A score of exactly the limit is completed, and exactly the floor is not blocked."""
    half = {"kpis": {"size": KpiValue(1), "accuracy": KpiValue(0.5)}}
    scored = first(half, half).score
    assert scored is not None
    exact = small_flywheel(completed_from=scored, blocked_below=scored)
    assert first({}, {}, exact).status is StageStatus.COMPLETED
    lowest = staged({"p02": evidence_of(exact.contracts["p02"], **half)}, exact)[1].value("p02.score")
    at_floor = small_flywheel(completed_from=lowest, blocked_below=lowest)
    assert first(None, half, at_floor).status is StageStatus.AT_RISK
    assert first({}, half, at_floor).status is StageStatus.COMPLETED


@given(
    weights=st.fixed_dictionaries({name: st.sampled_from([0, 0.5, 1]) for name in ("checks", "kpis", "contract")}),
    outcomes=st.lists(st.just(Outcome.SKIPPED), max_size=2),
    value=st.none() | st.floats(0, 1),
)
def test_a_project_without_checks_is_never_completed(
    weights: dict[str, float], outcomes: list[Outcome], value: float | None
) -> None:
    """Whatever the weights and KPIs are: no check, or skipped ones only, is no pass."""
    if not any(weights.values()):
        weights["kpis"] = 1
    wheel = small_flywheel(weights=weights, blocked_below=0, completed_from=0)
    nothing = summarize_checks([Check(f"c{n}", item) for n, item in enumerate(outcomes)], ["ready"])
    more = {"checks": nothing, "kpis": {name: KpiValue(value) for name in ("retention", "accuracy", "size")}}
    evidence = {name: evidence_of(wheel.contracts[name], **more) for name in ("p01", "p02")}
    assert staged(evidence, wheel)[0]["first"].status is not StageStatus.COMPLETED


def test_an_unknown_score_is_not_completed() -> None:
    """Where only KPIs weigh and all are unknown the score is unknown, and unknown is never a pass."""
    wheel = small_flywheel(weights={"checks": 0, "kpis": 1, "contract": 0})
    run = first({"kpis": {}}, {"kpis": {"size": KpiValue(1), "accuracy": KpiValue(1)}}, wheel)
    assert run.score == 1.0
    silent = contract("p01", kpis=[kpi_document("quality", target=None)])
    alone = Flywheel(wheel.root, wheel.blueprint, {"p01": silent}, {})
    found = staged({"p01": evidence_of(silent, kpis={"quality": KpiValue(3)})}, alone)[0]["first"]
    assert (found.score, found.status) == (None, StageStatus.AT_RISK)
    assert found.reasons == ("its score is unknown",)


parts = st.tuples(
    st.integers(0, 4), st.integers(0, 4), st.none() | st.floats(0, 1), st.sampled_from([0.5, 1.0, 3.0]), st.booleans()
)


@given(st.lists(parts, min_size=1, max_size=5))
def test_scores_are_weighted_means(given_parts: list[tuple[int, int, float | None, float, bool]]) -> None:
    """Project and stage scores equal the formula of the design, computed here a second time."""
    plan = small_flywheel().blueprint
    contracts: dict[str, Contract] = {}
    evidence: dict[str, ProjectEvidence] = {}
    total = weight_sum = 0.0
    for number, (passed, failed, value, weight, shown) in enumerate(given_parts):
        name = f"p{number}"
        contracts[name] = contract(name, weight=weight)
        if not shown:
            continue
        checks = [Check(f"c{n}", Outcome.PASSED if n < passed else Outcome.FAILED) for n in range(passed + failed)]
        evidence[name] = evidence_of(
            contracts[name], checks=summarize_checks(checks, ["ready"]), kpis={"quality": KpiValue(value)}
        )
        promises = (1 + (value is not None)) / 3  # the interface, not the required check, perhaps the KPI
        known = [(0.2, promises)]
        known += [(0.5, passed / (passed + failed))] if checks else []
        known += [(0.3, value)] if value is not None else []
        score = sum(share * part for share, part in known) / sum(share for share, _ in known)
        total, weight_sum = total + weight * score, weight_sum + weight
    runs, metrics = staged(evidence, Flywheel(small_flywheel().root, plan, contracts, {}))
    assert runs["first"].score == (pytest.approx(total / weight_sum) if evidence else None)
    assert all((metrics.value(f"{name}.score") is None) == (name not in evidence) for name in contracts)
    assert metrics["stage.first.score"].inputs == tuple(f"{name}.score" for name in sorted(evidence))


def test_obligations_count_promises_once() -> None:
    """Required interfaces, required checks and KPIs; without evidence none is kept."""
    wheel = small_flywheel()
    found = register(wheel.contracts, {"p02": evidence_of(wheel.contracts["p02"])}, {}, (), iteration=2)
    assert obligations(found["p02"]) == (4, 4)
    assert obligations(found["p01"]) == (0, 3)


def test_the_source_of_a_number_is_its_run() -> None:
    """A run by its id, the assembly's own evidence as such, and nothing without evidence."""
    wheel = small_flywheel()
    own = evidence_of(wheel.contracts["p10"], run_id=None)
    found = register(wheel.contracts, {"p01": evidence_of(wheel.contracts["p01"]), "p10": own}, {}, (), iteration=2)
    sources = [evidence_source(found[name], "x") for name in ("p01", "p10", "p02")]
    assert [item and (item.kind, item.ref) for item in sources] == [
        ("run", "run-p01"),
        ("self-evidence", "this assembly"),
        None,
    ]
