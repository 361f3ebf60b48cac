"""Prints what could be done next, and what a quarter's tasks cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.base.text import fit, visible
from flywheel_mlflow.cli.console import counted, open_console, print_json, say, table
from flywheel_mlflow.cli.show_tasks import TEXT_CELLS, factors, hours, number
from flywheel_mlflow.feedback.priority import leverage_text
from flywheel_mlflow.promises.budgets import Cost

if TYPE_CHECKING:
    from flywheel_mlflow.feedback.costs import BudgetLine, QuarterSpending
    from flywheel_mlflow.feedback.ranking import Ranked
    from flywheel_mlflow.operations.feedback.prioritising import Ranking

#: Candidates whose parts are told in sentences.
EXPLAINED = 5


def ranked(found: Ranking, *, everything: bool, project: str | None, limit: int, as_json: bool) -> None:
    """What could be done, the highest leverage first."""
    chosen = [item for item in found.items if (everything or item.waits) and project in (None, item.candidate.project)]
    if as_json:
        document = {"iteration": found.iteration, "unread": found.unread}
        print_json(document | {"candidates": [item.document() for item in chosen]})
        return
    console = open_console()
    shown = chosen[:limit]
    columns = ("candidate", "for", "what", "urgency", "impact", "reach", "reuse", "exposure", "benefit", "cost")
    console.print(
        table(
            f"what to do after iteration {found.iteration}",
            (*columns, "leverage", "decided"),
            [_row(item) for item in shown],
        )
    )
    for item in shown[:EXPLAINED]:
        factors(console, item.priority)
        if item.owner:
            say(console, f"  who answers: {visible(str(item.owner))}")
        for line in item.candidate.evidence:
            say(console, f"  {visible(line)}")
    for line in found.unread:
        say(console, f"could not be looked at: {line}")
    say(console, f"{len(shown)} of {counted(len(chosen), 'candidate')}; leverage is the benefit an hour")
    unknown = next((item for item in chosen if item.priority.cost.value is None), None)
    if unknown is not None:
        say(console, f"next: flywheel task estimate {unknown.candidate.id} --cost 3d --reason '...'")


def _row(item: Ranked) -> tuple[object, ...]:
    priority, decision = item.priority, item.decision
    return (
        item.candidate.id,
        item.candidate.project or "nobody named",
        fit(item.candidate.title, TEXT_CELLS),
        priority.urgency,
        *(number(part.value) for part in priority.parts.values()),
        number(priority.benefit),
        hours(priority.cost.value),
        leverage_text(priority),
        "" if decision is None else f"{decision.kind} in {decision.iteration}",
    )


def budget(found: QuarterSpending, *, as_json: bool) -> None:
    """What the tasks of each class come to in a quarter."""
    if as_json:
        lines = [line.document() for line in found.lines]
        print_json({"quarter": found.quarter, "since": found.since, "lines": lines})
        return
    console = open_console()
    columns = ("for", "budget", "spent", "committed", "left", "what is missing")
    console.print(table(f"budget of {found.quarter}", columns, [_budget_row(line) for line in found.lines]))
    if found.since is None:
        say(console, "no budget is declared for it: `budgets:` in flywheel.yaml")


def _budget_row(line: BudgetLine) -> tuple[object, ...]:
    return (
        line.category,
        "none declared" if line.limit is None else Cost(line.limit, line.unit),
        line.spent_text,
        line.committed_text,
        line.left_text,
        "; ".join(line.gaps),
    )
