"""The interface graph: who feeds whom, with which exact version, and who is hit by a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from heapq import heapify, heappop, heappush
from itertools import combinations, count

from flywheel_mlflow.evidence.runs import InterfaceVersion, ProjectEvidence, is_rewrite
from flywheel_mlflow.evidence.schemas import missing_fields
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.interfaces import InterfaceIn


class EdgeState(StrEnum):
    """What the evidence says about one producer-consumer pair."""

    MATCHED = "matched"  # the consumer read exactly the version the producer made
    STALE = "stale"  # the consumer read another version
    UNREAD = "unread"  # a version exists, the consumer's run logged no such input
    UNVERSIONED = "unversioned"  # the producer logged no version
    NO_EVIDENCE = "no evidence"  # the consumer has no run


@dataclass(frozen=True, slots=True)
class Edge:
    """One interface from its producer to one consumer.

    Digests are the first 32 hex digits of a sha256, None where no version is known.
    ``missing`` are the needed fields the producer's schema does not provide in every row, or not with the type that was
    declared or that they had in the iteration before; None when there is no version to look at. ``same_records``: what
    was read holds the same records as what was made, in other files.
    """

    interface: str
    producer: str
    consumer: str
    from_iteration: str
    required: bool
    state: EdgeState
    made: str | None
    read: str | None
    missing: tuple[str, ...] | None
    same_records: bool = False


def producers(contracts: Iterable[Contract]) -> dict[str, str]:
    """Interface name -> id of the project that makes it; the first one where two claim to."""
    found: dict[str, str] = {}
    for contract in contracts:
        for out in contract.interfaces_out:
            found.setdefault(out.name, contract.id)
    return found


def circle_of(contracts: Iterable[Contract]) -> tuple[str, ...]:
    """A circle among the edges of one iteration as project ids, first repeated last; empty when none."""
    items = list(contracts)
    makers = producers(items)
    feeds = {
        contract.id: sorted(
            {
                makers[wanted.name]
                for wanted in contract.interfaces_in
                if wanted.from_iteration == "same" and wanted.name in makers
            }
        )
        for contract in items
    }
    done: set[str] = set()
    for start in sorted(feeds):
        path: list[str] = []
        stack = [(start, iter(feeds[start]))]
        path.append(start)
        while stack:
            node, rest = stack[-1]
            step = next((item for item in rest if item not in done), None)
            if step is None:
                done.add(node)
                stack.pop()
                path.pop()
            elif step in path:
                # ``feeds`` points from consumer to producer: turned round, data flows this way.
                return tuple(reversed([*path[path.index(step) :], step]))
            elif step in feeds:
                path.append(step)
                stack.append((step, iter(feeds[step])))
    return ()


def run_order(contracts: Iterable[Contract]) -> tuple[str, ...]:
    """Project ids, producers before the consumers of the same iteration, ties by id.

    The contracts must hold no circle (see ``circle_of``).
    """
    items = {contract.id: contract for contract in contracts}
    makers = producers(items.values())
    waiting = {
        project_id: {
            makers[wanted.name]
            for wanted in contract.interfaces_in
            if wanted.from_iteration == "same" and makers.get(wanted.name, project_id) != project_id
        }
        for project_id, contract in items.items()
    }
    order: list[str] = []
    while waiting:
        ready = sorted(project_id for project_id, needs in waiting.items() if not needs & waiting.keys())
        if not ready:
            raise ValueError(f"the contracts hold a circle among {sorted(waiting)}")
        order += ready
        for project_id in ready:
            del waiting[project_id]
    return tuple(order)


def id_origins(contracts: Iterable[Contract]) -> dict[frozenset[str], frozenset[str]]:
    """For every two interfaces those that the ids of both may come from, where there are any.

    These are the interfaces that both are made of, among them the two themselves, and all that the contracts say they
    share ids with. Lineage explains nothing between training and evaluation data, which share no record.
    """
    items = list(contracts)
    makers = producers(items)
    by_id = {contract.id: contract for contract in items}
    promises = {out.name: out for contract in items for out in contract.interfaces_out}

    def made_of(name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        found = {name}
        for wanted in by_id[makers[name]].interfaces_in if name in makers and name not in seen else ():
            # A feedback edge leads to an earlier version; followed further, all is made of all.
            same = wanted.from_iteration == "same"
            found |= made_of(wanted.name, seen | {name}) if same else {wanted.name}
        return frozenset(found)

    sources = {name: made_of(name) for name in promises}
    found: dict[frozenset[str], frozenset[str]] = {}
    for one, other in combinations(sorted(promises), 2):
        pair, sides = frozenset((one, other)), (promises[one], promises[other])
        if other in sides[0].shares_ids_with or one in sides[1].shares_ids_with:
            found[pair] = pair
        elif {side.role for side in sides} != {"training", "evaluation"} and (common := sources[one] & sources[other]):
            found[pair] = common
    return found


def edges(
    contracts: Mapping[str, Contract],
    evidence: Mapping[str, ProjectEvidence],
    previous: Mapping[str, ProjectEvidence],
) -> tuple[Edge, ...]:
    """Every declared edge, joined with the evidence on (interface name, digest).

    ``previous`` is the evidence of the iteration before, which feedback edges read from.
    """
    makers = producers(contracts.values())
    found = [
        _edge(contract, wanted, makers[wanted.name], evidence, previous)
        for contract in contracts.values()
        for wanted in contract.interfaces_in
        if wanted.name in makers
    ]
    return tuple(sorted(found, key=lambda edge: (edge.producer, edge.interface, edge.consumer)))


def _edge(
    contract: Contract,
    wanted: InterfaceIn,
    producer: str,
    evidence: Mapping[str, ProjectEvidence],
    previous: Mapping[str, ProjectEvidence],
) -> Edge:
    version = version_of((previous if wanted.from_iteration == "previous" else evidence).get(producer), wanted.name)
    before = version_of(previous.get(producer), wanted.name) if wanted.from_iteration == "same" else None
    consumer = evidence.get(contract.id)
    reads = {item.digest for item in consumer.interfaces_in if item.name == wanted.name} if consumer else set()
    if version is None:
        state = EdgeState.UNVERSIONED
    elif consumer is None:
        state = EdgeState.NO_EVIDENCE
    elif not reads:
        state = EdgeState.UNREAD
    else:
        state = EdgeState.MATCHED if version.digest in reads else EdgeState.STALE
    made = version.digest if version else None
    return Edge(
        interface=wanted.name,
        producer=producer,
        consumer=contract.id,
        from_iteration=wanted.from_iteration,
        required=wanted.required,
        state=state,
        made=made,
        read=made if made in reads else min(reads, default=None),
        missing=_missing(wanted, version, before),
        same_records=before is not None and reads == {before.digest} and is_rewrite(before, version),
    )


def _missing(
    wanted: InterfaceIn, version: InterfaceVersion | None, before: InterfaceVersion | None
) -> tuple[str, ...] | None:
    if version is None:
        return None
    return missing_fields(field_types(wanted.fields), version, before)


def version_of(evidence: ProjectEvidence | None, interface: str) -> InterfaceVersion | None:
    """The version of ``interface`` in a project's evidence, if there is one."""
    return evidence.interfaces_out.get(interface) if evidence else None


