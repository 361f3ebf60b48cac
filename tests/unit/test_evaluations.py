"""What an evaluation of MLflow's says about KPIs: sizes and outcomes where they are sure, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.names import check_label
from flywheel_mlflow.drift.losses import KpiCase, Loss, loss_of
from flywheel_mlflow.evidence.evaluations import (
    EvaluatedDataset,
    Evaluation,
    JudgedAnswer,
    Judgement,
    evaluated_kpis,
    evaluation_of,
    outcome_of,
    record_id,
    scorer_checks,
)
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.evidence.samples import JudgedRecords
from flywheel_mlflow.promises.contract import Contract, Kpi
from flywheel_mlflow.promises.thresholds import DriftSettings


@pytest.fixture
def contract(repository: Path) -> Contract:
    """A contract whose one KPI is the mean of the scorer `right`."""
    kpi = Kpi(name="accuracy", path="right/mean", direction="higher", unit="ratio")
    return load_flywheel(repository).contracts["p05"].model_copy(update={"kpis": (kpi,)})


def _evaluation(values: Sequence[object], *, rows: int | None = None, failed: int = 0) -> Evaluation:
    answers = [JudgedAnswer(f"r{number}", (Judgement("right", value),)) for number, value in enumerate(values)]
    answers += [JudgedAnswer(f"f{number}", (Judgement("right", failed=True),)) for number in range(failed)]
    found = evaluation_of(answers, [EvaluatedDataset("qa", "12345678", len(answers) if rows is None else rows)])
    assert found is not None
    return found


def test_answers_are_the_numbers_mlflow_makes_of_them() -> None:
    """Numbers, booleans, yes and no are outcomes; other words, nothing and NaN are none, and never 0."""
    said = [True, False, 0.25, 3, "yes", "No", "maybe", None, float("nan"), {"a": 1}]
    assert [outcome_of(value) for value in said] == [1.0, 0.0, 0.25, 3.0, 1.0, 0.0, None, None, None, None]


def test_a_kpi_gets_its_size_and_outcomes(contract: Contract) -> None:
    """The mean of a scorer has the size of the answers judged; failures and silence are counted apart."""
    evaluation = _evaluation([True, False, True, None], failed=2)
    found = evaluated_kpis(evaluation, contract, {"right/mean": 2 / 3})
    assert found.values == {"accuracy": KpiValue(2 / 3, 3, None)}
    assert found.samples["accuracy"].samples == {"r0": 1.0, "r1": 0.0, "r2": 1.0}
    assert found.remarks == ("accuracy: 3 answers to 6 records of qa, the scorer failed on 2, no outcome for 1",)
    assert [check.message for check in scorer_checks(evaluation)] == [
        "3 answers judged: the scorer failed on 2, no outcome for 1"
    ]


def test_graded_outcomes_have_a_standard_error(contract: Contract) -> None:
    """A mean of grades comes with the standard error of its answers; one of shares alone does not need it."""
    found = evaluated_kpis(_evaluation([0.0, 0.5, 1.0, 0.5]), contract, {"right/mean": 0.5})
    assert found.values["accuracy"].stderr == pytest.approx((0.5 / 3 / 4) ** 0.5)
    assert evaluated_kpis(_evaluation([1]), contract, {"right/mean": 1.0}).values["accuracy"].n == 1


def test_a_scorer_that_always_failed_leaves_the_kpi_unknown(contract: Contract) -> None:
    """Without one outcome there is no value, and it is said why."""
    evaluation = _evaluation([], failed=4)
    found = evaluated_kpis(evaluation, contract, {})
    assert (found.values, found.samples) == ({}, {})
    assert found.remarks == ("accuracy: unknown, the scorer right failed on 4 answers",)
    assert [check.message for check in scorer_checks(evaluation)] == ["no answer judged: the scorer failed on 4"]


def test_two_evaluations_by_one_scorer_are_not_mixed(contract: Contract) -> None:
    """Where the outcomes are not those the metric is the mean of, the size is unknown and no outcome is kept."""
    evaluation = _evaluation([True, True, False, False], rows=2)
    found = evaluated_kpis(evaluation, contract, {"right/mean": 0.0})
    assert (found.values, found.samples) == ({}, {})
    assert "evaluate once for each run and scorer" in found.remarks[0]


def test_answers_that_mlflow_lost_are_told(contract: Contract) -> None:
    """A busy store may lose traces: the value stays, its size is unknown, and the outcomes kept are."""
    found = evaluated_kpis(_evaluation([True, False], rows=4), contract, {"right/mean": 0.25})
    assert found.values == {"accuracy": KpiValue(0.25, None, None)}
    assert found.samples["accuracy"].samples == {"r0": 1.0, "r1": 0.0}
    assert "MLflow lost answers" in found.remarks[0]


def test_a_record_answered_twice_is_one_sample(contract: Contract) -> None:
    """Answers to the same record are averaged: they are one question, and count as two answers."""
    answers = [JudgedAnswer("r1", (Judgement("right", value),)) for value in (1, 0)]
    evaluation = evaluation_of(answers, [EvaluatedDataset("qa", "12345678", 2)])
    assert evaluation is not None
    found = evaluated_kpis(evaluation, contract, {"right/mean": 0.5})
    assert (found.values["accuracy"].n, found.samples["accuracy"].samples) == (2, {"r1": 0.5})


def test_other_aggregations_are_no_means(contract: Contract) -> None:
    """The outcomes of a scorer are not the samples of its 90th percentile."""
    kpi = contract.kpis[0].model_copy(update={"path": "right/p90"})
    other = contract.model_copy(update={"kpis": (kpi,)})
    assert evaluated_kpis(_evaluation([0.1, 0.9]), other, {"right/p90": 0.9}).samples == {}


def test_nothing_judged_is_no_evaluation() -> None:
    """Traces that nobody judged are no evaluation, and neither are words that are no numbers: no scorer failed."""
    assert evaluation_of([JudgedAnswer("r1")], []) is None
    assert evaluation_of([JudgedAnswer("r1", (Judgement("tone", "friendly"),))], []) is None


def test_names_of_scorers_are_data() -> None:
    """A name with control characters, or one without end, is shortened: it fails no run."""
    answers = [JudgedAnswer("r1", (Judgement(f"a\x1b[31m{'b' * 400}", failed=True),))]
    evaluation = evaluation_of(answers, [])
    assert evaluation is not None
    (check,) = scorer_checks(evaluation)
    assert check_label("check", check.name).startswith("evaluation by a[31mbb")


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**50), 2**50) | st.text(max_size=5), max_size=4))
def test_a_record_is_named_by_its_content(inputs: dict[str, object]) -> None:
    """The same content has one name, whatever the order of its keys and whether MLflow made its numbers floats."""
    turned = {key: float(item) if isinstance(item, int) else item for key, item in reversed(inputs.items())}
    assert record_id(inputs, {}) == record_id(turned, None)
    assert record_id(inputs, {"answer": 1}) != record_id(inputs, {"answer": 2})


def _loss(current: range, reference: range, *, lost: int = 0) -> Loss:
    samples = {f"r{number}": float(number % 10 >= lost) for number in current}
    before = {f"r{number}": 1.0 for number in reference}
    found = loss_of(
        KpiCase(
            "p05.accuracy",
            Kpi(name="accuracy", path="right/mean", direction="higher", unit="ratio"),
            KpiValue(sum(samples.values()) / len(samples), len(samples)),
            KpiValue(1.0, len(before)),
            samples=samples,
            reference_samples=before,
            judged=JudgedRecords("qa", len(samples), str(current)),
            reference_judged=JudgedRecords("qa", len(before), str(reference)),
        ),
        DriftSettings(),
    )
    assert found is not None
    return found


def test_one_version_is_compared_question_by_question() -> None:
    """Two evaluations of the same records are paired, and no version is spoken of."""
    found = _loss(range(40), range(40), lost=3)
    assert (found.paired, found.n) == (True, 40)
    assert found.worse == pytest.approx(0.3)
    assert found.remark == "40 samples judged by both runs, 12 lost, 0 won"


def test_another_version_is_compared_where_they_meet() -> None:
    """Only records of both versions are paired; how many are not is said with the name of the data set."""
    found = _loss(range(10, 60), range(40), lost=3)
    assert (found.paired, found.n) == (True, 30)
    assert found.remark.endswith("another version of qa: 20 only now and 10 only in the reference are not compared")


def test_versions_that_hardly_meet_are_not_paired() -> None:
    """With too few records in both nothing is paired, and the values are said to answer different questions."""
    found = _loss(range(35, 75), range(40), lost=3)
    assert not found.paired
    assert found.method.startswith("Newcombe")
    assert found.remark == (
        "another version of qa: 5 are in both, too few to pair, so the two values answer different questions"
    )
