"""Prints what people were told, and what they could not be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flywheel_mlflow.base.errors import ExitCode
from flywheel_mlflow.cli.console import counted, open_console, print_json, say, table


def unsent(lines: Iterable[str]) -> None:
    """What people could not be told, on standard error: it fails no command."""
    console = open_console(stderr=True)
    for line in lines:
        say(console, f"note: {line}; `flywheel notify send` tries again")


def sent(answer: Mapping[str, Any], *, as_json: bool) -> ExitCode:
    """What was told now; the exit code it means."""
    code = ExitCode.FAILURE if answer["unsent"] else ExitCode.PASS
    if as_json:
        print_json(answer)
        return code
    console = open_console()
    if answer["notices"]:
        keys = ("outcome", "channel", "person", "event", "title", "why")
        rows = [tuple(item[key] or "" for key in keys) for item in answer["notices"]]
        columns = ("outcome", "channel", "to", "event", "what", "why")
        console.print(table(counted(len(rows), "notification"), columns, rows))
    for line in answer["notes"]:
        say(console, f"not looked at: {line}")
    if answer["already"]:
        say(console, f"{counted(answer['already'], 'notification')} sent before")
    elif not answer["notices"]:
        say(console, "nothing to tell")
    return code


def tried(answer: Mapping[str, Any], *, as_json: bool) -> ExitCode:
    """What became of a test message; the exit code it means."""
    code = ExitCode.FAILURE if answer["why"] else ExitCode.PASS
    if as_json:
        print_json(answer)
        return code
    whom = f" to {answer['person']}" if answer["person"] else ""
    why = f": {answer['why']}" if answer["why"] else ""
    say(open_console(), f"{answer['channel']}: {answer['outcome']}{whom}{why}")
    return code
