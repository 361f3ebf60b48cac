"""Finds the iteration a page is about, and what its assembly says."""

from __future__ import annotations

from dataclasses import dataclass

from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import UnknownName
from flywheel_mlflow.operations.assembly.iterations import assemblies_before, newest_assemblies
from flywheel_mlflow.operations.reading.reader import Reader
from flywheel_mlflow.operations.reading.reporting import (
    ReadAssembly,
    gather_page_facts,
    gather_record_facts,
    read_assembly,
)
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.tables.links import Links


@dataclass(frozen=True, slots=True)
class Turn:
    """An assembled iteration: the assembly that counts, and those of valid earlier iterations, oldest first.

    ``newest`` is the newest iteration there is.
    """

    recorded: RecordedAssembly
    earlier: tuple[RecordedAssembly, ...]
    newest: int

    @property
    def is_newest(self) -> bool:
        """Whether no later iteration was assembled."""
        return self.recorded.iteration >= self.newest


def find_turn(reader: Reader, iteration: int | None, newest: tuple[RecordedAssembly, ...] | None = None) -> Turn | None:
    """An iteration, the newest one unasked; None when nothing was assembled yet.

    ``newest`` are those of :func:`newest_assemblies`, where the page asked for them already.

    Raises:
        UnknownName: that iteration was never assembled.
    """
    tracking = reader.session.tracking
    listed = newest_assemblies(tracking) if newest is None else newest
    if not listed:
        if iteration is not None:
            raise UnknownName("iteration", str(iteration), ())
        return None
    if iteration is None or iteration == listed[0].iteration:
        found: RecordedAssembly | None = listed[0]
    else:
        store = tracking.assemblies
        found = store.recorded(iteration) or store.recorded(iteration, contradictory=True)
    if found is None:
        raise UnknownName("iteration", str(iteration), [str(item.iteration) for item in listed])
    return Turn(found, assemblies_before(tracking, found, listed), listed[0].iteration)


def links_of(reader: Reader, experiment: str = "", *, iteration: int | None = None) -> Links:
    """Where the names on a page lead; ``experiment`` is that of the assembly."""
    found = reader.session.tracking.collector.experiments() | ({"": experiment} if experiment else {})
    return Links(reader.addresses, iteration, found)


def links_at(reader: Reader, turn: Turn) -> Links:
    """Where the names on a page about an iteration lead: to the same iteration, unless it is the newest."""
    iteration = None if turn.is_newest else turn.recorded.iteration
    return links_of(reader, turn.recorded.experiment_id, iteration=iteration)


def facts_at(reader: Reader, turn: Turn) -> DashboardFacts:
    """Everything about an iteration."""
    return gather_page_facts(reader.session, turn.recorded, turn.earlier, reader.memory, links=links_at(reader, turn))


def record_facts_at(reader: Reader, turn: Turn) -> DashboardFacts:
    """What an iteration's assembly recorded, for pages that tell nothing of drift, decisions and feedback."""
    return gather_record_facts(reader.session, turn.recorded, turn.earlier, reader.memory, links=links_at(reader, turn))


def record_at(reader: Reader, turn: Turn) -> ReadAssembly:
    """What an iteration's assembly recorded, and nothing else."""
    return read_assembly(reader.session.tracking, turn.recorded, reader.memory)
