"""The pages of iterations: all of them with their main numbers, and one of them whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from flywheel_mlflow.assembly.documents import MetricLine
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.decisions.releases import Release
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard import build_executive, build_sections
from flywheel_mlflow.reports.dashboard_blocks import Choice, Field, Form, Pair, Section
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_health import health
from flywheel_mlflow.reports.dashboard_trends import HEADLINE_METRICS
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, number, spark
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.texts import SHORT, UNKNOWN, format_value, moment_text, with_unit


@dataclass(frozen=True, slots=True)
class IterationsFacts:
    """What the list of iterations is made of.

    ``listed`` are the assemblies that count, newest iteration first; ``metrics`` those of the newest with their units;
    ``releases`` the versions made of each iteration; ``unknown`` why releases cannot be told. ``older`` is the moment
    before which further ones were assembled, empty when there are none.
    """

    listed: tuple[RecordedAssembly, ...]
    metrics: Mapping[str, MetricLine]
    releases: Mapping[int, tuple[int, ...]]
    unknown: str = ""
    older: str = ""


def iterations_page(facts: IterationsFacts, links: Links, addresses: Addresses) -> Page:
    """Every iteration, newest first."""
    newest = facts.listed[0]
    doubtful = [item for item in facts.listed if not item.sound]
    lead = Cell(f"Iteration {newest.iteration} is the newest of the {len(facts.listed)} shown.")
    if doubtful:
        names = ", ".join(str(item.iteration) for item in doubtful)
        lead = Cell(f"Contradict themselves, and are counted by nobody: {names}.", Tone.BAD)
    return Page(
        title="Iterations",
        part="iterations",
        lead=(lead,),
        sections=(
            _list(facts, links, addresses),
            compare_section(facts.listed, addresses),
            _numbers(facts),
        ),
    )


def _list(facts: IterationsFacts, links: Links, addresses: Addresses) -> Section:
    columns = (
        "iteration",
        "assembled",
        "its own checks",
        "mean stage score",
        "projects consumable",
        "bottlenecks",
        "regressed KPIs",
        "release",
        "digest",
        "in MLflow",
    )
    rows = tuple(_row(item, facts, links, addresses) for item in facts.listed)
    more = [Cell("MLflow's table of all iterations", href=links.experiment())]
    if len(facts.listed) > 1:
        experiments = sorted({item.experiment_id for item in facts.listed if item.experiment_id})
        address = addresses.ui_compare([item.run_id for item in facts.listed], experiments)
        more.append(Cell("MLflow's own comparison of all shown", href=address))
    if facts.older:
        more.append(Cell("Older iterations", href=addresses.iterations(facts.older)))
    notes = (Cell(f"Releases are unknown: {facts.unknown}.", Tone.UNKNOWN),) if facts.unknown else ()
    table = Table("Each with its newest valid assembly, newest iteration first", columns, rows, "None.")
    return Section("iterations", "All iterations", notes=notes, tables=(table,), links=tuple(more))


def _row(item: RecordedAssembly, facts: IterationsFacts, links: Links, addresses: Addresses) -> tuple[Cell, ...]:
    versions = facts.releases.get(item.iteration, ())
    release = Cell("none") if not facts.unknown else Cell(UNKNOWN, Tone.UNKNOWN)
    if versions:
        newest = max(versions)
        more = f" (+{len(versions) - 1} more)" if len(versions) > 1 else ""
        release = Cell(f"release {newest}{more}", href=addresses.release(newest))
    return (
        Cell(str(item.iteration), href=links.turn(item.iteration)),
        Cell(moment_text(item.ended)) if item.ended else Cell(UNKNOWN, Tone.UNKNOWN),
        Cell("agree", Tone.GOOD) if item.sound else Cell("contradict", Tone.BAD),
        _value(item, "mean_stage_score", "score 0..1"),
        _share(item),
        _value(item, "bottleneck_count", "count"),
        _value(item, "regressed_kpi_count", "count"),
        release,
        code(item.digest[:SHORT] or UNKNOWN),
        Cell(f"run {item.run_id[:SHORT]}", href=links.run(item.run_id)),
    )


def _value(item: RecordedAssembly, name: str, unit: str) -> Cell:
    value = item.metrics.get(f"flywheel.{name}")
    return number(format_value(value, unit), Tone.UNKNOWN if value is None else Tone.NONE)


def _share(item: RecordedAssembly) -> Cell:
    part, whole = (item.metrics.get(f"flywheel.{name}") for name in ("consumable_count", "project_count"))
    if part is None or whole is None:
        return number(UNKNOWN, Tone.UNKNOWN)
    return number(f"{format_value(part, 'count')} of {format_value(whole, 'count')}")


def _numbers(facts: IterationsFacts) -> Section:
    turns = {item.iteration: item.metrics for item in reversed(facts.listed)}
    rows = []
    for name in (f"flywheel.{item}" for item in HEADLINE_METRICS):
        metric = facts.metrics.get(name)
        if metric is None:
            continue
        label = name.removeprefix("flywheel.").replace("_", " ")
        values = {turn: metrics.get(name) for turn, metrics in turns.items()}
        now = values[facts.listed[0].iteration]
        rows.append(
            (
                Cell(label),
                number(with_unit(now, metric.unit), Tone.UNKNOWN if now is None else Tone.NONE),
                spark(label, metric.unit, values),
                Cell(metric.note or metric.rule),
            )
        )
    table = Table(
        "Main numbers, a gap in a line is an unknown value",
        ("number", f"iteration {facts.listed[0].iteration}", "over the iterations", "how it is computed"),
        tuple(rows),
        "No number was computed.",
    )
    return Section("numbers", "Main numbers", tables=(table,))


def compare_section(
    listed: Iterable[RecordedAssembly],
    addresses: Addresses,
    releases: Iterable[Release] = (),
    *,
    first: str = "",
    second: str = "",
) -> Section:
    """Asks which two iterations or releases are compared; the newest with the one before unless told otherwise."""
    turns = sorted({str(item.iteration) for item in listed}, key=int, reverse=True)
    choices = (
        *(Choice(turn, f"iteration {turn}") for turn in turns),
        *(Choice(f"r{item.version}", f"release {item.version}, iteration {item.iteration}") for item in releases),
    )
    chosen = (first or turns[min(1, len(turns) - 1)], second or turns[0])
    form = Form(
        action=addresses.compare(),
        title="Compare two iterations",
        button="Compare",
        why="",
        fields=(
            Field("first", "Before", "choice", chosen[0], choices),
            Field("second", "After", "choice", chosen[1], choices),
        ),
    )
    return Section("compare", "Compare two iterations", filters=(form,))


def iteration_page(facts: DashboardFacts, addresses: Addresses) -> Page:
    """The whole page of an iteration, as ``flywheel report`` writes it, with links."""
    found = health(facts)
    before = max((turn for turn in facts.history if turn < facts.iteration), default=None)
    more = {
        "kpis": Cell(f"What differs from iteration {before}", href=addresses.compare(before, facts.iteration))
        if before
        else None,
        "drift": Cell("The review of the comparison", href=addresses.drift(facts.iteration)),
        "feedback": Cell("The feedback board", href=addresses.feedback(facts.iteration)),
        "risks": Cell("The risk ledger", href=addresses.risks()),
        "releases": Cell("All releases, their gates and history", href=addresses.releases()),
    }
    sections = (_with(section, more.get(section.id)) for section in build_sections(facts, found))
    return Page(
        title=f"Iteration {facts.iteration}",
        part="iterations",
        subtitle=f"{facts.title}, as of {moment_text(facts.now)}",
        trail=(Cell("Iterations", href=addresses.iterations()), Cell(f"Iteration {facts.iteration}")),
        executive=build_executive(facts, found),
        sections=(*sections, Section("origin", "Where this comes from", pairs=tuple(_origin(facts)))),
    )


def _with(section: Section, link: Cell | None) -> Section:
    return section if link is None else replace(section, links=(link,))


def _origin(facts: DashboardFacts) -> Iterator[Pair]:
    yield Pair("Assembly run", Cell(facts.run_id, kind="code", href=facts.links.run(facts.run_id)))
    yield Pair("Digest of the assembly", code(facts.digest))
    yield Pair(
        "Its files",
        Cell("those that were assembled", Tone.GOOD)
        if facts.genuine
        else Cell("not those that were assembled: the digest differs", Tone.BAD),
    )
    yield Pair("MLflow's table of assembly runs", Cell("open", href=facts.links.experiment()))
