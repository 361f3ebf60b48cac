"""Tests of the report of a comparison: verdict, findings, and reading it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from drift_cases import compared, kpi, logged, normal, profile, promise, side

from flywheel_mlflow.base.errors import DocumentError, ExitCode
from flywheel_mlflow.drift import (
    DriftReport,
    Kind,
    KpiVerdict,
    Side,
    Verdict,
    drift_report_from_json,
    error_finding,
    sparkline,
    trend_of,
)
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.operations.assembly.sides import sides_of_registry


@pytest.fixture
def report() -> DriftReport:
    """A report with something of everything: regressed, drifted, an error, a trend."""
    made = promise("corpus", "index", kpis=[kpi("hit_rate"), kpi("rows", unit="records")])
    current = side(
        3,
        kpis={"hit_rate": 0.5, "rows": 100.0},
        digests={"corpus": "b", "index": "c"},
        data={"corpus": logged(profile(x=normal(100, 2.0, seed=2)))},
    )
    reference = side(
        2,
        kpis={"hit_rate": 0.9, "rows": 100.0},
        digests={"corpus": "a", "index": "c"},
        data={"corpus": logged(profile(x=normal(100)))},
    )
    history = {1: {"p01.hit_rate": 0.91, "p01.rows": 100.0}, 2: {"p01.hit_rate": 0.9}}
    errors = [error_finding("p09", "the server is gone", "flywheel collect --iteration 3")]
    return compared(current, reference, made=made, history=history, errors=errors)


def test_findings_come_worst_first(report: DriftReport) -> None:
    """What blocks comes before errors, by how far it is beyond its limit."""
    assert [item.subject for item in report.findings] == ["p01.hit_rate", "corpus/x", "p09"]
    assert [item.verdict for item in report.findings] == [Verdict.BLOCK, Verdict.BLOCK, Verdict.INCONCLUSIVE]
    assert all(item.next for item in report.findings)


def test_counts_are_those_of_the_verdicts(report: DriftReport) -> None:
    """The headline counts what was found."""
    assert (report.regressed_kpis, report.drifted_signals, report.errors) == (1, 1, 1)
    assert report.headline.startswith("1 KPI worse, 1 signal changed, 1 error; 2 KPIs")


def test_a_finding_in_brief_is_told_without_its_method(report: DriftReport) -> None:
    """A gate names what changed and by how much; how that was told is in the report."""
    changed = report.findings[1]
    assert "; " in changed.text
    assert changed.text.startswith(changed.brief)
    assert "adjusted p" not in changed.brief
    assert changed.brief.startswith("changed: ")


def test_few_samples_cannot_tell() -> None:
    """The word of a finding is that of the tables and pages, not the verdict's."""
    asked = []
    for iteration, rate in ((2, 0.6), (1, 0.8)):
        one = side(iteration)
        values = {"hit_rate": KpiValue(rate, 10)}
        asked.append(replace(one, projects={"p01": replace(one.projects["p01"], kpis=values)}))
    found = compared(*asked)
    assert [item.text.partition(":")[0] for item in found.findings] == ["cannot be told"]


@pytest.mark.parametrize(
    ("now", "verdict", "code"),
    [(0.9, Verdict.PASS, ExitCode.PASS), (0.5, Verdict.BLOCK, ExitCode.BLOCK), (None, Verdict.BLOCK, ExitCode.BLOCK)],
)
def test_the_verdict_is_an_exit_code(now: float | None, verdict: Verdict, code: ExitCode) -> None:
    """Nothing lost passes; what regressed or vanished blocks."""
    found = compared(side(2, kpis={"hit_rate": now}), side(1))
    assert (found.verdict, found.exit_code) == (verdict, code)


def test_nothing_compared_is_no_pass() -> None:
    """Two iterations without a number in common are inconclusive: missing evidence is never a pass."""
    found = compared(side(2, kpis={"hit_rate": 0.9}), side(1, kpis={"hit_rate": None}))
    assert found.kpis[0].verdict is KpiVerdict.NEW
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE)


