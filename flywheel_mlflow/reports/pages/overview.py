"""The overview: is the flywheel healthy, and where to look next."""

from __future__ import annotations

from collections.abc import Iterator

from flywheel_mlflow.decisions.releases import STAGES, ReleaseState
from flywheel_mlflow.drift.wording import Tone, tone_of, word_of
from flywheel_mlflow.reports.dashboard import FIRST, build_executive, command_section
from flywheel_mlflow.reports.dashboard_blocks import Pair, Section
from flywheel_mlflow.reports.dashboard_charts import iteration_charts
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_health import health, named, open_overrides, regression
from flywheel_mlflow.reports.dashboard_releases import pointed
from flywheel_mlflow.reports.dashboard_sections import bottleneck_section, lineage_drawing, stage_section
from flywheel_mlflow.reports.dashboard_trends import budget_tables, how_to_read, own_numbers
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.inbox import Inbox
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.risks import pressing_first, risks_table
from flywheel_mlflow.tables.texts import format_value, moment_text

#: Findings and open risks of the overview; their pages have all of them.
MOST = 5


def overview_page(facts: DashboardFacts, addresses: Addresses, inbox: Inbox | None = None) -> Page:
    """Healthy or not, what waits, and why; then a few lines of every other page."""
    found = health(facts)
    return Page(
        title=facts.title,
        part="overview",
        subtitle=f"Iteration {facts.iteration}, the newest assembled one, as of {moment_text(facts.now)}",
        executive=build_executive(facts, found, inbox),
        sections=(
            _numbers(facts, addresses),
            stage_section(facts),
            bottleneck_section(facts),
            _projects(facts, addresses),
            _drift(facts, addresses),
            _feedback(facts, addresses),
            _risks(facts, addresses),
            _releases(facts, addresses),
            command_section(facts, found),
        ),
    )


def _numbers(facts: DashboardFacts, addresses: Addresses) -> Section:
    links = (
        Cell(f"Everything about iteration {facts.iteration}", href=addresses.iteration(facts.iteration)),
        Cell("All iterations, and what differs between two of them", href=addresses.iterations()),
    )
    return Section(
        "kpis",
        "Over the iterations",
        ("business", "engineering"),
        (Cell(how_to_read(facts)),),
        links=links,
        charts=iteration_charts(facts),
        tables=(*budget_tables(facts), own_numbers(facts, folded=True)),
    )


def _projects(facts: DashboardFacts, addresses: Addresses) -> Section:
    projects = facts.record.projects
    out = [item for item in projects if not item.consumable]
    barred = [item for item in projects if item.not_consumable_for]
    rows = tuple(
        (Cell(i.project_id, href=facts.links.project(i.project_id)), Cell(i.title), Cell(_why_not(i.reasons)))
        for i in out
    )
    pairs = [
        Pair("Consumable", number(f"{len(projects) - len(out)} of {len(projects)}", _toned(bool(out)))),
        Pair("With evidence", number(f"{sum(item.evidence is not None for item in projects)} of {len(projects)}")),
    ]
    if barred:
        names = named(item.project_id for item in barred)
        pairs.append(Pair("Not for every consumer", Cell(names, Tone.ATTENTION)))
    return Section(
        "registry",
        "Projects",
        ("governance", "engineering"),
        links=(
            Cell("All projects", href=addresses.projects()),
            Cell("All interfaces", href=addresses.interfaces()),
        ),
        pairs=tuple(pairs),
        drawing=lineage_drawing(facts),
        tables=(Table("Not consumable", ("project", "title", "why not"), rows, "every project is consumable."),),
    )


def _why_not(reasons: tuple[str, ...]) -> str:
    more = f" (+{len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}" if reasons else ""


def _toned(attention: bool) -> Tone:
    return Tone.ATTENTION if attention else Tone.GOOD


