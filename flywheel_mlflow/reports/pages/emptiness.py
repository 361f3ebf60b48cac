"""What pages say where nothing is there yet: what is missing, and the next command."""

from __future__ import annotations

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Command, Section
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.cells import Cell

#: From an empty server to the first assembly.
FIRST_COMMANDS = (
    Command("flywheel validate", "the files of the flywheel have no faults"),
    Command("flywheel run-projects --iteration 1", "every project's pipeline logs its first run"),
    Command("flywheel assemble --iteration 1", "the first iteration is assembled, and this page has something to tell"),
)


def nothing_assembled(title: str, part: str, *sections: Section) -> Page:
    """The page of a part of the console before the first assembly; ``sections`` is what can be told even so."""
    return Page(
        title=title,
        part=part,
        lead=(Cell("Nothing was assembled yet, so there is nothing to judge.", Tone.UNKNOWN),),
        sections=(*sections, Section("commands", "Next commands", commands=FIRST_COMMANDS)),
    )
