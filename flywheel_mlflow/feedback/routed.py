"""Stored events as they are routed now: by the rules of today, and above them by what people decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from flywheel_mlflow.feedback.decisions import RoutingDecision
from flywheel_mlflow.feedback.events import read_schema
from flywheel_mlflow.feedback.routing import REASON, RULE, TO, Router

if TYPE_CHECKING:
    import pyarrow as pa

    from flywheel_mlflow.records.ray_engine import RayCluster

#: The rule's name where a person decided.
BY_PERSON = "decided"
#: What the rules of today say, and what they said when the event came in.
RULES_TO, FIRST_TO, FIRST_RULE = "rules_to", "first_to", "first_rule"


def routed_now(
    stored: Iterable[pa.RecordBatch],
    router: Router,
    decisions: Mapping[str, RoutingDecision],
    cluster: RayCluster | None = None,
) -> Iterator[pa.RecordBatch]:
    """Stored batches with ``to``, ``rule`` and ``reason`` of today, routed here or by the workers of a ``cluster``.

    Behind them stand ``rules_to`` (without decisions), ``first_to`` and ``first_rule`` (as it came in).

    Raises:
        WorkerLost: workers of the cluster ended by themselves, again and again.
    """
    rules = router, dict(decisions)
    return cluster.map(_routed, rules, stored) if cluster else (_routed(rules, batch) for batch in stored)


def _routed(rules: tuple[Router, Mapping[str, RoutingDecision]], batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa

    router, decisions = rules
    own = read_schema().names
    routed = router.route(batch.select(own))
    by_rules = routed.column(TO)
    columns = {name: routed.column(name) for name in (*own, TO, RULE, REASON)}
    columns |= _decided(columns, decisions) if decisions else {}
    columns |= {RULES_TO: by_rules, FIRST_TO: batch.column(TO), FIRST_RULE: batch.column(RULE)}
    return pa.RecordBatch.from_pydict(columns)


def _decided(columns: Mapping[str, pa.Array], decisions: Mapping[str, RoutingDecision]) -> dict[str, pa.Array]:
    """The three routing columns with what people decided put over what the rules say."""
    import pyarrow as pa
    import pyarrow.compute as pc

    items = list(decisions.values())
    places = pc.index_in(columns["id"], pa.array([item.event_id for item in items], pa.string()))
    if places.null_count == len(places):
        return {}
    said = {
        TO: [item.to for item in items],
        RULE: [BY_PERSON] * len(items),
        REASON: [f"{item.actor}: {item.reason}" for item in items],
    }
    return {
        name: pc.coalesce(pa.array(values, pa.string()).take(places), columns[name]) for name, values in said.items()
    }


def changed(batch: pa.RecordBatch) -> int:
    """How many events of a routed batch the rules of today send elsewhere than the rules did when they came in."""
    now, then = (np.array(batch.column(name).fill_null("").to_pylist(), dtype=object) for name in (RULES_TO, FIRST_TO))
    return int((now != then).sum())
