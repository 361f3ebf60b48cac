"""The command ``flywheel report``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flywheel_mlflow.cli.options import AsJson

if TYPE_CHECKING:
    from flywheel_mlflow.operations.reading.reporting import Reported


def report(
    context: typer.Context,
    iteration: Annotated[
        int | None,
        typer.Option("--iteration", "-i", min=1, help="The iteration told; the newest assembled one if left out."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the page into this folder too.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Keep nothing on the server.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write an iteration's page as one HTML file."""
    from flywheel_mlflow.cli import progress
    from flywheel_mlflow.cli.console import open_console, print_json, say
    from flywheel_mlflow.cli.session import open_session
    from flywheel_mlflow.operations.reading.reporting import report_iteration

    session = open_session(context)
    turn = session.iteration(iteration)
    with progress.steps() as step:
        step(f"writing the page of iteration {turn}")
        found = report_iteration(session.acting, turn, out=out, dry_run=dry_run)
    if as_json:
        file = str(found.file) if found.file else None
        places = {"iteration": turn, "run_id": found.run_id, "artifact": found.artifact or None, "file": file}
        print_json({**places, "page": found.view.document()})
        return
    console = open_console()
    for line in _told(found):
        say(console, line)


def _told(found: Reported) -> Iterator[str]:
    executive = found.view.executive
    yield f"{executive.verdict.text}: {found.view.title}"
    for reason in executive.reasons:
        yield f"  {reason.said.mark} {reason.said.text}"
    if found.artifact:
        yield f"kept on run {found.run_id}: {found.artifact}"
    if found.file:
        yield f"written: {found.file}"
