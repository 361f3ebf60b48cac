"""Draws numbers over the iterations: sparklines, with what changed since the iteration before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flywheel_mlflow.assembly.deliverables import ACCEPTANCE_METRICS
from flywheel_mlflow.assembly.documents import Kpi, MetricLine
from flywheel_mlflow.assembly.memory import MEMORY_METRICS
from flywheel_mlflow.drift.wording import Tone, number_word, tone_of, word_of
from flywheel_mlflow.evidence.provenance import Direction
from flywheel_mlflow.reports.dashboard_blocks import Charts, Section
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.tables.budgets import budgets_table
from flywheel_mlflow.tables.cells import Cell, Table, number, spark
from flywheel_mlflow.tables.texts import UNKNOWN, format_change, format_value, with_unit

#: The flywheel's own numbers over the iterations, before those it is accepted by, and what it remembers.
HEADLINE_METRICS = (
    "mean_stage_score",
    "consumable_share",
    "upstream_check_pass_rate",
    "bottleneck_count",
    "regressed_kpi_count",
    "drifted_signal_count",
    "review_hours",
)

#: How charts and small lines are read.

#: What every number over the iterations is told with.
COLUMNS = ("number", "now", "change", "over iterations", "before")


def how_to_read(facts: DashboardFacts) -> str:
    """What the marks in lines over the iterations mean, as far as there are any."""
    moves = facts.ledger.state.moves if facts.ledger.state else ()
    released = any(move.done and move.to == "production" for move in moves)
    marks = " R2: release 2 went into production; bold: it is there now." if released else ""
    return f"A gap in a line is an unknown value.{marks}"


def kpi_section(facts: DashboardFacts, charts: tuple[Charts, ...] = ()) -> Section:
    """The numbers over the iterations: the flywheel's own, then those of every project."""
    turns = list(facts.history)
    shown = f"Iterations {turns[0]} to {turns[-1]}" if len(turns) > 1 else f"Iteration {turns[0]} alone"
    return Section(
        id="kpis",
        title="Numbers over the iterations",
        readers=("business", "engineering"),
        notes=(Cell(f"{shown}, each with its newest valid assembly. {how_to_read(facts)}"),),
        charts=charts,
        tables=(
            own_numbers(facts),
            *budget_tables(facts),
            Table(
                "KPIs of the projects",
                (*COLUMNS, "n", "target", "drift says"),
                tuple(_kpis(facts)),
                "No project declares a KPI.",
                folded=True,
            ),
        ),
    )


def own_numbers(facts: DashboardFacts, *, folded: bool = False) -> Table:
    """The flywheel's own numbers: those people look at first, then those it is accepted by."""
    own = [f"flywheel.{name}" for name in dict.fromkeys((*HEADLINE_METRICS, *ACCEPTANCE_METRICS, *MEMORY_METRICS))]
    return Table(
        "The flywheel's own numbers",
        (*COLUMNS, "how it is computed"),
        tuple(number_row(name, facts) for name in own if name in facts.record.metrics),
        "No number was computed.",
        folded=folded,
    )


def budget_tables(facts: DashboardFacts) -> tuple[Table, ...]:
    """The table of budgets, where the iteration has numbers of any."""
    found = budgets_table(facts.record.metrics, links=facts.links)
    return (found,) if found.rows else ()


def number_label(name: str) -> str:
    """A number as people read it: one of the flywheel's own in words, one of a project by its name."""
    return name.removeprefix("flywheel.").replace("_", " ") if name.startswith("flywheel.") else name


def number_row(name: str, facts: DashboardFacts) -> tuple[Cell, ...]:
    """A number of the iteration: its name, the cells of ``COLUMNS``, and how it came about."""
    metric: MetricLine = facts.record.metrics[name]
    label = number_label(name)
    return (
        Cell(label, href=facts.links.number(name)),
        *_moved(label, metric.unit, over(name, metric.value, facts), facts.record.direction(name)),
        Cell(metric.note or metric.rule),
    )


def _kpis(facts: DashboardFacts) -> Iterator[tuple[Cell, ...]]:
    for project in facts.record.projects:
        for kpi_name, kpi in project.kpis.items():
            name = f"{project.project_id}.{kpi_name}"
            yield (
                Cell(name, href=facts.links.number(name)),
                *kpi_over_iterations(name, kpi, facts),
                number(format_value(kpi.n, "count")),
                number(kpi_target(kpi)),
                drift_says(name, facts),
            )


def kpi_over_iterations(name: str, kpi: Kpi, facts: DashboardFacts) -> Sequence[Cell]:
    """A KPI's value now, the change, the line over the iterations, the value before."""
    return _moved(name, kpi.unit, over(name, kpi.value, facts), kpi.direction)


def drift_says(name: str, facts: DashboardFacts) -> Cell:
    """What the comparison of the iteration says about a KPI; unknown where there is none."""
    report = facts.drift.report
    item = next((item for item in report.kpis if item.subject == name), None) if report else None
    return Cell(word_of(item), tone_of(item)) if item else Cell(UNKNOWN, Tone.UNKNOWN)


def kpi_target(kpi: Kpi) -> str:
    """The promise of a KPI with its direction and unit."""
    if kpi.target is None:
        return "none"
    sign = "\N{GREATER-THAN OR EQUAL TO}" if kpi.direction == "higher" else "\N{LESS-THAN OR EQUAL TO}"
    return f"{sign} {with_unit(kpi.target, kpi.unit)}"


def over(name: str, now: float | None, facts: DashboardFacts) -> dict[int, float | None]:
    """A number by iteration, oldest first; ``now`` is that of the page's own iteration."""
    found = {turn: metrics.get(name) for turn, metrics in facts.history.items()}
    return found | {facts.iteration: now}


def _moved(name: str, unit: str, values: Mapping[int, float | None], direction: Direction | None) -> Sequence[Cell]:
    """The value now, the change with whether it is for the better, the line, the value before."""
    *_, before, now = (None, *values.values())
    now_cell = number(with_unit(now, unit), Tone.UNKNOWN if now is None else Tone.NONE)
    line = spark(name, unit, values)
    if len(values) < 2:
        return now_cell, number("none"), line, number("none")
    before_cell = number(with_unit(before, unit), Tone.UNKNOWN if before is None else Tone.NONE)
    if before is None or now is None:
        return now_cell, number(UNKNOWN, Tone.UNKNOWN), line, before_cell
    if before == now:
        return now_cell, number("same"), line, before_cell
    word = "" if direction is None else f" {number_word(before, now, direction)}"
    return now_cell, number(format_change(before, now, unit) + word), line, before_cell
