"""What the tables of a drift page say, every text ready to be placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flywheel_mlflow.drift import DriftReport, FilterFound, KpiFound, SchemaFound, SignalFound, Trend
from flywheel_mlflow.drift.wording import Tone, compared_order, tone_of, word_of, word_order

#: Evidently's words for what its tests found.
FAIL, WARNING, SUCCESS = "FAIL", "WARNING", "SUCCESS"

# Evidently draws its own SKIPPED as information and does not count it: what was not tested must be seen.
_STATUS = {
    Tone.BAD: FAIL,
    Tone.ATTENTION: FAIL,
    Tone.UNKNOWN: WARNING,
    Tone.INTENDED: SUCCESS,
    Tone.GOOD: SUCCESS,
    Tone.NONE: SUCCESS,
}

#: The line cell's fixed axes: x from 0 to 25, y from 0 to 1; points beyond are not drawn (evidently 0.7.23).
_LINE_WIDTH = 24.5

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``is_line`` draws the cell's points."""

    title: str
    key: str
    is_line: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: its label, the number Evidently keeps, its status, title and text, its cells by column."""

    label: str
    value: float
    status: str
    title: str
    text: str
    cells: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """All comparisons of one kind, worst first, with how many there are of each word."""

    title: str
    counts: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def tables_of(report: DriftReport) -> list[Table]:
    """The tables of a report; an empty one is left out, Evidently cannot draw it."""
    tables = [_kpis(report), _schemas(report), _signals(report), _filters(report)]
    return [table for table in tables if table.rows]


def _kpis(report: DriftReport) -> Table:
    trends = {trend.subject: trend for trend in report.trend}
    rows = [
        Row(
            # Evidently turns a label that looks like a number into one, and then cannot find it.
            label=f"kpi {kpi.subject}",
            value=0.0 if kpi.value is None else kpi.value,
            status=_STATUS[tone_of(kpi)],
            title=f"{kpi.subject}: {word_of(kpi)}",
            text=f"{kpi.text}. Method: {kpi.method}",
            cells={
                "verdict": word_of(kpi),
                "name": kpi.subject,
                "trend": _line(trends.get(kpi.subject)),
                "reference": _shown(kpi.reference),
                "value": _shown(kpi.value),
                "worse": "" if kpi.worse is None else f"{_signed(-kpi.worse)} ({_shown(kpi.tolerance)})",
                "n": "" if kpi.n is None else f"{kpi.n:,}",
            },
        )
        for kpi in sorted(report.kpis, key=compared_order)
    ]
    columns = (
        Column("Verdict", "verdict"),
        Column("KPI", "name"),
        Column("Trend", "trend", is_line=True),
        Column("Before", "reference"),
        Column("Now", "value"),
        Column("Better by (tolerance)", "worse"),
        Column("n", "n"),
    )
    return Table("KPIs", _counts(report.kpis), columns, tuple(rows))


def _schemas(report: DriftReport) -> Table:
    rows = [
        Row(
            label=f"schema {item.interface}",
            value=float(item.count),
            status=_STATUS[tone_of(item)],
            title=f"{item.subject}: {word_of(item)}",
            text=item.text,
            cells={
                "verdict": word_of(item),
                "name": item.interface,
                "change": item.change,
                "what": item.text,
            },
        )
        for item in sorted(report.schemas, key=compared_order)
    ]
    columns = (
        Column("Verdict", "verdict"),
        Column("Interface", "name"),
        Column("Change", "change"),
        Column("What", "what"),
    )
    return Table("Schemas", _counts(report.schemas), columns, tuple(rows))


def _signals(report: DriftReport) -> Table:
    rows = [
        Row(
            label=f"signal {item.subject}",
            value=1.0 if item.p is None else item.p,
            status=_STATUS[tone_of(item)],
            title=f"{item.subject}: {word_of(item)}",
            text=f"{item.text}. Method: {item.method}",
            cells={
                "verdict": word_of(item),
                "name": item.subject,
                "effect": "" if item.effect is None else f"{item.effect_name} {item.effect:.3f}",
                "p": "" if item.p is None else f"{item.p:.2g}",
                "reference": item.reference,
                "value": item.value,
                "n": _rows(item.reference_n, item.n),
            },
        )
        for item in sorted(report.distributions, key=compared_order)
    ]
    columns = (
        Column("Verdict", "verdict"),
        Column("Interface / signal", "name"),
        Column("Effect", "effect"),
        Column("Adjusted p", "p"),
        Column("Before", "reference"),
        Column("Now", "value"),
        Column("Rows", "n"),
    )
    return Table("Distributions", _counts(report.distributions), columns, tuple(rows))


def _filters(report: DriftReport) -> Table:
    rows = [
        Row(
            label=f"filter {item.subject}",
            value=0.0 if item.value is None else item.value,
            status=_STATUS[tone_of(item)],
            title=f"{item.subject}: {word_of(item)}",
            text=f"{item.text}. Method: {item.method}",
            cells={
                "verdict": word_of(item),
                "name": item.subject,
                "reference": "" if item.reference is None else f"{item.reference:.1%}",
                "value": "" if item.value is None else f"{item.value:.1%}",
                "p": "" if item.p is None else f"{item.p:.2g}",
                "n": _rows(item.reference_n, item.n),
            },
        )
        for item in sorted(report.filters, key=compared_order)
    ]
    columns = (
        Column("Verdict", "verdict"),
        Column("Filter", "name"),
        Column("Dropped before", "reference"),
        Column("Dropped now", "value"),
        Column("Adjusted p", "p"),
        Column("Rows", "n"),
    )
    return Table("Filters", _counts(report.filters), columns, tuple(rows))


def _counts(items: Iterable[KpiFound | SignalFound | FilterFound | SchemaFound]) -> tuple[tuple[str, int], ...]:
    counted = Counter(word_of(item) for item in items)
    return tuple((word, counted[word]) for word in sorted(counted, key=word_order))


def _line(trend: Trend | None) -> dict[str, list[float | None]]:
    """The points of a trend scaled to the cell: its axes do not move."""
    values = trend.values if trend else ()
    known = [value for value in values if value is not None]
    low, span = (min(known), max(known) - min(known)) if known else (0.0, 0.0)
    step = _LINE_WIDTH / max(1, len(values) - 1)
    return {
        "x": [round(index * step, 2) for index in range(len(values))],
        "y": [
            None if value is None else round(0.05 + 0.9 * (value - low) / span, 3) if span else 0.5 for value in values
        ],
    }


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.{_DIGITS}g}" if abs(value) < 1000 else f"{value:,.0f}"


def _signed(value: float) -> str:
    if not value:
        return "0"
    return f"{value:+.{_DIGITS}g}" if abs(value) < 1000 else f"{value:+,.0f}"


def _rows(before: int | None, now: int | None) -> str:
    return "" if before is None or now is None else f"{before:,} / {now:,}"
