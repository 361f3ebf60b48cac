"""Prints what commands about risks found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.canonical import plain
from flywheel_mlflow.cli.console import counted, open_console, print_json, say, table
from flywheel_mlflow.cli.show_releases import day

if TYPE_CHECKING:
    from flywheel_mlflow.operations.risking import ShownRisk
    from flywheel_mlflow.risks import Risk


def listed(found: Sequence[Risk], now: datetime, *, everything: bool, as_json: bool) -> None:
    """Risks, the most pressing first."""
    chosen = [item for item in found if everything or item.closed_at is None]
    chosen.sort(key=lambda item: (item.closed_at is not None, -item.likelihood * item.impact, item.due))
    if as_json:
        print_json({"risks": [_document(item, now) for item in chosen]})
        return
    rows = [
        (
            item.id,
            item.severity,
            _state(item, now),
            item.title,
            item.owner,
            f"{item.likelihood}x{item.impact}",
            day(item.due),
        )
        for item in chosen
    ]
    console = open_console()
    console.print(
        table("risks", ("id", "severity", "state", "what", "owner", "likelihood x impact", "due (UTC)"), rows)
    )
    open_count = sum(item.closed_at is None for item in found)
    say(console, f"{counted(open_count, 'open risk')}, {sum(item.is_overdue(now) for item in found)} overdue")


def _state(item: Risk, now: datetime) -> str:
    return "closed" if item.closed_at else "overdue" if item.is_overdue(now) else "open"


def _document(item: Risk, now: datetime) -> dict[str, Any]:
    return {**plain(item), "severity": item.severity, "state": _state(item, now)}


def shown(found: ShownRisk, now: datetime, *, as_json: bool) -> None:
    """One risk with its story."""
    if as_json:
        print_json({"risk": _document(found.risk, now), "story": found.story})
        return
    console, risk = open_console(), found.risk
    say(console, f"{risk.id}: {risk.title}")
    say(console, f"{risk.severity} ({risk.likelihood}x{risk.impact}), {_state(risk, now)}, due {day(risk.due)} UTC")
    say(console, f"owner {risk.owner}; opened by {risk.opened_by} on {day(risk.opened_at)} ({risk.cause})")
    if risk.mitigation:
        say(console, f"mitigation: {risk.mitigation}")
    if risk.projects:
        say(console, f"projects: {', '.join(risk.projects)}")
    for item in found.story:
        say(console, f"  event {item.number}, {day(item.at)}, {item.actor}: {item.text}")


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
