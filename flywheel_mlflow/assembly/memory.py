"""What reuse saved, and what the flywheel remembers: assets, recognised failures, boundaries, problems, rhythms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from flywheel_mlflow.assembly.track_record import TrackRecord
from flywheel_mlflow.base.names import REUSE_COST, cost_name
from flywheel_mlflow.evidence.provenance import Metrics, Source, computed
from flywheel_mlflow.evidence.registry import RegistryEntry
from flywheel_mlflow.promises.blueprint import Blueprint

#: The numbers of this module, as people look at them; the money saved is called by its currency.
MEMORY_METRICS = (
    "reuse_hours_saved",
    "interface_version_count",
    "self_recognised_failures",
    "control_points_in_boundaries",
    "problems_exposed",
    "rhythms_kept",
    "localisation_hours",
)


def add_benefit(
    registry: Mapping[str, RegistryEntry],
    reused: Iterable[tuple[str, str, int]],
    currency: str | None,
    metrics: Metrics,
) -> None:
    """Add what reuse saved, in hours and money.

    ``reused`` are interfaces that several projects read: name, producer, and how many read this very version. Each
    reader but the first is taken to save what the producer spent on its review, shared over the interfaces it makes.
    """
    found = tuple(reused)
    for name, unit, part in (
        ("reuse_hours_saved", "hours", "review_hours"),
        (cost_name(currency, REUSE_COST), currency or "money", cost_name(currency)),
    ):
        saved: list[float] = []
        inputs: list[str] = []
        silent: list[str] = []
        for _, producer, readers in found:
            spent = metrics.value(f"{producer}.cost.{part}")
            if readers < 2:
                continue
            if spent is None:
                silent.append(producer)
                continue
            made = sum(item.version is not None for item in registry[producer].interfaces)
            saved.append((readers - 1) * spent / made)
            inputs.append(f"{producer}.cost.{part}")
        metrics.add(
            computed(
                f"flywheel.{name}",
                round(math.fsum(saved), 6) if saved else None,
                unit,
                "each reader of an interface but the first is taken to save its producer's review, shared over the "
                "interfaces that it made",
                inputs=tuple(dict.fromkeys(inputs)),
                note="; ".join(_unsaid(saved, silent)),
            )
        )


def _unsaid(saved: list[float], silent: list[str]) -> Iterator[str]:
    if silent:
        yield f"unknown of {', '.join(dict.fromkeys(silent))}, whose review nobody states"
    elif not saved:
        yield "no interface version is read by two projects yet"


def add_memory(
    registry: Mapping[str, RegistryEntry], blueprint: Blueprint, record: TrackRecord, metrics: Metrics
) -> None:
    """Add what the flywheel remembers; what the ledger says is as it was when this iteration's evidence ended."""
    ledger = Source("ledger", "the decisions by then")
    plan = Source("blueprint", "flywheel.yaml", digest=blueprint.digest)
    exposed = [
        item.evidence.checks.failed + item.evidence.checks.error + item.evidence.checks.warned
        for item in registry.values()
        if item.evidence is not None and item.evidence.carried_from is None and not item.contract.is_assembly
    ]
    enforced = {name for boundary in blueprint.boundaries for name in boundary.enforced_by}
    held = sum(not enforced.isdisjoint(point.criteria) for point in blueprint.control_points)
    for name, value, unit, rule, source, note in (
        (
            "self_recognised_failures",
            record.recognised,
            "count",
            "risks that the flywheel opened by itself, up to the end of this evidence",
            ledger,
            "",
        ),
        ("control_points_in_boundaries", held, "count", "control points whose criteria a boundary names", plan, ""),
        (
            "problems_exposed",
            sum(exposed) if exposed else None,
            "count",
            "checks that failed, warned or could not run in the runs of this iteration",
            Source("runs", "this iteration"),
            "" if exposed else "no run was made in this iteration",
        ),
        (
            "rhythms_kept",
            record.reviews,
            "count",
            "quarters that were reviewed, up to the end of this evidence",
            ledger,
            "",
        ),
        (
            "localisation_hours",
            record.localisation_hours,
            "hours",
            "median time from a release to the first explanation of its drift, up to the end of this evidence",
            ledger,
            "" if record.localisation_hours is not None else "nobody had explained drift by then",
        ),
    ):
        metrics.add(computed(f"flywheel.{name}", value, unit, rule, source=source, note=note))
