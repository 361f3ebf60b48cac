"""Prints what commands about experiments found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.cli.console import counted, draw, open_console, print_json, say
from flywheel_mlflow.tables.experiments import experiments_table, judged_table

if TYPE_CHECKING:
    from pathlib import Path

    from flywheel_mlflow.operations.experiments.experimenting import (
        ExperimentStatus,
        ListedExperiment,
        RecordedOutcomes,
    )


def listed(found: Sequence[ListedExperiment], *, as_json: bool) -> None:
    """The experiments of flywheel.yaml."""
    if as_json:
        print_json({"experiments": found})
        return
    draw(experiments_table((item.declared, item.round) for item in found))


def recorded(found: RecordedOutcomes, path: Path, *, as_json: bool) -> None:
    """What a file brought."""
    if as_json:
        print_json(found)
        return
    console = open_console()
    if found.known:
        say(console, f"{path.name} was recorded before, on run {found.run_id}: nothing was written")
        return
    rows = ", ".join(f"{name} {count:,}" for name, count in found.outcomes.rows.items())
    place = f" on run {found.run_id}" if found.run_id else "; nothing was written (--dry-run)"
    say(console, f"{found.experiment}: {rows} rows{place}")
    for why, count in found.outcomes.left_out.items():
        say(console, f"left out: {counted(count, 'row')} {why}")
    for metric, count in found.outcomes.missing.items():
        if count:
            say(console, f"{metric} is missing in {counted(count, 'row')}")


def status(found: ExperimentStatus, *, as_json: bool) -> None:
    """What the outcomes say."""
    from flywheel_mlflow.operations.experiments.experimenting import plain_status

    if as_json:
        print_json(plain_status(found))
        return
    console, analysis, made = open_console(), found.analysis, found.round.decided
    draw(judged_table(analysis))
    rows = sum(analysis.rows.values())
    plan = "nothing planned" if analysis.planned is None else f"{analysis.planned:,} planned"
    split = "" if analysis.split is None else f"; split p {analysis.split:.2g}"
    say(console, f"{rows:,} rows from {counted(len(found.files), 'file')} ({plan}){split}")
    for why, count in analysis.left_out.items():
        say(console, f"left out: {counted(count, 'row')} {why}")
    if found.redeclared:
        say(console, "flywheel.yaml declares it otherwise now; it is judged as it was when it was started")
    say(console, f"{analysis.advice.value}: {analysis.why}")
    if made is not None:
        say(console, f"decided by {made.by} (event {made.number}): {made.decision.value} {made.variant}".rstrip())
    elif analysis.variant:
        say(console, f"next: flywheel experiment decide {found.round.id} ship --reason '...'")


def decided(answer: Mapping[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """A decision about an experiment."""
    if as_json:
        print_json(answer)
        return
    words = str(answer["kind"]).replace("_", " ")
    what = f"{answer['body'].get('decision', '')} {answer['body'].get('variant', '')}".strip()
    told = f"{words}: {answer['experiment']}" + (f", {what}" if what else "")
    say(open_console(), f"would write: {told}" if dry_run else f"written as event {answer['event']}: {told}")
