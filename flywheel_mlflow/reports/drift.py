"""What a comparison says on one screen of Markdown: on its own, in an iteration's report, in a run's note."""

from __future__ import annotations

from dataclasses import dataclass

from flywheel_mlflow.drift import DriftReport, Trend
from flywheel_mlflow.drift.report import FIRST
from flywheel_mlflow.drift.schemas import reasons_not_compared
from flywheel_mlflow.reports.rendering import render_markdown

#: Trends shown: those that lost most in one step.
MOST_TRENDS = 5


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One finding; ``command`` is what to run to look closer."""

    subject: str
    text: str
    command: str


@dataclass(frozen=True, slots=True)
class TrendLine:
    """One KPI over the last iterations."""

    subject: str
    spark: str
    slope: str
    worst: str


@dataclass(frozen=True, slots=True)
class DriftView:
    """A comparison in the order it is read; ``more`` counts findings left out."""

    title: str
    against: str
    verdict: str
    headline: str
    findings: tuple[FindingLine, ...]
    more: int
    untested: str
    trends: tuple[TrendLine, ...]


def drift_view(report: DriftReport) -> DriftView:
    """The view of a comparison: the verdict, the worst findings, what was not tested, the trends that fell."""
    shown = report.findings[:FIRST]
    return DriftView(
        title=f"{report.flywheel}: iteration {report.iteration} against iteration {report.reference.iteration}",
        against=str(report.reference.iteration),
        verdict=report.verdict.value,
        headline=report.headline,
        findings=tuple(FindingLine(item.subject, item.text, item.next) for item in shown),
        more=len(report.findings) - len(shown),
        untested=_untested(report),
        trends=tuple(_trend(trend) for trend in _fallen(report)),
    )


def render_drift(report: DriftReport) -> str:
    """The one-screen summary as Markdown."""
    return render_markdown("drift.md.j2", view=drift_view(report), alone=True)


def _untested(report: DriftReport) -> str:
    parts = []
    if report.untested_signals:
        noun = "distribution was" if report.untested_signals == 1 else "distributions were"
        parts.append(f"{report.untested_signals} {noun} not tested: too few rows, or nothing logged to compare.")
    if reasons := list(reasons_not_compared(report.schemas)):
        parts.append(f"Schemas not compared: {'; '.join(reasons)}.")
    return " ".join(parts)


def _fallen(report: DriftReport) -> list[Trend]:
    """The trends of the KPIs among the findings, in their order."""
    concerned = [item.subject for item in report.findings]
    trends = [trend for trend in report.trend if len(trend.values) > 1]
    named = {trend.subject: trend for trend in trends}
    first = [named[subject] for subject in dict.fromkeys(concerned) if subject in named]
    return first[:MOST_TRENDS]


def _trend(trend: Trend) -> TrendLine:
    worst = "" if trend.worst_step is None else f"{_signed(trend.worst_step)} at iteration {trend.worst_at}"
    slope = "" if trend.slope is None else _signed(trend.slope)
    return TrendLine(trend.subject, trend.spark, slope, worst)


def _signed(value: float) -> str:
    return f"{value:+.3g}" if abs(value) < 1000 else f"{value:+,.0f}"
