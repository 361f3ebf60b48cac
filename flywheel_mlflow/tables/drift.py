"""Tables of a comparison: KPIs, schemas, distributions, filters, trends, what was not tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from flywheel_mlflow.drift import FilterFound, KpiFound, SchemaFound, SignalFound, Trend
from flywheel_mlflow.drift.wording import Compared, Tone, compared_order, tone_of, word_of
from flywheel_mlflow.tables.cells import Cell, Table, number, spark
from flywheel_mlflow.tables.links import NO_LINKS, Links
from flywheel_mlflow.tables.texts import UNKNOWN, format_value, with_unit

Judged = TypeVar("Judged", bound=Compared)


def worst_first(items: Iterable[Judged]) -> list[Judged]:
    """What was compared in the order in which people want to hear of it."""
    return sorted(items, key=compared_order)


def kpi_table(
    items: Sequence[KpiFound],
    caption: str,
    empty: str = "none.",
    *,
    trends: Iterable[Trend] = (),
    links: Links = NO_LINKS,
    folded: bool = False,
    sides: tuple[str, str] = ("before", "now"),
) -> Table:
    """KPIs in the order given, each with its line over the iterations where there is one; ``sides`` are their names."""
    trend_of = {trend.subject: trend for trend in trends}
    rows = tuple(
        (
            Cell(item.subject, href=links.project(item.subject.partition(".")[0])),
            _verdict(item),
            _line(trend_of.get(item.subject), item.unit),
            number(with_unit(item.reference, item.unit)),
            number(with_unit(item.value, item.unit)),
            number(with_unit(item.worse, item.unit)),
            number(with_unit(item.tolerance, item.unit)),
            _count(item.reference_n),
            _count(item.n),
            number("none" if item.needed is None else f"{item.needed:,}"),
            Cell(item.method if item.p is None else f"{item.method}; p {item.p:.2g}"),
        )
        for item in items
    )
    brief = ("KPI", "verdict", "over iterations", *sides, "worse by", "tolerance")
    more = (*(f"n {side}" for side in sides), "n needed", "how")
    return Table(caption, (*brief, *more), rows, empty, folded, brief)


def schema_table(
    items: Sequence[SchemaFound],
    caption: str,
    empty: str = "none.",
    *,
    links: Links = NO_LINKS,
    folded: bool = False,
) -> Table:
    """Promised interfaces in the order given; one that could not be compared says why."""
    rows = tuple(
        (
            Cell(item.interface, href=links.interface(item.interface)),
            _verdict(item),
            Cell(item.change.upper()),
            Cell(_differences(item)),
        )
        for item in items
    )
    return Table(caption, ("interface", "verdict", "change", "what"), rows, empty, folded)


def _differences(item: SchemaFound) -> str:
    more = f"; and {item.count - len(item.differences)} more" if item.count > len(item.differences) else ""
    return "; ".join(item.differences) + more if item.differences else item.text


def signal_table(
    items: Sequence[SignalFound],
    caption: str,
    empty: str = "none.",
    *,
    links: Links = NO_LINKS,
    folded: bool = False,
) -> Table:
    """Distributions of fields and texts in the order given."""
    rows = tuple(
        (
            Cell(item.subject, href=links.interface(item.subject.partition("/")[0])),
            _verdict(item),
            number(UNKNOWN if item.effect is None else f"{item.effect_name} {item.effect:.3f}".strip()),
            number(_p(item.p)),
            Cell(item.reference or UNKNOWN),
            Cell(item.value or UNKNOWN),
            number(UNKNOWN if item.limit is None else f"{item.limit:g}"),
            _count(item.reference_n),
            _count(item.n),
            number(UNKNOWN if item.detectable is None else f"{item.detectable:.2f} sd"),
            Cell(item.method or item.text),
        )
        for item in items
    )
    brief = ("interface and signal", "verdict", "effect", "p, adjusted", "before", "now")
    columns = (*brief, "counts from", "n before", "n now", "shift it would show", "how")
    return Table(caption, columns, rows, empty, folded, brief)


def filter_table(
    items: Sequence[FilterFound],
    caption: str,
    empty: str = "none.",
    *,
    links: Links = NO_LINKS,
    folded: bool = False,
) -> Table:
    """What filters of data cards drop, as shares of the rows that came in, in the order given."""
    rows = tuple(
        (
            Cell(item.subject, href=links.interface(item.subject.partition("/")[0])),
            _verdict(item),
            number(_share(item.reference)),
            number(_share(item.value)),
            number(UNKNOWN if item.change is None else f"{item.change:+.1%}"),
            number(_p(item.p)),
            number(UNKNOWN if item.limit is None else f"{item.limit:.0%}"),
            number(f"{format_value(item.reference_n, 'count')} then {format_value(item.n, 'count')}"),
            Cell(item.method or item.text),
        )
        for item in items
    )
    brief = ("filter", "verdict", "dropped before", "dropped now", "change", "p, adjusted")
    return Table(caption, (*brief, "counts from", "rows", "what"), rows, empty, folded, brief)


def trend_table(trends: Sequence[Trend], units: Mapping[str, str], caption: str) -> Table:
    """KPIs over the last iterations."""
    rows = tuple(
        (
            Cell(item.subject),
            number(with_unit(item.values[-1] if item.values else None, units.get(item.subject, ""))),
            _line(item, units.get(item.subject, "")),
            number(UNKNOWN if item.slope is None else f"{item.slope:+.3g}"),
            number("none" if item.worst_step is None else f"{item.worst_step:+.3g}"),
            number("none" if item.worst_at is None else str(item.worst_at)),
        )
        for item in trends
    )
    columns = ("KPI", "now", "over iterations", "change each iteration", "worst step", "at iteration")
    return Table(caption, columns, rows, "none.", folded=True)


def undecided_table(items: Sequence[KpiFound], caption: str) -> Table:
    """KPIs that more samples would decide, with how many."""
    rows = tuple(
        (Cell(item.subject), _count(item.reference_n), _count(item.n), _count(item.needed), Cell(item.text))
        for item in items
    )
    return Table(caption, ("KPI", "n before", "n now", "n needed on each side", "what"), rows, "none.")


def untested_table(items: Sequence[SignalFound], caption: str) -> Table:
    """Distributions that were not tested, with the reason."""
    rows = tuple((Cell(item.subject), _count(item.reference_n), _count(item.n), Cell(item.text)) for item in items)
    return Table(caption, ("interface and signal", "n before", "n now", "why"), rows, "all were.", folded=True)


def _verdict(item: Compared) -> Cell:
    return Cell(word_of(item), tone_of(item))


def _line(trend: Trend | None, unit: str) -> Cell:
    values = {} if trend is None else dict(zip(trend.iterations, trend.values, strict=False))
    return spark(trend.subject, unit, values) if trend is not None and values else Cell("")


def _count(value: int | None) -> Cell:
    return number(format_value(value, "count"), Tone.UNKNOWN if value is None else Tone.NONE)


def _p(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2g}"


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1%}"
