"""Gathers the numbers that monitors scrape."""

from __future__ import annotations

from flywheel_mlflow.operations.reading.inbox import read_inbox
from flywheel_mlflow.operations.reading.reader import Reader
from flywheel_mlflow.operations.reading.turns import facts_at, find_turn
from flywheel_mlflow.reports.gauges import gauges_of, gauges_text


def gauges(reader: Reader) -> str:
    """The state of the newest assembled iteration; nothing before the first."""
    turn = find_turn(reader, None)
    if turn is None:
        return ""
    facts = facts_at(reader, turn)
    inbox = read_inbox(reader, facts)
    return gauges_text(gauges_of(facts, len(inbox.items) + inbox.others), reader.session.flywheel.name)