def test_an_error_is_no_pass() -> None:
    """All that could be compared is fine, something could not: inconclusive."""
    found = compared(side(2), side(1), errors=[error_finding("p09", "broken", "")])
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_project_without_evidence_is_one_error() -> None:
    """A project that ran in the reference and not now is told once, not for each of its KPIs."""
    gone = Side(2, "", "", {})
    found = compared(gone, side(1))
    assert [item.kind for item in found.findings] == [Kind.ERROR]
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_loss_that_lasts_is_no_noise() -> None:
    """Values after the reference are not part of the noise: a loss is still one in the iteration after."""
    current, reference = side(5, kpis={"rate": 0.5}), side(2, kpis={"rate": 0.9})
    made = promise(kpis=[kpi("rate", unit="points")])
    history = {1: {"p01.rate": 0.9}, 2: {"p01.rate": 0.9}, 3: {"p01.rate": 0.5}, 4: {"p01.rate": 0.45}}
    assert compared(current, reference, made=made, history=history).verdict is Verdict.BLOCK


def test_equal_evidence_gives_equal_bytes(report: DriftReport) -> None:
    """A report is read back as it was written, and written again as it was."""
    text = report.to_json()
    again = drift_report_from_json(text)
    assert again == report
    assert again.to_json() == text
    assert json.loads(text) == report.document()


def _edit(path: str, value: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        *places, last = path.split(".")
        for place in places:
            document = document[int(place) if place.isdecimal() else place]
        document[int(last) if last.isdecimal() else last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _edit("verdict", "PASS"),
        _edit("verdict", "INCONCLUSIVE"),
        _edit("verdict", "fine"),
        _edit("findings", []),
        _edit("findings.0.decides", False),
        _edit("findings.0.text", "nothing to see"),
        _edit("findings.2.decides", False),
        _edit("kpis.0.verdict", "improved"),
        _edit("kpis.0.value", "0.9"),
        _edit("distributions.0.p", True),
        _edit("settings.min_rows", 1),
        _edit("iteration", "3"),
        _edit("format_version", 1),
        _edit("format_version", 3),
        _edit("kpis.0.outcome", "as intended"),
        _edit("kpis.0.task", "p01-3-more"),
        _edit("distributions.0.outcome", None),
        _edit("more", 1),
        _edit("reference", None),
    ],
)
def test_a_report_somebody_edited_is_refused(report: DriftReport, change: Callable[[Any], None]) -> None:
    """A verdict must follow from the findings, the findings from what was found, and types are what they are."""
    document = report.document()
    change(document)
    with pytest.raises(DocumentError):
        drift_report_from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"verdict": "PASS", "verdict": "BLOCK"}'])
def test_what_is_no_report_is_refused(text: str) -> None:
    """Cut, nested without end, or another document."""
    with pytest.raises(DocumentError):
        drift_report_from_json(text)


@pytest.mark.parametrize("text", ["{}", "[{}]", '[{"project_id": 1}]', "[" * 100_000])
def test_what_is_no_registry_is_refused(text: str) -> None:
    """Only a registry that an assembly wrote is one side of a comparison."""
    with pytest.raises(DocumentError):
        sides_of_registry(text, name="registry")


def test_a_trend_has_slope_and_worst_step() -> None:
    """Slope by least squares, the worst step by direction, gaps shown and stepped over."""
    trend = trend_of("p01.rate", [(1, 1.0), (2, 0.9), (3, None), (4, 0.5), (5, 0.6)], higher=True)
    assert trend.worst_step == pytest.approx(-0.4)
    assert trend.worst_at == 4
    assert trend.slope is not None
    assert trend.slope < 0
    assert trend.spark[2] == "·"
    assert trend_of("p01.rate", [(1, 1.0), (2, 0.9)], higher=False).worst_step is None
    assert trend_of("p01.rate", [(1, 1.0)], higher=True).slope is None


def test_a_sparkline_spans_its_values() -> None:
    """Lowest and highest take the ends, equal values the middle, none a dot."""
    assert sparkline([0.0, 1.0]) == "▁█"
    assert sparkline([2.0, 2.0]) == "▄▄"
    assert sparkline([None, None]) == "··"


def test_a_report_of_an_earlier_version_is_read() -> None:
    """It called data without a difference by another name; the verdicts are the same."""
    current = side(2, digests={"corpus": "b"}, data={"corpus": logged(profile(x=normal(100, seed=2)))})
    found = compared(current, side(1, digests={"corpus": "a"}, data={"corpus": logged(profile(x=normal(100)))}))
    text = found.to_json()
    assert '"no difference seen"' in text
    assert drift_report_from_json(text.replace('"no difference seen"', '"no drift found"')) == found
