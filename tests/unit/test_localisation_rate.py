"""The share of regressed KPIs for which something that changed can be named."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from consistency_flywheel import view_of
from flywheels import collected_of, evidence_of, small_flywheel

from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.assembly.metrics import LOCALISED
from flywheel_mlflow.consistency.recompute import recompute
from flywheel_mlflow.drift import DriftReport, ProjectSide, Side, VersionRef, compare
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.thresholds import DriftSettings

WHEEL = small_flywheel()
GOOD = {"p01": ("retention", 0.9), "p02": ("accuracy", 0.9), "p03": ("latency", 100.0)}


def side(iteration: int, worse: Mapping[str, float], digits: Mapping[str, str]) -> Side:
    """One KPI of each project, and a version of its data; good and "a" unless told otherwise."""
    return Side(
        iteration,
        "",
        "",
        {
            name: ProjectSide(
                f"run-{iteration}-{name}",
                {kpi: KpiValue(worse.get(name, value))},
                {f"{name}_data": VersionRef(digits.get(name, "a") * 32, f"run-{iteration}-{name}")},
            )
            for name, (kpi, value) in GOOD.items()
        },
    )


def report(worse: Mapping[str, float], digits: Mapping[str, str]) -> DriftReport:
    """Iteration 2 compared with iteration 1."""
    now, before = side(2, worse, digits), side(1, {}, {})
    return compare(WHEEL.name, WHEEL.contracts, now, before, settings=DriftSettings())


def assembled(drift: DriftReport | None) -> Assembly:
    """An assembly that contains a comparison."""
    return assemble(WHEEL, collected_of(WHEEL), drift=drift, self_evidence=evidence_of(WHEEL.contracts["p10"]))


@pytest.mark.parametrize(
    ("worse", "digits", "rate"),
    [
        ({"p03": 400.0}, {"p01": "b"}, 1.0),  # data two steps upstream changed
        ({"p03": 400.0}, {"p03": "b"}, 1.0),  # its own data changed
        ({"p01": 0.2}, {"p03": "b"}, 0.0),  # what changed is downstream
        ({"p01": 0.2, "p02": 0.2}, {"p02": "b"}, 0.5),
        ({"p03": 400.0}, {}, 0.0),
    ],
)
def test_the_rate(worse: dict[str, float], digits: dict[str, str], rate: float) -> None:
    """A regressed KPI counts when data changed in its project or upstream of it; both computations agree."""
    found = assembled(report(worse, digits))
    assert found.metrics.value(LOCALISED) == rate
    assert recompute(view_of(found))[LOCALISED] == rate


def test_unknown_without_a_regression() -> None:
    """Where nothing regressed, or nothing was compared, the rate is unknown and says why."""
    for drift, note in ((report({}, {"p01": "b"}), "no KPI regressed"), (None, "nothing to compare with")):
        found = assembled(drift)
        assert (found.metrics[LOCALISED].value, found.metrics[LOCALISED].note) == (None, note)
        assert recompute(view_of(found))[LOCALISED] is None
