"""The page of two releases compared: only what differs, and whether that is better, worse or noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flywheel_mlflow.assembly.diff import NumberChange, ReleaseDiff
from flywheel_mlflow.decisions.releases import ReleaseState
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Command, Section
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.deciding import ledger_notes
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.releases import diff_filter
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, counted_cells
from flywheel_mlflow.tables.differences import interface_changes_table, numbers_table
from flywheel_mlflow.tables.links import Links

#: Numbers of one table; `flywheel release diff --json` has all of them.
MOST_NUMBERS = 200

#: What a reader need not act on.
_OPEN = ("cannot be told", "within noise")


@dataclass(frozen=True, slots=True)
class ReleaseDiffFacts:
    """Everything the page says; ``diff`` is None when two releases could not be compared, and ``unknown`` says why."""

    ledger: LedgerFacts
    first: int | None
    second: int | None
    diff: ReleaseDiff | None
    unknown: str
    addresses: Addresses


def release_diff_page(facts: ReleaseDiffFacts) -> Page:
    """What differs; equal facts give equal pages."""
    state = facts.ledger.state or ReleaseState()
    asked = facts.first is not None and facts.second is not None
    return Page(
        title=f"Release {facts.first} and release {facts.second}" if asked else "Two releases compared",
        part="releases",
        subtitle="Only what differs is shown",
        trail=(Cell("Releases", href=facts.addresses.releases()),),
        lead=(*ledger_notes(facts.ledger), *_lead(facts)),
        sections=(
            Section("choose", "Which two", filters=(diff_filter(facts.addresses, state, facts.first, facts.second),))
            if len(state.releases) > 1
            else Section("commands", "Next commands", commands=(_create(),)),
            *(_found(facts, facts.diff) if facts.diff else ()),
        ),
    )


def _create() -> Command:
    return Command("flywheel release create --iteration N", "two releases are needed to compare them")


def _lead(facts: ReleaseDiffFacts) -> Iterator[Cell]:
    if facts.diff is None:
        yield Cell(f"They cannot be compared: {facts.unknown}.", Tone.UNKNOWN)
        return
    if facts.diff.empty:
        yield Cell(f"Releases {facts.first} and {facts.second} do not differ.", Tone.GOOD)
        return
    counts = counted_cells(item.word for item in facts.diff.numbers if item.kpi)
    sides = f"From release {facts.first} to release {facts.second}"
    yield Cell(f"{sides}, KPIs", also=counts) if counts else Cell(f"{sides} no KPI differs.")
    others = sum(not item.kpi for item in facts.diff.numbers)
    sizes = f"interfaces: {len(facts.diff.interfaces)}; contracts: {len(facts.diff.contracts)}"
    yield Cell(f"Computed numbers that differ: {others}; {sizes}.")


def _found(facts: ReleaseDiffFacts, diff: ReleaseDiff) -> Iterator[Section]:
    kpis = tuple(item for item in diff.numbers if item.kpi)
    judged = tuple(item for item in kpis if item.word not in _OPEN)
    left = tuple(item for item in kpis if item.word in _OPEN)
    others = tuple(item for item in diff.numbers if not item.kpi)
    direction = "Better and worse of computed numbers are only the direction of the change; they have no sample size."
    yield Section(
        "numbers",
        "Numbers",
        notes=(*((Cell(diff.judged),) if diff.judged else ()), *((Cell(direction),) if others else ())),
        tables=(
            _numbers("KPIs better, worse, come or gone", judged, facts, "no KPI differs beyond noise."),
            _numbers("KPIs within noise, or that cannot be told", left, facts, "none."),
            _numbers("Computed numbers", others, facts, "none.", folded=True),
        ),
    )
    table = interface_changes_table(diff.interfaces, _sides(facts), links=Links(facts.addresses))
    yield Section("interfaces", "Interfaces", tables=(table,))
    yield _promises(diff, facts)


def _sides(facts: ReleaseDiffFacts) -> tuple[str, str]:
    return f"release {facts.first}", f"release {facts.second}"


def _numbers(
    caption: str, found: tuple[NumberChange, ...], facts: ReleaseDiffFacts, empty: str, *, folded: bool = False
) -> Table:
    more = f"; {len(found) - MOST_NUMBERS} more in `flywheel release diff --json`" if len(found) > MOST_NUMBERS else ""
    told = f"{caption}: {len(found)}{more}"
    return numbers_table(found[:MOST_NUMBERS], _sides(facts), told, empty, folded=folded)


def _promises(diff: ReleaseDiff, facts: ReleaseDiffFacts) -> Section:
    rows = tuple((Cell(name, href=facts.addresses.project(name)),) for name in diff.contracts)
    told = "flywheel.yaml differs." if diff.blueprint else "flywheel.yaml is the same."
    return Section(
        "promises",
        "Contracts and blueprint",
        notes=(Cell(told, Tone.ATTENTION if diff.blueprint else Tone.NONE),),
        tables=(Table("Contracts that differ", ("project",), rows, "none."),),
    )
