"""Tests of the interface graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import pytest
from flywheels import collected_of, contract, evidence_of, small_flywheel, version
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.lineage import (
    Edge,
    EdgeState,
    circle_of,
    edges,
    impact,
    producers,
    reach,
    rewritten,
    run_order,
)
from flywheel_mlflow.evidence.runs import ConsumedInterface, FieldType, InterfaceVersion
from flywheel_mlflow.promises.contract import Contract

NAMES = [f"p{number}" for number in range(6)]
Pair = tuple[str, str]

pairs = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=9)


def contracts_of(same: Iterable[Pair], previous: Iterable[Pair] = ()) -> list[Contract]:
    """Contracts of six projects; a pair is (producer, consumer)."""
    wanted: dict[str, dict[str, str]] = {name: {} for name in NAMES}
    for turn, found in (("previous", previous), ("same", same)):
        for producer, consumer in found:
            wanted[consumer][f"{producer}_data"] = turn
    return [
        contract(name, interfaces_in=[{"name": item, "from_iteration": turn} for item, turn in sorted(needs.items())])
        for name, needs in wanted.items()
    ]


def graph_of(found: Iterable[Pair]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {name: set() for name in NAMES}
    for producer, consumer in found:
        graph[consumer].add(producer)
    return graph


@given(pairs, pairs)
def test_a_circle_is_found_exactly_when_there_is_one(same: set[Pair], previous: set[Pair]) -> None:
    """The circle named is one: data flows along each of its steps; feedback edges never count."""
    circle = circle_of(contracts_of(same, previous))
    try:
        TopologicalSorter(graph_of(same)).prepare()
    except CycleError:
        assert circle[0] == circle[-1]
        assert all(step in same for step in pairwise(circle))
    else:
        assert circle == ()


@given(pairs)
def test_producers_run_before_their_consumers(same: set[Pair]) -> None:
    """The order holds every project once and respects every edge; a circle has no order."""
    contracts = contracts_of(same)
    others = {pair for pair in same if pair[0] != pair[1]}
    try:
        TopologicalSorter(graph_of(others)).prepare()
    except CycleError:
        with pytest.raises(ValueError, match="circle"):
            run_order(contracts)
        return
    order = run_order(contracts)
    assert sorted(order) == NAMES
    assert all(order.index(producer) < order.index(consumer) for producer, consumer in others)
    assert run_order(reversed(contracts)) == order


def drawn(found: Iterable[tuple[str, str, bool]]) -> list[Edge]:
    return [
        Edge(f"{a}_data", a, b, "previous" if late else "same", True, EdgeState.UNREAD, None, None, None)
        for a, b, late in sorted(found)
    ]


def cheapest_ways(found: list[Edge], origins: set[str]) -> dict[str, tuple[int, int]]:
    """(turns, interfaces) to every project, by trying until nothing gets cheaper."""
    best = dict.fromkeys(origins, (0, 0))
    for _ in NAMES:
        for edge in found:
            if edge.producer in best:
                turns, distance = best[edge.producer]
                way = (turns + (edge.from_iteration == "previous"), distance + 1)
                best[edge.consumer] = min(way, best.get(edge.consumer, way))
    return {name: cost for name, cost in best.items() if name not in origins}


@given(st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.booleans()), max_size=14))
def test_impact_is_everything_downstream_by_the_cheapest_way(found: set[tuple[str, str, bool]]) -> None:
    """Each project is reached once, by its earliest and then shortest way, and the way is real."""
    graph = drawn(found)
    hit = impact(graph, (edge for edge in graph if edge.producer == "p0"))
    expected = cheapest_ways(graph, {"p0"})
    assert {item.project_id: (item.turns, item.distance) for item in hit} == expected
    assert list(hit) == sorted(hit, key=lambda item: (item.turns, item.distance, item.project_id))
    for item in hit:
        assert item.through[0].producer == "p0"
        assert item.through[-1].consumer == item.project_id
        assert all(one.consumer == two.producer for one, two in pairwise(item.through))


@given(
    st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.just(False)), max_size=14),
    st.sets(st.sampled_from(NAMES)),
)
def test_reach_counts_the_others_downstream(found: set[tuple[str, str, bool]], origins: set[str]) -> None:
    """The projects asked about are never counted themselves."""
    assert reach(iter(drawn(found)), origins) == len(cheapest_ways(drawn(found), origins))


def states(*, reads: str = "", made: bool = True, runs: bool = True) -> Edge:
    wheel = small_flywheel()
    evidence = dict(collected_of(wheel, "p01").evidence) if made else {}
    if runs:
        inputs = (ConsumedInterface("p01_data", reads * 32),) if reads else ()
        evidence["p02"] = evidence_of(wheel.contracts["p02"], interfaces_in=inputs)
    return next(
        edge for edge in edges(wheel.contracts, evidence, {}) if (edge.producer, edge.consumer) == ("p01", "p02")
    )


def test_an_edge_is_in_one_of_five_states() -> None:
    """Matched only when the consumer read exactly the producer's version; unknown is never a match."""
    assert states(reads="a").state is EdgeState.MATCHED
    assert states(reads="b").state is EdgeState.STALE
    assert states(reads="b").read == "b" * 32
    assert states().state is EdgeState.UNREAD
    assert states(made=False, reads="a").state is EdgeState.UNVERSIONED
    assert states(runs=False).state is EdgeState.NO_EVIDENCE
    assert states(made=False).missing is None


