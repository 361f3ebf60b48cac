"""The page of one risk: how grave it is, whom it can reach, whether it came back, what people did about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.assembly.history import LedgerLine
from flywheel_mlflow.decisions.risk_paths import Propagation, Reached
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Field, Form, Pair, Section
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.deciding import (
    LONGEST_REASON,
    MOST_EVENTS,
    choice_field,
    hidden,
    ledger_notes,
    reason_field,
    said,
)
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.releases import ledger_table
from flywheel_mlflow.tables.risks import SEVERITY_TONES, risk_state, weight_text
from flywheel_mlflow.tables.texts import moment_text

_UNCHANGED = ("", "leave it")
_LIKELIHOODS = {1: "hardly", 2: "unlikely", 3: "possible", 4: "likely", 5: "almost sure"}
_IMPACTS = {1: "hardly felt", 2: "small", 3: "felt", 4: "grave", 5: "very grave"}


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """Everything the page says at ``now`` (UTC).

    ``story`` are the events about it, ``path`` where it can spread, ``before`` the earlier risks of its topic.
    ``close_refused`` and ``update_refused`` say why the acts would be refused now; ``event`` is the decision that was
    just written, None for none.
    """

    risk: Risk
    story: tuple[LedgerLine, ...]
    path: Propagation
    before: tuple[Risk, ...]
    ledger: LedgerFacts
    close_refused: str
    update_refused: str
    now: datetime
    addresses: Addresses
    event: int | None = None


def risk_page(facts: RiskFacts) -> Page:
    """One risk; equal facts give equal pages."""
    risk = facts.risk
    return Page(
        title=f"Risk {risk.id}: {risk.title}",
        part="risks",
        subtitle=f"As of {moment_text(facts.now)}",
        trail=(Cell("Risks", href=facts.addresses.risks()),),
        said=said(facts.story, facts.event),
        lead=(*ledger_notes(facts.ledger), *_lead(facts)),
        sections=(_identity(facts), _path(facts), _recurrence(facts), _history(facts), _acts(facts)),
    )


def _lead(facts: RiskFacts) -> Iterator[Cell]:
    risk = facts.risk
    state = risk_state(risk, facts.now)
    if risk.closed_at is not None:
        yield Cell(f"Closed by {risk.closed_by} on {moment_text(risk.closed_at)}: {risk.closing_reason}", Tone.GOOD)
        return
    yield Cell(
        f"It is {state.text}: {weight_text(risk)}, due {moment_text(risk.due)}, {risk.owner} owns it.", state.tone
    )
    if facts.before and not risk.mitigation:
        yield Cell("It came back, and nobody has said why.", Tone.ATTENTION)


def _identity(facts: RiskFacts) -> Section:
    risk = facts.risk
    return Section(
        "identity",
        "What it is",
        pairs=(
            Pair("Likelihood", Cell(f"{risk.likelihood} of 5")),
            Pair("Impact", Cell(f"{risk.impact} of 5")),
            Pair("Severity", Cell(risk.severity, SEVERITY_TONES[risk.severity] if not risk.closed_at else Tone.NONE)),
            Pair("Owner", Cell(risk.owner)),
            Pair("Due", Cell(moment_text(risk.due), Tone.BAD if risk.is_overdue(facts.now) else Tone.NONE)),
            Pair("Opened", Cell(f"by {risk.opened_by} on {moment_text(risk.opened_at)}, because of: {_cause(risk)}")),
            Pair("Mitigation", Cell(risk.mitigation) if risk.mitigation else Cell("none written down", Tone.ATTENTION)),
            *_evidence(facts),
        ),
    )


def _cause(risk: Risk) -> str:
    return "somebody wrote it down" if risk.cause == "person" else risk.cause.replace("_", " ")


def _evidence(facts: RiskFacts) -> Iterator[Pair]:
    found = facts.risk.evidence
    if found:
        yield Pair("Closed with", Cell(f"run {found}", href=facts.addresses.ui_run_by_id(found)))


def _path(facts: RiskFacts) -> Section:
    """Whom it can reach, over which interfaces and layers, after how many turns."""
    path = facts.path
    if not path.projects:
        note = Cell("Unknown: it names no project that a contract declares.", Tone.UNKNOWN)
        return Section("path", "Where it can spread", notes=(note,))
    columns = ("project", "when", "layers", "over the interfaces")
    return Section(
        "path",
        "Where it can spread",
        pairs=(
            Pair("It sits in", _projects(path.projects, facts)),
            Pair("Layers it sits in", Cell(", ".join(path.layers) or "none")),
            Pair("Layers it can reach", Cell(", ".join(path.all_layers) or "none")),
        ),
        tables=(
            Table(
                f"Projects it can reach: {len(path.reached)}, the earliest first",
                columns,
                tuple(_reached(item, facts) for item in path.reached),
                "nobody builds on what these projects make.",
            ),
        ),
    )


def _projects(names: tuple[str, ...], facts: RiskFacts) -> Cell:
    first, *others = (Cell(name, href=facts.addresses.project(name)) for name in names)
    return Cell(first.text, href=first.href, also=tuple(others))


def _reached(item: Reached, facts: RiskFacts) -> tuple[Cell, ...]:
    when = (
        "in the same iteration"
        if not item.turns
        else "one iteration later"
        if item.turns == 1
        else f"{item.turns} iterations later"
    )
    return (
        Cell(item.project, href=facts.addresses.project(item.project)),
        Cell(when),
        Cell(", ".join(item.layers)),
        Cell(" \N{RIGHTWARDS ARROW} ".join(item.through)),
    )


def _recurrence(facts: RiskFacts) -> Section:
    """When it was seen, what became of it before, and why it is back."""
    risk = facts.risk
    turns = ", ".join(map(str, risk.iterations)) or "unknown"
    rows = tuple(
        (
            Cell(item.id, href=facts.addresses.risk(item.id)),
            Cell(", ".join(map(str, item.iterations)) or "unknown"),
            Cell(f"closed by {item.closed_by}", Tone.GOOD) if item.closed_at else Cell("open", Tone.ATTENTION),
            Cell(item.closing_reason or "none"),
            Cell("run", href=facts.addresses.ui_run_by_id(item.evidence)) if item.evidence else Cell("none"),
        )
        for item in facts.before
    )
    again = any(item.closed_at for item in facts.before) and risk.closed_at is None
    why = (
        Pair("Why again", Cell(risk.mitigation or "nobody has said", Tone.NONE if risk.mitigation else Tone.ATTENTION)),
    )
    return Section(
        "recurrence",
        "When it was seen",
        pairs=(
            Pair("Seen", number(f"{len(risk.sightings)} times" if len(risk.sightings) != 1 else "once")),
            Pair("In iterations", Cell(turns)),
            *(why if again else ()),
        ),
        tables=(
            Table(
                "The same risk before",
                ("risk", "seen in iterations", "became", "closed because", "evidence"),
                rows,
                "it was never seen before.",
            ),
        ),
    )


def _history(facts: RiskFacts) -> Section:
    links = Links(facts.addresses)
    table = ledger_table(facts.story, "Events that touched it", "none.", most=MOST_EVENTS, links=links)
    return Section("history", "What was decided", tables=(table,))


def _acts(facts: RiskFacts) -> Section:
    return Section("acts", "Change or close it", forms=(_update(facts), _close(facts)))


def _update(facts: RiskFacts) -> Form:
    risk = facts.risk
    reopens = " A closed risk opens again." if risk.closed_at else ""
    return Form(
        facts.addresses.act("risk-update"),
        "Change the risk",
        "Change",
        f"Only what is filled in changes.{reopens}",
        (
            hidden("risk", risk.id),
            Field("owner", f"New owner (now {risk.owner})", required=False, longest=250),
            Field(
                "due",
                f"New due date, such as 2027-01-31 (now {moment_text(risk.due)})",
                required=False,
                longest=40,
            ),
            _scale("likelihood", f"Likelihood (now {risk.likelihood})", _LIKELIHOODS),
            _scale("impact", f"Impact (now {risk.impact})", _IMPACTS),
            Field("mitigation", "What is done about it", "area", required=False, longest=LONGEST_REASON),
        ),
        refused=facts.update_refused,
    )


def _scale(name: str, label: str, words: dict[int, str]) -> Field:
    choices = (_UNCHANGED, *((str(count), f"{count}: {word}") for count, word in words.items()))
    found = choice_field(name, label, choices)
    return Field(found.name, found.label, found.kind, "", found.choices, required=False)


def _close(facts: RiskFacts) -> Form:
    return Form(
        facts.addresses.act("risk-close"),
        "Close the risk",
        "Close",
        "Its owner closes it, with the run that shows that it is gone.",
        (
            hidden("risk", facts.risk.id),
            Field("evidence", "Run id that shows it", longest=250),
            reason_field(),
        ),
        grave=True,
        refused=facts.close_refused,
    )
