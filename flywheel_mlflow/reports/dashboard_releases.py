"""What a page says about decisions: releases, overrides, risks, the newest events of the ledger."""

from __future__ import annotations

from flywheel_mlflow.decisions.releases import STAGES, Override, ReleaseState
from flywheel_mlflow.decisions.summaries import summarise_releases
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Pair, Section
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_health import open_overrides
from flywheel_mlflow.tables.cells import Cell
from flywheel_mlflow.tables.links import NO_LINKS, Links
from flywheel_mlflow.tables.releases import ledger_table, overrides_table, releases_table
from flywheel_mlflow.tables.risks import newest_closed, pressing_first, risks_table
from flywheel_mlflow.tables.texts import UNKNOWN, moment_text

#: Newest releases and ledger events shown; `flywheel release list` and `release history` have all of them.
MOST_RELEASES, MOST_EVENTS = 20, 15


def governance_pairs(facts: DashboardFacts) -> tuple[Pair, ...]:
    """The state of governance in a few lines: production, overrides, risks."""
    ledger, now = facts.ledger, facts.now
    if ledger.unknown:
        return (Pair("Ledger", Cell(f"{UNKNOWN}: {ledger.unknown}", Tone.UNKNOWN)),)
    overrides = open_overrides(ledger, now)
    pending = [risk for risk in ledger.risks if risk.closed_at is None]
    overdue = sum(risk.is_overdue(now) for risk in pending)
    risks = f"{len(pending)} open, {overdue} overdue"
    return (
        Pair("Release in production", _in_production(ledger.state, facts.links)),
        Pair("Open overrides", _overrides_cell(overrides)),
        Pair("Risks", Cell(risks, Tone.BAD if overdue else Tone.ATTENTION if pending else Tone.GOOD)),
    )


def _in_production(state: ReleaseState | None, links: Links) -> Cell:
    version = state.current["production"] if state else None
    if state is None or version is None:
        return Cell("none", Tone.ATTENTION)
    told = f"{version}, of iteration {state.release(version).iteration}"
    return Cell(told, Tone.GOOD, href=links.release(version))


def _overrides_cell(overrides: tuple[Override, ...]) -> Cell:
    told = "; ".join(f"release {item.version} to {item.to}, until {moment_text(item.until)}" for item in overrides)
    return Cell(told, Tone.BAD) if overrides else Cell("none", Tone.GOOD)


def release_section(facts: DashboardFacts) -> Section:
    """Where releases stand, what was overridden, what the ledger says last."""
    ledger = facts.ledger
    if ledger.unknown:
        notes = (Cell(f"The ledger is unknown: {ledger.unknown}.", Tone.UNKNOWN),)
        return Section("releases", "Releases", ("governance",), notes=notes)
    state = ledger.state or ReleaseState()
    return Section(
        "releases",
        "Releases",
        ("governance",),
        notes=tuple(Cell(fault, Tone.BAD) for fault in ledger.faults),
        pairs=tuple(Pair(stage.capitalize(), pointed(state, stage, facts.links)) for stage in STAGES),
        tables=(
            releases_table(summarise_releases(state, facts.now), most=MOST_RELEASES, links=facts.links),
            overrides_table(
                state.overrides,
                open_overrides(ledger, facts.now),
                "Overrides",
                "no gate was ever overridden.",
                links=facts.links,
            ),
            ledger_table(
                ledger.story,
                "The ledger's newest events",
                "the ledger is empty.",
                most=MOST_EVENTS,
                links=facts.links,
                folded=True,
            ),
        ),
    )


def pointed(state: ReleaseState, stage: str, links: Links = NO_LINKS) -> Cell:
    """The release in a stage, as the ledger has it."""
    version = state.current[stage]
    if version is None:
        return Cell("nothing", Tone.ATTENTION)
    return Cell(f"release {version}", Tone.GOOD, href=links.release(version))


def risk_section(facts: DashboardFacts) -> Section:
    """The risk ledger, open ones first."""
    ledger = facts.ledger
    if ledger.unknown:
        notes = (Cell(f"The risk ledger is unknown: {ledger.unknown}.", Tone.UNKNOWN),)
        return Section("risks", "Risks", ("business", "governance"), notes=notes)
    ordered = (*pressing_first(ledger.risks, facts.now), *newest_closed(ledger.risks))
    caption = "Risk ledger, open ones first"
    table = risks_table(ordered, facts.now, caption, "the ledger holds no risk.", links=facts.links)
    return Section("risks", "Risks", ("business", "governance"), tables=(table,))
