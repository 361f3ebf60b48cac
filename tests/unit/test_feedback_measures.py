"""Numbers about feedback, and decisions above the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from feedback_columns import batch, router, row

from flywheel_mlflow.feedback.decisions import RoutingDecision, in_force
from flywheel_mlflow.feedback.measures import age, misroute_rate, unroutable_rate
from flywheel_mlflow.feedback.routed import changed, routed_now

NOW = datetime(2026, 10, 11, 12, tzinfo=UTC)
IDS = pa.array(["a", "b", "c", "d"])
TO = pa.array(["p01", "p01", None, "p02"])


def decision(event_id: str, to: str, *, hours: int = 0) -> RoutingDecision:
    return RoutingDecision(event_id, to, "so", "ana", NOW + timedelta(hours=hours))


def test_rates_count_what_they_say() -> None:
    """Unroutable over all; misrouted over what the rules claimed."""
    assert unroutable_rate(TO) == 0.25
    assert misroute_rate(IDS, TO, in_force([decision("a", "p02")])) == pytest.approx(1 / 3)


def test_placing_an_unroutable_event_or_agreeing_is_no_misroute() -> None:
    """The rules claimed nothing about the first, and were right about the second."""
    assert misroute_rate(IDS, TO, in_force([decision("c", "p02"), decision("d", "p02")])) == 0.0


def test_unknown_is_not_zero() -> None:
    """Without events, or without routed events, there is no rate."""
    none = pa.array([None], pa.string())
    empty = pa.array([], pa.string())
    assert unroutable_rate(empty) is None
    assert misroute_rate(pa.array(["a"]), none, {}) is None
    assert age(pa.array([], pa.timestamp("us", "UTC")), NOW) is None


def test_age_is_in_days_and_never_below_zero() -> None:
    """From the time of the observation; one dated in the future is new."""
    times = pa.array(
        [NOW - timedelta(days=4), NOW - timedelta(days=2), NOW + timedelta(days=9)], pa.timestamp("us", "UTC")
    )
    found = age(times, NOW)
    assert found is not None
    assert (found.median, found.oldest) == (2.0, 4.0)


def test_the_newest_decision_counts() -> None:
    """Somebody may change their mind; earlier words stay on record."""
    found = in_force([decision("a", "p05", hours=2), decision("a", "p02", hours=1)])
    assert found["a"].to == "p05"


def test_a_decision_stands_above_the_rules() -> None:
    """The event goes where the person said; what the rules say, and said when it came in, stays beside it."""
    rules = router({"id": "chart", "to": "p05", "when": [{"any_words": ["chart"]}]})
    before = router({"id": "old", "to": "p01", "when": [{"any_words": ["chart"]}]})
    stored = before.route(batch(row(1, text="chart"), row(2, text="chart"), row(3)))
    now = next(routed_now([stored], rules, {"e1": decision("e1", "p02")}))
    shown = [
        (item["to"], item["rule"], item["rules_to"], item["first_to"], item["first_rule"]) for item in now.to_pylist()
    ]
    assert shown == [
        ("p02", "decided", "p05", "p01", "old"),
        ("p05", "chart", "p05", "p01", "old"),
        (None, None, None, None, None),
    ]
    assert now.to_pylist()[0]["reason"] == "ana: so"
    assert changed(now) == 2
