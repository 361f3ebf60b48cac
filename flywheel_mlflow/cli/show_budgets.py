"""Prints what runs spent of their budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.cli.console import draw, open_console, print_json, say
from flywheel_mlflow.tables.budgets import budgets_table

if TYPE_CHECKING:
    from flywheel_mlflow.operations.assembly.budgeting import BudgetState


def budgets(found: BudgetState, *, as_json: bool) -> None:
    """The budgets of runs, as the assembly of an iteration has them."""
    if as_json:
        print_json({"iteration": found.iteration, "numbers": found.numbers, "declared_since": found.declared_since})
        return
    draw(budgets_table(found.numbers))
    console = open_console()
    for name in found.declared_since:
        say(console, f"{name} was declared after iteration {found.iteration} was assembled: assemble it again")
    if found.numbers:
        say(console, f"by which runs: flywheel explain {next(iter(found.numbers)).rpartition('.')[0]}.spent")
