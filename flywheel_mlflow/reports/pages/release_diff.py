"""The page of two releases compared: only what differs, and whether that is better, worse or noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flywheel_mlflow.assembly.diff import InterfaceChange, NumberChange, ReleaseDiff
from flywheel_mlflow.decisions.releases import ReleaseState
from flywheel_mlflow.drift.wording import WORDS, Tone
from flywheel_mlflow.reports.dashboard_blocks import Command, Section
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.deciding import ledger_notes
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.releases import diff_filter
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, counted_cells, number
from flywheel_mlflow.tables.texts import format_change, with_unit

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
    yield _interfaces(diff.interfaces, facts)
    yield _promises(diff, facts)


def _numbers(
    caption: str, found: tuple[NumberChange, ...], facts: ReleaseDiffFacts, empty: str, *, folded: bool = False
) -> Table:
    more = f"; {len(found) - MOST_NUMBERS} more in `flywheel release diff --json`" if len(found) > MOST_NUMBERS else ""
    columns = ("number", "is", f"release {facts.first}", f"release {facts.second}", "change", "why")
    rows = tuple(
        (
            Cell(item.name),
            Cell(item.word, WORDS[item.word]),
            number(with_unit(item.before, item.unit), Tone.UNKNOWN if item.before is None else Tone.NONE),
            number(with_unit(item.after, item.unit), Tone.UNKNOWN if item.after is None else Tone.NONE),
            number(_difference(item)),
            Cell(item.why),
        )
        for item in found[:MOST_NUMBERS]
    )
    return Table(f"{caption}: {len(found)}{more}", columns, rows, empty, folded)


def _difference(item: NumberChange) -> str:
    return "" if item.before is None or item.after is None else format_change(item.before, item.after, item.unit)


def _interfaces(found: tuple[InterfaceChange, ...], facts: ReleaseDiffFacts) -> Section:
    tones = {"gone": Tone.BAD, "other schema": Tone.ATTENTION, "schema unknown": Tone.UNKNOWN, "new": Tone.GOOD}
    columns = ("interface", "is", f"release {facts.first}", f"release {facts.second}")
    rows = tuple(
        (
            Cell(item.name, href=facts.addresses.interface(item.name)),
            Cell(item.word, tones.get(item.word, Tone.NONE)),
            Cell(item.before, kind="code"),
            Cell(item.after, kind="code"),
        )
        for item in found
    )
    table = Table("Interfaces that differ, by digest", columns, rows, "every interface has the very same data.")
    return Section("interfaces", "Interfaces", tables=(table,))


def _promises(diff: ReleaseDiff, facts: ReleaseDiffFacts) -> Section:
    rows = tuple((Cell(name, href=facts.addresses.project(name)),) for name in diff.contracts)
    told = "flywheel.yaml differs." if diff.blueprint else "flywheel.yaml is the same."
    return Section(
        "promises",
        "Contracts and blueprint",
        notes=(Cell(told, Tone.ATTENTION if diff.blueprint else Tone.NONE),),
        tables=(Table("Contracts that differ", ("project",), rows, "none."),),
    )
