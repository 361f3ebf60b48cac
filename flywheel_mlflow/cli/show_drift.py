"""Shows what a comparison of two iterations found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.cli.console import open_console, print_json, say
from flywheel_mlflow.drift.report import FIRST, DriftReport
from flywheel_mlflow.drift.schemas import reasons_not_compared

if TYPE_CHECKING:
    from flywheel_mlflow.operations.assembly.drifting import DriftFound, Followed


def compared(found: DriftFound, *, as_json: bool) -> None:
    """A comparison: its verdict, its worst findings, where it was kept."""
    report = found.report
    if as_json:
        print_json(report.document() | {"artifacts": list(found.artifacts), "unrendered": found.unrendered})
        return
    console = open_console()
    say(console, f"{report.verdict.value}: iteration {report.iteration} against iteration {report.reference.iteration}")
    say(console, report.headline)
    if report.findings:
        shown = report.findings[:FIRST]
        # No table: commands are copied, and a cell folds them.
        for position, item in enumerate(shown, start=1):
            say(console, f"{position}. {item.subject} {item.text}")
            if item.next:
                say(console, f"   {item.next}")
        if len(report.findings) > len(shown):
            where = "in drift.json" if found.artifacts else "with --json"
            say(console, f"and {len(report.findings) - len(shown)} more {where}")
    if report.untested_signals:
        say(console, f"not tested for want of rows or profiles: {report.untested_signals} distributions")
    for reason in reasons_not_compared(report.schemas):
        say(console, f"schema not compared: {reason}")
    if found.unrendered:
        say(open_console(stderr=True), f"warning: no HTML page: {found.unrendered}")
    if found.artifacts:
        say(console, f"written on run {found.run_id}: {', '.join(found.artifacts)}")


def after_assembly(followed: Followed | None) -> None:
    """One line on the comparison that follows an assembly, on standard error: standard output is the assembly's."""
    console = open_console(stderr=True)
    found = followed.found if followed else None
    if followed is not None and followed.failure is not None:
        say(console, f"warning: no drift report: {followed.failure.what}")
    elif found is not None:
        say(console, f"drift against iteration {found.report.reference.iteration}: {_line(found.report)}")
        for item in found.report.schemas:
            if item.stops:
                say(console, f"schema of {item.interface} changed: {item.text}")
        if found.unrendered:
            say(console, f"warning: no HTML page: {found.unrendered}")


def _line(report: DriftReport) -> str:
    return f"{report.verdict.value}: {report.headline}"