def rewritten(before: Mapping[str, ProjectEvidence], now: Mapping[str, ProjectEvidence]) -> tuple[str, ...]:
    """The interfaces that hold the same records as before in other files, by name."""
    old = {name: item for evidence in before.values() for name, item in evidence.interfaces_out.items()}
    new = {name: item for evidence in now.values() for name, item in evidence.interfaces_out.items()}
    return tuple(sorted(name for name, item in new.items() if is_rewrite(old.get(name), item)))


@dataclass(frozen=True, slots=True)
class Impact:
    """One project reached by a change, and the way there.

    ``turns`` counts the feedback edges on the way, each of which arrives one iteration later;
    ``distance`` counts all interfaces on the way.
    """

    project_id: str
    turns: int
    distance: int
    through: tuple[Edge, ...]


def impact(found: Iterable[Edge], start: Iterable[Edge]) -> tuple[Impact, ...]:
    """Every project downstream of the ``start`` edges, each once by its earliest, then shortest way.

    Earliest counts iterations of the flywheel: a flywheel is a circle, so over enough turns
    everything reaches everything, and what matters first is who is hit in this one.
    """
    by_producer: dict[str, list[Edge]] = {}
    for edge in found:
        by_producer.setdefault(edge.producer, []).append(edge)
    first = tuple(start)
    origins = {edge.producer for edge in first}
    reached: dict[str, Impact] = {}
    # Entries carry a running number, so that ways of equal cost are tried in the order found.
    numbers = count()
    queue: list[tuple[int, int, int, tuple[Edge, ...]]] = [(*_cost((edge,)), next(numbers), (edge,)) for edge in first]
    heapify(queue)
    while queue:
        turns, distance, _, way = heappop(queue)
        consumer = way[-1].consumer
        if consumer in reached or consumer in origins:
            continue
        reached[consumer] = Impact(consumer, turns, distance, way)
        for step in by_producer.get(consumer, []):
            heappush(queue, (*_cost((*way, step)), next(numbers), (*way, step)))
    return tuple(sorted(reached.values(), key=lambda item: (item.turns, item.distance, item.project_id)))


def _cost(way: tuple[Edge, ...]) -> tuple[int, int]:
    return sum(edge.from_iteration == "previous" for edge in way), len(way)


def reach(found: Iterable[Edge], project_ids: Iterable[str]) -> int:
    """How many other projects are downstream of the given ones within the same iteration, transitively."""
    everything = tuple(found)
    origins = set(project_ids)
    reached = impact(everything, [edge for edge in everything if edge.producer in origins])
    return sum(item.turns == 0 and item.project_id not in origins for item in reached)
