"""The page of the risk ledger: what is open, what is overdue, what came back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.risks import CrossProjectRisk, Risk
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Command, Section
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.deciding import ledger_notes
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.risks import (
    SEVERITY_TONES,
    known_risks_table,
    newest_closed,
    pressing_first,
    risks_table,
    weight_text,
)
from flywheel_mlflow.tables.texts import moment_text

#: Closed risks on the page, the newest first; `flywheel risk list --all` has all of them.
MOST_CLOSED = 100

_COUNTS = range(1, 6)


@dataclass(frozen=True, slots=True)
class RisksFacts:
    """Everything the page says at ``now`` (UTC)."""

    ledger: LedgerFacts
    known: tuple[CrossProjectRisk, ...]
    now: datetime
    addresses: Addresses


def risks_page(facts: RisksFacts) -> Page:
    """Every risk; equal facts give equal pages."""
    return Page(
        title="Risks",
        part="risks",
        subtitle=f"As of {moment_text(facts.now)}",
        lead=(*ledger_notes(facts.ledger), *_lead(facts)),
        sections=(*((_open(facts), _closed(facts)) if not facts.ledger.unknown else ()), _known(facts), _commands()),
    )


def _lead(facts: RisksFacts) -> Iterator[Cell]:
    if facts.ledger.unknown:
        return
    pending = pressing_first(facts.ledger.risks, facts.now)
    overdue = [risk for risk in pending if risk.is_overdue(facts.now)]
    if overdue:
        tone = Tone.BAD if any(risk.severity == "high" for risk in overdue) else Tone.ATTENTION
        yield Cell(f"{_risks(len(overdue))} overdue: {', '.join(risk.id for risk in overdue[:10])}.", tone)
    if pending:
        high = sum(risk.severity == "high" for risk in pending)
        tone = Tone.ATTENTION if high else Tone.NONE
        yield Cell(f"{_risks(len(pending))} open, {high} of them high, {len(overdue)} of them overdue.", tone)
    elif facts.ledger.risks:
        yield Cell("No risk is open.", Tone.GOOD)
    else:
        yield Cell("The ledger holds no risk yet.")


def _risks(count: int) -> str:
    return f"{count} risk is" if count == 1 else f"{count} risks are"


def _open(facts: RisksFacts) -> Section:
    pending = pressing_first(facts.ledger.risks, facts.now)
    caption = "Open risks, overdue ones first, then the gravest"
    table = risks_table(pending, facts.now, caption, "none.", links=Links(facts.addresses))
    return Section("open", "Open risks", tables=(table, *((_matrix(pending),) if pending else ())))


def _matrix(pending: list[Risk]) -> Table:
    """Likelihood by impact, with the risks in each cell by name."""
    rows = tuple(
        (
            Cell(f"likelihood {likelihood}"),
            *(
                _square([risk for risk in pending if (risk.likelihood, risk.impact) == (likelihood, i)])
                for i in _COUNTS
            ),
        )
        for likelihood in reversed(_COUNTS)
    )
    caption = "Open risks by likelihood and impact, each from 1 (hardly) to 5 (very much)"
    return Table(caption, ("", *(f"impact {impact}" for impact in _COUNTS)), rows, "none.", folded=True)


def _square(risks: list[Risk]) -> Cell:
    if not risks:
        return Cell("")
    return Cell(", ".join(risk.id for risk in risks), SEVERITY_TONES[risks[0].severity])


def _closed(facts: RisksFacts) -> Section:
    closed = newest_closed(facts.ledger.risks)
    rows = tuple(
        (
            Cell(risk.id, href=facts.addresses.risk(risk.id)),
            Cell(risk.title),
            Cell(weight_text(risk)),
            Cell(f"{risk.closed_by} on {moment_text(risk.closed_at)}" if risk.closed_at else ""),
            Cell(risk.closing_reason),
            Cell("run", href=facts.addresses.ui_run_by_id(risk.evidence)) if risk.evidence else Cell("none"),
        )
        for risk in closed[:MOST_CLOSED]
    )
    more = f"; {len(closed) - MOST_CLOSED} older ones are left out" if len(closed) > MOST_CLOSED else ""
    columns = ("risk", "what", "severity", "closed by", "why", "evidence")
    return Section(
        "closed",
        "Closed risks",
        tables=(Table(f"Closed risks, the newest first{more}", columns, rows, "none was closed yet."),),
    )


def _known(facts: RisksFacts) -> Section:
    return Section(
        "known",
        "Risks the organisation knows",
        notes=(Cell("flywheel.yaml names them; whether one shows itself is said by the ledger."),),
        tables=(known_risks_table(facts.known, links=Links(facts.addresses)),),
    )


def _commands() -> Section:
    commands = (
        Command("flywheel risk watch --iteration N", "opens the risks that drift, feedback or the review of N show"),
        Command("flywheel risk open TITLE --owner NAME --due YYYY-MM-DD", "opens a risk by hand"),
    )
    return Section("commands", "Next commands", commands=commands)
