"""Tests of suites: one pooled verdict over many KPIs, which are its detail."""

from __future__ import annotations

import random
from typing import Any

import pytest
from drift_cases import SETTINGS, compared, kpi, promise, side

from flywheel_mlflow.base.errors import ExitCode
from flywheel_mlflow.drift import DriftReport, KpiFound, KpiVerdict, Side, Verdict
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Contract

TASKS = 65


def suite_of(count: int = TASKS, **more: Any) -> Contract:
    """A contract with so many shares in one suite."""
    kpis = [kpi(f"mmlu_{number}", unit="accuracy") for number in range(count)]
    declared = {"name": "mmlu", "kpis": ["mmlu_*"], "direction": "higher", "tolerance": 0.01} | more
    plain = promise(kpis=kpis).model_dump(by_alias=True)
    return Contract.model_validate(plain | {"suites": [declared]})


def measured(iteration: int, values: list[float], sizes: list[int]) -> Side:
    """One iteration of p01 with these accuracies."""
    found = side(iteration, kpis={f"mmlu_{number}": None for number in range(len(values))})
    known = {f"mmlu_{n}": KpiValue(value, size) for n, (value, size) in enumerate(zip(values, sizes, strict=True))}
    project = found.projects["p01"]
    return Side(iteration, found.run_id, found.digest, {"p01": type(project)(project.run_id, known, {})})


def drawn(iteration: int, truth: list[float], sizes: list[int], seed: int) -> Side:
    """Accuracies as a run measures them: so many answers, each right with its true probability."""
    draw = random.Random(seed)  # noqa: S311 - sample data
    pairs = zip(truth, sizes, strict=True)
    return measured(iteration, [sum(draw.random() < p for _ in range(n)) / n for p, n in pairs], sizes)


def truths() -> tuple[list[float], list[int]]:
    """True accuracies and sizes of 65 tasks."""
    draw = random.Random(5)  # noqa: S311 - sample data
    return [draw.uniform(0.2, 0.8) for _ in range(TASKS)], [draw.choice((100, 300, 1000)) for _ in range(TASKS)]


def whole(report: DriftReport) -> KpiFound:
    """The suite in a report."""
    return next(item for item in report.kpis if item.subject == "p01.mmlu")


def test_a_suite_between_two_equal_models_passes() -> None:
    """Sixty-five tasks, some two points lower by chance: one verdict, and it is a pass (A5)."""
    truth, sizes = truths()
    report = compared(drawn(2, truth, sizes, 2), drawn(1, truth, sizes, 1), made=suite_of(tolerance=0.02))
    assert whole(report).verdict is KpiVerdict.WITHIN
    assert whole(report).members == TASKS
    assert whole(report).n == sum(sizes)
    assert (report.verdict, report.exit_code) == (Verdict.PASS, ExitCode.PASS)
    assert report.inconclusive_kpis == 0
    assert {item.suite for item in report.kpis if not item.members} == {"p01.mmlu"}


def test_a_suite_of_a_worse_model_blocks() -> None:
    """Three points lost on every task is no task's regression and the suite's."""
    truth, sizes = truths()
    worse = drawn(2, [value - 0.05 for value in truth], sizes, 2)
    report = compared(worse, drawn(1, truth, sizes, 1), made=suite_of(tolerance=0.01))
    assert whole(report).verdict is KpiVerdict.REGRESSED
    assert report.verdict is Verdict.BLOCK
    assert report.regressed_kpis == 1


def test_a_member_is_a_detail_of_its_suite() -> None:
    """One task that collapses among many is listed first after what decides, and does not decide."""
    now = [0.7] * 40
    now[3] = 0.2
    sizes = [1000] * 40
    report = compared(measured(2, now, sizes), measured(1, [0.7] * 40, sizes), made=suite_of(40, tolerance=0.02))
    member = next(item for item in report.kpis if item.subject == "p01.mmlu_3")
    assert member.verdict is KpiVerdict.REGRESSED
    assert report.verdict is Verdict.PASS
    assert next((item.subject, item.decides) for item in report.findings) == ("p01.mmlu_3", False)


