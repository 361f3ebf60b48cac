"""The commands that turn the flywheel by itself, and tell what is due."""

from __future__ import annotations

from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun
from flywheel_mlflow.cli.session import Context, open_session


def run(
    context: Context,
    iteration: Annotated[
        int | None, typer.Option("--iteration", "-i", min=1, help="Number of the iteration; the due one if left out.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many pipelines run at the same time.")] = 2,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Do a whole iteration, or what is left of it. Safe to repeat; for cron."""
    from flywheel_mlflow.cli import progress, show_schedule
    from flywheel_mlflow.operations.schedule.whole_iteration import run_iteration

    session = open_session(context)
    with progress.steps() as step:
        done = run_iteration(session.acting, iteration, jobs=jobs, progress=step, dry_run=dry_run)
    show_schedule.ran(done, as_json=as_json)
    if done.exit_code:
        raise typer.Exit(done.exit_code)


def schedule(context: Context, as_json: AsJson = False) -> None:
    """Show what is due and what is late. Exits with 1 when something is late."""
    from flywheel_mlflow.base.errors import ExitCode
    from flywheel_mlflow.cli import show_schedule
    from flywheel_mlflow.operations.schedule.standing import read_standing

    found = read_standing(open_session(context).acting)
    show_schedule.standing(found, as_json=as_json)
    if found.late:
        raise typer.Exit(ExitCode.BLOCK)