def _drift(facts: DashboardFacts, addresses: Addresses) -> Section:
    answered, report = facts.drift.answered, facts.drift.report
    left = answered.left if answered else ()
    rows = tuple((Cell(item.subject), Cell(word_of(item), tone_of(item)), Cell(item.text)) for item in left[:MOST])
    more = f"; {len(left) - MOST} more on their page" if len(left) > MOST else ""
    tables = (Table(f"Findings, worst first{more}", ("subject", "verdict", "what"), rows, "none is left."),)
    return Section(
        "drift",
        "Drift and regressions",
        ("governance", "engineering"),
        links=(Cell("The review of the comparison", href=addresses.drift()),),
        pairs=(_verdict(facts, report.reference.iteration if report else None),),
        tables=tables if answered else (),
    )


def _verdict(facts: DashboardFacts, against: int | None) -> Pair:
    reason, answered = regression(facts.drift, facts.iteration), facts.drift.answered
    if answered is None:
        return Pair("Verdict", Cell(f"unknown: {facts.drift.unknown}", Tone.UNKNOWN))
    return Pair(f"Verdict against iteration {against}", Cell(answered.verdict.value, reason.tone))


def _feedback(facts: DashboardFacts, addresses: Addresses) -> Section:
    found = facts.feedback
    if found.unknown:
        first = Cell(f"Feedback unknown: {found.unknown}.", Tone.UNKNOWN)
    elif not found.ingestions:
        first = Cell("No feedback of this iteration was taken in.", Tone.UNKNOWN)
    else:
        first = Cell(f"{found.ingestions} {'ingestion' if found.ingestions == 1 else 'ingestions'} of feedback.")
    pairs = (Pair(_counted(name), number(format_value(n, "count"))) for name, n in (found.counts or {}).items() if n)
    links = (Cell("The feedback board", href=addresses.feedback()),)
    return Section("feedback", "Feedback", ("business", "engineering"), (first,), tuple(pairs), links=links)


def _counted(name: str) -> str:
    """``to.p06`` are the events that a project got."""
    return f"for {name.removeprefix('to.')}" if name.startswith("to.") else name.replace("_", " ")


def _risks(facts: DashboardFacts, addresses: Addresses) -> Section:
    ledger = facts.ledger
    links = (Cell("The risk ledger", href=addresses.risks()),)
    readers = ("business", "governance")
    if ledger.unknown:
        return Section("risks", "Risks", readers, (Cell(f"Unknown: {ledger.unknown}.", Tone.UNKNOWN),), links=links)
    pending = pressing_first(ledger.risks, facts.now)
    more = f"; {len(pending) - MOST} more on their page" if len(pending) > MOST else ""
    caption = f"Open risks, overdue ones first, then the gravest{more}"
    table = risks_table(pending[:MOST], facts.now, caption, "none in the ledger.", links=facts.links).narrow()
    return Section("risks", "Risks", readers, links=links, tables=(table,))


def _releases(facts: DashboardFacts, addresses: Addresses) -> Section:
    ledger = facts.ledger
    links = (Cell("All releases, their gates and history", href=addresses.releases()),)
    readers = ("governance",)
    if ledger.unknown:
        return Section(
            "releases", "Releases", readers, (Cell(f"Unknown: {ledger.unknown}.", Tone.UNKNOWN),), links=links
        )
    state = ledger.state or ReleaseState()
    notes = tuple(Cell(fault, Tone.BAD) for fault in ledger.faults[:FIRST])
    return Section("releases", "Releases", readers, notes, tuple(_standing(facts, state)), links=links)


def _standing(facts: DashboardFacts, state: ReleaseState) -> Iterator[Pair]:
    for stage in STAGES:
        yield Pair(stage.capitalize(), pointed(state, stage, facts.links))
    mine = [item.version for item in state.releases.values() if item.iteration == facts.iteration]
    if mine:
        newest = max(mine)
        stands = f"{newest}, {state.stage_of(newest).value}"
        yield Pair("Made of this iteration", Cell(stands, href=facts.links.release(newest)))
    else:
        yield Pair("Made of this iteration", Cell("none", Tone.ATTENTION))
    for item in open_overrides(facts.ledger, facts.now):
        told = f"release {item.version} to {item.to}, until {moment_text(item.until)}: {item.reason}"
        yield Pair("Open override", Cell(told, Tone.BAD, href=facts.links.release(item.version)))
