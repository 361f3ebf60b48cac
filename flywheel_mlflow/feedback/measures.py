"""Numbers about feedback as a whole: shares that are unroutable or misrouted, and ages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from flywheel_mlflow.feedback.decisions import RoutingDecision

if TYPE_CHECKING:
    import pyarrow as pa

_DAY_US = 86_400_000_000


def unroutable_rate(to: pa.Array | pa.ChunkedArray) -> float | None:
    """The share of events that go nowhere (0..1, lower is better); None without events."""
    return to.null_count / len(to) if len(to) else None


def misroute_rate(
    ids: pa.Array | pa.ChunkedArray, rules_to: pa.Array | pa.ChunkedArray, decisions: Mapping[str, RoutingDecision]
) -> float | None:
    """The share of events the rules sent somewhere that a person sent elsewhere (0..1, lower is better).

    An unroutable event that a person placed is no misroute: the rules made no claim. None without routed events.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    claimed: int = len(rules_to) - rules_to.null_count
    if not claimed:
        return None
    items = list(decisions.values())
    places = pc.index_in(ids, pa.array([item.event_id for item in items], pa.string()))
    decided = pa.array([item.to for item in items], pa.string()).take(_whole(places))
    misrouted = int(pc.sum(pc.not_equal(decided, _whole(rules_to))).as_py() or 0)
    return misrouted / claimed


@dataclass(frozen=True, slots=True)
class Age:
    """How long events have been waiting, in days."""

    median: float
    p90: float
    oldest: float


def age(times: pa.Array | pa.ChunkedArray, now: datetime) -> Age | None:
    """The age at ``now`` of the events observed at ``times`` (UTC microseconds); None without events.

    An event dated in the future is 0 days old.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy

    if not len(times):
        return None
    seen = as_numpy(pc.cast(_whole(times), pa.int64()))
    days = np.maximum(int(now.timestamp() * 1_000_000) - seen, 0) / _DAY_US
    return Age(float(np.median(days)), float(np.quantile(days, 0.9)), float(days.max()))


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column
