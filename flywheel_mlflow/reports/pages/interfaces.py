"""The page of all interfaces: which versions there are, and who reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from flywheel_mlflow.assembly.documents import EdgeLine, Output
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.evidence.lineage import EdgeState
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_sections import EDGE_TONES, lineage_section
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, number
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.texts import SHORT, UNKNOWN, format_value

#: What the version rule says against the iteration before, with its meaning for a reader.
CHANGE_TONES = {"major": Tone.BAD, "minor": Tone.ATTENTION, "patch": Tone.NONE, "first": Tone.NONE}

#: States from the one that needs attention most.
_WORST = (EdgeState.STALE, EdgeState.UNREAD, EdgeState.UNVERSIONED, EdgeState.NO_EVIDENCE, EdgeState.MATCHED)


def interfaces_page(facts: DashboardFacts, addresses: Addresses) -> Page:
    """Every interface of an iteration, and the graph of who reads what."""
    projects, edges = facts.record.projects, facts.record.edges
    rows = tuple(
        _row(item, project.project_id, [edge for edge in edges if edge.interface == item.name], facts.links)
        for project in projects
        for item in project.interfaces_out
    )
    versions = sum(item.version is not None for project in projects for item in project.interfaces_out)
    columns = ("interface", "of", "what it is", "format", "role", "version", "rows", "schema", "read")
    return Page(
        title="Interfaces",
        part="interfaces",
        lead=(
            Cell(
                f"{versions} of {len(rows)} interfaces have a version in iteration {facts.iteration}.",
                Tone.GOOD if versions == len(rows) else Tone.ATTENTION,
            ),
        ),
        sections=(
            Section(
                "interfaces",
                "All interfaces",
                tables=(Table(f"Interfaces of iteration {facts.iteration}", columns, rows, "None is promised."),),
                links=(
                    Cell(f"All of iteration {facts.iteration}", href=addresses.iteration(facts.iteration)),
                    Cell("All projects", href=addresses.projects(facts.links.iteration)),
                ),
            ),
            replace(lineage_section(facts), title="Who reads what"),
        ),
    )


def _row(item: Output, project_id: str, edges: Iterable[EdgeLine], links: Links) -> tuple[Cell, ...]:
    version = item.version
    return (
        Cell(item.name, href=links.interface(item.name)),
        Cell(project_id, href=links.project(project_id)),
        Cell(item.title),
        Cell(item.format),
        Cell(item.role),
        code(version.digest[:SHORT]) if version else Cell("no version", Tone.UNKNOWN),
        number("opaque" if item.format == "opaque" else format_value(version.rows if version else None, "count")),
        change_cell(item.change),
        reading(edges),
    )


def change_cell(change: str | None) -> Cell:
    """What the version rule says about a version."""
    if change is None:
        return Cell(UNKNOWN, Tone.UNKNOWN)
    return Cell("first version" if change == "first" else change.upper(), CHANGE_TONES.get(change, Tone.UNKNOWN))


def reading(edges: Iterable[EdgeLine]) -> Cell:
    """How many consumers read which version, in the tone of the worst."""
    counts = Counter(edge.state for edge in edges)
    if not counts:
        return Cell("by nobody")
    told = ", ".join(f"{counts[state]} {state}" for state in map(str, _WORST) if counts[state])
    return Cell(told, next(EDGE_TONES[state] for state in map(str, _WORST) if counts[state]))


def promised_interfaces_page(contracts: Mapping[str, Contract], addresses: Addresses) -> Page:
    """Before the first assembly: what the contracts alone say."""
    links = Links(addresses)
    rows = tuple(
        (
            Cell(item.name, href=links.interface(item.name)),
            Cell(contract.id, href=links.project(contract.id)),
            Cell(item.title),
            Cell(item.format),
            Cell(item.role),
        )
        for contract in contracts.values()
        for item in contract.interfaces_out
    )
    columns = ("interface", "of", "what it is", "format", "role")
    table = Table("Interfaces as the contracts promise them", columns, rows, "No contract was read.")
    return nothing_assembled("Interfaces", "interfaces", Section("interfaces", "All interfaces", tables=(table,)))
