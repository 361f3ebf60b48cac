"""What differs between two runs of a project."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from drift_cases import SETTINGS, card, logged, normal, profile
from flywheels import FIELDS, contract, evidence_of, kpi_document, version

from flywheel_mlflow.drift import KpiVerdict, Side, compare_data, sides_of_evidence
from flywheel_mlflow.drift.differences import (
    LEAST,
    OWN,
    REWRITTEN,
    Change,
    ChangeKind,
    Pair,
    differences,
    kpi_findings,
    relative,
)
from flywheel_mlflow.evidence.runs import (
    Check,
    EvidenceKind,
    FieldType,
    KpiValue,
    Outcome,
    ProjectEvidence,
    summarize_checks,
)

MADE = contract("p01", kpis=[kpi_document("quality"), kpi_document("latency", direction="lower", unit="ms")])


def evidence(digit: str = "a", **more: Any) -> ProjectEvidence:
    """A run of p01 whose one interface has a digest of this digit."""
    outs = {"p01_data": version("p01_data", digit)}
    return evidence_of(MADE, **({"interfaces_out": outs, "run_id": f"run-{digit}"} | more))


def found(before: ProjectEvidence | None, now: ProjectEvidence | None) -> tuple[Change, ...]:
    """What differs between two runs of p01."""
    return differences(Pair(MADE, before, now), SETTINGS)


def test_equal_runs_do_not_differ() -> None:
    """Another run with the same evidence is no difference."""
    assert found(evidence(), evidence(run_id="another")) == ()


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"kind": EvidenceKind.PUBLISHED}, ChangeKind.EVIDENCE),
        ({"carried_from": 1}, ChangeKind.EVIDENCE),
        ({"contract_digest": "f" * 64}, ChangeKind.CONTRACT),
        ({"code_version": "0" * 40 + "+changes"}, ChangeKind.CODE),
        ({"tasks": ("t1", "t2")}, ChangeKind.TASK),
    ],
)
def test_what_lies_in_the_project_itself(more: dict[str, Any], kind: ChangeKind) -> None:
    """Another kind of run, a carried one, another contract, code or task is a difference of the project's own."""
    (change,) = found(evidence(), evidence(run_id="another", **more))
    assert change.kind is kind
    assert change.kind in OWN


def test_tasks_are_one_difference_however_many_they_are() -> None:
    """What came and what went is named, three of each at most; tasks read on both sides are none."""
    many = tuple(f"t{number}" for number in range(5))
    (change,) = found(evidence(tasks=("t0", "old")), evidence(run_id="another", tasks=many))
    assert change.size == 1.0  # a task that is no longer read takes its gain with it
    assert change.text == "t1, t2, t3 and 1 more read for the first time; old no longer read"
    (new,) = found(evidence(), evidence(run_id="another", tasks=many))
    assert new.size == LEAST
    assert found(evidence(tasks=many), evidence(run_id="another", tasks=many)) == ()


def test_evidence_on_one_side_only() -> None:
    """A project that lost its evidence, or has it for the first time, differs by that alone."""
    assert [item.text for item in found(evidence(), None)] == ["no evidence any more"]
    assert [item.text for item in found(None, evidence())] == ["no evidence before"]
    assert found(None, None) == ()


def test_a_bare_digest_weighs_least() -> None:
    """Other data of the same size weigh the least a change weighs; fewer rows weigh more."""
    (bare,) = found(evidence("a"), evidence("b"))
    fewer = replace(version("p01_data", "b"), rows=6)
    (measured,) = found(evidence("a"), evidence("b", interfaces_out={"p01_data": fewer}))
    assert bare.kind is measured.kind is ChangeKind.DATA
    assert bare.size == LEAST < measured.size == 0.75
    assert "12 → 6 rows" in measured.text


def test_the_same_records_in_other_files_weigh_less_than_other_data() -> None:
    """A rewrite is told as one, and is a weaker suspect than a digest of which nothing more is known."""
    before, after = (replace(version("p01_data", digit), records_digest="r") for digit in "ab")
    sides = [evidence(digit, interfaces_out={"p01_data": item}) for digit, item in (("a", before), ("b", after))]
    (change,) = found(*sides)
    assert change.text.endswith(", same data, written anew")
    assert change.size == REWRITTEN < LEAST


def test_an_opaque_file_is_no_outcome() -> None:
    """A file without rows may name its own time: it differs, and does not show that anything else does."""
    opaque = [{"p01_data": replace(version("p01_data", digit), rows=None, fields=())} for digit in "ab"]
    (change,) = found(evidence("a", interfaces_out=opaque[0]), evidence("b", interfaces_out=opaque[1]))
    assert not change.outcome


