"""Tables of the risk ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from flywheel_mlflow.decisions.risks import CrossProjectRisk, Risk
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.tables.cells import Cell, Table, listed
from flywheel_mlflow.tables.links import NO_LINKS, Links
from flywheel_mlflow.tables.texts import moment_text

#: What a severity means for a reader while the risk is open.
SEVERITY_TONES = {"high": Tone.BAD, "medium": Tone.ATTENTION, "low": Tone.NONE}


def pressing_first(risks: Iterable[Risk], now: datetime) -> list[Risk]:
    """Open risks, overdue ones first, then the most severe, then those due first."""
    pending = (risk for risk in risks if risk.closed_at is None)
    return sorted(pending, key=lambda risk: (not risk.is_overdue(now), -risk.likelihood * risk.impact, risk.due))


def newest_closed(risks: Iterable[Risk]) -> list[Risk]:
    """Closed risks, the newest first."""
    return sorted((risk for risk in risks if risk.closed_at is not None), key=lambda risk: -risk.number)


def risk_state(risk: Risk, now: datetime) -> Cell:
    """Whether a risk is open, overdue or closed."""
    if risk.closed_at is not None:
        return Cell("closed", Tone.GOOD)
    return Cell("overdue", Tone.BAD) if risk.is_overdue(now) else Cell("open", Tone.ATTENTION)


def weight_text(risk: Risk) -> str:
    """Severity with likelihood and impact, each 1 to 5."""
    return f"{risk.severity} ({risk.likelihood} \N{MULTIPLICATION SIGN} {risk.impact})"


def risks_table(risks: Iterable[Risk], now: datetime, caption: str, empty: str, *, links: Links = NO_LINKS) -> Table:
    """Risks in the order given, as they stand ``now`` (UTC)."""
    brief = ("risk", "state", "what", "severity", "owner", "due")
    rows = tuple(
        (
            Cell(risk.id, href=links.risk(risk.id)),
            risk_state(risk, now),
            Cell(risk.title),
            Cell(weight_text(risk), SEVERITY_TONES[risk.severity] if risk.closed_at is None else Tone.NONE),
            Cell(risk.owner),
            Cell(moment_text(risk.due)),
            Cell(_seen(risk), Tone.ATTENTION if risk.before else Tone.NONE),
            Cell(", ".join(risk.projects) or "none named"),
            Cell(risk.mitigation) if risk.mitigation else Cell("none written down", Tone.ATTENTION),
        )
        for risk in risks
    )
    return Table(caption, (*brief, "seen", "projects", "mitigation"), rows, empty, brief=brief)


def _seen(risk: Risk) -> str:
    turns = ", ".join(map(str, risk.iterations))
    told = f"in iteration {turns}" if len(risk.iterations) == 1 else f"in iterations {turns}" if turns else "once"
    return f"{told}; came back after {', '.join(risk.before)}" if risk.before else told


def known_risks_table(known: Iterable[CrossProjectRisk], *, links: Links = NO_LINKS) -> Table:
    """The risks that flywheel.yaml names, whether one shows itself or not."""
    rows = tuple(
        (
            Cell(item.id),
            Cell(item.title),
            Cell(item.owner),
            Cell(", ".join(item.layers)),
            listed([Cell(name, href=links.project(name)) for name in item.projects]),
        )
        for item in known
    )
    columns = ("id", "what", "owner", "layers", "projects in them")
    return Table("Known cross-project risks (flywheel.yaml)", columns, rows, "flywheel.yaml names none.")
