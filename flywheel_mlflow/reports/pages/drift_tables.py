"""The tables of a comparison: KPIs, distributions, filters, what was not tested, trends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from flywheel_mlflow.drift import (
    DataVerdict,
    DriftReport,
    FilterFound,
    Finding,
    KpiFound,
    SchemaFound,
    SignalFound,
    Trend,
)
from flywheel_mlflow.drift.findings import Kind
from flywheel_mlflow.drift.wording import Compared, Tone, compared_order, tone_of, word_of, word_order
from flywheel_mlflow.reports.dashboard_blocks import Cell, Section, Table, number
from flywheel_mlflow.reports.dashboard_trends import spark
from flywheel_mlflow.reports.numbers import UNKNOWN, format_value, with_unit
from flywheel_mlflow.reports.pages.addresses import Addresses

#: Rows of one table; drift.json has all of them.
MOST_ROWS = 300

Judged = TypeVar("Judged", bound=Compared)


def finding_cell(item: Finding, addresses: Addresses, iteration: int | None) -> Cell:
    """What a finding is about, with the page of its project or interface."""
    if item.kind is Kind.KPI:
        return Cell(item.subject, href=addresses.project(item.subject.partition(".")[0], iteration))
    if item.kind is Kind.ERROR:
        return Cell(item.subject)
    return Cell(item.subject, href=addresses.interface(item.subject.partition("/")[0], iteration))


def found_tables(report: DriftReport, addresses: Addresses) -> Iterator[Section]:
    """Everything that was compared, by kind."""
    yield _untested(report)
    yield _kpis(report, addresses)
    yield _schemas(report, addresses)
    yield _distributions(report, addresses)
    yield _filters(report, addresses)
    yield _trends(report)


def _cut(caption: str, count: int) -> str:
    return f"{caption}: {count}" + (f", of which {MOST_ROWS} are shown" if count > MOST_ROWS else "")


def _is_quiet(item: Compared) -> bool:
    """Whether nothing became of it."""
    return word_order(word_of(item)) >= word_order("within noise")


def _told_and_quiet(
    what: str, items: Iterable[Judged], columns: tuple[str, ...], row: Callable[[Judged], tuple[Cell, ...]], none: str
) -> tuple[Table, ...]:
    """What changed or cannot be told as a table, worst first; what did not change as another one, folded."""
    ranked = sorted(items, key=compared_order)
    loud = [item for item in ranked if not _is_quiet(item)]
    quiet = [item for item in ranked if _is_quiet(item)]
    told = Table(
        _cut(f"{what} with something to tell", len(loud)) + f" of {len(ranked)}",
        columns,
        tuple(row(item) for item in loud[:MOST_ROWS]),
        "nothing changed." if ranked else none,
    )
    rest = tuple(row(item) for item in quiet[:MOST_ROWS])
    return (
        told,
        *((Table(_cut(f"{what} without a change", len(quiet)), columns, rest, "", folded=True),) if rest else ()),
    )


def _untested(report: DriftReport) -> Section:
    """What could not be told, and how much more would tell it."""
    untested = [item for item in report.distributions if item.verdict is DataVerdict.NOT_TESTED]
    open_kpis = [item for item in report.kpis if item.needed is not None]
    rows = tuple(
        (Cell(item.subject), _count(item.reference_n), _count(item.n), Cell(item.text)) for item in untested[:MOST_ROWS]
    )
    needed = tuple(
        (Cell(item.subject), _count(item.reference_n), _count(item.n), _count(item.needed), Cell(item.text))
        for item in open_kpis[:MOST_ROWS]
    )
    return Section(
        "untested",
        "What could not be told",
        tables=(
            Table(
                _cut("KPIs that more samples would decide", len(open_kpis)),
                ("KPI", "n before", "n now", "n needed on each side", "what"),
                needed,
                "none.",
            ),
            Table(
                _cut("Distributions that were not tested", len(untested)),
                ("interface and signal", "n before", "n now", "why"),
                rows,
                "all were.",
                folded=True,
            ),
        ),
    )


def _count(value: int | None) -> Cell:
    return number(format_value(value, "count"), Tone.UNKNOWN if value is None else Tone.NONE)


def _kpis(report: DriftReport, addresses: Addresses) -> Section:
    columns = ("KPI", "verdict", "before", "now", "worse by", "tolerance", "n before", "n now", "n needed", "how")
    row = partial(_kpi, report=report, addresses=addresses)
    tables = _told_and_quiet("KPIs", report.kpis, columns, row, "no project declares one.")
    return Section("kpis", "KPIs", tables=tables)


def _kpi(item: KpiFound, report: DriftReport, addresses: Addresses) -> tuple[Cell, ...]:
    return (
        Cell(item.subject, href=addresses.project(item.subject.partition(".")[0], report.iteration)),
        Cell(word_of(item), tone_of(item)),
        number(with_unit(item.reference, item.unit)),
        number(with_unit(item.value, item.unit)),
        number(with_unit(item.worse, item.unit)),
        number(with_unit(item.tolerance, item.unit)),
        _count(item.reference_n),
        _count(item.n),
        number("none" if item.needed is None else f"{item.needed:,}"),
        Cell(_how(item)),
    )


def _how(item: KpiFound) -> str:
    return item.method if item.p is None else f"{item.method}; p {item.p:.2g}"


def _schemas(report: DriftReport, addresses: Addresses) -> Section:
    """Every promised interface; one that could not be compared says why."""
    columns = ("interface", "verdict", "change", "what")
    row = partial(_schema, report=report, addresses=addresses)
    tables = _told_and_quiet("Schemas", report.schemas, columns, row, "no project promises an interface.")
    return Section("schemas", "Schemas", tables=tables)


def _schema(item: SchemaFound, report: DriftReport, addresses: Addresses) -> tuple[Cell, ...]:
    more = f"; and {item.count - len(item.differences)} more" if item.count > len(item.differences) else ""
    return (
        Cell(item.interface, href=addresses.interface(item.interface, report.iteration)),
        Cell(word_of(item), tone_of(item)),
        Cell(item.change.upper()),
        Cell("; ".join(item.differences) + more if item.differences else item.text),
    )


def _distributions(report: DriftReport, addresses: Addresses) -> Section:
    columns = (
        "interface and signal",
        "verdict",
        "effect",
        "counts from",
        "p, adjusted",
        "n before",
        "n now",
        "shift it would show",
        "before",
        "now",
        "how",
    )
    row = partial(_signal, report=report, addresses=addresses)
    return Section(
        "distributions",
        "Distributions",
        notes=(Cell("The shift is that of a normal signal, in its standard deviations, found 4 times of 5."),),
        tables=_told_and_quiet("Quality signals", report.distributions, columns, row, "no interface has logged any."),
    )


def _signal(item: SignalFound, report: DriftReport, addresses: Addresses) -> tuple[Cell, ...]:
    effect = UNKNOWN if item.effect is None else f"{item.effect_name} {item.effect:.3f}".strip()
    return (
        Cell(item.subject, href=addresses.interface(item.subject.partition("/")[0], report.iteration)),
        Cell(word_of(item), tone_of(item)),
        number(effect),
        number(UNKNOWN if item.limit is None else f"{item.limit:g}"),
        number(_p(item.p)),
        _count(item.reference_n),
        _count(item.n),
        number(UNKNOWN if item.detectable is None else f"{item.detectable:.2f} sd"),
        Cell(item.reference or UNKNOWN),
        Cell(item.value or UNKNOWN),
        Cell(item.method or item.text),
    )


def _p(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2g}"


def _filters(report: DriftReport, addresses: Addresses) -> Section:
    columns = (
        "filter",
        "verdict",
        "dropped before",
        "dropped now",
        "change",
        "counts from",
        "p, adjusted",
        "rows",
        "what",
    )
    row = partial(_filter, report=report, addresses=addresses)
    return Section(
        "filters",
        "Filter ledgers",
        notes=(Cell("What each filter of a data card drops, as a share of the rows that came in."),),
        tables=_told_and_quiet("Filters", report.filters, columns, row, "no data card names one."),
    )


def _filter(item: FilterFound, report: DriftReport, addresses: Addresses) -> tuple[Cell, ...]:
    return (
        Cell(item.subject, href=addresses.interface(item.subject.partition("/")[0], report.iteration)),
        Cell(word_of(item), tone_of(item)),
        number(_share(item.reference)),
        number(_share(item.value)),
        number(UNKNOWN if item.change is None else f"{item.change:+.1%}"),
        number(UNKNOWN if item.limit is None else f"{item.limit:.0%}"),
        number(_p(item.p)),
        number(f"{format_value(item.reference_n, 'count')} then {format_value(item.n, 'count')}"),
        Cell(item.method or item.text),
    )


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1%}"


def _trends(report: DriftReport) -> Section:
    units = {item.subject: item.unit for item in report.kpis}
    rows = tuple(_trend(item, units.get(item.subject, "")) for item in report.trend[:MOST_ROWS])
    columns = ("KPI", "now", "over iterations", "change each iteration", "worst step", "at iteration")
    return Section(
        "trends",
        "Trends",
        tables=(Table(_cut("KPIs over the last iterations", len(report.trend)), columns, rows, "none.", folded=True),),
    )


def _trend(item: Trend, unit: str) -> tuple[Cell, ...]:
    values = dict(zip(item.iterations, item.values, strict=False))
    last = item.values[-1] if item.values else None
    return (
        Cell(item.subject),
        number(with_unit(last, unit)),
        spark(item.subject, unit, values),
        number(UNKNOWN if item.slope is None else f"{item.slope:+.3g}"),
        number("none" if item.worst_step is None else f"{item.worst_step:+.3g}"),
        number("none" if item.worst_at is None else str(item.worst_at)),
    )
