"""What work may cost: how people write a cost, and what `budgets:` in flywheel.yaml plans for each class of work."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, Protocol, get_args

from pydantic import Field, StringConstraints

from flywheel_mlflow.base.names import Identifier
from flywheel_mlflow.base.quarters import Quarter, read_quarter
from flywheel_mlflow.promises.strict import Finite, Strict

Category = Literal["growth", "efficiency", "defence", "organisation"]
#: What work is for: more or better capability, less effort, protection from harm, people and processes.
CATEGORIES: tuple[str, ...] = get_args(Category)

#: The unit of time; every other unit is a currency, in capitals.
HOURS = "h"
_TIME = re.compile(r"(?:([0-9]{1,4}(?:\.[0-9]{1,2})?)d)?(?: ?([0-9]{1,5}(?:\.[0-9]{1,2})?)h)?")
_MONEY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,2})?) ?([A-Za-z]{3})")
HOW = "write hours or days as 12h, 3d or 1.5d 4h, money as 500 EUR"


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of work: ``unit`` is ``h``, or a currency in capitals."""

    amount: float
    unit: str = HOURS

    def __str__(self) -> str:
        shown = f"{self.amount:,.2f}".rstrip("0").rstrip(".")
        return f"{shown} {self.unit}"

    @property
    def written(self) -> str:
        """The cost as :meth:`CostRules.read` reads it."""
        return f"{f'{self.amount:.2f}'.rstrip('0').rstrip('.')}{self.unit}"


@dataclass(frozen=True, slots=True)
class CostRules:
    """How a flywheel reads costs: the hours of a day, what an hour costs, the currency; None where it says nothing."""

    hours_per_day: float
    hour_costs: float | None
    currency: str | None

    def read(self, text: str, *, least: float = 0.01) -> Cost:
        """The cost that people wrote: ``12h``, ``3d``, ``1.5d 4h``, ``500 EUR``; at least ``least`` of its unit.

        Raises:
            ValueError: it is none, is below ``least``, or of another currency than the flywheel's.
        """
        given = text.strip()
        time, money = _TIME.fullmatch(given), _MONEY.fullmatch(given)
        if given and time is not None:
            found = Cost(float(time[1] or 0) * self.hours_per_day + float(time[2] or 0))
        elif money is not None:
            found = Cost(float(money[1]), money[2].upper())
            if self.currency is None or found.unit != self.currency.upper():
                known = f"it counts in {self.currency.upper()}" if self.currency else "it names no currency"
                raise ValueError(f"{found.unit} is not this flywheel's currency ({known}): {HOW}")
        else:
            raise ValueError(f"cannot read the cost {given[:40]!r}: {HOW}")
        if found.amount < least:
            raise ValueError(f"a cost of {found} is below {least:g}: {HOW}")
        return found

    def converted(self, cost: Cost, unit: str) -> float | None:
        """The cost in another unit; None where nobody says what an hour costs."""
        if cost.unit == unit:
            return cost.amount
        if self.hour_costs is None or HOURS not in (cost.unit, unit):
            return None
        return cost.amount / self.hour_costs if unit == HOURS else cost.amount * self.hour_costs


CostText = Annotated[str, StringConstraints(min_length=2, max_length=40)]


class QuarterBudget(Strict):
    """What each class of work may cost in a quarter; a class left out has no budget."""

    since: Annotated[str, StringConstraints(pattern=r"^2[0-9]{3}Q[1-4]$")] = Field(
        description="The first quarter it holds for, such as 2026Q4: until the next entry."
    )
    growth: CostText | None = Field(default=None, description="30d, 200h or 12000 EUR.")
    efficiency: CostText | None = None
    defence: CostText | None = None
    organisation: CostText | None = None

    @property
    def limits(self) -> dict[str, str]:
        """What is planned, by class, as it is written."""
        return {name: text for name in CATEGORIES if (text := getattr(self, name)) is not None}


#: What runs spend, with its unit; money is in the flywheel's currency.
Spendable = Literal["review_hours", "cpu_hours", "tokens", "money"]
_UNITS = {"review_hours": "hours", "cpu_hours": "hours", "tokens": "tokens"}


