"""The commands that ask where a number comes from, who depends on what, and what budgets are left."""

from __future__ import annotations

from typing import Annotated

import typer

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.cli.options import AsJson, MaybeIteration
from flywheel_mlflow.cli.session import Context, open_session


def explain(
    context: Context,
    name: Annotated[str, typer.Argument(help="A number, such as p05.retrieval_hit_rate or mean_stage_score.")],
    iteration: MaybeIteration = None,
    between: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Two iterations: say what made the number change from the first to the second."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show where a number comes from, down to run ids. With --between: what may have changed it."""
    from flywheel_mlflow.cli import show
    from flywheel_mlflow.operations.assembly.explaining import explain_metric

    session = open_session(context)
    if between is not None:
        from flywheel_mlflow.cli import show_suspects
        from flywheel_mlflow.operations.assembly.localising import localise

        if iteration is not None:
            raise InputError("--between names both iterations", hint="leave --iteration out")
        show_suspects.localised(localise(session.flywheel, session.tracking, name, *between), as_json=as_json)
        return
    turn = session.iteration(iteration)
    show.explanation(explain_metric(session.flywheel, session.tracking, turn, name), as_json=as_json)


def impact(
    context: Context,
    name: Annotated[str, typer.Argument(help="An interface or a project.")],
    iteration: MaybeIteration = None,
    records_since: Annotated[
        int | None, typer.Option(min=1, help="Count an interface's records that changed since this iteration.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who depends on an interface or a project."""
    from flywheel_mlflow.cli import show
    from flywheel_mlflow.operations.assembly.explaining import impact_of
    from flywheel_mlflow.operations.projects.record_changes import changed_records

    session = open_session(context)
    turn = session.iteration(iteration) if records_since else session.iteration_or_none(iteration)
    found = impact_of(session.flywheel, session.tracking if turn else None, turn, name)
    changed = None
    if records_since and turn:
        changed = changed_records(session.flywheel, session.tracking, name, turn, records_since)
    show.impacted(found, turn, changed, as_json=as_json)


def budget(context: Context, iteration: MaybeIteration = None, as_json: AsJson = False) -> None:
    """Show what runs spent of their budgets, with a forecast."""
    from flywheel_mlflow.cli import show_budgets
    from flywheel_mlflow.operations.assembly.budgeting import budget_state

    session = open_session(context)
    state = budget_state(session.flywheel, session.tracking, session.iteration(iteration))
    show_budgets.budgets(state, as_json=as_json)
