"""Finds the iteration a page is about, and what its assembly says."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

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
#: For how long assemblies other than the newest are believed to be there still. New ones are seen at once; one that
#: somebody deletes leaves the lists of iterations after this time.
BELIEVED = timedelta(minutes=5)
#: An assembly ends a moment before it gets the mark by which it counts.
MARKED_WITHIN = timedelta(minutes=1)


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


class _Seen:
    """The newest assemblies of a flywheel as a process saw them last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, RecordedAssembly] = {}
        self._read_at: datetime | None = None

    def look(self, reader: Reader) -> tuple[RecordedAssembly, ...]:
        """The newest assemblies: those that ended lately are asked for each time, all of them now and then."""
        store, now = reader.desk.tracking.assemblies, reader.desk.now()
        with self._lock:
            known, read_at = dict(self._found), self._read_at
        newest = max((item.ended for item in known.values() if item.ended), default=None)
        if newest is not None and read_at is not None and now - read_at < BELIEVED:
            fresh = {
                item.run_id: item for item in store.listed(most=MOST_ASSEMBLIES, ended_from=newest - MARKED_WITHIN)
            }
            late = {name for name, item in known.items() if item.ended and item.ended >= newest - MARKED_WITHIN}
            if late <= fresh.keys() and len(fresh) < MOST_ASSEMBLIES:
                with self._lock:
                    self._found = _newest({**known, **fresh})
                    return tuple(self._found.values())
        # The first time, after a while, or where the newest one is gone: then others may be as well.
        whole = {item.run_id: item for item in store.listed(most=MOST_ASSEMBLIES)}
        with self._lock:
            self._found, self._read_at = whole, now
        return tuple(whole.values())


def _newest(found: dict[str, RecordedAssembly]) -> dict[str, RecordedAssembly]:
    ordered = sorted(found.values(), key=lambda item: item.ended.timestamp() if item.ended else 0.0, reverse=True)
    return {item.run_id: item for item in ordered[:MOST_ASSEMBLIES]}


def list_turns(reader: Reader) -> tuple[RecordedAssembly, ...]:
    """The assembly that counts of each of the newest iterations, newest iteration first."""
    seen = reader.memory.recall(("assemblies", reader.desk.flywheel.name), _Seen)
    return counted(seen.look(reader))


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
        before = reader.memory.recall(("before", found.run_id), lambda: _older(reader, found))
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
