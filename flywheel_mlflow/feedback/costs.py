"""What changes cost: what people said, what earlier ones cost, and what of a quarter's budget is spent."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.base.quarters import Quarter
from flywheel_mlflow.decisions.event_values import optional_word, word
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.promises.budgets import HOURS, Cost, CostRules

Reuse = Literal["asset", "one_time"]
#: Whether what a change makes is used again: an asset of the flywheel, or the result of one time.
REUSES: tuple[str, ...] = get_args(Reuse)
REUSE_WORDS = {"asset": "a long-term asset", "one_time": "a one-time result"}
#: Earlier tasks below which nothing is estimated from them.
LEAST_TASKS = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """What somebody said about a theme, a candidate or a task before the work: its cost, whether it is used again.

    None is what nobody said. ``at`` is UTC.
    """

    about: str
    cost: Cost | None
    reuse: str | None
    reason: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What had been spent on a task in all, as somebody said at ``at`` (UTC)."""

    total: Cost
    at: datetime
    by: str


def cost_body(cost: Cost | None) -> dict[str, object] | None:
    """A cost as the ledger has it."""
    return None if cost is None else {"amount": cost.amount, "unit": cost.unit}


def cost_of(value: Any) -> Cost | None:
    """A cost of an event's body, None where it has none.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError("no cost")
    amount, unit = value["amount"], word(value["unit"])
    if type(amount) not in (int, float) or not math.isfinite(amount) or amount < 0:
        raise ValueError("no amount")
    if unit != HOURS and not (len(unit) == 3 and unit.isascii() and unit.isupper()):
        raise ValueError("no unit")
    return Cost(float(amount), unit)


def read_estimate(event: Event, before: Estimate | None) -> Estimate:
    """What an event says about costs; what it leaves out stays as it was said ``before``.

    Raises:
        KeyError, TypeError, ValueError: the event cannot be read.
    """
    body = event.body
    cost, reuse = cost_of(body.get("cost")), optional_word(body.get("reuse"))
    if (cost is None and reuse is None) or reuse not in (None, *REUSES):
        raise ValueError("it says nothing about costs or reuse")
    return Estimate(
        about=word(body["about"]),
        cost=cost or (before.cost if before else None),
        reuse=reuse or (before.reuse if before else None),
        reason=word(body["reason"]),
        at=event.at,
        by=event.actor.name,
    )


def read_spent(event: Event) -> Spent:
    """What an event says was spent on a task.

    Raises:
        KeyError, TypeError, ValueError: the event cannot be read.
    """
    total = cost_of(event.body["total"])
    if total is None:
        raise ValueError("no total")
    return Spent(total, event.at, event.actor.name)


@dataclass(frozen=True, slots=True)
class CostedTask:
    """A task as far as costs go: ``stated`` before it, ``spent`` as it was told, oldest first, each unit a total.

    ``finished`` is when it was absorbed, None while it is open; ``dropped`` says that it was withdrawn.
    """

    project: str
    category: str | None
    stated: Cost | None
    spent: tuple[Spent, ...]
    finished: datetime | None
    dropped: bool

    @property
    def totals(self) -> dict[str, float]:
        """What was spent on it so far, by unit."""
        return {item.total.unit: item.total.amount for item in self.spent}

    def spent_in(self, quarter: Quarter) -> dict[str, float]:
        """What was told of it within a quarter, by unit: the newest total less the one before the quarter."""
        found: dict[str, float] = {}
        before: dict[str, float] = {}
        for item in self.spent:
            unit, amount = item.total.unit, item.total.amount
            if quarter.holds(item.at):
                found[unit] = found.get(unit, 0.0) + amount - before.get(unit, 0.0)
            before[unit] = amount
        return found


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a change is expected to cost, in hours; None where nobody knows.

    ``low`` and ``high`` are the cheapest and the dearest of the earlier tasks it is estimated from, None where people
    stated it. ``origin`` says where it comes from.
    """

    value: float | None
    origin: str
    low: float | None = None
    high: float | None = None


def expected_cost(
    stated: Estimate | None, project: str | None, category: str | None, earlier: Iterable[CostedTask], rules: CostRules
) -> CostEstimate:
    """The cost people stated, else the median of what earlier tasks cost, else unknown.

    Earlier tasks are those of the project, where these are too few those of the class, else all. If the next task is
    like the n before, it costs something between their least and their most in (n - 1)/(n + 1) of all cases, whatever
    the distribution (order statistics of exchangeable values).
    """
    if stated is not None and stated.cost is not None:
        hours = rules.converted(stated.cost, HOURS)
        if hours is None:
            return CostEstimate(
                None, f"{stated.by} stated {stated.cost}; flywheel.yaml does not say what an hour costs"
            )
        return CostEstimate(hours, f"{stated.by} stated {stated.cost}")
    known = [(task, told) for task in earlier if (told := _hours(task, rules)) is not None]
    groups = [(f"of {project}", [told for task, told in known if project is not None and task.project == project])]
    if category is not None:
        groups.append((f"of the class {category}", [told for task, told in known if task.category == category]))
    groups.append(("of all projects", [told for _, told in known]))
    for whose, some in groups:
        if len(some) >= LEAST_TASKS:
            return _median(whose, some)
    return CostEstimate(None, f"nobody stated it, and {len(known)} earlier tasks say what they cost")


