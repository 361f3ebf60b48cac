"""Gathers the numbers that monitors scrape."""

from __future__ import annotations

from flywheel_mlflow.decisions.rhythms import rhythms
from flywheel_mlflow.operations.assembly.iterations import MOST_ASSEMBLIES, counted
from flywheel_mlflow.operations.assembly.rhythms import traces_of
from flywheel_mlflow.operations.reading.inbox import read_inbox
from flywheel_mlflow.operations.reading.reader import Reader
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.reading.turns import facts_at, find_turn
from flywheel_mlflow.reports.gauges import gauges_of, gauges_text


def gauges(reader: Reader) -> str:
    """The state of the newest assembled iteration; nothing before the first."""
    session = reader.session
    listed = session.tracking.assemblies.listed(most=MOST_ASSEMBLIES)
    turn = find_turn(reader, None, counted(listed))
    if turn is None:
        return ""
    facts = facts_at(reader, turn)
    inbox = read_inbox(reader, facts)
    _, snapshot = read_ledger(session, reader.memory)
    fed = tuple(batch.at for batch in session.tracking.feedback.batches())
    found = rhythms(session.flywheel.blueprint, traces_of(listed, snapshot, fed), session.now())
    finished = max((item.finished.ended for item in listed if item.finished), default=None)
    numbers = gauges_of(facts, len(inbox.items) + inbox.others, found, finished)
    return gauges_text(numbers, session.flywheel.name)
