"""The commands about the risk ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun
from flywheel_mlflow.cli.releases import moment
from flywheel_mlflow.cli.session import Context, open_session

risks = typer.Typer(name="risk", help="Cross-project risks with owner and due date.", no_args_is_help=True)

RiskId = Annotated[str, typer.Argument(help="The risk's id, such as R12.")]
OneToFive = Annotated[int, typer.Option(min=1, max=5, help="1 (hardly) to 5 (very much).")]
MaybeOneToFive = Annotated[int | None, typer.Option(min=1, max=5, help="1 (hardly) to 5 (very much).")]
Due = Annotated[str, typer.Option(help="By when somebody must have answered: 2026-12-31. UTC.")]


@risks.command("list")
def list_command(
    context: Context,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List open risks, the most pressing first."""
    from flywheel_mlflow.cli import show_risks
    from flywheel_mlflow.operations.releases.risking import known_risks, list_risks

    acting = open_session(context).acting
    show_risks.listed(list_risks(acting), known_risks(acting), acting.now(), everything=everything, as_json=as_json)


@risks.command("show")
def show_command(context: Context, risk: RiskId, as_json: AsJson = False) -> None:
    """Show a risk and what was decided about it."""
    from flywheel_mlflow.cli import show_risks
    from flywheel_mlflow.operations.releases.risking import show_risk

    acting = open_session(context).acting
    show_risks.shown(show_risk(acting, risk), acting.now(), as_json=as_json)


@risks.command("open")
def open_command(
    context: Context,
    title: Annotated[str, typer.Argument(help="What may happen.")],
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    due: Due,
    likelihood: OneToFive,
    impact: OneToFive,
    mitigation: Annotated[str, typer.Option(help="What is done about it.")] = "",
    project: Annotated[
        list[str] | None, typer.Option(help="A project it concerns; may be given several times.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Open a risk by hand."""
    from flywheel_mlflow.cli import show_risks

    answer = open_session(context).act(
        "risk-open",
        title=title,
        owner=owner,
        due=moment(due, end_of_day=True),
        likelihood=likelihood,
        impact=impact,
        mitigation=mitigation,
        projects=project or [],
        dry_run=dry_run,
    )
    show_risks.decided(answer, dry_run=dry_run, as_json=as_json)


@risks.command("watch")
def watch_command(
    context: Context,
    iteration: Annotated[int, typer.Option("--iteration", "-i", min=1, help="The iteration that is looked at.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Open the risks that an iteration shows. Drift that blocks, recurring themes, overdue reviews."""
    from flywheel_mlflow.cli import show_risks

    answer = open_session(context).act("risk-watch", iteration=iteration, dry_run=dry_run)
    show_risks.watched(answer, dry_run=dry_run, as_json=as_json)


@risks.command("update")
def update_command(
    context: Context,
    risk: RiskId,
    owner: Annotated[str | None, typer.Option(help="Who answers for it from now on.")] = None,
    due: Annotated[str | None, typer.Option(help="By when: 2026-12-31. UTC.")] = None,
    likelihood: MaybeOneToFive = None,
    impact: MaybeOneToFive = None,
    mitigation: Annotated[str | None, typer.Option(help="What is done about it.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Change a risk. A closed one opens again."""
    from flywheel_mlflow.cli import show_risks

    answer = open_session(context).act(
        "risk-update",
        risk=risk,
        owner=owner,
        due=moment(due, end_of_day=True) if due else None,
        likelihood=likelihood,
        impact=impact,
        mitigation=mitigation,
        dry_run=dry_run,
    )
    show_risks.decided(answer, dry_run=dry_run, as_json=as_json)


@risks.command("close")
def close_command(
    context: Context,
    risk: RiskId,
    evidence: Annotated[str, typer.Option(help="The run that shows that it is gone.")],
    reason: Annotated[str, typer.Option(help="Why it is gone.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Close a risk. Only its owner can."""
    from flywheel_mlflow.cli import show_risks

    answer = open_session(context).act("risk-close", risk=risk, evidence=evidence, reason=reason, dry_run=dry_run)
    show_risks.decided(answer, dry_run=dry_run, as_json=as_json)
