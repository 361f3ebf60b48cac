"""The command ``flywheel drift``."""

from __future__ import annotations

from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson
from flywheel_mlflow.cli.session import EngineOption


def drift(
    context: typer.Context,
    iteration: Annotated[
        int | None,
        typer.Option("--iteration", "-i", min=1, help="The iteration judged; the newest assembled one if left out."),
    ] = None,
    against: Annotated[
        str, typer.Option(help="An iteration's number, or production; the iteration before if left out.")
    ] = "",
    full: Annotated[
        bool, typer.Option("--full", help="Read the data of changed interfaces, not the samples logged with them.")
    ] = False,
    engine: EngineOption = "local",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare, and write nothing on the server.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare an iteration with another one. Exits with 0, 1 or 3 as the verdict says."""
    from flywheel_mlflow.cli import progress, show_drift, show_notifications
    from flywheel_mlflow.cli.session import CommandSession
    from flywheel_mlflow.operations.acts.acting import tell_people
    from flywheel_mlflow.operations.assembly.drifting import drift_iteration, reference_of

    root, tracking_uri, _ = context.obj
    session = CommandSession(root, tracking_uri)
    turn = session.iteration(iteration)
    reference = reference_of(session.tracking, turn, against)
    with progress.steps() as step:
        step(f"comparing iteration {turn} with iteration {reference.iteration}")
        found = drift_iteration(
            session.flywheel, session.tracking, turn, against=reference, full=full, engine=engine, dry_run=dry_run
        )
        unsent = () if dry_run else tell_people(session.acting, step)
    show_drift.compared(found, as_json=as_json)
    show_notifications.unsent(unsent)
    if found.report.exit_code:
        raise typer.Exit(found.report.exit_code)
