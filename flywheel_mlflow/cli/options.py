"""The options that many commands take, each with one help text."""

from __future__ import annotations

from typing import Annotated

import typer

Iteration = Annotated[int, typer.Option("--iteration", "-i", min=1, help="Number of the iteration, from 1.")]
MaybeIteration = Annotated[
    int | None,
    typer.Option("--iteration", "-i", min=1, help="Number of the iteration; the newest assembled one if left out."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