def _median(whose: str, told: list[tuple[float, bool]]) -> CostEstimate:
    hours = [item for item, _ in told]
    count, measured = len(told), sum(was_spent for _, was_spent in told)
    low, high = min(hours), max(hours)
    return CostEstimate(
        statistics.median(hours),
        f"median of {count} earlier tasks {whose} ({measured} by what was spent, {count - measured} as stated): "
        f"{low:g} to {high:g} h, which holds {count - 1} of {count + 1} tasks like them",
        low,
        high,
    )


def _hours(task: CostedTask, rules: CostRules) -> tuple[float, bool] | None:
    """What a task cost in hours, and whether that was spent rather than stated; None where nobody knows."""
    if task.finished is not None and task.spent:
        parts = [rules.converted(Cost(amount, unit), HOURS) for unit, amount in task.totals.items()]
        return None if None in parts else (sum(part for part in parts if part is not None), True)
    hours = rules.converted(task.stated, HOURS) if task.stated else None
    return None if hours is None else (hours, False)


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One class of work in a quarter, in ``unit``.

    ``limit`` is its budget, None where none is declared. ``spent`` is what people told in the quarter, ``committed``
    what open tasks are expected to cost beyond what was spent on them. ``uncosted`` counts open tasks whose cost nobody
    knows, ``untold`` those finished in the quarter of which nobody told what was spent: where there are any, the two
    sums are the least it can be. ``apart`` are amounts in another unit that cannot be converted, by unit.
    """

    category: str
    unit: str
    limit: float | None
    spent: float
    committed: float
    uncosted: int
    untold: int
    apart: Mapping[str, float]

    @property
    def left(self) -> float | None:
        """What may still be planned, negative where too much is; None without a budget, or where units differ."""
        return None if self.limit is None or self.apart else self.limit - self.spent - self.committed

    @property
    def gaps(self) -> tuple[str, ...]:
        """What the sums leave out, in words; none where they are whole."""
        found = [f"{self.uncosted} open without a cost"] if self.uncosted else []
        found += [f"{self.untold} finished, nobody told what was spent"] if self.untold else []
        found += [f"{Cost(amount, unit)} apart: nobody says what an hour costs" for unit, amount in self.apart.items()]
        return tuple(found)

    @property
    def spent_text(self) -> str:
        """What was spent, in words: at least that where somebody did not tell."""
        return f"{'at least ' if self.untold or self.apart else ''}{Cost(self.spent, self.unit)}"

    @property
    def committed_text(self) -> str:
        """What open tasks are expected to cost yet, in words."""
        return f"{'at least ' if self.uncosted else ''}{Cost(self.committed, self.unit)}"

    @property
    def left_text(self) -> str:
        """What is left, in words: unknown without a budget, at most that where the sums leave something out."""
        left = self.left
        if left is None:
            return "unknown"
        shown = f"over by {Cost(-left, self.unit)}" if left < 0 else str(Cost(left, self.unit))
        least = "at least " if left < 0 else "at most "
        return f"{least if self.gaps else ''}{shown}"

    def document(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {**plain(self), "left": self.left, "gaps": list(self.gaps)}


def budget_line(
    category: str, limit: Cost | None, tasks: Iterable[CostedTask], quarter: Quarter, rules: CostRules
) -> BudgetLine:
    """What the tasks of one class come to in a quarter."""
    unit = limit.unit if limit else HOURS
    spent, committed, apart = 0.0, 0.0, dict[str, float]()
    uncosted = untold = 0
    for task in tasks:
        for own, amount in task.spent_in(quarter).items():
            told = rules.converted(Cost(amount, own), unit)
            spent += told or 0.0
            if told is None:
                apart[own] = apart.get(own, 0.0) + amount
        if task.finished is not None:
            untold += quarter.holds(task.finished) and not task.spent
        elif not task.dropped:
            expected = rules.converted(task.stated, unit) if task.stated else None
            uncosted += expected is None
            so_far = [rules.converted(Cost(amount, own), unit) for own, amount in task.totals.items()]
            committed += max(0.0, (expected or 0.0) - sum(item for item in so_far if item is not None))
    return BudgetLine(category, unit, limit.amount if limit else None, spent, committed, uncosted, untold, apart)


@dataclass(frozen=True, slots=True)
class QuarterSpending:
    """The budget of a quarter by class; ``since`` is the quarter its entry begins with, None where none holds.

    ``lines`` of a class nobody named stand last.
    """

    quarter: str
    since: str | None
    lines: tuple[BudgetLine, ...]
