"""What reuse saved, and what the flywheel remembers: each number from what it counts, unknown where nobody says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flywheels import collected_of, small_flywheel

from flywheel_mlflow.assembly.assembly import assemble
from flywheel_mlflow.assembly.memory import add_benefit, add_memory
from flywheel_mlflow.assembly.track_record import track_record
from flywheel_mlflow.base.quarters import REVIEWED
from flywheel_mlflow.decisions.ledger import Event, Identity
from flywheel_mlflow.decisions.risks import RiskKind
from flywheel_mlflow.evidence.provenance import Metrics, computed
from flywheel_mlflow.evidence.runs import CheckSummary

AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int, kind: str, hours: float = 0.0, **body: Any) -> Event:
    """An event so many hours after the first."""
    return Event(number, AT + timedelta(hours=hours), Identity("ann", "os"), kind, body, "", "", "", None, "")


def saved(spent: float | None, *readers: int) -> Metrics:
    """What reuse of the first project's interfaces saved, where its review took so many hours."""
    assembly = assemble(small_flywheel(), collected_of(small_flywheel()))
    producer = next(iter(assembly.registry))
    metrics = Metrics()
    for name in ("review_hours", "review_cost"):
        metrics.add(computed(f"{producer}.cost.{name}", spent, "hours", "stated", note="nobody says"))
    add_benefit(assembly.registry, [(f"i{n}", producer, count) for n, count in enumerate(readers)], None, metrics)
    return metrics


def test_each_reader_but_the_first_saves_the_review() -> None:
    """Three readers save it twice; what is made once and read once saves nothing, which is said."""
    assert saved(4.0, 3).value("flywheel.reuse_hours_saved") == 8.0
    assert saved(4.0, 2, 3).value("flywheel.reuse_hours_saved") == 12.0
    alone = saved(4.0, 1)["flywheel.reuse_hours_saved"]
    assert alone.value is None
    assert alone.note == "no interface version is read by two projects yet"


def test_a_review_nobody_states_saves_an_unknown_amount() -> None:
    """Never 0, and whose it is stands there."""
    found = saved(None, 3)["flywheel.reuse_hours_saved"]
    assert found.value is None
    assert "whose review nobody states" in found.note


def test_problems_are_those_of_this_iterations_runs() -> None:
    """Failed, warned and broken checks count; what was carried was exposed before."""
    wheel = small_flywheel()
    assembly = assemble(wheel, collected_of(wheel))
    names = [name for name, entry in assembly.registry.items() if entry.evidence and not entry.contract.is_assembly]
    checks = CheckSummary(passed=1, failed=2, skipped=0, error=1, not_passed={}, required={}, digest="", warned=3)

    def exposed(carried_from: int | None) -> Any:
        registry = dict(assembly.registry)
        entry = registry[names[0]]
        assert entry.evidence is not None
        worse = replace(entry.evidence, checks=checks, carried_from=carried_from)
        registry[names[0]] = replace(entry, evidence=worse)
        metrics = Metrics()
        add_memory(registry, wheel.blueprint, track_record(()), metrics)
        return metrics.value("flywheel.problems_exposed")

    assert exposed(None) == 6
    assert exposed(1) == 0


def test_the_ledger_says_what_is_recognised_and_kept() -> None:
    """One risk seen twice is one; a quarter reviewed twice is one; nobody explained drift is unknown."""
    events = [
        event(0, RiskKind.SEEN, topic="drift/p01"),
        event(1, RiskKind.SEEN, topic="drift/p01"),
        event(2, RiskKind.SEEN, topic="budget/models"),
        event(3, REVIEWED, quarter="2026Q1"),
        event(4, REVIEWED, quarter="2026Q1"),
    ]
    record = track_record(events)
    assert (record.recognised, record.reviews, record.localisation_hours) == (2, 1, None)


@pytest.mark.parametrize("name", ["self_recognised_failures", "control_points_in_boundaries", "rhythms_kept"])
def test_every_assembly_has_them(name: str) -> None:
    """They are numbers of each iteration, so that pages show them over iterations."""
    wheel = small_flywheel()
    assert assemble(wheel, collected_of(wheel)).metrics.value(f"flywheel.{name}") is not None
