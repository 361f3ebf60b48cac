"""Tests of the one-screen summary of a comparison."""

from __future__ import annotations

from dataclasses import replace

from drift_cases import compared, side
from reports_flywheel import small_assembly

from flywheel_mlflow.drift import error_finding
from flywheel_mlflow.reports.drift import drift_view, render_drift
from flywheel_mlflow.reports.markdown import render_report
from flywheel_mlflow.reports.note import NOTE_LIMIT, assembly_note

LOST = compared(
    side(3, kpis={"hit_rate": 0.2}),
    side(2),
    history={1: {"p01.hit_rate": 0.9}, 2: {"p01.hit_rate": 0.9}},
    errors=[error_finding(f"p{number:02d}", "the server is gone", "") for number in range(2, 9)],
)


def test_a_summary_fits_a_screen() -> None:
    """The verdict, five findings with their commands, how many more there are, the trend of what was lost."""
    text = render_drift(LOST)
    assert text.index("**BLOCK**") < text.index("hit\\_rate") < text.index("And 3 more")
    assert "`flywheel explain p01.hit_rate --between 2 3`" in text
    assert "██▁" in text
    assert len(text.splitlines()) < 30


def test_the_report_and_the_note_hold_it() -> None:
    """An assembly with a comparison says it in its report and in its run's note; one without says there is none."""
    assembly = small_assembly()
    assert "Nothing to compare with" in render_report(assembly)
    assembly = replace(assembly, drift=LOST)
    assert "Against iteration 2" in render_report(assembly)
    note = assembly_note(assembly)
    assert "Drift against iteration 2" in note
    assert len(note) <= NOTE_LIMIT


def test_a_hostile_finding_stays_text() -> None:
    """Markup in a subject or text neither starts a link, nor a heading, nor ends a table cell."""
    hostile = "# [x](http://evil) | <script>alert(1)</script>"
    text = render_drift(compared(side(2), side(1), errors=[error_finding(hostile, hostile, "")]))
    assert "<script>" not in text
    assert "\\[x\\]" in text


def test_a_clean_comparison_has_no_findings() -> None:
    """Nothing found gives the verdict and what was compared."""
    view = drift_view(compared(side(2), side(1)))
    assert (view.verdict, view.findings, view.more) == ("PASS", (), 0)
