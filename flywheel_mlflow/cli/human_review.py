"""The commands about people who look at data before it is released."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun
from flywheel_mlflow.cli.session import Context, open_session

human_review = typer.Typer(
    name="human-review", help="Let people look at records or traces before a release.", no_args_is_help=True
)

ReviewId = Annotated[str, typer.Argument(help="The review's id, as `status` shows it.")]


@human_review.command("open")
def open_command(
    context: Context,
    project: Annotated[str, typer.Argument(help="Whose data; its contract has the questions.")],
    iteration: Annotated[int, typer.Option("--iteration", "-i", min=1, help="The iteration whose data is meant.")],
    items: Annotated[int, typer.Option(min=1, max=1000, help="How many records or traces are drawn.")] = 50,
    user: Annotated[
        list[str] | None, typer.Option(help="A reviewer; by the gates' roles if left out. Repeatable.")
    ] = None,
    queue: Annotated[bool, typer.Option("--queue/--no-queue", help="Open review queues of MLflow.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be opened.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw records or traces, and open queues. Safe to run again."""
    from flywheel_mlflow.cli import progress, show_human_review
    from flywheel_mlflow.operations.releases.human_review import open_review

    session = open_session(context)
    with progress.working("drawing"):
        opened = open_review(
            session.acting, project, iteration, items=items, people=user or (), queue=queue, dry_run=dry_run
        )
    show_human_review.opened(opened, dry_run=dry_run, as_json=as_json)


@human_review.command("status")
def status_command(
    context: Context,
    project: Annotated[str, typer.Option(help="Only reviews of this project.")] = "",
    iteration: Annotated[
        int | None, typer.Option("--iteration", "-i", min=1, help="Only reviews of this iteration.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show reviews: who answered, what it amounts to."""
    from flywheel_mlflow.cli import show_human_review
    from flywheel_mlflow.operations.releases.review_evidence import review_statuses

    found, missing = review_statuses(open_session(context).acting, project=project, iteration=iteration)
    show_human_review.statuses(found, missing, as_json=as_json)


@human_review.command("export")
def export_command(
    context: Context,
    review: ReviewId,
    out: Annotated[Path | None, typer.Option(help="The file; REVIEW.csv if left out.")] = None,
) -> None:
    """Write a review as a table (CSV) to fill in."""
    from flywheel_mlflow.cli import show_human_review
    from flywheel_mlflow.operations.releases.human_review import write_review_table

    path = out or Path(f"{review}.csv")
    show_human_review.exported(review, write_review_table(open_session(context).acting, review, path))


@human_review.command("submit")
def submit_command(
    context: Context,
    review: ReviewId,
    table: Annotated[Path | None, typer.Option(help="The table you filled in; MLflow's answers if left out.")] = None,
    known_as: Annotated[str, typer.Option(help="Your name in MLflow, if it is another one.")] = "",
    sign: Annotated[Path | None, typer.Option(help="Sign with this private key.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Stand by your answers. They replace your earlier ones."""
    from flywheel_mlflow.cli import progress, show_human_review
    from flywheel_mlflow.operations.releases.human_review import prepare_answers, sign_answers

    session = open_session(context)
    with progress.working("reading your answers"):
        prepared = prepare_answers(session.acting, review, table=table, known_as=known_as, dry_run=dry_run)
    answer = None
    if prepared.run_id is not None:
        signature = None
        if sign is not None:
            from flywheel_mlflow.base.signing import read_key

            signature = sign_answers(session.acting, prepared, read_key(sign))
        answer = session.act("human-review-submit", run_id=prepared.run_id, digest=prepared.digest, signature=signature)
    show_human_review.submitted(prepared, answer, as_json=as_json)
