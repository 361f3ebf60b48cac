"""The tables of a comparison: KPIs, distributions, filters, what was not tested, trends."""

from __future__ import annotations

from collections.abc import Iterator

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
from flywheel_mlflow.drift.wording import Tone, compared_order, tone_of, word_of
from flywheel_mlflow.reports.dashboard_blocks import Cell, Section, Table, number
from flywheel_mlflow.reports.dashboard_trends import spark
from flywheel_mlflow.reports.numbers import UNKNOWN, format_value, with_unit
from flywheel_mlflow.reports.pages.addresses import Addresses

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
    yield _untested(report)
    yield _kpis(report, addresses)
    yield _schemas(report, addresses)
    yield _distributions(report, addresses)
    yield _filters(report, addresses)
    yield _trends(report)


def _cut(caption: str, count: int) -> str:
    return f"{caption}: {count}" + (f", of which {MOST_ROWS} are shown" if count > MOST_ROWS else "")


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
    ranked = sorted(report.kpis, key=compared_order)
    rows = tuple(_kpi(item, report, addresses) for item in ranked[:MOST_ROWS])
    return Section(
        "kpis",
        "KPIs",
        tables=(Table(_cut("KPIs compared", len(report.kpis)), columns, rows, "no project declares one."),),
    )


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
    ranked = sorted(report.schemas, key=compared_order)
    rows = tuple(_schema(item, report, addresses) for item in ranked[:MOST_ROWS])
    columns = ("interface", "verdict", "change", "what")
    table = Table(_cut("Schemas", len(report.schemas)), columns, rows, "no project promises an interface.")
    return Section("schemas", "Schemas", tables=(table,))


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
    ranked = sorted(report.distributions, key=compared_order)
    rows = tuple(_signal(item, report, addresses) for item in ranked[:MOST_ROWS])
    return Section(
        "distributions",
        "Distributions",
        notes=(Cell("The shift is that of a normal signal, in its standard deviations, found 4 times of 5."),),
        tables=(
            Table(
                _cut("Quality signals compared", len(report.distributions)),
                columns,
                rows,
                "no interface has logged any.",
            ),
        ),
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
    ranked = sorted(report.filters, key=compared_order)
    rows = tuple(_filter(item, report, addresses) for item in ranked[:MOST_ROWS])
    return Section(
        "filters",
        "Filter ledgers",
        notes=(Cell("What each filter of a data card drops, as a share of the rows that came in."),),
        tables=(Table(_cut("Filters compared", len(report.filters)), columns, rows, "no data card names one."),),
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
        Cell("", spark=spark(item.subject, unit, values)),
        number(UNKNOWN if item.slope is None else f"{item.slope:+.3g}"),
        number("none" if item.worst_step is None else f"{item.worst_step:+.3g}"),
        number("none" if item.worst_at is None else str(item.worst_at)),
    )
