"""Gathers the page of priorities."""

from __future__ import annotations

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.feedback.candidates import LOOKED_BACK
from flywheel_mlflow.feedback.tasks import TaskKind
from flywheel_mlflow.operations.assembly.iterations import newest_assemblies
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.operations.feedback.prioritising import quarter_spending, rank, read_seen
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.refusals import unsound
from flywheel_mlflow.operations.reading.reporting import read_ledger, read_themes
from flywheel_mlflow.reports.pages.deciding import said
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.priorities import PrioritiesFacts, priorities_page

_KINDS = frozenset({TaskKind.ESTIMATED, TaskKind.SPENT, TaskKind.QUEUED, TaskKind.DECLINED})


def priorities(reader: Reader, asked: PageQuery) -> Page:
    """What could be done after ``iteration``, the newest unasked; ``event`` is the decision that was just written.

    Raises:
        InputError: a question that cannot be read.
    """
    session, memory = reader.session, reader.memory
    ledger, snapshot = read_ledger(session, memory)
    listed = newest_assemblies(session.tracking)
    with_feedback = {item.iteration for item in session.tracking.feedback.batches()}
    newest = max([*with_feedback, *(item.iteration for item in listed)], default=None)
    iteration = asked.whole("iteration") or newest
    recorded = [item for item in reversed(listed) if item.sound and item.iteration <= (iteration or 0)][-LOOKED_BACK:]
    seen, unread = read_seen(session.tracking, recorded, memory.recall)
    themes = None
    if iteration in with_feedback and iteration is not None:
        try:
            themes = read_themes(session.tracking, iteration, memory)
        except FlywheelError as error:
            if is_trouble(error):
                raise
            unread = (*unread, error.what)
        if themes is None:
            unread = (*unread, f"nobody has grouped the feedback of iteration {iteration} into themes yet")
    now = session.now()
    items = rank(session.flywheel, iteration, themes.themes if themes else (), seen, snapshot, now) if iteration else ()
    state = ledger.tasks
    return priorities_page(
        PrioritiesFacts(
            iteration=iteration,
            items=items,
            unread=unread,
            spending=quarter_spending(session.flywheel, state, now=now),
            tasks=tuple(task for task in state.tasks.values() if task.withdrawn is None),
            ledger=ledger,
            refused=unsound(snapshot) if snapshot else "",
            now=now,
            addresses=reader.addresses,
            said=said(
                ledger.story,
                asked.whole("event", least=0),
                about=(item.number for item in ledger.story if item.kind in _KINDS),
            ),
        )
    )
