"""Numbers that remember what they were computed from, so that any of them can be explained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from flywheel_mlflow.base.errors import AssemblyError, UnknownName
from flywheel_mlflow.base.names import without_currency

#: Which way is better.
Direction = Literal["higher", "lower"]

_HIGHER: Direction = "higher"
_LOWER: Direction = "lower"
#: Which way is better for every number this package computes; None is neither. Those of the whole have their full
#: names, those of projects and stages what follows the project or stage; costs stand without their currency. A KPI's
#: direction is in its contract.
DIRECTIONS: Mapping[str, Direction | None] = {
    **dict.fromkeys((".score", ".check_pass_rate", ".kpi_attainment", ".contract_conformity"), _HIGHER),
    **dict.fromkeys((".cost.review_hours", ".cost.review_cost"), _LOWER),
    **dict.fromkeys((".resource.wall_seconds", ".resource.cpu_seconds", ".resource.peak_memory_mb"), _LOWER),
    ".resource.rows_per_second": _HIGHER,
    **dict.fromkeys((".resource.tokens", ".spent", ".share", ".forecast"), _LOWER),
    ".limit": None,
    **{
        f"flywheel.{name}": _HIGHER
        for name in (
            "asset_coverage",
            "consumable_count",
            "consumable_share",
            "evidenced_count",
            "feedback_reflux_rate",
            "interface_mapping",
            "interface_version_count",
            "mean_stage_score",
            "milestone_completion_rate",
            "milestone_done_count",
            "control_points_in_boundaries",
            "registry_completeness",
            "reuse_cost_saved",
            "reuse_hours_saved",
            "rhythms_kept",
            "self_recognised_failures",
            "regression_localisation_rate",
            "release_pass_rate",
            "risk_closure_rate",
            "stage_completion_rate",
            "upstream_check_pass_rate",
            "upstream_consumable_count",
            "upstream_evidenced_count",
        )
    },
    **{
        f"flywheel.{name}": _LOWER
        for name in (
            "bottleneck_count",
            "carried_count",
            "changed_schema_count",
            "drift_error_count",
            "drifted_filter_count",
            "drifted_signal_count",
            "inconclusive_kpi_count",
            "iteration_cycle_days",
            "localisation_hours",
            "regressed_kpi_count",
            "review_cost",
            "review_hours",
        )
    },
    # Sizes of the flywheel: more parts are neither better nor worse, nor are more checks.
    **{
        f"flywheel.{name}": None
        for name in (
            "boundary_count",
            "control_point_count",
            "interface_count",
            "layer_count",
            "mechanism_count",
            "milestone_count",
            "phase_count",
            "problems_exposed",
            "project_count",
            "stage_count",
            "team_count",
            "upstream_check_count",
            "upstream_checks_passed",
            "upstream_interface_count",
        )
    },
}


def own_direction(name: str) -> Direction | None:
    """Which way is better for a number this package computes, by its full name; None: neither, or none of ours."""
    return DIRECTIONS.get(_declared_as(name))


def _declared_as(name: str) -> str:
    """The key of a number in :data:`DIRECTIONS`: ``flywheel.x`` as it is, others from their last dots on.

    Those of projects after the project, as in ``p05.score``; those of stages and budgets the last word alone.
    """
    name = without_currency(name)
    first, _, rest = name.partition(".")
    if first == "flywheel":
        return name
    return "." + (rest.rpartition(".")[2] if first in ("stage", "budget") else rest)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a number that was not computed here was read: a run, or a file of the flywheel.

    ``digest`` is the sha256 (or its first 32 hex digits) of what was read.
    """

    kind: str
    ref: str
    place: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number: value (None is unknown), unit, how it came about, and from what.

    ``rule`` is a sentence; ``inputs`` are names of other metrics; ``source`` is set on the
    leaves. ``note`` says why a value is unknown or where the reader should be careful.
    ``direction`` is the better one, None for neither.
    """

    name: str
    value: float | int | None
    unit: str
    rule: str
    inputs: tuple[str, ...] = ()
    source: Source | None = None
    note: str = ""
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A metric with its inputs explained in turn: the tree behind a number.

    ``repeated`` marks a metric whose inputs are already shown elsewhere in the tree.
    """

    metric: Metric
    inputs: tuple[Explanation, ...]
    repeated: bool = False


class Metrics(Mapping[str, Metric]):
    """All numbers of one assembly by name, in the order they were computed."""

    def __init__(self) -> None:
        self._by_name: dict[str, Metric] = {}

    def __getitem__(self, name: str) -> Metric:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, metric: Metric) -> Metric:
        """Keep a metric whose inputs are already here.

        Raises:
            AssemblyError: the name is taken, or an input was never computed.
        """
        if metric.name in self._by_name:
            raise AssemblyError(f"the metric {metric.name} is computed twice")
        absent = [name for name in metric.inputs if name not in self._by_name]
        if absent:
            raise AssemblyError(f"the metric {metric.name} rests on {', '.join(absent)}, which nobody computed")
        self._by_name[metric.name] = metric
        return metric

    def value(self, name: str) -> float | int | None:
        """The value of a metric; None when it is unknown or nobody computed it."""
        metric = self._by_name.get(name)
        return metric.value if metric else None

    def values_of(self, names: Iterable[str]) -> dict[str, float | None]:
        """Values by name, as rules read them."""
        return {name: self.value(name) for name in names}

    def explain(self, name: str) -> Explanation:
        """The tree behind a number.

        Raises:
            UnknownName: no metric has that name.
        """
        if name not in self._by_name:
            raise UnknownName("metric", name, self._by_name)
        return self._explain(name, set())

    def _explain(self, name: str, shown: set[str]) -> Explanation:
        metric = self._by_name[name]
        if name in shown and metric.inputs:
            return Explanation(metric, (), repeated=True)
        shown.add(name)
        return Explanation(metric, tuple(self._explain(item, shown) for item in metric.inputs))


def computed(
    name: str,
    value: float | None,
    unit: str,
    rule: str,
    inputs: tuple[str, ...] = (),
    source: Source | None = None,
    note: str = "",
) -> Metric:
    """A number this package computes, with its declared direction.

    Raises:
        AssemblyError: :data:`DIRECTIONS` does not name it.
    """
    key = _declared_as(name)
    if key not in DIRECTIONS:
        raise AssemblyError(f"nobody has said which way is better for the metric {name}")
    return Metric(name, value, unit, rule, inputs, source, note, DIRECTIONS[key])


def weighted_mean(pairs: Iterable[tuple[float | None, float]]) -> float | None:
    """Mean of the known values by weight; None when no value is known.

    Unknown values are left out rather than counted as 0: their share of the weight goes to
    the known ones.
    """
    known = [(value, weight) for value, weight in pairs if value is not None and weight > 0]
    if not known:
        return None
    mean = math.fsum(value * weight for value, weight in known) / math.fsum(weight for _, weight in known)
    # A mean lies between the extremes; rounding must not push three times 0.85 below a limit of 0.85.
    return min(max(mean, min(value for value, _ in known)), max(value for value, _ in known))


def share(part: int, whole: int) -> float | None:
    """``part / whole``, None when there is nothing to share."""
    return part / whole if whole else None
