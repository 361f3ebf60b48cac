"""Prints what `flywheel run` did, and what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.cli.console import draw, open_console, print_json, say
from flywheel_mlflow.decisions.rhythms import late
from flywheel_mlflow.tables.schedule import rhythms_table, steps_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flywheel_mlflow.decisions.rhythms import Rhythm
    from flywheel_mlflow.operations.schedule.standing import Standing
    from flywheel_mlflow.operations.schedule.steps import IterationRun


def ran(done: IterationRun, *, as_json: bool) -> None:
    """The steps of an iteration, or that none is due."""
    if as_json:
        print_json(
            {
                "iteration": done.iteration,
                "why": done.why,
                "steps": done.steps,
                "planned": done.planned,
                "finished": done.finished,
            }
        )
        return
    console = open_console()
    if done.iteration is None:
        say(console, f"nothing is due: {done.why}")
        return
    if done.planned:
        say(console, f"iteration {done.iteration}: {done.why}. Nothing was done (--dry-run)")
        for name, text in done.planned.items():
            say(console, f"  {name}: {text}")
        return
    rows = [(step.name.value, step.state.value, step.text) for step in done.steps]
    draw(steps_table(rows, f"iteration {done.iteration}: {done.why}"))
    for step in done.steps:
        if step.hint:
            say(console, f"{step.name}: {step.hint}")
    if done.finished:
        say(console, f"iteration {done.iteration} was finished at {done.finished:%Y-%m-%d %H:%M} UTC")
    else:
        say(console, f"iteration {done.iteration} is not finished: run it again once that is mended")


def standing(found: Standing, *, as_json: bool) -> None:
    """What is due and what is late."""
    if as_json:
        print_json({"due": found.due, "rhythms": found.rhythms, "late": [item.id for item in found.late]})
        return
    draw(rhythms_table(found.rhythms))
    number = f"iteration {found.due.number}" if found.due.number is not None else "no iteration"
    say(open_console(), f"a run now would work on {number}: {found.due.why}")


def overdue(found: Iterable[Rhythm]) -> None:
    """The rhythms that are late, on standard error: standard output is something else's."""
    console = open_console(stderr=True)
    for item in late(found):
        say(console, f"late: {item.title} ({item.owner}): {item.why}")