def test_a_version_that_is_gone() -> None:
    """An interface without a version any more is as large a change as there is."""
    (change,) = found(evidence("a"), evidence("b", interfaces_out={}))
    assert (change.size, change.text) == (1.0, "no version any more")


@pytest.mark.parametrize(
    ("fields", "size", "text"),
    [
        (FIELDS[1:], 1.0, "major change: content is gone"),
        ((*FIELDS, FieldType("more", "string", True)), LEAST, "minor change: more was added"),
        ((replace(FIELDS[0], type="number"), *FIELDS[1:]), 1.0, "major change: content was string, is number"),
    ],
)
def test_schema(fields: tuple[FieldType, ...], size: float, text: str) -> None:
    """What breaks readers is as large as can be, what only adds is the least."""
    outs = {"p01_data": version("p01_data", "b", fields)}
    (change,) = (item for item in found(evidence("a"), evidence("b", interfaces_out=outs)) if item.kind == "schema")
    assert (change.size, change.text) == (size, text)


def test_checks_that_turned() -> None:
    """A check that fails now weighs more than one that no longer does; a skipped one is nothing."""
    bad, better = Check("bad", Outcome.FAILED), Check("better", Outcome.ERROR)
    before = evidence(checks=summarize_checks([better, Check("open", Outcome.PASSED)], []))
    now = evidence(checks=summarize_checks([bad, Check("open", Outcome.SKIPPED)], []), run_id="another")
    changes = found(before, now)
    assert [(item.subject, item.size) for item in changes] == [("bad", 1.0), ("better", LEAST)]


def test_kpis_within_tolerance_do_not_differ() -> None:
    """A KPI that moved by less than it may is no difference; one that got worse or vanished is."""
    values = {"quality": KpiValue(0.9), "latency": KpiValue(100.0)}
    slow = evidence(kpis=values | {"latency": KpiValue(400.0)}, run_id="another")
    close = evidence(kpis=values | {"latency": KpiValue(101.0)}, run_id="another")
    gone = evidence(kpis=values | {"quality": KpiValue(None)}, run_id="another")
    before = evidence(kpis=values)
    assert found(before, close) == ()
    assert [(item.subject, item.size) for item in found(before, slow)] == [("p01.latency", LEAST + 0.75 / 2)]
    assert [(item.subject, item.size) for item in found(before, gone)] == [("p01.quality", 1.0)]


def test_drift_of_signals_and_filters() -> None:
    """Signals and filters that drifted are differences as large as their effect; those that did not are none."""
    before, now = evidence("a"), evidence("b")
    data_of = {
        turn: logged(profile(length=normal(300, 2.0 * turn), width=normal(300, seed=7)), card(short=(100, kept)))
        for turn, kept in ((0, 90), (1, 40))
    }
    sides = [
        Side(turn + 1, "", "", sides_of_evidence({"p01": item}), {"p01_data": data_of[turn]})
        for turn, item in enumerate((before, now))
    ]
    data = compare_data([MADE], sides[1], sides[0], SETTINGS)
    changes = differences(Pair(MADE, before, now), SETTINGS, data)
    assert [item.kind for item in changes] == ["filter", "signal", "data"]
    assert changes[0].subject == "p01_data/filter short"
    assert changes[0].size == LEAST + 0.5 / 2
    assert changes[1].subject == "p01_data/length"
    assert changes[1].size > LEAST + 0.3


@pytest.mark.parametrize(
    ("before", "now", "share"),
    [(1.0, 1.0, 0.0), (0.0, 0.0, 0.0), (1.0, 0.5, 0.5), (0.0, 3.0, 1.0), (-1.0, 1.0, 1.0), (None, 1.0, 1.0)],
)
def test_relative_change(before: float | None, now: float | None, share: float) -> None:
    """A relative change lies between 0 and 1 whatever the signs, and what became unknown changed wholly."""
    assert relative(before, now) == share


def test_the_verdict_of_a_better_comparison_is_told() -> None:
    """A KPI that was judged with more than its two values is told with that verdict, and stays the same difference."""
    before, now = (evidence(run_id=f"run-{value}", kpis={"quality": KpiValue(value)}) for value in (0.9, 0.5))
    (plain,) = differences(Pair(MADE, before, now), SETTINGS)
    assert plain.text == "0.9 → 0.5, worse"
    (judged,) = kpi_findings(Pair(MADE, before, now), SETTINGS)
    told = {judged.subject: replace(judged, verdict=KpiVerdict.INCONCLUSIVE, outcome=None)}
    assert differences(Pair(MADE, before, now), SETTINGS, judged=told) == (
        replace(plain, text="0.9 → 0.5, cannot be told"),
    )
