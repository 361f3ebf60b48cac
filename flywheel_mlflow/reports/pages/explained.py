"""Explains a recorded number down to the runs it was read from, as a table."""

from __future__ import annotations

from collections.abc import Iterator

from flywheel_mlflow.assembly.documents import MetricLine, SourceLine
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_record import AssemblyRecord
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.texts import SHORT, with_unit

#: Lines of one explanation; `flywheel explain` has all of them.
MOST_LINES = 60
#: Numbers inside numbers; the shipped ones are four deep.
MOST_DEPTH = 12


def explanation_table(record: AssemblyRecord, name: str, links: Links, *, folded: bool = True) -> Table:
    """The numbers behind a number, each below the one that rests on it, as the assembly recorded them."""
    lines = list(_lines(record, name, links, depth=0, shown=set()))
    more = len(lines) - MOST_LINES
    told = f"What {name} rests on" + (f"; {more} more lines in `flywheel explain {name}`" if more > 0 else "")
    columns = ("number", "value", "how it is computed", "read from")
    return Table(told, columns, tuple(lines[:MOST_LINES]), "It was not computed in this iteration.", folded)


def _lines(
    record: AssemblyRecord, name: str, links: Links, *, depth: int, shown: set[str]
) -> Iterator[tuple[Cell, ...]]:
    metric = record.metrics.get(name)
    if metric is None or depth > MOST_DEPTH:
        return
    again = name in shown and bool(metric.inputs)
    shown.add(name)
    yield (
        Cell("\N{RIGHTWARDS ARROW} " * depth + name, href=links.number(name) if depth else ""),
        number(with_unit(metric.value, metric.unit), Tone.UNKNOWN if metric.value is None else Tone.NONE),
        Cell("as above" if again else _rule(metric)),
        _source(metric.source, links, name.partition(".")[0]),
    )
    for item in () if again else metric.inputs:
        yield from _lines(record, item, links, depth=depth + 1, shown=shown)


def _rule(metric: MetricLine) -> str:
    return f"{metric.rule}; {metric.note}" if metric.note else metric.rule


def _source(source: SourceLine | None, links: Links, project_id: str) -> Cell:
    if source is None:
        return Cell("")
    is_run = source.kind == "run"
    told = " ".join(part for part in (source.kind, source.ref[:SHORT] if is_run else source.ref, source.place) if part)
    return Cell(told, kind="code", href=links.run(source.ref, project_id) if is_run else "")
