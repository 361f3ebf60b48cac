"""A drift report as Evidently keeps it: a table of each kind of thing compared, and a test for every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from flywheel_mlflow.drift import DriftReport, FilterFound, KpiFound, SchemaFound, SignalFound
from flywheel_mlflow.drift.wording import Tone, tone_of, word_of, word_order
from flywheel_mlflow.tables.cells import Cell, Series, Table
from flywheel_mlflow.tables.drift import filter_table, kpi_table, schema_table, signal_table, worst_first

Judged = TypeVar("Judged", KpiFound, SchemaFound, SignalFound, FilterFound)
Found = KpiFound | SchemaFound | SignalFound | FilterFound

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


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: its label, the number Evidently keeps, the status, title and text of its test, its cells."""

    label: str
    value: float
    status: str
    title: str
    text: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """All comparisons of one kind, worst first, with how many there are of each word."""

    title: str
    counts: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def tables_of(report: DriftReport) -> list[ComparedTable]:
    """The tables of a report; an empty one is left out, Evidently cannot draw it."""
    tables = [
        _table("KPIs", worst_first(report.kpis), lambda items, title: kpi_table(items, title, trends=report.trend)),
        _table("Schemas", worst_first(report.schemas), schema_table),
        _table("Distributions", worst_first(report.distributions), signal_table),
        _table("Filters", worst_first(report.filters), filter_table),
    ]
    return [table for table in tables if table.rows]


def _table(title: str, items: list[Judged], table_of: Callable[[list[Judged], str], Table]) -> ComparedTable:
    shown = table_of(items, title).narrow()
    rows = tuple(_row(item, title, cells) for item, cells in zip(items, shown.rows, strict=True))
    return ComparedTable(title, _counts(items), shown.headings, rows)


def _row(item: Found, kind: str, cells: tuple[Cell, ...]) -> Row:
    method = "" if isinstance(item, SchemaFound) else f". Method: {item.method}"
    return Row(
        # Evidently turns a label that looks like a number into one, and then cannot find it.
        label=f"{kind}: {item.subject}",
        value=_figure(item),
        status=_STATUS[tone_of(item)],
        title=f"{item.subject}: {word_of(item)}",
        text=item.text + method,
        cells=cells,
    )


def _figure(item: Found) -> float:
    """The number Evidently keeps of a comparison: it takes none that is unknown."""
    if isinstance(item, SchemaFound):
        return float(item.count)
    if isinstance(item, SignalFound):
        return 1.0 if item.p is None else item.p
    return 0.0 if item.value is None else item.value


def _counts(items: Iterable[Found]) -> tuple[tuple[str, int], ...]:
    counted = Counter(word_of(item) for item in items)
    return tuple((word, counted[word]) for word in sorted(counted, key=word_order))


def scaled_points(series: Series | None) -> dict[str, list[float | None]]:
    """The points of a line scaled to the cell: its axes do not move."""
    shares = series.shares() if series else ()
    step = _LINE_WIDTH / max(1, len(shares) - 1)
    return {
        "x": [round(index * step, 2) for index in range(len(shares))],
        "y": [None if share is None else round(0.05 + 0.9 * share, 3) for share in shares],
    }
