"""The groups under which ``flywheel --help`` lists the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

#: Every command stands in one group; the order is that of the help.
GROUPS = {
    "Start": ("init", "init-project", "validate", "schema", "ui"),
    "Runs of projects": ("log", "adopt", "run-projects"),
    "Iterations": ("run", "schedule", "collect", "assemble", "check", "report", "review"),
    "Questions": ("explain", "impact", "drift", "budget"),
    "Releases": (
        "release",
        "gate",
        "explain-drift",
        "human-review",
        "approve",
        "reject",
        "promote",
        "rollback",
        "override",
        "override-confirm",
    ),
    "Trust": ("audit", "reconcile", "verify", "doctor", "keys"),
    "Data for consumers": ("interfaces", "resolve", "pull"),
    "Experiments": ("experiment", "variant"),
    "Feedback and risks": ("feedback", "task", "risk", "notify"),
}


class GroupedCommands(TyperGroup):
    """The commands by group, each with a help that fits on its line."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 - as Typer calls it
        """Write one section for each group."""
        names = [name for group in GROUPS.values() for name in group]
        limit = formatter.width - 6 - max(map(len, names))
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(limit)) for name in group])
