"""Tests of gates."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import BO, NOON, LedgerBuilder, release_blueprint, release_plan

from flywheel_mlflow.decisions.approvals import judge_all
from flywheel_mlflow.decisions.gate_facts import Answer, DriftAnswer, GateFacts, Measured, Verdict, worst
from flywheel_mlflow.decisions.gates import CriterionResult, GateResult, compare_command, evaluate
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.evidence.provenance import Direction, own_direction
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.criteria import Criterion

PASS, BLOCK, INCONCLUSIVE = Verdict.PASS, Verdict.BLOCK, Verdict.INCONCLUSIVE
HOUR = timedelta(hours=1)


def plan() -> dict[str, Any]:
    """Two gates that ask every kind of question; the boundary looks into both."""
    document = release_plan()

    def demand(name: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"id": name, "kind": kind, "demand": f"{name} is demanded."} | more

    document["gates"][0]["criteria"] = [
        demand("covered", "coverage", metric="flywheel.mapping", limit=0.9),
        demand("enough", "floor", metric="p01.size", limit=100),
        demand("fast", "ceiling", metric="p03.latency", limit=200),
        demand("green", "checks"),
        demand("all_green", "checks", metric="flywheel.check_rate", limit=1.0),
        demand("consistent", "consistency"),
        demand("steady", "drift"),
        demand("signed", "approval", role="reviewer"),
    ]
    document["gates"][1]["criteria"] = [
        demand("holds", "max_drop", metric="p01.retention", limit=0.02),
        demand("not_slower", "max_drop", metric="p03.latency", limit=10),
        demand("surely_holds", "max_drop", metric="p02.accuracy", limit=0.05, confidence=0.95),
        demand("same_bytes", "reproducible"),
        demand("calm", "risks"),
        demand("discreet", "personal_data"),
        demand("seen", "human_review", role="reviewer", limit=0.9, review={"reviewers": 1}),
        demand("bounds", "boundary"),
    ]
    document["boundaries"] = [
        {"id": "privacy", "kind": "risk", "rule": "No names leave.", "enforced_by": ["green", "same_bytes"]},
        {"id": "owners", "kind": "ownership", "rule": "Owners decide.", "enforced_by": ["signed"]},
    ]
    return document


PLAN = release_blueprint(plan())
#: The facts each criterion depends on; without any one of them it cannot pass.
NEEDS: dict[str, tuple[str, ...]] = {
    "covered": ("flywheel.mapping",),
    "enough": ("p01.size",),
    "fast": ("p03.latency",),
    "green": ("checks",),
    "all_green": ("flywheel.check_rate",),
    "consistent": ("consistency",),
    "steady": ("drift",),
    "signed": ("approvals",),
    "holds": ("p01.retention", "before p01.retention", "reference"),
    "not_slower": ("p03.latency", "before p03.latency", "reference"),
    "surely_holds": ("p02.accuracy", "before p02.accuracy", "reference", "n", "before n"),
    "same_bytes": ("reproducible",),
    "calm": (),
    "discreet": ("personal_data",),
    "seen": ("human_review",),
    "bounds": ("checks", "reproducible", "approvals"),
}


def story() -> LedgerBuilder:
    """A registered release that ana approved."""
    told = LedgerBuilder(PLAN)
    told.register()
    told.approve()
    return told


TOLD = story()


def facts_of(told: LedgerBuilder = TOLD, **more: Any) -> GateFacts:
    """Facts under which every criterion of both gates passes."""
    now = NOON + HOUR
    basis = told.basis(1)
    release = told.release()
    good = Answer(PASS, "good", "run-a")
    facts = GateFacts(
        release=release,
        basis=basis,
        metrics={
            "flywheel.mapping": Measured(0.95, run_id="run-a"),
            "p01.size": Measured(100.0),
            "p03.latency": Measured(120.0, direction="lower"),
            "flywheel.check_rate": Measured(1.0, n=40, run_id="run-a"),
            "p01.retention": Measured(0.31, run_id="run-b", direction="higher"),
            "p02.accuracy": Measured(0.9, n=2_000, run_id="run-b", direction="higher", unit="accuracy"),
        },
        reference="release 7",
        reference_metrics={
            "p01.retention": Measured(0.32, run_id="run-c"),
            "p03.latency": Measured(115.0, direction="lower"),
            "p02.accuracy": Measured(0.9, n=2_000, run_id="run-c"),
        },
        checks=good,
        consistency=good,
        reproducible=good,
        personal_data=good,
        human_review=lambda _: good,
        drift=DriftAnswer.always(good),
        approvals=judge_all(release, told.ledger.events, blueprint=told.blueprint, basis=basis, now=now),
        risks=tuple(told.risks.values()),
        now=now,
    )
    return replace(facts, **more)


def _with(facts: GateFacts, name: str, value: object) -> GateFacts:
    change: dict[str, Any] = {name: value}
    return replace(facts, **change)


def with_metric(name: str, found: Measured | None, *, before: bool = False) -> GateFacts:
    facts = facts_of()
    metrics = dict(facts.reference_metrics if before else facts.metrics)
    metrics.pop(name)
    metrics |= {name: found} if found else {}
    return _with(facts, "reference_metrics" if before else "metrics", metrics)


def judged(facts: GateFacts, to: str, blueprint: Blueprint = PLAN) -> GateResult:
    gate = blueprint.gate_to(to)
    assert gate is not None
    return evaluate(gate, facts, blueprint)


def criterion(name: str, facts: GateFacts, blueprint: Blueprint = PLAN) -> CriterionResult:
    """What one criterion of either gate says."""
    both = [item for gate in blueprint.gates for item in evaluate(gate, facts, blueprint).criteria]
    return next(item for item in both if item.id == name)


@given(st.lists(st.sampled_from(list(Verdict))), st.lists(st.sampled_from(list(Verdict))))
def test_the_worst_is_an_algebra(left: list[Verdict], right: list[Verdict]) -> None:
    """Order and repetition do not matter, parts may be judged first, and more can only make it worse."""
    together = worst([*left, *right])
    assert together is worst([*right, *left, *left])
    if left and right:
        assert together is worst([worst(left), worst(right)])
    assert (together is PASS) is (bool(left + right) and set(left + right) == {PASS})
    assert (together is BLOCK) is (BLOCK in left + right)


def test_nothing_is_not_a_pass() -> None:
    """No verdict at all is no pass."""
    assert worst([]) is INCONCLUSIVE


def test_both_gates_pass_on_good_facts() -> None:
    """The starting point of all that follows: each criterion passes, and says so without advice."""
    for to, count in (("staging", 8), ("production", 8)):
        result = judged(facts_of(), to)
        assert [item.id for item in result.criteria if item.verdict is not PASS] == []
        assert result.verdict is PASS
        assert len(result.criteria) == count
        assert {item.next for item in result.criteria} == {""}
        assert all(item.reason and item.demand for item in result.criteria)
        assert (result.version, result.to, result.at) == (1, to, NOON + HOUR)


REMOVALS: dict[str, Callable[[GateFacts], GateFacts]] = {
    "checks": lambda facts: replace(facts, checks=Answer(None, "unknown")),
    "consistency": lambda facts: replace(facts, consistency=Answer(None, "unknown")),
    "reproducible": lambda facts: replace(facts, reproducible=Answer(None, "unknown")),
    "personal_data": lambda facts: replace(facts, personal_data=Answer(None, "unknown")),
    "human_review": lambda facts: replace(facts, human_review=lambda _: Answer(None, "unknown")),
    "drift": lambda facts: replace(facts, drift=DriftAnswer.always(Answer(None, "unknown"))),
    "approvals": lambda facts: replace(facts, approvals=()),
    "reference": lambda facts: replace(facts, reference=""),
    "n": lambda facts: _without_n(facts, before=False),
    "before n": lambda facts: _without_n(facts, before=True),
}
FACTS = sorted({fact for needs in NEEDS.values() for fact in needs})


def _without_n(facts: GateFacts, *, before: bool) -> GateFacts:
    name = "reference_metrics" if before else "metrics"
    metrics = {key: replace(item, n=None) for key, item in getattr(facts, name).items()}
    return _with(facts, name, metrics)


def _without(facts: GateFacts, fact: str, *, unknown: bool) -> GateFacts:
    if fact in REMOVALS:
        return REMOVALS[fact](facts)
    name = "reference_metrics" if fact.startswith("before ") else "metrics"
    key = fact.removeprefix("before ")
    metrics = {other: item for other, item in getattr(facts, name).items() if other != key}
    return _with(facts, name, metrics | ({key: Measured(None, n=9)} if unknown else {}))


@given(st.sets(st.sampled_from(FACTS)), st.booleans())
def test_missing_evidence_is_never_a_pass(gone: set[str], unknown: bool) -> None:
    """Take any facts away: exactly the criteria that need one of them are INCONCLUSIVE, and so is their gate."""
    facts = facts_of()
    for fact in gone:
        facts = _without(facts, fact, unknown=unknown)
    for to in ("staging", "production"):
        result = judged(facts, to)
        for item in result.criteria:
            expected = INCONCLUSIVE if gone & set(NEEDS[item.id]) else PASS
            assert item.verdict is expected, (item.id, item.reason)
            assert bool(item.next) is (expected is INCONCLUSIVE)
        assert result.verdict is worst(item.verdict for item in result.criteria)


@pytest.mark.parametrize(
    ("name", "metric", "limit", "better"),
    [("covered", "flywheel.mapping", 0.9, 1), ("enough", "p01.size", 100, 1), ("fast", "p03.latency", 200, -1)],
)
def test_a_limit_holds_on_the_limit(name: str, metric: str, limit: float, better: int) -> None:
    """On the limit is a pass, a hair beyond it blocks; the reason says value and limit."""
    hair = 1e-9 * limit
    for value, expected in ((limit, PASS), (limit + better * hair, PASS), (limit - better * hair, BLOCK)):
        found = criterion(name, with_metric(metric, Measured(value, n=5, run_id="run-z")))
        assert found.verdict is expected
        assert (found.value, found.limit, found.n, found.evidence) == (value, limit, 5, ("run-z",))
        assert f"{limit:g} is demanded" in found.reason
        assert found.next in ("", f"flywheel explain {metric} --iteration 1")


@pytest.mark.parametrize("name", ["covered", "enough", "fast", "all_green", "holds", "not_slower", "surely_holds"])
def test_a_number_that_is_none_does_not_pass(name: str) -> None:
    """NaN compares with nothing: whatever read it, it is no pass."""
    nan = Measured(float("nan"), n=100)
    facts = facts_of()
    facts = replace(facts, metrics=dict.fromkeys(facts.metrics, nan))
    assert criterion(name, facts).verdict is not PASS


def test_zero_is_a_value() -> None:
    """A ceiling of a rate that is 0 passes; 0 is not unknown."""
    assert criterion("fast", with_metric("p03.latency", Measured(0.0))).verdict is PASS
    assert criterion("enough", with_metric("p01.size", Measured(0.0))).verdict is BLOCK


@pytest.mark.parametrize(
    ("name", "fact"),
    [("green", "checks"), ("consistent", "consistency"), ("steady", "drift"), ("same_bytes", "reproducible")],
)
@pytest.mark.parametrize("verdict", [*Verdict, None])
def test_answers_are_passed_on(name: str, fact: str, verdict: Verdict | None) -> None:
    """What another part of the product answered stands, with its words; no answer is INCONCLUSIVE."""
    answer = Answer(verdict, "its words", "run-q", value=0.5, n=3)
    given = DriftAnswer.always(answer) if fact == "drift" else answer
    found = criterion(name, _with(facts_of(), fact, given))
    assert found.verdict is (verdict or INCONCLUSIVE)
    assert (found.reason, found.value, found.n, found.evidence) == ("its words", 0.5, 3, ("run-q",))
    assert bool(found.next) is (verdict is not PASS)


def test_a_drift_criterion_asks_about_the_whole_or_about_one() -> None:
    """It may allow some changes, or name a KPI or a suite; what was not compared has no verdict."""
    limits: list[int] = []

    def whole(changes: int) -> Answer:
        limits.append(changes)
        return Answer(BLOCK, "moved")

    drift = DriftAnswer(whole, {"p01.mmlu": Answer(PASS, "steady")})
    asked = Criterion(id="steady", kind="drift", demand="Steady.", limit=2)
    assert drift.to(asked).verdict is BLOCK
    assert limits == [2]
    assert drift.to(asked.model_copy(update={"metric": "p01.mmlu", "limit": None})).verdict is PASS
    assert drift.to(asked.model_copy(update={"metric": "p01.other", "limit": None})).verdict is None


@pytest.mark.parametrize("limit", [-1.0, 0.5])
def test_a_number_of_changes_is_a_whole_number(limit: float) -> None:
    """A drift criterion cannot allow half a change."""
    with pytest.raises(ValueError, match="counts changes"):
        Criterion(id="steady", kind="drift", demand="Steady.", limit=limit)


def test_a_rate_of_checks_is_told_with_the_checks() -> None:
    """Below its limit the criterion blocks and repeats what the checks say; unknown it is INCONCLUSIVE."""
    facts = with_metric("flywheel.check_rate", Measured(0.975, n=40))
    found = criterion("all_green", replace(facts, checks=Answer(BLOCK, "39 of 40 passed", "run-k")))
    assert found.verdict is BLOCK
    assert found.reason.endswith("39 of 40 passed")
    assert found.evidence == ("run-k",)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [(0.25, 0.125, PASS), (0.125, 0.125, PASS), (0.109375, 0.125, PASS), (0.1, 0.125, BLOCK)],
)
def test_a_drop_up_to_the_limit_is_allowed(now: float, before: float, expected: Verdict) -> None:
    """A rise and a drop within 0.02 pass, more blocks; both runs are named."""
    facts = with_metric("p01.retention", Measured(now, run_id="run-b", direction="higher"))
    facts = replace(facts, reference_metrics={"p01.retention": Measured(before, run_id="run-c")})
    found = criterion("holds", facts)
    assert found.verdict is expected
    assert found.evidence == ("run-b", "run-c")
    assert found.method == "plain difference"
    assert "release 7" in found.reason


@pytest.mark.parametrize(("now", "expected"), [(90.0, PASS), (125.0, PASS), (125.5, BLOCK)])
def test_where_lower_is_better_a_rise_is_the_drop(now: float, expected: Verdict) -> None:
    """Latency may rise by 10 and fall by anything."""
    found = criterion("not_slower", with_metric("p03.latency", Measured(now, direction="lower")))
    assert found.verdict is expected
    assert f"{'worse' if now > 115 else 'better'} by {abs(now - 115):g}" in found.reason


@pytest.mark.parametrize(
    ("now", "before", "n", "expected"),
    [
        (0.90, 0.90, 2_000, PASS),
        (0.90, 0.90, 50, INCONCLUSIVE),
        (0.70, 0.90, 2_000, BLOCK),
        (0.70, 0.90, 20, INCONCLUSIVE),
        (1.0, 0.0, 30, PASS),
        (1.0, 1.0, 10, INCONCLUSIVE),
        (0.0, 0.0, 10_000, PASS),
    ],
)
def test_confidence_asks_what_the_samples_can_tell(now: float, before: float, n: int, expected: Verdict) -> None:
    """The same difference passes, blocks, or is open, by the interval of its samples; turned round it is the same."""
    directions: tuple[Direction, ...] = ("higher", "lower")
    for direction, unit in itertools.product(directions, ("ratio", "%")):
        values = (now, before) if direction == "higher" else (1 - now, 1 - before)
        whole = 1 if unit == "ratio" else 100
        one, other = (Measured(value * whole, n=n, direction=direction, unit=unit) for value in values)
        facts = replace(with_metric("p02.accuracy", one), reference_metrics={"p02.accuracy": other})
        document = plan()
        document["gates"][1]["criteria"][2]["limit"] = 0.05 * whole
        found = criterion("surely_holds", facts, release_blueprint(document))
        assert found.verdict is expected, found.reason
        assert found.method == "Newcombe interval of the difference, 95%"
        assert found.n == n


@pytest.mark.parametrize("n", [None, 0, -5, 10**400])
@pytest.mark.parametrize("before", [False, True])
def test_an_impossible_sample_size_is_none(n: int | None, before: bool) -> None:
    """Without a sample on either side there is no interval: INCONCLUSIVE, and nothing is raised."""
    assert criterion("surely_holds", with_metric("p02.accuracy", Measured(0.9, n=n), before=before)).verdict is (
        INCONCLUSIVE
    )


@pytest.mark.parametrize("value", [-0.1, 1.1, 90.0])
def test_what_is_no_share_has_no_interval_of_one(value: float) -> None:
    """A percentage, or a number of something, is not judged as a share."""
    found = criterion(
        "surely_holds", with_metric("p02.accuracy", Measured(value, n=100, direction="higher", unit="ratio"))
    )
    assert found.verdict is INCONCLUSIVE
    assert "no share" in found.reason


@pytest.mark.parametrize(
    ("now", "error", "expected"),
    [(4.2, 0.01, PASS), (4.2, 0.5, INCONCLUSIVE), (3.5, 0.01, BLOCK), (4.2, None, INCONCLUSIVE)],
)
def test_a_standard_error_tells_where_no_sample_of_a_share_does(
    now: float, error: float | None, expected: Verdict
) -> None:
    """A mean of points is judged by the standard errors of both sides; without them it stays open."""
    document = plan()
    document["gates"][1]["criteria"][2]["limit"] = 0.1
    mean = Measured(now, n=50, direction="higher", unit="points of 5", stderr=error)
    facts = replace(with_metric("p02.accuracy", mean), reference_metrics={"p02.accuracy": replace(mean, value=4.2)})
    found = criterion("surely_holds", facts, release_blueprint(document))
    assert found.verdict is expected, found.reason
    assert found.method.startswith("normal" if error else "Newcombe")


def test_part_successes_are_not_rounded_up() -> None:
    """A mean of 0.96 over ten is not ten of ten: rounded, the loss would vanish and the gate pass."""
    document = plan()
    document["gates"][1]["criteria"][2] |= {"limit": 0.1, "confidence": 0.6}
    blueprint = release_blueprint(document)
    facts = with_metric("p02.accuracy", Measured(0.96, n=10, direction="higher", unit="ratio"))
    facts = replace(facts, reference_metrics={"p02.accuracy": Measured(1.0, n=10, unit="ratio")})
    whole = replace(facts, metrics={**facts.metrics, "p02.accuracy": replace(facts.metrics["p02.accuracy"], value=1.0)})
    assert criterion("surely_holds", whole, blueprint).verdict is PASS
    assert criterion("surely_holds", facts, blueprint).verdict is not PASS


def test_nothing_to_compare_with_is_said() -> None:
    """The first release cannot show that it did not get worse: an override, or a first approval, is for people."""
    found = criterion("holds", facts_of(reference="", reference_metrics={}))
    assert found.verdict is INCONCLUSIVE
    assert "nothing to compare with" in found.reason


def test_an_approval_that_does_not_count_says_why() -> None:
    """Nobody yet; somebody who does not count; somebody in another role: all INCONCLUSIVE, each in its words."""
    bare = LedgerBuilder(PLAN)
    bare.register()
    assert criterion("signed", facts_of(bare)).reason == "nobody has approved as reviewer yet"
    bare.approve(role="guardian", actor=BO)
    assert criterion("signed", facts_of(bare)).verdict is INCONCLUSIVE
    bare.approve(basis=replace(bare.basis(1), drift="old"))
    found = criterion("signed", facts_of(bare))
    assert found.verdict is INCONCLUSIVE
    assert "the approval of ana does not count: void: the drift comparison" in found.reason
    assert found.next == "flywheel approve 1 --role reviewer --reason '...'"
    bare.approve(actor=BO)
    assert criterion("signed", facts_of(bare)).reason == "approved by bo (unverified), until 2026-03-15"


def test_a_criterion_can_demand_a_verified_name() -> None:
    """A claim that counts elsewhere does not count there."""
    document = plan()
    document["gates"][0]["criteria"][-1]["verified"] = True
    blueprint = release_blueprint(document)
    told = LedgerBuilder(blueprint)
    told.register()
    told.approve()
    facts = facts_of(told)
    found = criterion("signed", facts, blueprint)
    assert found.verdict is INCONCLUSIVE
    assert "nobody vouches for the name" in found.reason
    proven = replace(facts, approvals=tuple(replace(item, verified=True) for item in facts.approvals))
    assert criterion("signed", proven, blueprint).verdict is PASS


def test_a_rejected_release_blocks() -> None:
    """Also when somebody approved it: the no is told with its reason."""
    told = story()
    told.write(Kind.REJECTED, {"version": 1, "role": "reviewer", "reason": "it leaks"}, actor=BO)
    result = judged(facts_of(told), "staging")
    assert result.verdict is BLOCK
    assert "bo rejected this release: it leaks" in [item.reason for item in result.criteria]


def test_only_overdue_high_open_risks_block() -> None:
    """Medium ones, closed ones and those still in time do not; the overdue one is named with owner and date."""
    told = story()
    told.open_risk(1, 5, due=NOON.isoformat())
    told.open_risk(5, 5, due=(NOON + 2 * HOUR).isoformat())
    closed = told.open_risk(5, 5, due=NOON.isoformat())
    told.write("risk_closed", {"risk": f"R{closed.number}", "evidence": "run", "reason": "gone"})
    found = criterion("calm", facts_of(told))
    assert (found.verdict, found.reason, found.n) == (PASS, "2 open risks, no high one is overdue", 2)
    late = told.open_risk(5, 5, due=(NOON + HOUR).isoformat())
    found = criterion("calm", facts_of(told))
    assert (found.verdict, found.value, found.n) == (BLOCK, 1.0, 3)
    assert f"R{late.number} It may rain (owner ana, due 2026-03-01)" in found.reason
    assert found.next == f"flywheel risk show R{late.number}"


@pytest.mark.parametrize("verdict", [BLOCK, INCONCLUSIVE])
def test_boundaries_are_judged_by_criteria_of_both_gates(verdict: Verdict) -> None:
    """The production gate asks about a criterion of staging, and names boundary and criterion that do not hold."""
    facts = facts_of(checks=Answer(verdict, "39 of 40"))
    found = criterion("bounds", facts)
    assert found.verdict is verdict
    assert found.reason == "privacy: green: 39 of 40"
    assert found.next == criterion("green", facts).next != ""
    assert (found.value, found.n) == (1.0, 2)
    assert judged(facts, "production").verdict is verdict


@pytest.mark.parametrize(
    ("reference", "command"),
    [
        ("release 3", "flywheel drift --iteration 7 --against production"),
        ("iteration 6", "flywheel drift --iteration 7 --against 6"),
        ("", "flywheel assemble --iteration 8"),
    ],
)
def test_the_next_command_compares_with_what_the_gate_compares_with(reference: str, command: str) -> None:
    """Production where a release is there, the iteration before where none is, and where there is none the next."""
    assert compare_command(7, reference) == command


def test_a_blocking_boundary_outweighs_an_open_one() -> None:
    """Both are told."""
    found = criterion("bounds", facts_of(checks=Answer(BLOCK, "39 of 40"), approvals=()))
    assert found.verdict is BLOCK
    assert "owners: signed: nobody has approved" in found.reason


def test_a_boundary_that_only_names_boundaries_is_enforced_by_nothing() -> None:
    """A circle, and no boundary at all, are no pass."""
    document = plan()
    document["boundaries"] = [{"id": "empty", "kind": "risk", "rule": "Nothing.", "enforced_by": ["bounds"]}]
    found = criterion("bounds", facts_of(), release_blueprint(document))
    assert (found.verdict, found.reason) == (INCONCLUSIVE, "empty: nothing enforces it")
    document["boundaries"] = []
    found = criterion("bounds", facts_of(), release_blueprint(document))
    assert (found.verdict, found.reason) == (INCONCLUSIVE, "flywheel.yaml names no boundary")


@pytest.mark.parametrize("name", ["flywheel.drift_error_count", "flywheel.carried_count"])
def test_more_errors_are_worse(name: str) -> None:
    """0 -> 5 of what is better lower is a drop of 5: a limit of 0 blocks it."""
    found = _dropped(name, Measured(5.0, direction=own_direction(name)))
    assert found.verdict is BLOCK
    assert "worse by 5" in found.reason


def test_a_number_without_direction_is_never_a_pass() -> None:
    """Nobody said what a drop of it would be, so the criterion is open, whichever way it moved."""
    for value in (-5.0, 0.0, 5.0):
        found = _dropped("flywheel.project_count", Measured(value, direction=own_direction("flywheel.project_count")))
        assert found.verdict is INCONCLUSIVE
        assert "better higher or lower" in found.reason


def _dropped(name: str, now: Measured) -> CriterionResult:
    """The verdict of a max_drop criterion of limit 0 on a number that was 0."""
    document = plan()
    document["gates"][1]["criteria"][0] |= {"metric": name, "limit": 0}
    facts = replace(facts_of(), metrics={name: now}, reference_metrics={name: Measured(0.0)})
    return criterion("holds", facts, release_blueprint(document))


def four_eyes(least: int, *names: str, explainers: tuple[str, ...] = ()) -> GateResult:
    """The gate to staging, which demands so many people, over a release that these approved as reviewers."""
    document = release_plan()
    document["people"].append({"id": "dora"})  # who holds no role
    document["gates"][0]["distinct_people"] = least
    rules = release_blueprint(document)
    story = LedgerBuilder(blueprint=rules)
    story.register()
    for name in names:
        story.approve(1, actor=Identity(name))
    judged = judge_all(story.release(), story.ledger.events, blueprint=rules, basis=story.basis(1), now=story.clock)
    facts = replace(facts_of(), release=story.release(), approvals=judged, explainers=explainers)
    return evaluate(rules.gates[0], facts, rules)


@pytest.mark.parametrize(
    ("least", "names", "explainers", "people", "verdict"),
    [
        (2, ("ana",), (), ("ana",), PASS),  # bo or maker promotes
        (2, ("ana",), ("ana",), ("ana",), PASS),
        (3, ("ana",), ("ana",), ("ana",), INCONCLUSIVE),
        (3, ("ana",), ("bo",), ("bo", "ana"), PASS),
        (3, ("ana", "bo"), (), ("ana", "bo"), PASS),
        (
            2,
            ("maker",),
            (),
            (),
            PASS,
        ),  # nobody approves what they made: the approval is asked for, and can be another's
        (4, ("ana", "bo"), ("maker",), ("maker", "ana", "bo"), INCONCLUSIVE),  # nobody is left to promote
    ],
)
def test_a_gate_counts_the_people_who_decide(
    least: int, names: tuple[str, ...], explainers: tuple[str, ...], people: tuple[str, ...], verdict: Verdict
) -> None:
    """Who explained the drift or approved, each once, and only where it counts; who promotes is one more."""
    result = four_eyes(least, *names, explainers=explainers)
    found = next(item for item in result.criteria if item.id == "distinct_people")
    assert (result.people, found.verdict, found.value, found.limit) == (people, verdict, len(people), least)
    assert all(name in found.reason for name in people)
    assert bool(found.next) is (verdict is not PASS)
    if not people:
        assert result.verdict is INCONCLUSIVE


def test_a_gate_that_does_not_ask_counts_nobody() -> None:
    """One person is enough where flywheel.yaml says nothing, and no criterion speaks about it."""
    assert "distinct_people" not in [item.id for item in four_eyes(1, "ana").criteria]
