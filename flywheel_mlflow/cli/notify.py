"""The commands about telling people."""

from __future__ import annotations

from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun
from flywheel_mlflow.cli.session import Context, open_session

notifications = typer.Typer(name="notify", help="Notifications by webhook, chat and e-mail.", no_args_is_help=True)


@notifications.command("send")
def send_command(
    context: Context,
    audit: Annotated[bool, typer.Option("--audit/--no-audit", help="Look for findings of the audit too.")] = True,
    full: Annotated[bool, typer.Option("--full", help="Let the audit look at the data of every release.")] = False,
    at_once: Annotated[bool, typer.Option("--now", help="Try again what failed a moment ago.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Tell everything that waits and was not told yet. For cron."""
    from flywheel_mlflow.cli import show_notifications

    answer = open_session(context).act("notify-send", audit=audit, full=full, at_once=at_once, dry_run=dry_run)
    raise typer.Exit(show_notifications.sent(answer, as_json=as_json))


@notifications.command("test")
def try_command(
    context: Context,
    channel: Annotated[str, typer.Argument(help="A channel of flywheel.yaml.")],
    to: Annotated[str | None, typer.Option(help="A person, where the channel has a contact; you if left out.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Send a test message on a channel."""
    from flywheel_mlflow.cli import show_notifications

    answer = open_session(context).act("notify-test", channel=channel, to=to, dry_run=dry_run)
    raise typer.Exit(show_notifications.tried(answer, as_json=as_json))