def test_a_feedback_edge_joins_the_version_of_the_turn_before() -> None:
    """What the producer makes in this iteration is not what its feedback consumer read."""
    wheel = small_flywheel()
    read = (ConsumedInterface("p10_data", "b" * 32),)
    now = {"p03": evidence_of(wheel.contracts["p03"], interfaces_in=read)}
    gate = wheel.contracts["p10"]
    now["p10"] = evidence_of(gate, interfaces_out={"p10_data": version("p10_data", "c")})
    before = {"p10": evidence_of(gate, interfaces_out={"p10_data": version("p10_data", "b")})}
    for earlier, state in ((before, EdgeState.MATCHED), (now, EdgeState.STALE), ({}, EdgeState.UNVERSIONED)):
        found = edges(wheel.contracts, now, earlier)
        assert next(edge for edge in found if edge.producer == "p10").state is state


def test_data_written_anew_are_told_from_other_data() -> None:
    """The same records in other files are a rewrite; other records, or records nobody took a digest of, are not."""
    wheel = small_flywheel()
    reads = (ConsumedInterface("p01_data", "a" * 32),)

    def stale(then: str, now: str) -> tuple[Edge, tuple[str, ...]]:
        made = {"p01": evidence_of(wheel.contracts["p01"], interfaces_out={"p01_data": dated("b", now)})}
        before = {"p01": evidence_of(wheel.contracts["p01"], interfaces_out={"p01_data": dated("a", then)})}
        made["p02"] = evidence_of(wheel.contracts["p02"], interfaces_in=reads)
        (edge,) = [item for item in edges(wheel.contracts, made, before) if item.consumer == "p02"]
        return edge, rewritten(before, made)

    def dated(digest: str, records: str) -> InterfaceVersion:
        return replace(version("p01_data", digest), records_digest=records)

    assert stale("r", "r")[0].state is EdgeState.STALE
    assert (stale("r", "r")[0].same_records, stale("r", "r")[1]) == (True, ("p01_data",))
    for then, now in (("r", "s"), ("", ""), ("", "r"), ("r", "")):
        assert (stale(then, now)[0].same_records, stale(then, now)[1]) == (False, ())


def test_missing_fields_are_those_not_in_every_row() -> None:
    """A field the producer lacks, or has only sometimes, is missing for the consumer that needs it."""
    wheel = small_flywheel()
    fields = (FieldType("id", "string", True), FieldType("content", "string", False))
    made = evidence_of(wheel.contracts["p01"], interfaces_out={"p01_data": version("p01_data", fields=fields)})
    (edge,) = [item for item in edges(wheel.contracts, {"p01": made}, {}) if item.consumer == "p02"]
    assert edge.missing == ("content",)


def test_every_declared_edge_is_there_in_a_fixed_order() -> None:
    """Each input that somebody makes is one edge, whatever order the contracts came in."""
    wheel = small_flywheel()
    found = edges(wheel.contracts, {}, {})
    assert len(found) == 6
    assert edges(dict(reversed(list(wheel.contracts.items()))), {}, {}) == found
    assert producers(wheel.contracts.values())["p10_data"] == "p10"
