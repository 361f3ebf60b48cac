"""Tests of the assembly as a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flywheels import READY, collected_of, evidence_of, small_flywheel, version
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel_mlflow.assembly.assembly import assemble
from flywheel_mlflow.assembly.filling import json_files
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Check, Collected, ConsumedInterface, KpiValue, Outcome, summarize_checks

WHEEL = small_flywheel()


def turned(mapping: Mapping[str, Any], shuffle: Any) -> dict[str, Any]:
    """The same mapping in another order."""
    items = list(mapping.items())
    shuffle.shuffle(items)
    return dict(items)


outcomes = st.lists(st.sampled_from(Outcome), min_size=1, max_size=4)
numbers = st.none() | st.floats(-10, 1000)


@settings(max_examples=25)
@given(st.lists(outcomes, min_size=3, max_size=3), st.lists(numbers, min_size=4, max_size=4), st.randoms())
def test_equal_evidence_in_any_order_gives_equal_bytes(
    found: list[list[Outcome]], values: list[float | None], shuffle: Any
) -> None:
    """The order in which runs, KPIs, checks, interfaces and contracts arrive does not show in any file."""
    numbered = iter(values)
    evidence, mixed = {}, {}
    for name, items in zip(("p01", "p02", "p03"), found, strict=True):
        promise = WHEEL.contracts[name]
        kpis = {kpi.name: KpiValue(next(numbered)) for kpi in promise.kpis}
        summary = summarize_checks([READY, *(Check(f"c{n}", item) for n, item in enumerate(items))], ["ready"])
        reads = tuple(ConsumedInterface(item.name, "a" * 32) for item in promise.interfaces_in)
        evidence[name] = evidence_of(promise, kpis=kpis, checks=summary, interfaces_in=reads)
        other = replace(summary, not_passed=turned(summary.not_passed, shuffle))
        mixed[name] = replace(
            evidence[name], kpis=turned(kpis, shuffle), checks=other, interfaces_in=tuple(reversed(reads))
        )
    again = Flywheel(WHEEL.root, WHEEL.blueprint, turned(WHEEL.contracts, shuffle), WHEEL.folders)
    before = collected_of(WHEEL, iteration=1)
    one = assemble(WHEEL, Collected(2, evidence), before=before)
    two = assemble(again, Collected(2, turned(mixed, shuffle)), before=Collected(1, turned(before.evidence, shuffle)))
    assert json_files(one) == json_files(two)


def test_the_assembly_layers_evidence_is_its_own() -> None:
    """A run that claims to be the assembly layer is not taken for it; what its own checks showed is."""
    stranger = evidence_of(WHEEL.contracts["p10"], run_id="stranger")
    collected = Collected(2, {**collected_of(WHEEL).evidence, "p10": stranger})
    assert assemble(WHEEL, collected).registry["p10"].evidence is None
    own = evidence_of(WHEEL.contracts["p10"], run_id=None)
    assert assemble(WHEEL, collected, self_evidence=own).registry["p10"].evidence == own
    assert collected.evidence["p10"] == stranger


def test_every_contract_is_registered_and_nothing_else() -> None:
    """Projects without evidence are there; evidence of a project nobody declared is not."""
    stray = replace(evidence_of(WHEEL.contracts["p01"]), project_id="p77")
    found = assemble(WHEEL, Collected(2, {"p77": stray}))
    assert list(found.registry) == ["p01", "p02", "p03", "p10"]
    assert not any(entry.consumable for entry in found.registry.values())


def test_feedback_and_schema_changes_look_at_the_iteration_before() -> None:
    """Its evidence is compared with, never counted."""
    before = Collected(
        1, {"p01": evidence_of(WHEEL.contracts["p01"], interfaces_out={"p01_data": version("p01_data")})}
    )
    found = assemble(WHEEL, collected_of(WHEEL, "p01"), before=before)
    assert found.registry["p01"].interfaces[0].change == "patch"
    assert assemble(WHEEL, Collected(2, {}), before=before).registry["p01"].evidence is None


def test_what_was_recorded_before_is_handed_on() -> None:
    """The earlier assembly changes no number of this one."""
    earlier = RecordedAssembly(1, "run", "0" * 64, {"flywheel.project_count": 99.0})
    found = assemble(WHEEL, collected_of(WHEEL), previous=earlier)
    assert found.previous == earlier
    assert dict(found.metrics) == dict(assemble(WHEEL, collected_of(WHEEL)).metrics)
