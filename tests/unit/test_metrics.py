"""Tests of the flywheel's own metrics."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flywheels import ENDED, READY, collected_of, evidence_of, small_flywheel
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.evidence.runs import Check, Collected, ConsumedInterface, Costs, KpiValue, Outcome

WHEEL = small_flywheel()
UNKNOWN_YET = ("feedback_reflux_rate", "regression_localisation_rate", "release_pass_rate", "risk_closure_rate")


def assembled(before: Any = None, own: Any = None, **evidence: Any) -> Assembly:
    """An assembly of the projects named, each with what it showed."""
    found = {
        name: evidence_of(WHEEL.contracts[name], *more.pop("checks", ()), **more) for name, more in evidence.items()
    }
    return assemble(WHEEL, Collected(2, found), before=before, self_evidence=own)


def value(found: Assembly, name: str) -> float | None:
    assert f"flywheel.{name}" in found.metrics
    return found.metrics.value(f"flywheel.{name}")


def test_counts_of_the_full_flywheel() -> None:
    """Everything counted is counted once, the assembly layer apart where it says upstream."""
    found = assembled(p01={}, p02={}, p03={"carried_from": 1}, own=evidence_of(WHEEL.contracts["p10"]))
    expected = {
        "project_count": 4,
        "phase_count": 1,
        "interface_count": 4,
        "upstream_interface_count": 3,
        "interface_version_count": 4,
        "layer_count": 2,
        "stage_count": 2,
        "control_point_count": 1,
        "boundary_count": 1,
        "team_count": 1,
        "mechanism_count": 1,
        "evidenced_count": 4,
        "carried_count": 1,
        "upstream_evidenced_count": 3,
        "consumable_count": 4,
        "upstream_consumable_count": 3,
        "asset_coverage": 1.0,
        "consumable_share": 1.0,
        "stage_completion_rate": 1.0,
        "mean_stage_score": 1.0,
        "milestone_count": 2,
        "milestone_done_count": 2,
        "milestone_completion_rate": 1.0,
        "registry_completeness": 1.0,
    }
    assert {name: value(found, name) for name in expected} == expected


def test_counts_of_nothing() -> None:
    """Without evidence counts are 0, and rates over nothing are unknown, not 0 and not 1."""
    found = assembled()
    counts = ("evidenced_count", "consumable_count", "interface_version_count", "upstream_check_count")
    assert [value(found, name) for name in counts] == [0, 0, 0, 0]
    assert value(found, "asset_coverage") == 0.0
    assert value(found, "registry_completeness") == 0.0
    unknown = ("upstream_check_pass_rate", "mean_stage_score", "review_hours", "review_cost_eur", *UNKNOWN_YET)
    assert [value(found, name) for name in unknown] == [None] * len(unknown)
    assert all(found.metrics[f"flywheel.{name}"].note for name in unknown)


outcomes = st.lists(st.sampled_from(Outcome), max_size=5)


@settings(max_examples=25)
@given(st.lists(outcomes, min_size=3, max_size=3))
def test_checks_add_up(found: list[list[Outcome]]) -> None:
    """Upstream checks are the sum over projects; skipped ones were not due; the assembly's own are left out."""
    checks = [[Check(f"c{n}", item) for n, item in enumerate(items)] or [READY] for items in found]
    own = evidence_of(WHEEL.contracts["p10"], *(Check(f"x{n}", Outcome.FAILED) for n in range(9)))
    shown = {name: {"checks": items} for name, items in zip(("p01", "p02", "p03"), checks, strict=True)}
    assembly = assembled(own=own, **shown)
    flat = [check.outcome for items in checks for check in items]
    due = [item for item in flat if item is not Outcome.SKIPPED]
    passed = flat.count(Outcome.PASSED)
    assert value(assembly, "upstream_check_count") == len(flat)
    assert value(assembly, "upstream_checks_passed") == passed
    assert value(assembly, "upstream_check_pass_rate") == (passed / len(due) if due else None)


money = st.none() | st.floats(0, 1e6)


@settings(max_examples=25)
@given(st.lists(st.tuples(money, money), min_size=3, max_size=3))
def test_costs_are_sums_of_what_is_stated(found: list[tuple[float | None, float | None]]) -> None:
    """Effort nobody states is unknown and named so; it is never counted as 0."""
    shown = {name: {"costs": Costs(*costs)} for name, costs in zip(("p01", "p02", "p03"), found, strict=True)}
    assembly = assembled(**shown)
    for index, key in enumerate(("review_hours", "review_cost_eur")):
        stated = [costs[index] for costs in found if costs[index] is not None]
        total = assembly.metrics[f"flywheel.{key}"]
        assert total.value == (pytest.approx(sum(filter(None, stated)), abs=1e-6) if stated else None)
        assert len(total.inputs) == len(stated)
        assert total.note.startswith(f"{4 - len(stated)} of 4 projects state none")
        silent = [assembly.metrics[f"p0{n + 1}.cost.{key}"] for n in range(3) if found[n][index] is None]
        assert all(item.value is None and item.note for item in silent)


