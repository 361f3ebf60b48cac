"""Prints what commands about risks found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.cli.console import counted, draw, open_console, print_json, say
from flywheel_mlflow.cli.show_releases import day
from flywheel_mlflow.tables.risks import known_risks_table, newest_closed, pressing_first, risks_table

if TYPE_CHECKING:
    from rich.console import Console

    from flywheel_mlflow.decisions.risk_paths import Propagation
    from flywheel_mlflow.decisions.risks import CrossProjectRisk, Risk
    from flywheel_mlflow.operations.releases.risking import ShownRisk

#: Projects of a path that are shown; `--json` has them all.
MOST_REACHED = 12


def listed(
    found: Sequence[Risk], known: Sequence[CrossProjectRisk], now: datetime, *, everything: bool, as_json: bool
) -> None:
    """Risks, the most pressing first, and those that flywheel.yaml knows."""
    chosen = [*pressing_first(found, now), *(newest_closed(found) if everything else ())]
    if as_json:
        print_json({"risks": [_document(item, now) for item in chosen], "known": known})
        return
    console = open_console()
    draw(risks_table(chosen, now, "risks", "none."))
    if known:
        draw(known_risks_table(known))
    open_count = sum(item.closed_at is None for item in found)
    say(console, f"{counted(open_count, 'open risk')}, {sum(item.is_overdue(now) for item in found)} overdue")


def _state(item: Risk, now: datetime) -> str:
    return "closed" if item.closed_at else "overdue" if item.is_overdue(now) else "open"


def _document(item: Risk, now: datetime) -> dict[str, Any]:
    return {**plain(item), "severity": item.severity, "state": _state(item, now)}


def shown(found: ShownRisk, now: datetime, *, as_json: bool) -> None:
    """One risk with its story."""
    if as_json:
        before = [_document(item, now) for item in found.before]
        print_json({"risk": _document(found.risk, now), "story": found.story, "path": found.path, "before": before})
        return
    console, risk = open_console(), found.risk
    say(console, f"{risk.id}: {risk.title}")
    say(console, f"{risk.severity} ({risk.likelihood}x{risk.impact}), {_state(risk, now)}, due {day(risk.due)} UTC")
    say(console, f"owner {risk.owner}; opened by {risk.opened_by} on {day(risk.opened_at)} ({risk.cause})")
    if risk.mitigation:
        say(console, f"mitigation: {risk.mitigation}")
    if risk.projects:
        say(console, f"projects: {', '.join(risk.projects)}")
    _path(console, found.path)
    _recurrence(console, found)
    for item in found.story:
        say(console, f"  event {item.number}, {day(item.at)}, {item.actor}: {item.text}")


def _path(console: Console, path: Propagation) -> None:
    """Where the risk can spread, the earliest first."""
    if not path.projects:
        say(console, "spreads: unknown, it names no project")
        return
    say(console, f"sits in {', '.join(path.layers)}; can reach the layers {', '.join(path.all_layers)}")
    for item in path.reached[:MOST_REACHED]:
        when = "this iteration" if not item.turns else f"{counted(item.turns, 'iteration')} later"
        say(console, f"  {item.project} ({when}) over {' > '.join(item.through)}")
    if len(path.reached) > MOST_REACHED:
        say(console, f"  and {len(path.reached) - MOST_REACHED} more")


def _recurrence(console: Console, found: ShownRisk) -> None:
    """When it was seen, and what became of it earlier."""
    risk = found.risk
    if len(risk.sightings) > 1 or risk.iterations:
        turns = ", ".join(map(str, risk.iterations)) or "unknown"
        say(console, f"seen {counted(len(risk.sightings), 'time')}, in iterations {turns}")
    for item in found.before:
        turns = ", ".join(map(str, item.iterations)) or "unknown"
        end = (
            f"closed by {item.closed_by} with run {item.evidence}: {item.closing_reason}" if item.closed_at else "open"
        )
        say(console, f"came before as {item.id}, seen in iterations {turns}, {end}")
    if any(item.closed_at for item in found.before) and risk.closed_at is None:
        told = "" if risk.mitigation else f": flywheel risk update {risk.id} --mitigation '...'"
        say(console, f"why again? {risk.mitigation or 'nobody has said'}{told}")


def watched(answer: Mapping[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """The risks that an iteration shows."""
    if as_json:
        print_json(answer)
        return
    console, word = open_console(), "would write" if dry_run else "written"
    for body in answer["found"]:
        say(console, f"{word}: {body['title']} (owner {body['owner']})")
    if not answer["found"]:
        say(console, f"iteration {answer['iteration']} shows no risk that is not known")


def decided(answer: Mapping[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """A decision about a risk."""
    if as_json:
        print_json(answer)
        return
    words = str(answer["kind"]).replace("_", " ")
    if dry_run:
        say(open_console(), f"would write: {words}")
    else:
        say(open_console(), f"written as event {answer['event']}: {words} {answer['risk']}")
