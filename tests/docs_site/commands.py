"""The page of every command with its arguments and options, from what Typer parses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docs_site.markdown import code, page, table
from flywheel_mlflow.cli.app import command_line
from flywheel_mlflow.cli.groups import GROUPS

_EXTRA = re.compile(r"^(?P<text>.*?)(?:  \[(?P<extra>.*)\])?$", re.DOTALL)
#: Said once, above all commands.
_EVERYWHERE = {"--help"}


def commands_page() -> str:
    """Every command in the groups of ``flywheel --help``."""
    from typer._click import Context

    root = command_line()
    context = Context(root, info_name="flywheel")
    parts = [
        "From the program itself. How each command behaves, with real output: [commands in use](../commands.md).",
        "```text\nflywheel [OPTIONS] COMMAND [ARGUMENTS]\n```",
        "## Options of every command",
        "They stand before the command.",
        _parameters(root, context, everywhere=True),
    ]
    for group, names in GROUPS.items():
        parts.append(f"## {group}")
        for name in names:
            parts += _command(root.commands[name], name, context)
    return page("Commands and options", *parts)


def documented_commands() -> Iterator[str]:
    """The full name of each command that does something."""
    for name, command in command_line().commands.items():
        below: dict[str, Any] = getattr(command, "commands", {})
        yield from (f"{name} {item}" for item in below) if below else (name,)


def _command(command: Any, name: str, parent: Any) -> Iterator[str]:
    from typer._click import Context

    context = Context(command, info_name=name, parent=parent)
    below: dict[str, Any] = getattr(command, "commands", {})
    full = f"{parent.info_name} {name}".removeprefix("flywheel ")
    yield f"### {full}"
    yield _sentences(command.help)
    if below:
        for item, child in below.items():
            yield from _command(child, item, context)
        return
    usage = command.get_usage(context).removeprefix("Usage: ").replace("{", "").replace("}", "")
    yield f"```text\n{' '.join(usage.split())}\n```"
    yield _parameters(command, context)


def _parameters(command: Any, context: Any, *, everywhere: bool = False) -> str:
    rows = []
    for parameter in command.get_params(context):
        if parameter.hidden or (not everywhere and set(parameter.opts) & _EVERYWHERE):
            continue
        names, text = parameter.get_help_record(context)
        found = _EXTRA.match(text)
        told, extra = (found["text"], found["extra"] or "") if found else (text, "")
        rows.append((code(names), told, extra.replace("; ", ", ")))
    return table(("argument or option", "means", "value"), rows)


def _sentences(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))
