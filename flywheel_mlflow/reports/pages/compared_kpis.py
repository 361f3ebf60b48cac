"""The KPIs that differ between two assemblies, suite by suite, each with its change and how sure that is, drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flywheel_mlflow.drawings.intervals import Interval, interval_axis_svg, interval_of, interval_scale, interval_svg
from flywheel_mlflow.drawings.scales import Scale
from flywheel_mlflow.drift import KpiFound
from flywheel_mlflow.drift.wording import Tone, compared_order, kpi_differs, tone_of, word_of
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.tables.cells import Cell, Drawing, Table, number
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.texts import format_value, with_unit

#: How the drawing is read.
HOW_TO_READ = (
    "Right of the middle is better; the change is a share of the larger value. A bar is where the change lies with the "
    "confidence of the comparison, missing where no sample size is known; a short line is the most it may lose."
)


def kpi_section(kpis: Sequence[KpiFound], judged: str, sides: tuple[str, str], links: Links) -> Section:
    """The KPIs that differ, the worst first, members of a suite below it; without any it has no table.

    Args:
        kpis: all that were judged.
        judged: where the verdicts come from, in a sentence.
        sides: what the two are called.
        links: where names lead.
    """
    shown = list(_by_suite(kpis))
    if not shown:
        return Section("kpis", "KPIs")
    drawn = {item.subject: interval for item, _ in shown if (interval := interval_of(item))}
    scale = interval_scale(drawn.values())
    axis = Drawing(interval_axis_svg(scale), "change, and how sure")
    columns = ("KPI", "verdict", axis, *sides, "may get worse by", "n", "why")
    rows = tuple(_row(item, member, drawn.get(item.subject), scale, links) for item, member in shown)
    notes = (Cell(judged), Cell(HOW_TO_READ))
    return Section("kpis", "KPIs", notes=notes, tables=(Table("KPIs, the worst first", columns, rows, ""),))


def _by_suite(kpis: Sequence[KpiFound]) -> Iterator[tuple[KpiFound, bool]]:
    """Suites and KPIs of no suite in their order; below a suite its members that differ."""
    suites = {item.subject for item in kpis if item.members}
    members: dict[str, list[KpiFound]] = {}
    for item in kpis:
        if item.suite in suites and kpi_differs(item):
            members.setdefault(item.suite, []).append(item)
    alone = (
        item
        for item in kpis
        if item.suite not in suites and (kpi_differs(item) or (item.members and item.subject in members))
    )
    for item in sorted(alone, key=compared_order):
        yield item, False
        for member in sorted(members.get(item.subject, ()), key=compared_order):
            yield member, True


def _row(item: KpiFound, member: bool, interval: Interval | None, scale: Scale, links: Links) -> tuple[Cell, ...]:
    n = " \N{RIGHTWARDS ARROW} ".join(format_value(size, "count") for size in (item.reference_n, item.n))
    suite = f" (suite of {item.members})" if item.members else ""
    indent = "\N{DOWNWARDS ARROW WITH TIP RIGHTWARDS} " if member else ""
    return (
        Cell(f"{indent}{item.subject}{suite}", href="" if item.members else links.number(item.subject)),
        Cell(word_of(item), tone_of(item)),
        Cell("", drawing=Drawing(interval_svg(interval, scale), interval.label))
        if interval
        else Cell("a value is unknown"),
        _amount(item.reference, item.unit),
        _amount(item.value, item.unit),
        number(with_unit(item.tolerance, item.unit)) if item.tolerance is not None else Cell("none"),
        number(n) if item.n is not None or item.reference_n is not None else _unstated(item),
        Cell(item.text),
    )


def _amount(value: float | None, unit: str) -> Cell:
    return number(with_unit(value, unit), Tone.UNKNOWN if value is None else Tone.NONE)


def _unstated(item: KpiFound) -> Cell:
    """In place of a sample size: a KPI tested on samples of both runs says in its reason how many."""
    return Cell("not stated" if item.p is None else "of pairs: see why")
