"""Finds the iteration a page is about, and what its assembly says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flywheel_mlflow.assembly import RecordedAssembly
from flywheel_mlflow.errors import UnknownName
from flywheel_mlflow.operations.browsing.reader import Reader
from flywheel_mlflow.operations.reporting import (
    MOST_ITERATIONS,
    ReadAssembly,
    gather_page_facts,
    gather_record_facts,
    read_assembly,
)
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.pages.links import Links

#: Assemblies read to find the newest iterations: a page tells at most :data:`MOST_ITERATIONS` of them, and an iteration
#: is seldom assembled more than twice.
MOST_ASSEMBLIES = 2 * MOST_ITERATIONS


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


def list_turns(reader: Reader) -> tuple[RecordedAssembly, ...]:
    """The assembly that counts of each of the newest iterations, newest iteration first."""
    return counted(reader.desk.tracking.assemblies.listed(most=MOST_ASSEMBLIES))


def counted(found: Iterable[RecordedAssembly]) -> tuple[RecordedAssembly, ...]:
    """Of each iteration the newest valid assembly, else the newest that contradicts itself; newest iteration first.

    ``found`` is newest first.
    """
    chosen: dict[int, RecordedAssembly] = {}
    for item in found:
        if item.iteration not in chosen or (item.sound and not chosen[item.iteration].sound):
            chosen[item.iteration] = item
    return tuple(chosen[turn] for turn in sorted(chosen, reverse=True))


def find_turn(reader: Reader, iteration: int | None) -> Turn | None:
    """An iteration, the newest one unasked; None when nothing was assembled yet.

    Raises:
        UnknownName: that iteration was never assembled.
    """
    listed = list_turns(reader)
    if not listed:
        if iteration is not None:
            raise UnknownName("iteration", str(iteration), ())
        return None
    newest = listed[0].iteration
    if iteration is None or iteration == newest:
        return Turn(listed[0], _before(listed, newest), newest)
    store = reader.desk.tracking.assemblies
    found = store.recorded(iteration) or store.recorded(iteration, contradictory=True)
    if found is None:
        raise UnknownName("iteration", str(iteration), [str(item.iteration) for item in listed])
    before = _before(listed, iteration)
    if len(before) < MOST_ITERATIONS - 1 and min(item.iteration for item in listed) > 1:
        before = _older(reader, found)
    return Turn(found, before, newest)


def _before(listed: Iterable[RecordedAssembly], iteration: int) -> tuple[RecordedAssembly, ...]:
    return tuple(
        item for item in sorted(listed, key=lambda i: i.iteration) if item.iteration < iteration and item.sound
    )


def _older(reader: Reader, found: RecordedAssembly) -> tuple[RecordedAssembly, ...]:
    """The iterations before one that is not among the newest: those assembled before it was."""
    listed = reader.desk.tracking.assemblies.listed(most=MOST_ASSEMBLIES, ended_before=found.ended)
    return _before(counted(listed), found.iteration)


def links_of(reader: Reader, experiment: str = "", *, iteration: int | None = None) -> Links:
    """Where the names on a page lead; ``experiment`` is that of the assembly."""
    found = reader.desk.tracking.collector.experiments() | ({"": experiment} if experiment else {})
    return Links(reader.addresses, iteration, found)


def links_at(reader: Reader, turn: Turn) -> Links:
    """Where the names on a page about an iteration lead: to the same iteration, unless it is the newest."""
    iteration = None if turn.is_newest else turn.recorded.iteration
    return links_of(reader, turn.recorded.experiment_id, iteration=iteration)


def facts_at(reader: Reader, turn: Turn) -> DashboardFacts:
    """Everything about an iteration."""
    return gather_page_facts(reader.desk, turn.recorded, turn.earlier, reader.memory, links=links_at(reader, turn))


def record_facts_at(reader: Reader, turn: Turn) -> DashboardFacts:
    """What an iteration's assembly recorded, for pages that tell nothing of drift, decisions and feedback."""
    return gather_record_facts(reader.desk, turn.recorded, turn.earlier, reader.memory, links=links_at(reader, turn))


def record_at(reader: Reader, turn: Turn) -> ReadAssembly:
    """What an iteration's assembly recorded, and nothing else."""
    return read_assembly(reader.desk.tracking, turn.recorded, reader.memory)
