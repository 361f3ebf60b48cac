"""Charts of numbers over the iterations, with the releases that went into production."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from flywheel_mlflow.decisions.releases import ReleaseState
from flywheel_mlflow.drawings.lines import SMALL, Frame, Mark, Point, line_svg
from flywheel_mlflow.drift.wording import Tone, compared_order, kpi_differs, number_word
from flywheel_mlflow.evidence.provenance import Direction
from flywheel_mlflow.reports.dashboard_blocks import Chart, Charts
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_trends import HEADLINE_METRICS, drift_says, kpi_target, number_label, over
from flywheel_mlflow.tables.cells import Cell, Drawing, number
from flywheel_mlflow.tables.texts import format_change, with_unit

MEAN_SCORE = "flywheel.mean_stage_score"
#: Units of numbers that cannot be larger than 1.
SHARES = ("ratio", "score 0..1")
#: KPIs drawn on a page about the whole iteration.
MOST_KPIS = 6


def iteration_charts(facts: DashboardFacts) -> tuple[Charts, ...]:
    """The scores, the flywheel's first numbers, and the KPIs that moved, over the iterations."""
    return tuple(
        charts
        for charts in (
            Charts("Scores of the stages, and their mean", tuple(_scores(facts))),
            Charts("The flywheel's first numbers", tuple(_headlines(facts))),
            Charts(_kpi_caption(facts), tuple(_kpis(facts))),
        )
        if charts.items
    )


def number_chart(
    name: str,
    title: Cell,
    unit: str,
    values: Mapping[int, float | None],
    facts: DashboardFacts,
    *,
    change: Cell | None = None,
    direction: Direction | None = None,
    target: Point | None = None,
    around: Iterable[float] = (),
    frame: Frame = SMALL,
) -> Chart:
    """One number over iterations, oldest first; without a ``change`` it says how the last two differ."""
    points = [Point(iteration, value, with_unit(value, unit)) for iteration, value in values.items()]
    now = points[-1]
    cap = 1.0 if unit in SHARES else math.inf
    marks = production_marks(facts)
    draw = partial(line_svg, name, points, marks=marks, target=target, around=tuple(around), cap=cap)
    return Chart(
        title,
        number(now.text, Tone.UNKNOWN if now.value is None else Tone.NONE),
        change or Cell(_moved(values, unit, direction)),
        Drawing(draw(frame=frame), name),
        None if frame is SMALL else Drawing(draw(frame=SMALL), name),
    )


def _moved(values: Mapping[int, float | None], unit: str, direction: Direction | None) -> str:
    *_, before, now = (None, *values.values())
    if before is None or now is None or before == now:
        return "same" if before == now and now is not None else ""
    return f"{format_change(before, now, unit)} {number_word(before, now, direction)}"


def production_marks(facts: DashboardFacts) -> tuple[Mark, ...]:
    """The iterations of which a release went into production, each with the numbers of those releases."""
    state = facts.ledger.state or ReleaseState()
    there = state.current["production"]
    versions: dict[int, list[int]] = {}
    for version in sorted({move.version for move in state.moves if move.done and move.to == "production"}):
        versions.setdefault(state.release(version).iteration, []).append(version)
    return tuple(
        Mark(
            iteration,
            f"R{', '.join(map(str, made))}",
            "; ".join(
                f"release {version} {'is' if version == there else 'was'} in production, made of iteration {iteration}"
                for version in made
            ),
            now=there in made,
        )
        for iteration, made in versions.items()
    )


def _scores(facts: DashboardFacts) -> Iterator[Chart]:
    """On one scale, so that they can be compared."""
    scores = {MEAN_SCORE: ("Mean", facts.record.value(MEAN_SCORE))} | {
        f"stage.{stage.stage_id}.score": (facts.record.title(stage.stage_id), stage.score)
        for stage in facts.record.stages
    }
    values = {name: over(name, value, facts) for name, (_, value) in scores.items()}
    around = [value for found in values.values() for value in found.values() if value is not None]
    for name, (title, _) in scores.items():
        cell = Cell(title, href=facts.links.number(name))
        yield number_chart(name, cell, "score 0..1", values[name], facts, direction="higher", around=around)


def _headlines(facts: DashboardFacts) -> Iterator[Chart]:
    for name in (f"flywheel.{name}" for name in HEADLINE_METRICS):
        if name in facts.record.metrics and name != MEAN_SCORE:
            metric = facts.record.metrics[name]
            values = over(name, metric.value, facts)
            direction = facts.record.direction(name)
            cell = Cell(number_label(name), href=facts.links.number(name))
            yield number_chart(name, cell, metric.unit, values, facts, direction=direction)


def _kpi_caption(facts: DashboardFacts) -> str:
    report = facts.drift.report
    if report is None:
        return "KPIs, the farthest from their targets first"
    return f"KPIs that moved most against iteration {report.reference.iteration}, the worst first"


def _kpis(facts: DashboardFacts) -> Iterator[Chart]:
    found = {
        f"{project.project_id}.{name}": kpi for project in facts.record.projects for name, kpi in project.kpis.items()
    }
    for name in _first_kpis(facts, list(found))[:MOST_KPIS]:
        kpi = found[name]
        target = None if kpi.target is None else Point(facts.iteration, kpi.target, kpi_target(kpi))
        yield number_chart(
            name,
            Cell(name, href=facts.links.number(name)),
            kpi.unit,
            over(name, kpi.value, facts),
            facts,
            change=drift_says(name, facts),
            target=target,
        )


def _first_kpis(facts: DashboardFacts, names: list[str]) -> list[str]:
    """Those that differ from the reference, the worst first; without a comparison those that attain least."""
    report = facts.drift.report
    if report is not None:
        differing = sorted(filter(kpi_differs, report.kpis), key=compared_order)
        return [item.subject for item in differing if item.subject in names]
    attained = {
        f"{project.project_id}.{name}": kpi.attainment
        for project in facts.record.projects
        for name, kpi in project.kpis.items()
        if kpi.attainment is not None
    }
    return sorted(attained, key=lambda name: attained[name])
