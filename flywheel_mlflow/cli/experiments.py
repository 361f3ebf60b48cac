"""The commands about experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun
from flywheel_mlflow.cli.session import Context, open_session

experiments = typer.Typer(
    name="experiment", help="Variants side by side: started, measured, decided.", no_args_is_help=True
)

ExperimentId = Annotated[str, typer.Argument(help="The experiment's id in flywheel.yaml.")]


@experiments.command("list")
def list_command(context: Context, as_json: AsJson = False) -> None:
    """List the experiments of flywheel.yaml and where they stand."""
    from flywheel_mlflow.cli import show_experiments
    from flywheel_mlflow.operations.experiments.experimenting import list_experiments

    show_experiments.listed(list_experiments(open_session(context).acting), as_json=as_json)


@experiments.command("start")
def start_command(context: Context, experiment: ExperimentId, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Start a round of an experiment, as it is declared now."""
    from flywheel_mlflow.cli import show_experiments

    answer = open_session(context).act("experiment-start", experiment=experiment, dry_run=dry_run)
    show_experiments.decided(answer, dry_run=dry_run, as_json=as_json)


@experiments.command("record")
def record_command(
    context: Context,
    experiment: ExperimentId,
    file: Annotated[Path, typer.Argument(help="Outcome rows: a .jsonl or .parquet file.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Record outcome rows. Each file counts once, and each unit."""
    from flywheel_mlflow.cli import show_experiments
    from flywheel_mlflow.operations.experiments.experimenting import record_outcomes

    found = record_outcomes(open_session(context).acting, experiment, file, dry_run=dry_run)
    show_experiments.recorded(found, file, as_json=as_json)


@experiments.command("status")
def status_command(context: Context, experiment: ExperimentId, as_json: AsJson = False) -> None:
    """Show what the outcomes say so far. Look as often as you like."""
    from flywheel_mlflow.cli import show_experiments
    from flywheel_mlflow.operations.experiments.experimenting import experiment_status

    show_experiments.status(experiment_status(open_session(context).acting, experiment), as_json=as_json)


@experiments.command("decide")
def decide_command(
    context: Context,
    experiment: ExperimentId,
    decision: Annotated[str, typer.Argument(help="ship, keep (the control) or stop (no answer).")],
    reason: Annotated[str, typer.Option(help="Why, kept for good.")],
    variant: Annotated[str, typer.Option(help="The treatment that ships; the advised one if left out.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write down what is made of an experiment, with its evidence."""
    from flywheel_mlflow.cli import show_experiments

    answer = open_session(context).act(
        "experiment-decide",
        experiment=experiment,
        decision=decision,
        variant=variant or None,
        reason=reason,
        dry_run=dry_run,
    )
    show_experiments.decided(answer, dry_run=dry_run, as_json=as_json)


@experiments.command("stop")
def stop_command(
    context: Context,
    experiment: ExperimentId,
    reason: Annotated[str, typer.Option(help="Why, kept for good.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """End an experiment without an answer."""
    decide_command(context, experiment, "stop", reason, "", dry_run, as_json)


@experiments.command("assign")
def assign_command(
    context: Context,
    experiment: ExperimentId,
    unit: Annotated[str, typer.Argument(help="A user, a session: whatever is split.")],
) -> None:
    """Print the variant of a unit, the same one each time. Applications call assign_variant in Python."""
    from flywheel_mlflow.cli.console import open_console, say
    from flywheel_mlflow.operations.experiments.experimenting import assigned_variant

    say(open_console(), assigned_variant(open_session(context).flywheel, experiment, unit))
