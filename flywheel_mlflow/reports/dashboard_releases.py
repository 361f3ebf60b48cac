"""What a page says about decisions: releases, overrides, risks, the newest events of the ledger."""

from __future__ import annotations

from datetime import datetime

from flywheel_mlflow.decisions.releases import STAGES, Override, Release, ReleaseStage, ReleaseState
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.drift.wording import VERDICT_TONES, Tone
from flywheel_mlflow.reports.dashboard_blocks import Cell, Pair, Section, Table, code, number
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_health import open_overrides
from flywheel_mlflow.reports.numbers import UNKNOWN, format_value
from flywheel_mlflow.reports.pages.links import NO_LINKS, Links

#: Newest releases and ledger events shown; `flywheel release list` and `release history` have all of them.
MOST_RELEASES, MOST_EVENTS = 20, 15

#: What :func:`risk_row` fills.
RISK_COLUMNS = ("risk", "what", "severity", "owner", "due", "state", "mitigation")

_STAGE_TONES = {
    ReleaseStage.PRODUCTION: Tone.GOOD,
    ReleaseStage.REJECTED: Tone.BAD,
}


def moment_text(at: datetime) -> str:
    """A moment as people read it, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


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
    newest = sorted(state.releases.values(), key=lambda item: -item.version)
    return Section(
        "releases",
        "Releases",
        ("governance",),
        notes=tuple(Cell(fault, Tone.BAD) for fault in ledger.faults),
        pairs=tuple(Pair(stage.capitalize(), pointed(state, stage, facts.links)) for stage in STAGES),
        tables=(
            Table(
                "Releases, newest first",
                ("release", "stands", "iteration", "made by", "at", "gate verdicts", "approvals", "bundle"),
                tuple(_release(item, state, facts.links) for item in newest[:MOST_RELEASES]),
                "No release was made yet.",
            ),
            Table(
                "Overrides",
                ("override", "release", "to", "by", "with", "until", "reason", "state"),
                tuple(_override(item, facts) for item in state.overrides),
                "No gate was ever overridden.",
            ),
            Table(
                "The ledger's newest events",
                ("event", "at", "who", "name is", "what"),
                tuple(
                    (number(str(i.number)), Cell(moment_text(i.at)), Cell(i.actor), Cell(i.level), Cell(i.text))
                    for i in reversed(ledger.story[-MOST_EVENTS:])
                ),
                "The ledger is empty.",
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


def _release(item: Release, state: ReleaseState, links: Links) -> tuple[Cell, ...]:
    stands = state.stage_of(item.version)
    gates = [gate for stage in STAGES if (gate := item.last_gate(stage)) is not None]
    tones = [VERDICT_TONES.get(gate.verdict, Tone.UNKNOWN) for gate in gates]
    worst = next((tone for tone in (Tone.BAD, Tone.UNKNOWN) if tone in tones), Tone.GOOD if tones else Tone.UNKNOWN)
    return (
        Cell(str(item.version), href=links.release(item.version)),
        Cell(stands.value, _STAGE_TONES.get(stands, Tone.NONE)),
        Cell(str(item.iteration), kind="number", href=links.turn(item.iteration)),
        Cell(item.author.name),
        Cell(moment_text(item.at)),
        Cell(", ".join(f"{gate.to} {gate.verdict}" for gate in gates) or "no gate was evaluated", worst),
        number(format_value(len(item.approvals), "count")),
        code(item.bundle[:12]),
    )


def _override(item: Override, facts: DashboardFacts) -> tuple[Cell, ...]:
    still_open = item in open_overrides(facts.ledger, facts.now)
    return (
        Cell(f"event {item.number}"),
        Cell(str(item.version), href=facts.links.release(item.version)),
        Cell(item.to),
        Cell(item.actor.name),
        Cell(item.second),
        Cell(moment_text(item.until)),
        Cell(item.reason),
        Cell("open" if item.confirmed is not None else "pending", Tone.BAD)
        if still_open
        else Cell("closed", Tone.NONE),
    )


def risk_section(facts: DashboardFacts) -> Section:
    """The risk ledger, open ones first."""
    ledger = facts.ledger
    if ledger.unknown:
        notes = (Cell(f"The risk ledger is unknown: {ledger.unknown}.", Tone.UNKNOWN),)
        return Section("risks", "Risks", ("business", "governance"), notes=notes)
    ordered = sorted(ledger.risks, key=lambda item: (item.closed_at is not None, item.due))
    return Section(
        "risks",
        "Risks",
        ("business", "governance"),
        tables=(
            Table(
                "Risk ledger, open ones first",
                RISK_COLUMNS,
                tuple(risk_row(item, facts.now, facts.links) for item in ordered),
                "The ledger holds no risk.",
            ),
        ),
    )


def risk_row(item: Risk, now: datetime, links: Links = NO_LINKS) -> tuple[Cell, ...]:
    """One risk under ``RISK_COLUMNS``."""
    if item.closed_at is not None:
        state = Cell(f"closed by {item.closed_by}: {item.closing_reason}", Tone.GOOD)
    elif item.is_overdue(now):
        state = Cell("overdue", Tone.BAD)
    else:
        state = Cell("open", Tone.ATTENTION)
    severity = f"{item.severity} ({item.likelihood} \N{MULTIPLICATION SIGN} {item.impact})"
    return (
        Cell(item.id, href=links.risk(item.id)),
        Cell(item.title),
        Cell(severity),
        Cell(item.owner),
        Cell(moment_text(item.due)),
        state,
        Cell(item.mitigation or "none"),
    )
