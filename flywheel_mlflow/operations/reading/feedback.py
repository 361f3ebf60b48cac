"""Gathers the feedback board."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.evidence.owners import Owner, owners_of
from flywheel_mlflow.feedback.absorption import AbsorbedTask
from flywheel_mlflow.feedback.decisions import REROUTED
from flywheel_mlflow.feedback.tasks import AcceptedTask, TaskKind
from flywheel_mlflow.feedback.theme_corrections import CorrectionKind
from flywheel_mlflow.operations.assembly.iterations import newest_assemblies
from flywheel_mlflow.operations.deciding import LedgerSnapshot, is_trouble
from flywheel_mlflow.operations.feedback.pinned_tasks import releases_of
from flywheel_mlflow.operations.reading.feedback_events import Stored, check_wanted, page_of, queues_of, stored_events
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.refusals import unsound
from flywheel_mlflow.operations.reading.reporting import read_assembly, read_ledger, read_themes
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.deciding import said
from flywheel_mlflow.reports.pages.feedback import FeedbackBoardFacts, Ingestion, QueuesFacts, feedback_page
from flywheel_mlflow.reports.pages.feedback_events import EventsFacts, Wanted
from flywheel_mlflow.reports.pages.feedback_themes import ThemesFacts
from flywheel_mlflow.reports.pages.frame import Page

if TYPE_CHECKING:
    from flywheel_mlflow.assembly.recorded import RecordedAssembly
    from flywheel_mlflow.feedback.priority import Priority
    from flywheel_mlflow.feedback.recurring import Themes

#: Iterations whose assemblies are asked whether the tasks they absorbed helped, the newest first.
MOST_ABSORBING = 4
_KINDS = frozenset({REROUTED, *TaskKind, *CorrectionKind})


def feedback(reader: Reader, asked: PageQuery) -> Page:
    """The board of ``iteration``, the newest with feedback unasked, with a ``page`` of its events.

    ``project``, ``state`` and ``severity`` choose events; ``event`` is the decision that was just written.

    Raises:
        UnknownName: no such project. InputError: a question that cannot be read.
    """
    ledger, snapshot = read_ledger(reader.session, reader.memory)
    everything = reader.session.tracking.feedback.batches()
    turns = sorted({item.iteration for item in everything}, reverse=True)
    iteration = asked.whole("iteration") or (turns[0] if turns else None)
    mine = tuple(item for item in everything if item.iteration == iteration)
    listed = newest_assemblies(reader.session.tracking)
    themes = _themes(reader, ledger, snapshot, iteration, listed)
    wanted = check_wanted(
        reader.session.flywheel,
        Wanted(
            asked.word("project") or "",
            asked.word("state") or "",
            asked.word("severity") or "",
            asked.whole("page") or 1,
        ),
    )
    stored = stored_events(reader, snapshot, mine, themes) if iteration is not None and mine else None
    queues, events, unknown = _events(reader, ledger, snapshot, stored, wanted)
    return feedback_page(
        FeedbackBoardFacts(
            iterations=tuple(turns),
            iteration=iteration,
            ingestions=tuple(Ingestion(item.file, item.at, item.run_id, item.counts) for item in mine),
            queues=queues,
            events=events,
            unknown=unknown,
            themes=themes,
            ledger=ledger,
            now=reader.session.now(),
            addresses=reader.addresses,
            owners=_owners(reader),
            said=said(
                ledger.story,
                asked.whole("event", least=0),
                about=(item.number for item in ledger.story if item.kind in _KINDS),
            ),
        )
    )


def _closed(snapshot: LedgerSnapshot | None) -> str:
    """Why nothing is decided; deciding about feedback makes the ledger where there is none."""
    return unsound(snapshot) if snapshot else ""


def _events(
    reader: Reader, ledger: LedgerFacts, snapshot: LedgerSnapshot | None, stored: Stored | None, wanted: Wanted
) -> tuple[QueuesFacts | None, EventsFacts | None, str]:
    """Where the events go and one page of them; or why they cannot be read."""
    if stored is None:
        return None, None, "no event was taken in"
    try:
        queues = queues_of(reader, stored, ledger.tasks.tasks.values())
        total, rows = page_of(reader, stored, wanted)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return None, None, error.what
    events = EventsFacts(
        iteration=stored.iteration,
        wanted=wanted,
        total=total,
        rows=rows,
        projects=tuple(reader.session.flywheel.contracts),
        refused=_closed(snapshot),
        addresses=reader.addresses,
        owners=_owners(reader),
    )
    return queues, events, ""


def _owners(reader: Reader) -> Mapping[str, Owner]:
    flywheel = reader.session.flywheel
    return owners_of(flywheel.blueprint, flywheel.contracts, flywheel.contracts)


def _themes(
    reader: Reader,
    ledger: LedgerFacts,
    snapshot: LedgerSnapshot | None,
    iteration: int | None,
    listed: tuple[RecordedAssembly, ...],
) -> ThemesFacts:
    """The themes of the iteration as they were looked at last, with what became of them."""
    tasks = _concerned(ledger.tasks.tasks.values(), iteration)
    facts = ThemesFacts(
        themes=(),
        looked={},
        unknown="nobody has grouped the events of this iteration yet",
        priorities=(),
        state=ledger.tasks,
        tasks=tasks,
        helped=_helped(reader, tasks, listed),
        releases=releases_of(reader.session.tracking, snapshot),
        refused=_closed(snapshot),
        addresses=reader.addresses,
    )
    if iteration is None:
        return facts
    try:
        found = read_themes(reader.session.tracking, iteration, reader.memory)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return replace(facts, unknown=error.what)
    if found is None:
        return facts
    return replace(
        facts,
        themes=found.themes,
        looked=found.looked,
        unknown="",
        priorities=_priorities(reader, found, snapshot),
    )


def _priorities(reader: Reader, found: Themes, snapshot: LedgerSnapshot | None) -> tuple[Priority, ...]:
    from flywheel_mlflow.operations.feedback.theming import theme_priorities

    return theme_priorities(reader.session.flywheel, found, snapshot, reader.session.now())


def _concerned(tasks: Iterable[AcceptedTask], iteration: int | None) -> tuple[AcceptedTask, ...]:
    """The tasks made of an iteration's feedback, those it was to do, and those it absorbed."""
    return tuple(
        task
        for task in tasks
        if iteration in (task.theme_iteration, task.iteration, task.absorbed.iteration if task.absorbed else None)
    )


def _helped(
    reader: Reader, tasks: Iterable[AcceptedTask], listed: tuple[RecordedAssembly, ...]
) -> Mapping[str, AbsorbedTask]:
    """What the iterations that absorbed tasks showed about them; an assembly that cannot be read shows nothing."""
    turns = sorted({task.absorbed.iteration for task in tasks if task.absorbed}, reverse=True)[:MOST_ABSORBING]
    found: dict[str, AbsorbedTask] = {}
    for recorded in listed:
        if recorded.iteration not in turns:
            continue
        try:
            record = read_assembly(reader.session.tracking, recorded, reader.memory).record
        except FlywheelError as error:
            if is_trouble(error):
                raise
            continue
        found |= {item.task: item for item in (record.tasks.absorbed if record.tasks else ())}
    return found
