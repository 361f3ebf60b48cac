"""The page of the risk ledger: what is open, what is overdue, what came back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Cell, Command, Section, Table
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.dashboard_releases import moment_text
from flywheel_mlflow.reports.pages.addresses import Addresses
from flywheel_mlflow.reports.pages.deciding import ledger_notes
from flywheel_mlflow.reports.pages.frame import Page

#: Closed risks on the page, the newest first; `flywheel risk list --all` has all of them.
MOST_CLOSED = 100

#: What a severity means for a reader while the risk is open.
SEVERITY_TONES = {"high": Tone.BAD, "medium": Tone.ATTENTION, "low": Tone.NONE}
_COUNTS = range(1, 6)


@dataclass(frozen=True, slots=True)
class KnownRisk:
    """A cross-project risk that flywheel.yaml names, with the layers it sits in and the projects there."""

    id: str
    title: str
    owner: str
    layers: tuple[str, ...]
    projects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RisksFacts:
    """Everything the page says at ``now`` (UTC)."""

    ledger: LedgerFacts
    known: tuple[KnownRisk, ...]
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


def pressing_first(risks: tuple[Risk, ...], now: datetime) -> list[Risk]:
    """Open risks, overdue ones first, then the most severe, then those due first."""
    pending = (risk for risk in risks if risk.closed_at is None)
    return sorted(pending, key=lambda risk: (not risk.is_overdue(now), -risk.likelihood * risk.impact, risk.due))


def risk_state(risk: Risk, now: datetime) -> Cell:
    """Whether a risk is open, overdue or closed."""
    if risk.closed_at is not None:
        return Cell("closed", Tone.GOOD)
    return Cell("overdue", Tone.BAD) if risk.is_overdue(now) else Cell("open", Tone.ATTENTION)


def weight_text(risk: Risk) -> str:
    """Severity with likelihood and impact, each 1 to 5."""
    return f"{risk.severity} ({risk.likelihood} \N{MULTIPLICATION SIGN} {risk.impact})"


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
    rows = tuple(
        (
            Cell(risk.id, href=facts.addresses.risk(risk.id)),
            risk_state(risk, facts.now),
            Cell(risk.title),
            Cell(weight_text(risk), SEVERITY_TONES[risk.severity]),
            Cell(risk.owner),
            Cell(moment_text(risk.due)),
            Cell(_seen(risk), Tone.ATTENTION if risk.before else Tone.NONE),
            Cell(", ".join(risk.projects) or "none named"),
            Cell(risk.mitigation) if risk.mitigation else Cell("none written down", Tone.ATTENTION),
        )
        for risk in pending
    )
    columns = ("risk", "state", "what", "severity", "owner", "due", "seen", "projects", "mitigation")
    return Section(
        "open",
        "Open risks",
        tables=(
            Table("Open risks, overdue ones first, then the gravest", columns, rows, "none."),
            *((_matrix(pending),) if pending else ()),
        ),
    )


def _seen(risk: Risk) -> str:
    turns = ", ".join(map(str, risk.iterations))
    told = f"in iteration {turns}" if len(risk.iterations) == 1 else f"in iterations {turns}" if turns else "once"
    return f"{told}; came back after {', '.join(risk.before)}" if risk.before else told


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
    closed = sorted((risk for risk in facts.ledger.risks if risk.closed_at is not None), key=lambda risk: -risk.number)
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
    rows = tuple(
        (Cell(item.id), Cell(item.title), Cell(item.owner), Cell(", ".join(item.layers)), _projects(item, facts))
        for item in facts.known
    )
    return Section(
        "known",
        "Risks the organisation knows",
        notes=(Cell("flywheel.yaml names them; whether one shows itself is said by the ledger."),),
        tables=(
            Table(
                "Known cross-project risks",
                ("id", "what", "owner", "layers", "projects in them"),
                rows,
                "flywheel.yaml names none.",
            ),
        ),
    )


def _projects(item: KnownRisk, facts: RisksFacts) -> Cell:
    if not item.projects:
        return Cell("none")
    first, *others = (Cell(name, href=facts.addresses.project(name)) for name in item.projects)
    return Cell(first.text, href=first.href, also=tuple(others))


def _commands() -> Section:
    commands = (
        Command("flywheel risk watch --iteration N", "opens the risks that drift, feedback or the review of N show"),
        Command("flywheel risk open TITLE --owner NAME --due YYYY-MM-DD", "opens a risk by hand"),
    )
    return Section("commands", "Next commands", commands=commands)
