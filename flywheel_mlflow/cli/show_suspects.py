"""Shows who may have changed a number between two iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.cli.console import counted, open_console, print_json, say, table
from flywheel_mlflow.tables.texts import format_value

if TYPE_CHECKING:
    from flywheel_mlflow.drift.differences import Change
    from flywheel_mlflow.drift.suspects import Suspect
    from flywheel_mlflow.operations.assembly.localising import Localised

#: Suspects that hold less are named in the JSON alone.
SHOWN_FROM = 0.01
#: Changes of one suspect in the table; the rest are counted.
CHANGES_SHOWN = 3


def localised(found: Localised, *, as_json: bool) -> None:
    """A number in two iterations, and the suspects, most suspected first."""
    if as_json:
        print_json(found)
        return
    console = open_console()
    before, now = format_value(found.before, found.unit), format_value(found.value, found.unit)
    say(console, f"{found.name}: {before} in iteration {found.reference}, {now} in iteration {found.iteration}")
    if found.verdict:
        say(console, found.verdict)
    if found.before == found.value:
        say(console, "the number is the same; what follows changed all the same")
    shown = [item for item in found.suspects if item.suspicion >= SHOWN_FROM]
    rows = [
        (place, _who(item), f"{item.suspicion:.0%}", _changed(item.changes), _way(item), item.why)
        for place, item in enumerate(shown, start=1)
    ]
    columns = ("rank", "project", "suspicion", "what changed, and how much", "distance", "why")
    console.print(table("Suspects, most suspected first", columns, rows))
    hidden = len(found.suspects) - len(shown)
    if hidden:
        say(console, f"{counted(hidden, 'suspect')} below {SHOWN_FROM:.0%} left out")
    # No column: commands are copied, and a cell folds them.
    for place, item in enumerate(shown[:3], start=1):
        for command in item.next[:2]:
            say(console, f"look closer at {place}: {command}")
    for note in found.notes:
        say(open_console(stderr=True), f"warning: {note}")


def _who(item: Suspect) -> str:
    return item.project if item.lag == 0 else f"{item.project} (iteration {item.iteration})"


def _changed(changes: tuple[Change, ...]) -> str:
    if not changes:
        return "nothing that is in the evidence"
    lines = [f"{_subject(item)}: {item.text}" for item in changes[:CHANGES_SHOWN]]
    more = len(changes) - len(lines)
    return "\n".join([*lines, f"and {more} more"] if more else lines)


def _subject(change: Change) -> str:
    """What differs and of which kind it is, where its name does not say so."""
    kind = change.kind.value
    return change.subject if f"/{kind} " in change.subject else f"{kind} {change.subject}"


def _way(item: Suspect) -> str:
    return f"{item.distance}: {' < '.join(item.through)}" if item.through else "0: its own number"
