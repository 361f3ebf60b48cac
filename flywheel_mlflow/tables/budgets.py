"""The table of what runs spent of their budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.links import NO_LINKS, Links
from flywheel_mlflow.tables.texts import format_value

#: Before the names of a budget's numbers.
PREFIX = "budget."


class BudgetNumber(Protocol):
    """A number of an assembly: its value (None is unknown), its unit, how it is computed, and from what."""

    @property
    def value(self) -> float | None:
        """The value."""

    @property
    def unit(self) -> str:
        """Its unit."""

    @property
    def rule(self) -> str:
        """How it is computed."""

    @property
    def note(self) -> str:
        """What to know about it."""


def budgets_table(numbers: Mapping[str, BudgetNumber], *, links: Links = NO_LINKS) -> Table:
    """Every budget that an assembly has numbers of; ``numbers`` may hold others."""
    ids = dict.fromkeys(name.split(".")[1] for name in numbers if name.startswith(PREFIX))
    rows = tuple(_row(f"{PREFIX}{name}", numbers, links) for name in ids)
    brief = ("budget", "of", "state", "spent", "limit", "share", "forecast")
    return Table("Budgets of runs", (*brief, "by which runs"), rows, "No budget of runs is declared.", brief=brief)


def _row(name: str, numbers: Mapping[str, BudgetNumber], links: Links) -> tuple[Cell, ...]:
    limit, spent = numbers[f"{name}.limit"], numbers[f"{name}.spent"]
    share, forecast = numbers[f"{name}.share"].value, numbers.get(f"{name}.forecast")
    told = "" if forecast is None or forecast.value is None else f" ({forecast.note.partition(',')[0]})"
    return (
        Cell(name.removeprefix(PREFIX), href=links.number(f"{name}.share")),
        Cell(limit.rule),
        _state(share, forecast.value if forecast else None, limit.value),
        number(format_value(spent.value, spent.unit)),
        number(format_value(limit.value, limit.unit)),
        number(format_value(share, "ratio")),
        number("none" if forecast is None else format_value(forecast.value, forecast.unit) + told),
        Cell(spent.note),
    )


def _state(share: float | None, forecast: float | None, limit: float | None) -> Cell:
    if share is None:
        return Cell("unknown", Tone.UNKNOWN)
    if share > 1:
        return Cell("over budget", Tone.BAD)
    if forecast is not None and limit is not None and forecast > limit:
        return Cell("will be over", Tone.ATTENTION)
    return Cell("within", Tone.GOOD)
