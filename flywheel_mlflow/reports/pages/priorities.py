"""The page of priorities: what could be done next by leverage, and what of the quarter's budget is spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.feedback.costs import REUSE_WORDS, BudgetLine, QuarterSpending
from flywheel_mlflow.feedback.priority import leverage_text
from flywheel_mlflow.feedback.ranking import Ranked
from flywheel_mlflow.feedback.tasks import AcceptedTask
from flywheel_mlflow.promises.budgets import Cost
from flywheel_mlflow.reports.dashboard_blocks import Choice, Command, Field, Form, Section
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.deciding import choice_field, hidden, ledger_notes, reason_field
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, number
from flywheel_mlflow.tables.texts import UNKNOWN, moment_text

#: Candidates on the page; `flywheel task priorities --limit` shows more.
MOST_CANDIDATES = 50
#: Characters of a cost as people write it.
LONGEST_COST = 40


_REUSES = (Choice("", "not said here"), *(Choice(key, words) for key, words in REUSE_WORDS.items()))


@dataclass(frozen=True, slots=True)
class PrioritiesFacts:
    """Everything the page says at ``now`` (UTC).

    ``iteration`` is the one ranked after, None where there is none yet; ``unread`` says what could not be looked at.
    ``tasks`` are those that money or hours may still be spent on. ``refused`` says why nothing can be decided now.
    """

    iteration: int | None
    items: tuple[Ranked, ...]
    unread: tuple[str, ...]
    spending: QuarterSpending
    tasks: tuple[AcceptedTask, ...]
    ledger: LedgerFacts
    refused: str
    now: datetime
    addresses: Addresses
    said: tuple[Cell, ...] = ()


def priorities_page(facts: PrioritiesFacts) -> Page:
    """What to do next; equal facts give equal pages."""
    after = f" after iteration {facts.iteration}" if facts.iteration is not None else ""
    return Page(
        title=f"What to do{after}",
        part="feedback",
        subtitle=f"As of {moment_text(facts.now)}",
        trail=(Cell("Feedback", href=facts.addresses.feedback(facts.iteration)),),
        said=facts.said,
        lead=(*ledger_notes(facts.ledger), *_lead(facts)),
        sections=(_candidates(facts), _budget(facts)),
    )


def _lead(facts: PrioritiesFacts) -> Iterator[Cell]:
    waiting = [item for item in facts.items if item.waits]
    if facts.iteration is None:
        yield Cell("Nothing was assembled and no theme was found yet.", Tone.UNKNOWN)
        return
    if not waiting:
        yield Cell("Nothing waits for a decision.", Tone.GOOD)
        return
    now = [item for item in waiting if item.priority.urgency == "block now"]
    if now:
        yield Cell(f"{_counted(len(now), 'candidate')} must stop work now.", Tone.BAD)
    unknown = sum(item.priority.cost.value is None for item in waiting)
    tone = Tone.ATTENTION if unknown else Tone.NONE
    missing = f"; nobody knows what {unknown} of them cost" if unknown else ""
    yield Cell(f"{_counted(len(waiting), 'candidate')} waiting for a decision{missing}.", tone)


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def _candidates(facts: PrioritiesFacts) -> Section:
    shown = facts.items[:MOST_CANDIDATES]
    more = (
        f"; {len(facts.items) - len(shown)} more in `flywheel task priorities`" if len(facts.items) > len(shown) else ""
    )
    columns = ("what", "for", "urgency", "impact", "reach", "reuse", "exposure", "benefit", "cost (hours)", "leverage")
    return Section(
        "candidates",
        "What to do next",
        notes=(
            Cell(
                "Leverage is the benefit of an hour; the benefit is impact \N{MULTIPLICATION SIGN} reach "
                "\N{MULTIPLICATION SIGN} reuse \N{MULTIPLICATION SIGN} exposure."
            ),
            *(Cell(f"Could not be looked at: {line}.", Tone.UNKNOWN) for line in facts.unread),
        ),
        tables=(
            Table(
                f"Themes, contracts and gates, the highest leverage first{more}",
                (*columns, "decided"),
                tuple(_candidate(item, facts) for item in shown),
                "there is none.",
            ),
            *((_origins(shown),) if shown else ()),
        ),
        commands=tuple(_commands(facts)),
        forms=tuple(_forms(facts)),
    )


def _candidate(item: Ranked, facts: PrioritiesFacts) -> tuple[Cell, ...]:
    candidate, priority = item.candidate, item.priority
    return (
        Cell(candidate.title, also=(code(candidate.id),)),
        _whose(item, facts),
        Cell(f"{priority.urgency}: {priority.why}", Tone.BAD)
        if priority.urgency == "block now"
        else Cell(priority.urgency),
        *(_value(part.value) for part in priority.parts.values()),
        _value(priority.benefit),
        _value(priority.cost.value),
        number(leverage_text(priority), Tone.UNKNOWN if priority.leverage is None else Tone.NONE),
        _decided(item),
    )


def _whose(item: Ranked, facts: PrioritiesFacts) -> Cell:
    project = item.candidate.project
    if project is None:
        return Cell("nobody named", Tone.UNKNOWN)
    who = (Cell(item.owner.names),) if item.owner else ()
    return Cell(project, href=facts.addresses.project(project), also=who)


def _value(value: float | None) -> Cell:
    return number(UNKNOWN, Tone.UNKNOWN) if value is None else number(f"{value:.3g}")


def _decided(item: Ranked) -> Cell:
    decision = item.decision
    if decision is None:
        return Cell("nobody decided", Tone.ATTENTION)
    told = f"{decision.kind} by {decision.by} in iteration {decision.iteration}"
    tone = Tone.ATTENTION if item.waits else Tone.GOOD if decision.task else Tone.NONE
    return Cell(f"{told}: {decision.task or decision.reason}", tone)


def _origins(shown: tuple[Ranked, ...]) -> Table:
    """Where every part comes from, for whoever doubts the order."""
    columns = ("candidate", "impact", "reach", "reuse", "exposure", "cost", "evidence", "who answers")
    rows = tuple(
        (
            code(item.candidate.id),
            *(Cell(part.origin) for part in item.priority.parts.values()),
            Cell(item.priority.cost.origin),
            Cell("; ".join(item.candidate.evidence) or f"{item.candidate.count} {item.candidate.counted}"),
            Cell(str(item.owner)) if item.owner else Cell("nobody named", Tone.UNKNOWN),
        )
        for item in shown
    )
    return Table(
        "Where the parts of each benefit and the costs come from", columns, rows, "there is none.", folded=True
    )


def _commands(facts: PrioritiesFacts) -> Iterator[Command]:
    first = next((item for item in facts.items if item.waits), None)
    if first is not None:
        category = first.candidate.category or "growth"
        yield Command(
            f"flywheel task accept {first.candidate.id} --category {category} --cost 3d",
            "makes the first of them a task",
        )


def _forms(facts: PrioritiesFacts) -> Iterator[Form]:
    addresses, waiting = facts.addresses, [item.candidate for item in facts.items if item.waits][:MOST_CANDIDATES]
    choices = [(item.id, f"{item.id}: {item.title}") for item in waiting]
    if choices:
        yield Form(
            addresses.act("task-estimate"),
            "State a cost",
            "State",
            "Says what it is expected to cost, whether what it makes is used again, or both. A later word replaces it.",
            (
                choice_field("about", "What", choices),
                Field("cost", "Cost: 3d, 12h or money", required=False, longest=LONGEST_COST),
                Field("reuse", "Is it used again", "choice", choices=_REUSES, required=False),
                reason_field(),
            ),
            refused=facts.refused,
        )
        for act, title, button, why in (
            ("theme-queue", "Queue a candidate", "Queue", "Says that it shall be done, later."),
            ("theme-decline", "Decline a candidate", "Decline", "Says that it shall not be done."),
        ):
            fields = (choice_field("theme", "What", choices), hidden("iteration", facts.iteration), reason_field())
            yield Form(addresses.act(act), title, button, why, fields, refused=facts.refused)
    if facts.tasks:
        tasks = [(task.id, f"{task.id}: {task.text}") for task in facts.tasks[-MOST_CANDIDATES:]]
        yield Form(
            addresses.act("task-spend"),
            "State what was spent",
            "State",
            "Says what was spent on a task in all. A later word replaces it.",
            (choice_field("task", "The task", tasks), Field("total", "Total: 12h, 2d or money", longest=LONGEST_COST)),
            refused=facts.refused,
        )


def _budget(facts: PrioritiesFacts) -> Section:
    spending = facts.spending
    since = f"declared since {spending.since}" if spending.since else "none is declared: `budgets:` in flywheel.yaml"
    columns = ("class", "budget", "spent", "committed by open tasks", "left", "what is missing")
    return Section(
        "budget",
        "Budget",
        tables=(
            Table(
                f"Budget of {spending.quarter}, {since}",
                columns,
                tuple(_budget_row(line) for line in spending.lines),
                "there is none.",
            ),
        ),
    )


def _budget_row(line: BudgetLine) -> tuple[Cell, ...]:
    tone = Tone.BAD if (line.left or 0.0) < 0 else Tone.UNKNOWN if line.left is None else Tone.NONE
    return (
        Cell(line.category),
        number("none declared" if line.limit is None else str(Cost(line.limit, line.unit))),
        number(line.spent_text),
        number(line.committed_text),
        number(line.left_text, tone),
        Cell("; ".join(line.gaps), Tone.ATTENTION if line.gaps else Tone.NONE),
    )
