"""Gathers the overview."""

from __future__ import annotations

from flywheel_mlflow.operations.reading.inbox import read_inbox
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.turns import facts_at, find_turn
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.overview import overview_page


def overview(reader: Reader, _asked: PageQuery) -> Page:
    """The newest assembled iteration, judged; an empty flywheel says what to run."""
    turn = find_turn(reader, None)
    if turn is None:
        return nothing_assembled(reader.session.flywheel.blueprint.title, "overview")
    facts = facts_at(reader, turn)
    return overview_page(facts, reader.addresses, read_inbox(reader, facts))
