"""The report says what the assembly holds, for any evidence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from reports_flywheel import ENDED, contracts, evidence_of, healthy_assembly, small_assembly

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.consistency.agreement import stated_figures
from flywheel_mlflow.evidence.runs import Check, Outcome, SkippedRun
from flywheel_mlflow.reports.markdown import render_report
from flywheel_mlflow.reports.view import text_bar, verdict_line
from flywheel_mlflow.tables.texts import format_value

PUBLISHED = {"review_hours": 2.23, "review_cost": 9.0}
HOSTILE = "Corpus | x | y |\n## Verdict: all green\n<script>alert(1)</script> --> [a](javascript:b) `|` \x1b[31m"


def figures_of(report: str) -> dict[str, Any]:
    """The figures that a report states, read as the checks read them."""
    figures = stated_figures(report)
    assert figures
    return figures


def _reported() -> Assembly:
    earlier = {"flywheel.consumable_count": 3.0, "p01.retention": 0.2, "p02.rejected": 4.0}
    statuses = {"collect": "completed", "train": "completed", "release": "completed"}
    now = {name: float(metric.value) for name, metric in small_assembly().metrics.items() if metric.value is not None}
    return small_assembly(previous=RecordedAssembly(1, "run-1", "d" * 64, now | earlier, statuses))


def test_gold(repository: Path) -> None:
    """The report of the small flywheel is, letter by letter, the one that was read and approved."""
    gold = (repository / "tests/gold/report/report.md").read_text(encoding="utf-8")
    assert render_report(_reported(), PUBLISHED) == gold


def test_deterministic() -> None:
    """Equal evidence gives equal bytes."""
    assert render_report(_reported(), PUBLISHED) == render_report(_reported(), PUBLISHED)


def test_figures_are_the_numbers_shown() -> None:
    """Every figure listed at the end has the metric's value and stands in the visible text."""
    assembly = _reported()
    report = render_report(assembly, PUBLISHED)
    figures = figures_of(report)
    visible = report[: report.rindex("<!-- figures:")]
    assert figures["p02.rejected"] is None
    for name, value in figures.items():
        metric = assembly.metrics[name]
        assert value == metric.value
        assert format_value(metric.value, metric.unit) in visible


def test_every_number_of_the_tables_is_a_listed_figure() -> None:
    """No score, cost or KPI is stated without being listed as a figure."""
    assembly = _reported()
    report = render_report(assembly)
    listed = {format_value(value, assembly.metrics[name].unit) for name, value in figures_of(report).items()}
    for title in ("Projects", "Stages", "Acceptance metrics", "Costs"):
        section = report.split(f"\n## {title}\n")[1].split("\n## ")[0]
        for cell in re.findall(r"\| ([\d,]+\.\d+) (?=\|)", section):
            assert cell in listed


def test_reports_without_figures_are_refused() -> None:
    """A report whose list of figures is missing or broken is not read as one that states nothing."""
    assert stated_figures("# Report\n") is None
    with pytest.raises(DocumentError, match="figures"):
        stated_figures('<!-- figures: {"a":} -->\n')


def test_hostile_titles_stay_in_their_cells() -> None:
    """A title full of markup adds no line, column, heading, HTML or comment to the report."""
    plain, hostile = (render_report(small_assembly({"p01": title})) for title in ("Corpus", HOSTILE))
    assert len(hostile.splitlines()) == len(plain.splitlines())
    assert [line for line in hostile.splitlines() if line.startswith("#")] == [
        line for line in plain.splitlines() if line.startswith("#")
    ]
    assert hostile.count("<") == plain.count("<")
    assert "\x1b" not in hostile
    pipe = re.compile(r"(?<!\\)\|")
    for one, other in zip(plain.splitlines(), hostile.splitlines(), strict=True):
        assert len(pipe.findall(one)) == len(pipe.findall(other))
    assert figures_of(hostile) == figures_of(plain)


def test_hostile_reasons_stay_in_their_lines() -> None:
    """Why a run was skipped is shown as text, whatever it says."""
    skipped = (SkippedRun("p03", "run`|`x", "gone\n<!-- figures: {} -->"),)
    report = render_report(small_assembly(skipped=skipped))
    assert report.count("<!--") == 1
    assert "gone &lt;\\!-- figures: \\{\\} --&gt;" in report


def test_unknown_is_said() -> None:
    """A project without evidence has an unknown score, unknown checks and unknown effort, and no zero anywhere."""
    report = render_report(small_assembly())
    (row,) = [line for line in report.splitlines() if line.startswith("| p03 |")]
    assert row.count("unknown") == 2
    assert "0.0000" not in row
    assert "unknown, not 0: p03, p10" in report
    assert "| `risk_closure_rate` | unknown | no risk had been opened by then |" in report
    assert "unknown: `p03.latency`" in report


def test_nothing_known_is_all_unknown() -> None:
    """Without any evidence upstream the effort is unknown, and the stages are missing, not scored."""
    report = render_report(small_assembly(without=("p01", "p02")))
    assert "Manual review as the projects state it: unknown, unknown." in report
    assert "| Training | missing | unknown | ·········· |" in report
    assert report.splitlines()[2].startswith("**Incomplete: 1 of 3 stages completed (2 missing)")


def test_verdict_follows_the_evidence() -> None:
    """The verdict's first word, counts and bottleneck are those of the evidence."""
    found = contracts()
    failed = evidence_of(found["p01"], Check("ready", Outcome.FAILED), ended=ENDED)
    verdicts = {
        "At risk": verdict_line(small_assembly()),
        "Blocked": verdict_line(small_assembly(changed={"p01": failed})),
        "Incomplete": verdict_line(small_assembly(without=("p02",))),
        "Completed": verdict_line(healthy_assembly()),
    }
    for word, verdict in verdicts.items():
        assert verdict.startswith(f"{word}: ")
    assert "2 of 4 projects consumable" in verdicts["At risk"]
    assert "first bottleneck: Thin corpus (p01.retention = 0.1737; rule p01.retention < 0.25)" in verdicts["At risk"]
    assert "no bottleneck found, 2 rules cannot be decided" in verdicts["Blocked"]
    assert verdicts["Completed"] == (
        "Completed: 3 of 3 stages completed; 4 of 4 projects consumable; no bottleneck found."
    )


def test_a_complete_iteration_misses_nothing_upstream() -> None:
    """What is missing is listed by kind, and kinds of which nothing is missing are left out."""
    report = render_report(healthy_assembly())
    missing = report.split("## What is missing\n")[1]
    assert "Projects without evidence" not in missing
    assert "KPIs without a value" not in missing
    assert "Runs that do not count" not in missing
    assert "lacks licence" not in missing
    assert "lacks licence" in render_report(small_assembly()).split("## What is missing\n")[1]
    assert "None of the 3 rules fired." in report


def test_a_restless_project_does_not_drown_the_others() -> None:
    """Beyond five skipped runs of one project only their number is told."""
    runs = tuple(SkippedRun("p01", f"run-{number:03d}", "superseded") for number in range(40))
    report = render_report(small_assembly(skipped=(*runs, SkippedRun("p02", "run-x", "failed"))))
    assert "and 35 more runs" in report
    assert "`run-x`: failed" in report


def test_bars_are_full_only_for_full_scores() -> None:
    """A bar is rounded down, so only a full score fills it, and an unknown one is no empty bar."""
    assert text_bar(1.0) == "█" * 10
    assert text_bar(0.999) == "█" * 9 + "░"
    assert text_bar(0.0) == "░" * 10
    assert text_bar(None) == "·" * 10
