"""Gathers the page of two iterations."""

from __future__ import annotations

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.operations.assembly.iterations import newest_assemblies
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.turns import Turn, find_turn, links_at, record_at
from flywheel_mlflow.operations.reading.verdicts import Recorded, judge_recorded
from flywheel_mlflow.reports.pages.comparison import Compared, ComparisonFacts, comparison_page
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page


def compare(reader: Reader, asked: PageQuery) -> Page:
    """What differs between two iterations; unasked the newest and the one before it."""
    newest = newest_assemblies(reader.session.tracking)
    after = find_turn(reader, asked.whole("second"), newest)
    if after is None:
        return nothing_assembled("Compare two iterations", "iterations")
    wanted = asked.whole("first")
    if wanted is None:
        if not after.earlier:
            raise InputError(
                f"there is no iteration before {after.recorded.iteration} to compare with",
                hint=f"run `flywheel assemble --iteration {after.recorded.iteration + 1}`, or name one: ?first=N",
            )
        wanted = after.earlier[-1].iteration
    before = find_turn(reader, wanted, newest)
    if before is None:
        return nothing_assembled("Compare two iterations", "iterations")
    first, second = _side(reader, before), _side(reader, after)
    found = judge_recorded(reader.session, _values(first), _values(second), reader.memory)
    listed = {item.iteration: item for turn in (before, after) for item in (*turn.earlier, turn.recorded)}
    facts = ComparisonFacts(first, second, found.kpis, found.source, found.kept, tuple(listed.values()))
    return comparison_page(facts, links_at(reader, after), reader.addresses)


def _side(reader: Reader, turn: Turn) -> Compared:
    read = record_at(reader, turn)
    return Compared(turn.recorded, read.record, read.genuine)


def _values(side: Compared) -> Recorded:
    found = {
        f"{project.project_id}.{name}": KpiValue(kpi.value, kpi.n, kpi.stderr)
        for project in side.record.projects
        for name, kpi in project.kpis.items()
    }
    return Recorded(side.recorded.iteration, side.recorded.run_id, found, side.recorded)
