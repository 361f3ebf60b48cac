"""Prints what commands about variants found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.cli.console import draw, open_console, print_json, say
from flywheel_mlflow.tables.drift import kpi_table, worst_first
from flywheel_mlflow.tables.texts import moment_text
from flywheel_mlflow.tables.variants import variants_table

if TYPE_CHECKING:
    from flywheel_mlflow.operations.experiments.variants import VariantsOfProject


def shown(found: VariantsOfProject, *, as_json: bool) -> None:
    """The variants of one project."""
    if as_json:
        print_json(
            {
                "project": found.contract.id,
                "iteration": found.iteration,
                "counting": found.counting,
                "choice": found.choice,
                "variants": {name: found.runs.get(name) for name in found.contract.variants},
                "compared": found.compared,
                "unread": found.unread,
            }
        )
        return
    values = {name: found.runs[name].kpis if name in found.runs else None for name in found.contract.variants}
    draw(
        variants_table(
            f"Variants of {found.contract.id} in iteration {found.iteration}",
            found.contract.kpis,
            values,
            found.counting,
        )
    )
    console = open_console()
    for name, kpis in found.compared.items():
        sides = (found.counting, name)
        empty = "no KPI has a value on either side."
        draw(kpi_table(worst_first(kpis), f"{name} against {found.counting}", empty, sides=sides))
    for line in found.unread:
        say(console, f"not read: {line}")
    if found.choice is None:
        say(console, f"{found.counting} counts: it is the control, and nobody decided otherwise")
    else:
        made = found.choice
        why = f"{made.by} on {moment_text(made.at)} (event {made.number}): {made.why}"
        say(console, f"{found.counting} counts from iteration {made.iteration} on, by {why}")


def chosen(answer: Mapping[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """A decision about a variant."""
    if as_json:
        print_json(answer)
        return
    what = f"{answer['variant']} of {answer['project']} counts from iteration {answer['iteration']} on"
    console = open_console()
    say(console, f"would write: {what}" if dry_run else f"written as event {answer['event']}: {what}")
    if not dry_run:
        say(console, f"next: flywheel assemble --iteration {answer['iteration']}")
