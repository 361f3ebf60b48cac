"""Everything a comparison compared, by kind: what has something to tell, and folded what has not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from flywheel_mlflow.drift import DataVerdict, DriftReport, Finding
from flywheel_mlflow.drift.findings import Kind
from flywheel_mlflow.drift.wording import Compared, word_of, word_order
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table
from flywheel_mlflow.tables.drift import (
    Judged,
    filter_table,
    kpi_table,
    schema_table,
    signal_table,
    trend_table,
    undecided_table,
    untested_table,
    worst_first,
)
from flywheel_mlflow.tables.links import Links

#: Rows of one table; drift.json has all of them.
MOST_ROWS = 300


def finding_cell(item: Finding, addresses: Addresses, iteration: int | None) -> Cell:
    """What a finding is about, with the page of its project or interface."""
    if item.kind is Kind.KPI:
        return Cell(item.subject, href=addresses.project(item.subject.partition(".")[0], iteration))
    if item.kind is Kind.ERROR:
        return Cell(item.subject)
    return Cell(item.subject, href=addresses.interface(item.subject.partition("/")[0], iteration))


def found_tables(report: DriftReport, addresses: Addresses) -> Iterator[Section]:
    """Everything that was compared, by kind."""
    links = Links(addresses, report.iteration)
    yield _untested(report)
    kpis = partial(kpi_table, trends=report.trend, links=links)
    yield Section("kpis", "KPIs", tables=_by_change("KPIs", report.kpis, kpis, "no project declares one."))
    schemas = partial(schema_table, links=links)
    yield Section(
        "schemas", "Schemas", tables=_by_change("Schemas", report.schemas, schemas, "no project promises an interface.")
    )
    signals = partial(signal_table, links=links)
    yield Section(
        "distributions",
        "Distributions",
        notes=(Cell("The shift is that of a normal signal, in its standard deviations, found 4 times of 5."),),
        tables=_by_change("Quality signals", report.distributions, signals, "no interface has logged any."),
    )
    filters = partial(filter_table, links=links)
    yield Section(
        "filters",
        "Filter ledgers",
        notes=(Cell("What each filter of a data card drops, as a share of the rows that came in."),),
        tables=_by_change("Filters", report.filters, filters, "no data card names one."),
    )
    units = {item.subject: item.unit for item in report.kpis}
    caption = _cut("KPIs over the last iterations", len(report.trend))
    yield Section("trends", "Trends", tables=(trend_table(report.trend[:MOST_ROWS], units, caption),))


def _cut(caption: str, count: int) -> str:
    return f"{caption}: {count}" + (f", of which {MOST_ROWS} are shown" if count > MOST_ROWS else "")


def _is_quiet(item: Compared) -> bool:
    """Whether nothing became of it."""
    return word_order(word_of(item)) >= word_order("within noise")


def _by_change(what: str, items: Iterable[Judged], table_of: Callable[..., Table], none: str) -> tuple[Table, ...]:
    """What changed or cannot be told as a table, worst first; what did not change as another one, folded."""
    ranked = worst_first(items)
    loud = [item for item in ranked if not _is_quiet(item)]
    quiet = [item for item in ranked if _is_quiet(item)]
    caption = _cut(f"{what} with something to tell", len(loud)) + f" of {len(ranked)}"
    told = table_of(loud[:MOST_ROWS], caption, "nothing changed." if ranked else none)
    if not quiet:
        return (told,)
    return told, table_of(quiet[:MOST_ROWS], _cut(f"{what} without a change", len(quiet)), folded=True)


def _untested(report: DriftReport) -> Section:
    """What could not be told, and how much more would tell it."""
    untested = [item for item in report.distributions if item.verdict is DataVerdict.NOT_TESTED]
    undecided = [item for item in report.kpis if item.needed is not None]
    return Section(
        "untested",
        "What could not be told",
        tables=(
            undecided_table(undecided[:MOST_ROWS], _cut("KPIs that more samples would decide", len(undecided))),
            untested_table(untested[:MOST_ROWS], _cut("Distributions that were not tested", len(untested))),
        ),
    )