def test_a_stated_zero_is_known() -> None:
    """A project that states no hours at all differs from one that states 0 hours; with all known no note remains."""
    shown = {name: {"costs": Costs(0.0)} for name in ("p01", "p02", "p03")}
    found = assembled(own=evidence_of(WHEEL.contracts["p10"], costs=Costs(0.0)), **shown)
    assert value(found, "review_hours") == 0.0
    assert found.metrics["flywheel.review_hours"].note == ""


def test_a_bottleneck_ranks_by_severity_reach_and_distance() -> None:
    """The rank is severity weight x (1 + projects downstream) x (1 + distance from the limit), highest first."""
    found = assembled(
        p01={"kpis": {"retention": KpiValue(0.125)}},
        p02={"kpis": {"accuracy": KpiValue(0.9), "size": KpiValue(1)}},
        p03={"kpis": {"latency": KpiValue(300)}},
    )
    assert [(item.rule.id, item.distance, item.reach) for item in found.bottlenecks] == [
        ("thin", 0.5, 3),
        ("weak", 0.5, 1),
    ]
    assert [item.rank for item in found.bottlenecks] == [4 * 4 * 1.5, 2 * 2 * 1.5]
    assert found.metrics["flywheel.bottleneck_count"].inputs == ("p01.retention", "p02.accuracy", "p03.latency")
    assert value(found, "bottleneck_count") == 2


def test_only_the_conditions_that_hold_count_towards_a_rank() -> None:
    """A value on the good side of its limit adds neither distance nor reach."""
    found = assembled(
        p02={"kpis": {"accuracy": KpiValue(99.0), "size": KpiValue(1)}}, p03={"kpis": {"latency": KpiValue(220)}}
    )
    (weak,) = found.bottlenecks
    assert weak.distance == pytest.approx(0.1)
    assert weak.reach == 1


def test_a_rule_over_an_unknown_value_is_left_open() -> None:
    """It is neither fired nor quiet; one known value may still decide an `or`."""
    found = assembled(p03={"kpis": {"latency": KpiValue(300)}})
    assert [item.id for item in found.undecided] == ["thin"]
    assert [item.rule.id for item in found.bottlenecks] == ["weak"]
    assert found.bottlenecks[0].values == {"p02.accuracy": None, "p03.latency": 300}
    assert [item.id for item in assembled().undecided] == ["thin", "weak"]


def test_interfaces_several_projects_build_on_are_listed() -> None:
    """A reader counts when it read exactly this version; the assembly layer is no consumer."""
    wheel = small_flywheel()
    second = wheel.contracts["p03"].model_copy(
        update={"interfaces_in": (*wheel.contracts["p03"].interfaces_in, wheel.contracts["p02"].interfaces_in[0])}
    )
    wheel = replace(wheel, contracts={**wheel.contracts, "p03": second})
    evidence = dict(collected_of(wheel).evidence)
    evidence["p02"] = replace(evidence["p02"], interfaces_in=(ConsumedInterface("p01_data", "a" * 32),))
    (shared,) = assemble(wheel, Collected(2, evidence)).reused
    assert (shared.name, shared.producer, shared.consumers, shared.readers) == (
        "p01_data",
        "p01",
        ("p02", "p03"),
        ("p02",),
    )


def test_interface_mapping_is_the_share_of_exact_reads() -> None:
    """An edge counts as mapped only when the digests agree; edges into the assembly layer are left out."""
    read = (ConsumedInterface("p01_data", "a" * 32),)
    found = assembled(p01={}, p02={"interfaces_in": read}, p03={})
    assert value(found, "interface_mapping") == pytest.approx(1 / 3)


def test_a_cycle_is_measured_between_runs_of_the_two_iterations() -> None:
    """A carried run belongs to an earlier turn: it neither ends this one nor the one before."""
    day = timedelta(days=1)
    old = evidence_of(WHEEL.contracts["p01"], ended=ENDED - 3 * day)
    carried = evidence_of(WHEEL.contracts["p02"], ended=ENDED, carried_from=0)
    before = Collected(1, {"p01": old, "p02": carried})
    assert value(assembled(before, p01={"ended": ENDED}), "iteration_cycle_days") == 3.0
    assert value(assembled(before, p02={"ended": ENDED, "carried_from": 1}), "iteration_cycle_days") is None
    first = assembled(p01={})
    assert value(first, "iteration_cycle_days") is None
    late = assembled(before, p01={"ended": ENDED - timedelta(days=9)})
    assert value(late, "iteration_cycle_days") is None
    assert "ended before that of the iteration before" in late.metrics["flywheel.iteration_cycle_days"].note
    assert "no earlier iteration" in first.metrics["flywheel.iteration_cycle_days"].note
