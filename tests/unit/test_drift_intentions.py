"""Tests of what differences mean: better, worse, as a task intended, or changed."""

from __future__ import annotations

import json

import pytest
from drift_cases import card, compared, kpi, logged, normal, profile, promise, side

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.drift import (
    ChangeOutcome,
    DriftReport,
    Side,
    TaskEffect,
    Verdict,
    drift_report_from_json,
)

TASK = "p01-2-longer"
MADE = promise("corpus", kpis=[kpi("hit_rate"), kpi("rows", unit="records", tolerance=1.0)])
MOVED = ("corpus/quality_signals.length", "corpus/filter short", "p01.rows")


def turn(
    iteration: int, *, shift: float = 0.0, hit_rate: float = 0.9, rows: float = 100.0, tasks: tuple[str, ...] = ()
) -> Side:
    """One iteration: a signal, a filter, two KPIs, and the tasks its run read."""
    length = {"quality_signals.length": normal(200, shift, seed=iteration)}
    data = logged(profile(**length), card(short=(1000, 900 - int(200 * shift))))
    return side(
        iteration,
        kpis={"hit_rate": hit_rate, "rows": rows},
        digests={"corpus": str(iteration)},
        data={"corpus": data},
        tasks=tasks,
    )


def effect(kpi: str | None = "p01.hit_rate", moves: tuple[str, ...] = MOVED) -> dict[str, TaskEffect]:
    """What the task says it does."""
    return {TASK: TaskEffect(TASK, "p01", kpi, moves)}


def outcomes(report: DriftReport) -> dict[str, ChangeOutcome | None]:
    """The outcome of everything that was compared, by subject."""
    found = {item.subject: item.outcome for item in report.kpis}
    found |= {item.subject: item.outcome for item in report.distributions}
    return found | {item.subject: item.outcome for item in report.filters}


def test_what_a_task_moved_and_its_kpi_confirms_is_as_intended() -> None:
    """The data differ as the task said, and its KPI got better: nothing blocks, and all of it is listed."""
    after = turn(2, shift=1.0, hit_rate=0.97, rows=60.0, tasks=(TASK,))
    report = compared(after, turn(1), made=MADE, tasks=effect())
    assert outcomes(report) == {
        "p01.hit_rate": ChangeOutcome.BETTER,
        "p01.rows": ChangeOutcome.INTENDED,
        "corpus/quality_signals.length": ChangeOutcome.INTENDED,
        "corpus/filter short": ChangeOutcome.INTENDED,
    }
    assert report.verdict is Verdict.PASS
    assert [item.subject for item in report.intended] == [item.subject for item in report.findings]
    assert {item.decides for item in report.findings} == {False}
    assert (report.regressed_kpis, report.drifted_signals, report.drifted_filters) == (0, 0, 0)
    assert report.headline.startswith("3 as intended, 1 KPI better; ")
    assert all(TASK in item.text for item in report.intended)


def test_what_nobody_declared_is_changed() -> None:
    """The same difference without a task that names it stops a release: nobody can say for better or worse."""
    after = turn(2, shift=1.0, hit_rate=0.97, tasks=(TASK,))
    report = compared(after, turn(1), made=MADE, tasks=effect(moves=("p01.rows",)))
    assert outcomes(report)["corpus/quality_signals.length"] is ChangeOutcome.CHANGED
    assert report.verdict is Verdict.BLOCK


@pytest.mark.parametrize(
    ("hit_rate", "named"),
    [(0.5, "p01.hit_rate"), (0.97, None), (0.97, "p01.nothing")],
)
def test_only_a_kpi_that_did_not_get_worse_confirms(hit_rate: float, named: str | None) -> None:
    """A task whose KPI fell, that names none, or one nobody measures, has nothing that speaks for it."""
    after = turn(2, shift=1.0, hit_rate=hit_rate, tasks=(TASK,))
    report = compared(after, turn(1), made=MADE, tasks=effect(named))
    assert outcomes(report)["corpus/quality_signals.length"] is ChangeOutcome.CHANGED
    assert report.verdict is Verdict.BLOCK


def test_a_task_intends_only_in_the_iteration_that_absorbs_it() -> None:
    """A task both sides read explains no difference between them."""
    after = turn(2, shift=1.0, hit_rate=0.97, tasks=(TASK,))
    report = compared(after, turn(1, tasks=(TASK,)), made=MADE, tasks=effect())
    assert outcomes(report)["corpus/quality_signals.length"] is ChangeOutcome.CHANGED


def test_a_whole_interface_or_project_may_be_named() -> None:
    """`corpus` speaks of its signals and filters, `p01` of its KPIs; half a name of nothing."""
    after = turn(2, shift=1.0, hit_rate=0.97, rows=60.0, tasks=(TASK,))
    report = compared(after, turn(1), made=MADE, tasks=effect(moves=("corpus", "p01")))
    assert report.verdict is Verdict.PASS
    half = compared(after, turn(1), made=MADE, tasks=effect(moves=("corp", "p0")))
    assert half.intended == ()


def test_a_loss_names_the_task_that_was_not_handed_on() -> None:
    """A gain that is lost with its task is a regression, with the cause first (A1)."""
    before = turn(1, hit_rate=0.97, tasks=(TASK,))
    report = compared(turn(2, hit_rate=0.5), before, made=MADE, tasks=effect())
    first = report.findings[0]
    assert first.subject == "p01.hit_rate"
    assert first.text.startswith(f"worse: {TASK}, absorbed before, was not handed on; 0.97 → 0.5")
    taken_back = {TASK: TaskEffect(TASK, "p01", "p01.hit_rate", withdrawn=True)}
    report = compared(turn(2, hit_rate=0.5), before, made=MADE, tasks=taken_back)
    assert f"{TASK} was withdrawn" in report.findings[0].text


def test_an_intention_cannot_be_written_into_a_report() -> None:
    """A report is read back as it is, and refused when an outcome does not follow from its tasks."""
    after = turn(2, shift=1.0, hit_rate=0.97, tasks=(TASK,))
    report = compared(after, turn(1), made=MADE, tasks=effect())
    text = report.to_json()
    assert drift_report_from_json(text) == report
    document = json.loads(text)
    document["tasks"]["new"] = []
    with pytest.raises(DocumentError):
        drift_report_from_json(json.dumps(document))
