"""Prints where a flywheel is kept, what a new one holds, and where its console is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.cli.console import open_console, say

if TYPE_CHECKING:
    from flywheel_mlflow.base.settings import Settings
    from flywheel_mlflow.evidence.flywheel import Flywheel


def ready(found: Flywheel, settings: Settings, experiment_id: str) -> None:
    """Where the flywheel is kept."""
    print(f"{found.name} is kept at {settings.shown_uri} (experiment {experiment_id})")


def started(folder: Path, projects: Sequence[str], *, elsewhere: bool) -> None:
    """A new flywheel, and the commands that turn and show it; ``elsewhere``: FLYWHEEL_ROOT names another one."""
    console = open_console()
    say(console, f"wrote {folder.name}: flywheel.yaml, the projects {', '.join(projects)}, recipes for CI")
    say(console, "next:")
    if elsewhere:
        say(console, "  unset FLYWHEEL_ROOT")
    for command in (f"cd {folder.name}", "flywheel assemble --iteration 1 --log pipelines", "flywheel ui"):
        say(console, f"  {command}")


def served_openly(host: str, *, auth: bool) -> None:
    """That others reach the server and nobody logs in, where that is so, on standard error."""
    from flywheel_mlflow.operations.serving import is_open

    if not auth and is_open(host):
        say(open_console(stderr=True), f"warning: whoever reaches {host} may write there; --auth lets people log in")


def served(console: str, *, browser: bool, password: str = "") -> None:
    """Where the console is, and the administrator's new password; a browser opens it, where there is a screen."""
    import os
    import webbrowser

    from flywheel_mlflow.operations.local_accounts import ADMINISTRATOR
    from flywheel_mlflow.operations.serving import can_show

    say(open_console(), f"console: {console}")
    if password:
        say(open_console(), f"sign in: {ADMINISTRATOR}, password {password} (new, and shown only now)")
    if browser and can_show(os.environ):
        webbrowser.open(console)
