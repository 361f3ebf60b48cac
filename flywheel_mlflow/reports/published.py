"""Sets a published total against ours: whether they differ, by how much, whose values make the difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.base.names import REVIEW_COST
from flywheel_mlflow.tables.texts import with_unit

#: Our names of the totals that are compared, without their ``flywheel.``, as a reader calls them.
PUBLISHED_TOTALS = {"review_hours": "Manual review hours", REVIEW_COST: "Manual review cost"}

#: Published totals have two decimals, so the sum of the values behind one lies at most this far from it.
_ROUNDING = 0.005 + 1e-9

#: Beyond this many stated values the search for the ones behind a total would take too long (2^20 sums).
_MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """One published total beside ours, with a sentence that explains the difference."""

    title: str
    published: str
    ours: str
    explanation: str


def compare_published(assembly: Assembly, published: Mapping[str, object] | None) -> tuple[Comparison, ...]:
    """The published totals beside ours, in the order of ``PUBLISHED_TOTALS``; empty when nothing was published.

    ``published`` maps our names of the totals (``review_hours``, ``review_cost``) to the published values; what
    is not a finite number was never a total, and is passed over like names nobody here knows.
    """
    found = []
    for key, title in PUBLISHED_TOTALS.items():
        total = (published or {}).get(key)
        if isinstance(total, bool) or not isinstance(total, int | float) or not math.isfinite(total):
            continue
        metric = assembly.metrics[f"flywheel.{_name(assembly, key)}"]
        found.append(
            Comparison(
                title=title,
                published=with_unit(total, metric.unit),
                ours=with_unit(metric.value, metric.unit),
                explanation=_explain(assembly, key, float(total)),
            )
        )
    return tuple(found)


def _name(assembly: Assembly, key: str) -> str:
    """The name of a total in this flywheel: costs hold its currency."""
    return assembly.flywheel.blueprint.cost_name if key == REVIEW_COST else key


def _explain(assembly: Assembly, key: str, total: float) -> str:
    names = {project_id: f"{project_id}.cost.{_name(assembly, key)}" for project_id in assembly.registry}
    stated = {item: value for item, name in names.items() if (value := assembly.metrics.value(name)) is not None}
    if not stated:
        return "no project states any value here, so the published total cannot be traced"
    if abs(math.fsum(stated.values()) - total) <= _ROUNDING:
        return f"the same: both add up the values of {', '.join(stated)}"
    if len(stated) > _MOST_VALUES:
        return f"{len(stated)} projects state a value, too many to find those behind the published total"
    left_out = _left_out(stated, total)
    if not left_out:
        return "no choice of the projects' stated values adds up to the published total"
    if len(left_out) > 1:
        return f"{len(left_out)} different choices of the projects' stated values add up to the published total"
    unit = assembly.metrics[f"flywheel.{_name(assembly, key)}"].unit
    missing = "; ".join(
        f"{item} ({with_unit(stated[item], unit)}{_place(assembly, item, key)})" for item in left_out[0]
    )
    counted = [item for item in stated if item not in left_out[0]]
    places = sorted({path for item in counted if (path := _path(assembly, item, key))})
    where = f" at {', '.join(places)}" if places else ""
    return f"the published total adds up {', '.join(counted)}, stated{where}; it leaves out {missing}"


def _left_out(stated: Mapping[str, float], total: float) -> list[tuple[str, ...]]:
    """The smallest sets of projects without which the stated values add up to ``total``; several when they tie."""
    everything = math.fsum(stated.values())
    for size in range(1, len(stated)):
        fits = [
            chosen
            for chosen in combinations(stated, size)
            if abs(everything - math.fsum(stated[item] for item in chosen) - total) <= _ROUNDING
        ]
        if fits:
            return fits
    return []


def _path(assembly: Assembly, project_id: str, key: str) -> str | None:
    path: str | None = getattr(assembly.registry[project_id].contract.costs, key)
    return path


def _place(assembly: Assembly, project_id: str, key: str) -> str:
    path = _path(assembly, project_id, key)
    return f", stated at {path}" if path else ""
