"""Where an event's data came from: the interface it names, who makes that, and what it is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    import pyarrow as pa

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Origins:
    """The interfaces of a flywheel: who makes each, and from which it is made over any number of steps.

    ``built_on`` holds the interface itself, and follows inputs of the same iteration: over feedback edges everything is
    made from everything.
    """

    producers: Mapping[str, str]
    built_on: Mapping[str, frozenset[str]]

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The names, sorted; codes count along them."""
        return tuple(sorted(self.producers))


def origins_of(contracts: Iterable[Contract]) -> Origins:
    """The origins that the contracts declare."""
    items = {contract.id: contract for contract in contracts}
    makers = producers(items.values())

    def inputs(interface: str) -> list[str]:
        wanted = items[makers[interface]].interfaces_in
        return [item.name for item in wanted if item.from_iteration == "same" and item.name in makers]

    found = {}
    for name in makers:
        reached, waiting = {name}, [name]
        while waiting:
            for source in inputs(waiting.pop()):
                if source not in reached:
                    reached.add(source)
                    waiting.append(source)
        found[name] = frozenset(reached)
    return Origins(makers, found)


def named_interface(events: pa.RecordBatch, interfaces: tuple[str, ...]) -> Codes:
    """For each event the position in ``interfaces`` of the one it names, else of its first record that does; else -1.

    A record names its interface in front: ``INTERFACE/ID``.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy

    known = pa.array(interfaces, pa.string())
    codes = _positions(events.column("interface"), known)
    records = events.column("record_ids")
    if records.null_count < len(records):
        values = pc.list_flatten(records)
        prefixes = pc.list_element(pc.split_pattern(values, "/", max_splits=1), 0) if len(values) else values
        positions = _positions(prefixes, known)
        parents = as_numpy(pc.list_parent_indices(records))
        first = np.full(len(codes), -1, dtype=np.int64)
        # Backwards, so that the first record of an event is the one that stays.
        good = np.flatnonzero(positions >= 0)[::-1]
        first[parents[good]] = positions[good]
        codes = np.where(codes >= 0, codes, first)
    return codes


def _positions(column: pa.Array, known: pa.Array) -> Codes:
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy

    return as_numpy(pc.index_in(column, known), -1).astype(np.int64)
