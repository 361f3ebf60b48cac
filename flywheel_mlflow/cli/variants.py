"""The commands about variants."""

from __future__ import annotations

from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun, MaybeIteration
from flywheel_mlflow.cli.session import Context, open_session

variants = typer.Typer(name="variant", help="Variants of a project, and which one counts.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(help="The project's folder or id.")]


@variants.command("show")
def show_command(
    context: Context,
    project: Project,
    iteration: MaybeIteration = None,
    as_json: AsJson = False,
) -> None:
    """Show the variants of a project side by side, sample by sample."""
    from flywheel_mlflow.cli import show_variants as show
    from flywheel_mlflow.operations.experiments.variants import show_variants

    session = open_session(context)
    found = show_variants(session.flywheel, session.tracking, project, session.iteration(iteration))
    show.shown(found, as_json=as_json)


@variants.command("choose")
def choose_command(
    context: Context,
    project: Project,
    variant: Annotated[str, typer.Argument(help="The variant that counts from now on.")],
    reason: Annotated[str, typer.Option(help="Why, kept for good.")],
    iteration: Annotated[
        int | None,
        typer.Option("--iteration", "-i", min=1, help="From this iteration on; the newest assembled one if left out."),
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Decide which variant of a project counts, from an iteration on."""
    from flywheel_mlflow.cli import show_variants as show

    session = open_session(context)
    answer = session.act(
        "variant-choose",
        project=session.flywheel.project_of(project),
        variant=variant,
        iteration=session.iteration(iteration),
        reason=reason,
        dry_run=dry_run,
    )
    show.chosen(answer, dry_run=dry_run, as_json=as_json)