class Spending(Protocol):
    """What a run says it spent: hours and money of people, seconds of processors, tokens; None where it does not."""

    @property
    def review_hours(self) -> float | None:
        """Hours of people."""

    @property
    def review_cost(self) -> float | None:
        """What these cost, in the flywheel's currency."""

    @property
    def cpu_seconds(self) -> float | None:
        """Seconds of processors."""

    @property
    def tokens(self) -> float | None:
        """Tokens of language models."""


class Prices(Strict):
    """What runs are charged with, in the flywheel's currency; what has no price is in no sum of money."""

    cpu_hour: Finite | None = Field(default=None, ge=0, description="An hour of one processor.")
    million_tokens: Finite | None = Field(default=None, ge=0, description="A million tokens of language models.")

    def spent(self, of: Spendable, run: Spending) -> float | None:
        """What one run spent; None where it does not say. Money is the sum of what is known of it."""
        cpu = None if run.cpu_seconds is None else run.cpu_seconds / 3600
        if of == "review_hours":
            return run.review_hours
        if of == "cpu_hours":
            return cpu
        if of == "tokens":
            return run.tokens
        parts = [run.review_cost]
        if cpu is not None and self.cpu_hour is not None:
            parts.append(cpu * self.cpu_hour)
        if run.tokens is not None and self.million_tokens is not None:
            parts.append(run.tokens / 1e6 * self.million_tokens)
        known = [part for part in parts if part is not None]
        return sum(known) if known else None


class RunBudget(Strict):
    """What the runs of a project, or of all, may spend."""

    id: Identifier
    project: Identifier | None = Field(default=None, description="Whose runs; those of all projects if left out.")
    of: Spendable
    per: Literal["iteration", "quarter"]
    most: Annotated[Finite, Field(gt=0)] = Field(description="In hours, tokens, or the flywheel's currency.")

    @property
    def unit(self) -> str:
        """The unit of its amounts."""
        return _UNITS.get(self.of, "money")

    def covers(self, project: str) -> bool:
        """Whether the runs of a project count."""
        return self.project in (None, project)


class Budgets(Strict):
    """What work may cost."""

    hours_per_day: Finite = Field(default=8.0, gt=0, le=24, description="How many hours `1d` has.")
    hour_costs: Finite | None = Field(
        default=None, gt=0, description="What an hour costs, in the flywheel's currency: time and money then compare."
    )
    quarters: tuple[QuarterBudget, ...] = Field(default=(), description="The budgets, the earliest first.")
    prices: Prices = Prices()
    runs: tuple[RunBudget, ...] = Field(default=(), max_length=50, description="What runs may spend.")

    def rules(self, currency: str | None) -> CostRules:
        """How costs are read in a flywheel of that currency."""
        return CostRules(self.hours_per_day, self.hour_costs, currency)

    def at(self, quarter: Quarter) -> QuarterBudget | None:
        """The budget that holds in a quarter."""
        return next((item for item in reversed(self.quarters) if read_quarter(item.since) <= quarter), None)

    def faults(self, currency: str | None) -> Iterator[str]:
        """What cannot be read, or contradicts itself."""
        if self.hour_costs is not None and currency is None:
            yield "budgets.hour_costs: flywheel.yaml does not say in which currency: add `currency: EUR`"
        if currency is None and (self.prices != Prices() or any(item.of == "money" for item in self.runs)):
            yield "budgets: prices and money need a currency: add `currency: EUR` to flywheel.yaml"
        for name, count in Counter(item.id for item in self.runs).items():
            if count > 1:
                yield f"budgets.runs: {name} is declared {count} times"
        for item in self.quarters:
            for name, text in item.limits.items():
                try:
                    self.rules(currency).read(text, least=0)
                except ValueError as error:
                    yield f"budgets.quarters.{item.since}.{name}: {error}"
        for before, after in pairwise(self.quarters):
            if read_quarter(after.since) <= read_quarter(before.since):
                yield f"budgets.quarters: {after.since} stands behind {before.since}: the earliest first, each once"
