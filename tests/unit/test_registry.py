"""Tests of the project registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flywheels import READY, collected_of, contract, evidence_of, kpi_document, small_flywheel, version
from hypothesis import assume, given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.lineage import edges
from flywheel_mlflow.evidence.registry import EvidenceState, RegistryEntry, attainment, register
from flywheel_mlflow.evidence.runs import (
    Check,
    CheckSeverity,
    CommonIds,
    ConsumedInterface,
    FieldType,
    KpiValue,
    Outcome,
    Overlap,
    ProjectEvidence,
    summarize_checks,
)
from flywheel_mlflow.promises.contract import Contract, Kpi

numbers = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float)
PROMISE = contract(
    "p01",
    kpis=[kpi_document("quality", required=True), kpi_document("speed")],
    checks={"required": ["ready", "clean"], "min_pass_rate": 0.75},
    interfaces_out=[
        {"name": "text", "title": "Text", "format": "jsonl", "role": "training"},
        {"name": "extra", "title": "Extra", "format": "jsonl", "required": False},
    ],
)
GOOD = (READY, Check("clean", Outcome.PASSED), Check("a", Outcome.PASSED), Check("b", Outcome.PASSED))


def entry(
    evidence: ProjectEvidence | None, promise: Contract = PROMISE, *, overlaps: tuple[Overlap, ...] = ()
) -> RegistryEntry:
    found = {promise.id: evidence} if evidence else {}
    return register({promise.id: promise}, found, {}, (), iteration=5, overlaps=overlaps)[promise.id]


def reasons(*checks: Check, overlaps: tuple[Overlap, ...] = (), **more: Any) -> tuple[str, ...]:
    return entry(evidence_of(PROMISE, *(checks or GOOD), **more), overlaps=overlaps).reasons


def test_a_project_that_keeps_its_promises_is_consumable() -> None:
    """Without any cause there is no reason."""
    assert reasons() == ()
    assert entry(evidence_of(PROMISE, *GOOD)).consumable


def without(*names: str) -> Mapping[str, KpiValue]:
    return {kpi.name: KpiValue(None if kpi.name in names else 1.0) for kpi in PROMISE.kpis}


@pytest.mark.parametrize(
    ("checks", "more", "expected"),
    [
        (GOOD[1:], {}, "required check ready did not run"),
        ((Check("ready", Outcome.FAILED), *GOOD[1:]), {}, "required check ready: failed"),
        ((Check("ready", Outcome.SKIPPED), *GOOD[1:]), {}, "required check ready: skipped"),
        ((Check("ready", Outcome.ERROR), *GOOD[1:]), {}, "required check ready: error"),
        ((Check("ready", Outcome.FAILED, severity=CheckSeverity.WARNING), *GOOD[1:]), {}, "required check ready: f"),
        ((*GOOD, Check("c", Outcome.FAILED), Check("d", Outcome.ERROR)), {}, "check pass rate 0.6667 is below 0.75"),
        (GOOD, {"kpis": {}}, "required KPI quality is unknown"),
        (GOOD, {"kpis": without("quality")}, "required KPI quality is unknown"),
        (GOOD, {"interfaces_out": {"extra": version("extra")}}, "interface text has no version"),
    ],
)
def test_each_cause_is_a_reason_of_its_own(checks: tuple[Check, ...], more: dict[str, Any], expected: str) -> None:
    """One cause, one reason, which names it; it goes with its cause."""
    (reason,) = reasons(*checks, **more)
    assert reason.startswith(expected)


@pytest.mark.parametrize(
    ("checks", "more"),
    [
        ((*GOOD, Check("c", Outcome.FAILED)), {}),
        ((*GOOD, Check("c", Outcome.SKIPPED), Check("d", Outcome.SKIPPED)), {}),
        ((*GOOD, *(Check(name, Outcome.FAILED, severity=CheckSeverity.WARNING) for name in "cdefg")), {}),
        (GOOD, {"kpis": without("speed")}),
        (GOOD, {"interfaces_out": {"text": version("text")}}),
        (GOOD, {"contract_digest": "0" * 64}),
    ],
)
def test_what_the_contract_allows_is_no_reason(checks: tuple[Check, ...], more: dict[str, Any]) -> None:
    """Pass rates at the limit, skipped ones, warnings and optional parts leave the project consumable."""
    assert reasons(*checks, **more) == ()


def test_nothing_checked_is_no_pass() -> None:
    """Without checks, or with skipped ones only, the reasons say that none ran."""
    nothing = summarize_checks([], ["ready", "clean"])
    found = entry(evidence_of(PROMISE, checks=nothing)).reasons
    assert found == ("required check ready did not run", "required check clean did not run", "no check ran")
    assert "no check ran" in reasons(*(Check(name, Outcome.SKIPPED) for name in ("ready", "clean")))


def test_the_checks_blamed_for_a_low_rate_are_those_that_failed() -> None:
    """Skipped checks do not lower the rate and are not named as if they had."""
    skipped = [Check(f"a{number}", Outcome.SKIPPED) for number in range(5)]
    (reason,) = reasons(*GOOD, *skipped, Check("y", Outcome.FAILED), Check("z", Outcome.ERROR))
    assert reason.endswith("(not passed: y, z)")


def test_without_evidence_everything_is_unknown() -> None:
    """A registered project without a run has one reason, and no value, version or attainment."""
    found = entry(None)
    assert found.state is EvidenceState.MISSING
    assert found.reasons == ("no valid run in iteration 5",)
    assert [(item.value, item.n, item.attainment) for item in found.kpis] == [(None, None, None)] * 2
    assert [(item.version, item.change) for item in found.interfaces] == [(None, None)] * 2


def test_evaluation_rows_in_training_data_bar_the_project() -> None:
    """Shared rows are a reason with their number, an unknown overlap is a note, none is nothing."""
    (reason,) = reasons(
        overlaps=(Overlap("text", "exam", 1, 9), Overlap("other", "exam", 9, 9), Overlap("text", "quiz", 0, 9))
    )
    assert reason == "text contains 1 of 9 records of the evaluation set exam"
    found = entry(evidence_of(PROMISE, *GOOD), overlaps=(Overlap("text", "exam", None), Overlap("x", "exam", None)))
    assert found.consumable
    assert found.notes == ("whether text contains records of exam is unknown: a run logged no words",)


def test_what_an_evaluation_set_allows_is_a_note() -> None:
    """Up to the share allowed copies are a note with their place; beyond it, and without one, they are a reason."""

    def told(shared: int, allowed: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
        item = Overlap("text", "exam", shared, 50, ("exam.jsonl, row 3 in text.jsonl, row 9",), allowed)
        found = entry(evidence_of(PROMISE, *GOOD), overlaps=(item,))
        return found.reasons, found.notes

    words = "text contains 2 of 50 records of the evaluation set exam, such as exam.jsonl, row 3 in text.jsonl, row 9"
    assert told(2, 0.0) == ((words,), ())
    assert told(2, 0.03) == ((words,), ())
    assert told(2, 0.04) == ((), (f"{words}: 0.04 of them are allowed",))
    assert told(0, 0.0) == ((), ())


def test_ids_in_common_are_notes() -> None:
    """Ids that another interface has are told of both, and that they are not known."""
    shared = (CommonIds("exam", "text", 1, 9, 4), CommonIds("exam", "quiz", 3, 9, 9), CommonIds("text", "", None))
    evidence = {PROMISE.id: evidence_of(PROMISE, *GOOD)}
    registry = register({PROMISE.id: PROMISE}, evidence, {}, (), iteration=5, common_ids=shared)
    assert registry[PROMISE.id].notes == (
        "exam and text have 1 id in common (of 9 and 4): the same records, or named alike?",
        "which ids text has in common with others is unknown: its run logged none",
    )


@pytest.mark.parametrize(("carried", "words"), [(4, "carried from iteration 4, 1 iteration old"), (2, "3 iterations")])
def test_carried_evidence_says_so_with_its_age(carried: int, words: str) -> None:
    """A run of an earlier iteration stands in, and every reader sees it."""
    found = entry(evidence_of(PROMISE, *GOOD, carried_from=carried))
    assert found.state is EvidenceState.CARRIED
    assert words in found.notes[0]
    assert found.consumable


def test_notes_tell_of_changed_contracts_and_reviews() -> None:
    """What a reader should know and what does not bar the project are notes."""
    reviewed = contract("p01", review={"human": True})
    assert entry(evidence_of(reviewed), reviewed).notes == ("needs human review before release",)
    assert entry(evidence_of(PROMISE, *GOOD, contract_digest="0")).notes == (
        "the contract changed after this run was logged",
    )
    assert entry(evidence_of(PROMISE, *GOOD)).notes == ()


def test_a_consumer_whose_fields_are_missing_is_barred() -> None:
    """The project stays consumable for the others."""
    wheel = small_flywheel()
    thin = version("p01_data", fields=(FieldType("id", "string", True),))
    evidence = dict(collected_of(wheel).evidence)
    evidence["p01"] = evidence_of(wheel.contracts["p01"], interfaces_out={"p01_data": thin})
    found = register(wheel.contracts, evidence, {}, edges(wheel.contracts, evidence, {}), iteration=2)
    assert found["p01"].barred == {"p02": "p01_data lacks content"}
    assert found["p01"].consumable
    assert [item.barred for name, item in found.items() if name != "p01"] == [{}, {}, {}]
    assert found["p01"].interfaces[0].consumers == ("p02", "p10")


def test_a_change_of_schema_has_a_class() -> None:
    """First without an earlier version, then as in semantic versioning."""
    now = {"p01": evidence_of(PROMISE, *GOOD)}
    changes = []
    less = version("text", fields=(FieldType("id", "string", True),))
    more = version("text", fields=(*version("text").fields, FieldType("x", "string", True)))
    for before in (None, version("text", "b"), less, more):
        earlier = {"p01": evidence_of(PROMISE, interfaces_out={"text": before})} if before else {}
        (first, _) = register({"p01": PROMISE}, now, earlier, (), iteration=5)["p01"].interfaces
        changes.append(first.change)
    assert changes == ["first", "patch", "minor", "major"]


def kpi(direction: str, target: float | None, tolerance: float | None = None) -> Kpi:
    return Kpi.model_validate(kpi_document("k", direction=direction, target=target, tolerance=tolerance))


@given(st.sampled_from(["higher", "lower"]), numbers, st.floats(0, 100), numbers, numbers)
def test_attainment_is_a_share_that_grows_towards_the_better_side(
    direction: str, target: float, tolerance: float, one: float, two: float
) -> None:
    """Between 0 and 1; never less for a better value; 1 on the target, beyond it, and within the tolerance."""
    promise = kpi(direction, target, tolerance)
    worse, better = sorted((one, two), reverse=direction == "lower")
    low, high = attainment(promise, worse), attainment(promise, better)
    assert low is not None
    assert high is not None
    assert 0.0 <= low <= high <= 1.0
    step = 1 if direction == "higher" else -1
    assert attainment(promise, target) == 1.0
    assert attainment(promise, target + step * abs(one)) == 1.0
    assert attainment(promise, target - step * tolerance) == pytest.approx(1.0, abs=1e-3)


@given(st.sampled_from(["higher", "lower"]), numbers, numbers)
def test_attainment_misses_by_the_ratio_of_the_two(direction: str, target: float, value: float) -> None:
    """Off the target it is the smaller over the larger of one sign, and 0 across signs or from 0."""
    assume(value < target if direction == "higher" else value > target)
    found = attainment(kpi(direction, target), value)
    expected = min(abs(value), abs(target)) / max(abs(value), abs(target)) if value * target > 0 else 0.0
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("direction", "target", "tolerance", "value", "expected"),
    [
        ("higher", 100, None, 100, 1.0),
        ("higher", 100, None, 50, 0.5),
        ("higher", 100, 0, 50, 0.5),
        ("lower", 100, 0, 200, 0.5),
        ("higher", 0.25, 0.005, 0.245, 1.0),
        ("lower", 0, 0, 3, 0.0),
        ("lower", 0, 0, 0, 1.0),
        ("higher", 0, 0, -0.5, 0.0),
        ("higher", -10, 0, -20, 0.5),
        ("lower", -10, 0, -5, 0.5),
        ("higher", 10, 0, -10, 0.0),
        ("higher", None, 0, 5, None),
        ("higher", 5, 0, None, None),
    ],
)
def test_attainment_by_hand(
    direction: str, target: float | None, tolerance: float | None, value: float | None, expected: float | None
) -> None:
    """Targets of 0, negative numbers, limits of the tolerance and unknown values, each as documented."""
    assert attainment(kpi(direction, target, tolerance), value) == expected


MAKER = contract("p01", interfaces_out=[{"name": "text", "title": "Text", "format": "jsonl"}])
WHOLE = (FieldType("content", "string", True), FieldType("metadata.topic", "string", True))


def read_by(
    needs: list[Any], fields: tuple[FieldType, ...], *, required: bool = True, first: bool = False
) -> RegistryEntry:
    """The registry entry of a project that needs these fields of ``text`` and read the version with ``fields``."""
    own = {"name": "own", "title": "Own", "format": "opaque", "schema": "opaque", "required": False}
    reader = contract(
        "p02", interfaces_out=[own], interfaces_in=[{"name": "text", "fields": needs, "required": required}]
    )
    made = {"text": version("text", "b", fields)}
    before = {} if first else {"p01": evidence_of(MAKER, interfaces_out={"text": version("text", "a", WHOLE)})}
    evidence = {
        "p01": evidence_of(MAKER, interfaces_out=made),
        "p02": evidence_of(reader, READY, interfaces_in=(ConsumedInterface("text", made["text"].digest),)),
    }
    contracts = {"p01": MAKER, "p02": reader}
    found = edges(contracts, evidence, before)
    return register(contracts, evidence, before, found, iteration=5)["p02"]


@pytest.mark.parametrize(
    ("needs", "fields", "lacks"),
    [
        (["metadata.topic"], WHOLE[:1], "metadata.topic"),
        (["metadata.topic"], (WHOLE[0], FieldType("metadata.topic", "string", False)), "metadata.topic"),
        (["content"], (FieldType("content", "object", True), WHOLE[1]), "content as string (it is object)"),
        ([{"content": "string"}], (FieldType("content", "list", True),), "content as string (it is list)"),
    ],
)
def test_a_consumer_without_a_field_it_needs_is_not_consumable(
    needs: list[Any], fields: tuple[FieldType, ...], lacks: str
) -> None:
    """Removed, no longer in every row, or retyped: who made something of it cannot be built on; the reason names it."""
    assert read_by(needs, WHOLE).reasons == ()
    assert read_by(needs, fields).reasons == (f"text of p01 lacks {lacks}, which this project needs",)
    assert read_by(needs, fields, required=False).reasons == ()


def test_a_declared_type_holds_without_a_version_before() -> None:
    """In the first iteration only a declared type can be missed; an undeclared one is what it is."""
    fields = (FieldType("content", "object", True),)
    assert read_by(["content"], fields, first=True).reasons == ()
    assert read_by([{"content": "object"}], fields, first=True).reasons == ()
    assert len(read_by([{"content": "string"}], fields, first=True).reasons) == 1


def test_a_promised_type_binds_the_producer() -> None:
    """A version whose field has another type than the contract promises leaves the producer not consumable."""
    promise = contract(
        "p01",
        interfaces_out=[{"name": "text", "title": "T", "format": "jsonl", "fields": ["id", {"content": "string"}]}],
    )
    good = {"text": version("text", "a", WHOLE)}
    bad = {"text": version("text", "a", (FieldType("content", "integer", True),))}
    assert entry(evidence_of(promise, READY, interfaces_out=good), promise).reasons == ()
    (reason,) = entry(evidence_of(promise, READY, interfaces_out=bad), promise).reasons
    assert reason == "interface text does not keep its promise of content as string (it is integer)"
