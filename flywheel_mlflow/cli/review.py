"""The command about the quarterly review."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson
from flywheel_mlflow.cli.session import Context, open_session


def review(
    context: Context,
    quarter: Annotated[str, typer.Option(help="Which quarter, such as 2026Q4.")],
    out: Annotated[Path | None, typer.Option(help="Write the review into this folder too.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Log nothing and decide nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the quarterly review."""
    from flywheel_mlflow.cli.console import open_console, print_json, say
    from flywheel_mlflow.operations.assembly.reviewing import write_review

    session = open_session(context)
    found = write_review(session.acting, quarter, out=out, dry_run=dry_run)
    event = None
    if found.run_id is not None:
        event = session.act("review", quarter=quarter, run_id=found.run_id, digest=found.digest)["event"]
    if as_json:
        print_json({"review": found.review, "run_id": found.run_id, "event": event})
        return
    console = open_console()
    say(console, found.text)
    if found.run_id is not None:
        say(console, f"logged with run {found.run_id} as reviews/{found.review.quarter}.md, event {event}")
    else:
        say(console, "nothing was logged" if dry_run else "no assembly of that quarter: nothing was logged")
