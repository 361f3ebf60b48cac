"""The page of all projects: who stands behind what, and on which evidence."""

from __future__ import annotations

from collections.abc import Mapping

from flywheel_mlflow.assembly.documents import Entry
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, number, spark
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.texts import UNKNOWN, format_value

_COLUMNS = (
    "project",
    "owner",
    "phase",
    "evidence",
    "checks passed",
    "KPIs at target",
    "score",
    "over iterations",
    "consumable",
    "interface versions",
)


def projects_page(facts: DashboardFacts, contracts: Mapping[str, Contract], addresses: Addresses) -> Page:
    """Every project of an iteration, and those whose contract came later."""
    projects = facts.record.projects
    out = sum(not item.consumable for item in projects)
    told = f"{len(projects) - out} of {len(projects)} projects are consumable in iteration {facts.iteration}."
    rows = [_row(item, facts) for item in projects]
    known = {item.project_id for item in projects}
    rows += [_absent(contract, facts.links) for name, contract in contracts.items() if name not in known]
    table = Table(f"Projects of iteration {facts.iteration}", _COLUMNS, tuple(rows), "No contract was read.")
    links = (
        Cell(f"All of iteration {facts.iteration}", href=addresses.iteration(facts.iteration)),
        Cell("All interfaces", href=addresses.interfaces(facts.links.iteration)),
    )
    return Page(
        title="Projects",
        part="projects",
        lead=(Cell(told, Tone.ATTENTION if out else Tone.GOOD),),
        sections=(Section("projects", "All projects", tables=(table,), links=links),),
    )


def promised_projects_page(contracts: Mapping[str, Contract], addresses: Addresses) -> Page:
    """Before the first assembly: what the contracts alone say."""
    links = Links(addresses)
    rows = tuple(_promised(contract, links) for contract in contracts.values())
    columns = ("project", "owner", "phase", "interfaces", "KPIs")
    table = Table("Projects as their contracts promise them", columns, rows, "No contract was read.")
    return nothing_assembled("Projects", "projects", Section("projects", "All projects", tables=(table,)))


def _promised(contract: Contract, links: Links) -> tuple[Cell, ...]:
    return (
        Cell(f"{contract.id} {contract.title}", href=links.project(contract.id)),
        Cell(contract.owner),
        Cell(contract.phase),
        number(format_value(len(contract.interfaces_out), "count")),
        number(format_value(len(contract.kpis), "count")),
    )


def _row(item: Entry, facts: DashboardFacts) -> tuple[Cell, ...]:
    evidence = item.evidence
    carried = f", from iteration {evidence.carried_from}" if evidence and evidence.carried_from else ""
    versions = sum(entry.version is not None for entry in item.interfaces_out)
    total = item.total_checks
    return (
        Cell(f"{item.project_id} {item.title}", href=facts.links.project(item.project_id)),
        Cell(item.owner),
        Cell(item.phase),
        Cell(f"{evidence.kind}{carried}", href=facts.links.run(evidence.run_id, item.project_id))
        if evidence
        else Cell(item.state, Tone.UNKNOWN),
        number(UNKNOWN, Tone.UNKNOWN) if total is None else number(f"{item.passed_checks} of {total}"),
        attained(item),
        number(format_value(item.score, "score 0..1"), Tone.UNKNOWN if item.score is None else Tone.NONE),
        spark(f"{item.project_id} score", "score 0..1", score_history(item, facts)),
        consumable(item),
        number(f"{versions} of {len(item.interfaces_out)}"),
    )


def score_history(item: Entry, facts: DashboardFacts) -> dict[int, float | None]:
    """A project's score by iteration; None where it is unknown."""
    name = f"{item.project_id}.score"
    return {turn: metrics.get(name) for turn, metrics in facts.history.items()} | {facts.iteration: item.score}


def attained(item: Entry) -> Cell:
    """How many of the KPIs with a target reach it; a KPI without a value reaches nothing and is counted."""
    aimed = [kpi for kpi in item.kpis.values() if kpi.target is not None]
    if not aimed:
        return number("no target")
    reached = sum(kpi.attainment == 1 for kpi in aimed)
    return number(f"{reached} of {len(aimed)}")


def consumable(item: Entry) -> Cell:
    """Whether others may build on a project."""
    if not item.consumable:
        return Cell("no", Tone.ATTENTION)
    return Cell("not for everybody", Tone.ATTENTION) if item.not_consumable_for else Cell("yes", Tone.GOOD)


def readiness(item: Entry) -> Cell:
    """The same where no column says what it is about."""
    if not item.consumable:
        return Cell("not consumable", Tone.ATTENTION)
    if item.not_consumable_for:
        return Cell("not consumable for everybody", Tone.ATTENTION)
    return Cell("consumable", Tone.GOOD)


def _absent(contract: Contract, links: Links) -> tuple[Cell, ...]:
    said = Cell("not part of this iteration", Tone.UNKNOWN)
    name = Cell(f"{contract.id} {contract.title}", href=links.project(contract.id))
    blank = (Cell(""),) * (len(_COLUMNS) - 4)
    return (name, Cell(contract.owner), Cell(contract.phase), said, *blank)