def test_a_member_that_vanished_still_stops_a_release() -> None:
    """What is not measured any more is no detail: the suite says how many are missing, and the whole blocks."""
    sizes = [1000] * 4
    gone = measured(2, [0.7] * 4, sizes)
    known = dict(gone.projects["p01"].kpis) | {"mmlu_2": KpiValue(None)}
    project = gone.projects["p01"]
    gone = Side(2, gone.run_id, gone.digest, {"p01": type(project)(project.run_id, known, {})})
    report = compared(gone, measured(1, [0.7] * 4, sizes), made=suite_of(4))
    assert "1 more have no value on one side" in whole(report).text
    assert report.verdict is Verdict.BLOCK


def test_a_suite_pairs_the_samples_of_its_members() -> None:
    """Where every member logged its outcomes, the suite rests on the pairs and says so."""
    names = ["mmlu_0", "mmlu_1"]
    before = {f"p01.{name}": {f"q{n}": 1.0 for n in range(100)} for name in names}
    now = {name: found | {f"q{n}": 0.0 for n in range(8)} for name, found in before.items()}
    values = dict.fromkeys(names, 0.92)
    report = compared(
        side(2, kpis=values, samples=now), side(1, kpis=dict.fromkeys(names, 1.0), samples=before), made=suite_of(2)
    )
    assert "McNemar" in whole(report).method
    assert whole(report).worse == pytest.approx(0.08)
    assert whole(report).verdict is KpiVerdict.REGRESSED


def test_a_suite_without_any_error_is_judged_by_its_tolerance() -> None:
    """Nothing is known about the exactness of its members: the mean and the tolerance decide."""
    names = ["mmlu_0", "mmlu_1"]
    made = suite_of(2, tolerance=0.05)
    lost = compared(side(2, kpis=dict.fromkeys(names, 0.7)), side(1, kpis=dict.fromkeys(names, 0.9)), made=made)
    assert whole(lost).verdict is KpiVerdict.REGRESSED
    kept = compared(side(2, kpis=dict.fromkeys(names, 0.88)), side(1, kpis=dict.fromkeys(names, 0.9)), made=made)
    assert whole(kept).verdict is KpiVerdict.WITHIN


@pytest.mark.parametrize(
    ("suites", "message"),
    [
        ([{"name": "hit_rate", "kpis": ["hit_*"], "direction": "higher"}], "a KPI has the same name: hit_rate"),
        ([{"name": "all", "kpis": ["nothing_*"], "direction": "higher"}], "no KPI is named 'nothing_*'"),
        ([{"name": "all", "kpis": ["*"], "direction": "lower"}], "hit_rate is not better lower"),
        ([{"name": "score", "kpis": ["*"], "direction": "higher"}], "computed for every project"),
        (
            [
                {"name": "one", "kpis": ["hit_rate"], "direction": "higher"},
                {"name": "two", "kpis": ["*"], "direction": "higher"},
            ],
            "hit_rate is in one and in two",
        ),
    ],
)
def test_a_suite_that_cannot_be_pooled_is_refused(suites: list[dict[str, Any]], message: str) -> None:
    """Names that clash, patterns without a KPI, members that are better another way: told when the contract is read."""
    plain = promise(kpis=[kpi("hit_rate")]).model_dump(by_alias=True)
    with pytest.raises(ValueError, match=r"suites|kpis") as caught:
        Contract.model_validate(plain | {"suites": suites})
    assert message in str(caught.value)


def test_units_of_a_suite_are_alike() -> None:
    """The mean of a share and a count is no number."""
    plain = promise(kpis=[kpi("hit_rate"), kpi("rows", unit="records")]).model_dump(by_alias=True)
    suites = [{"name": "all", "kpis": ["*"], "direction": "higher"}]
    with pytest.raises(ValueError, match="several units"):
        Contract.model_validate(plain | {"suites": suites})


def test_settings_are_those_of_every_kpi() -> None:
    """An exception of flywheel.yaml may name a suite as it names a KPI."""
    assert SETTINGS.kpi_rule("p01.mmlu") is None
    rules = {"kpis": [{"kpi": "p01.mmlu", "judged": False, "why": "shown"}]}
    sizes = [1000, 1000]
    settings = type(SETTINGS).model_validate(rules)
    lost = compared(measured(2, [0.1] * 2, sizes), measured(1, [0.9] * 2, sizes), made=suite_of(2), settings=settings)
    assert whole(lost).verdict is KpiVerdict.WITHIN
