"""Makes two iterations to compare: contracts, KPI values, and profiles of made-up signals."""

from __future__ import annotations

from typing import Any

import numpy as np

from flywheel_mlflow.drift import LoggedData, ProjectSide, Side, VersionRef
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.records.content.profile import ContentProfile
from flywheel_mlflow.records.profiles import Profile, Signal

#: Of ten signals two are labels, of three and of ten kinds.
LABELS = {8: 3, 9: 10}


def contract(
    project: str, kpis: int, interfaces: list[str], *, tolerance: float | None = 0.05, unit: str = "points"
) -> Contract:
    """A contract with so many KPIs, every second one better when lower, and these interfaces."""
    return Contract.model_validate(
        {
            "id": project,
            "title": project,
            "owner": "team",
            "phase": "phase",
            "layers": ["layer"],
            "stages": ["stage"],
            "deliverables": ["data"],
            "interfaces_out": [{"name": name, "title": name, "format": "jsonl"} for name in interfaces],
            "kpis": [
                {
                    "name": f"kpi_{index}",
                    "path": f"kpi_{index}",
                    "direction": ("higher", "lower")[index % 2],
                    "unit": unit,
                    "tolerance": tolerance,
                }
                for index in range(kpis)
            ],
            "checks": {"required": ["check"]},
            "review": {"human": False},
            "carry": {"allowed": False},
        }
    )


def column(random: np.random.Generator, index: int, rows: int, shift: float) -> list[Any]:
    """The values of one signal: normal numbers moved by ``shift`` standard deviations, or labels."""
    if index % 10 in LABELS:
        return [f"label {value}" for value in random.integers(0, LABELS[index % 10], rows)]
    values: list[float] = random.normal(shift, 1.0, rows).tolist()
    return values


def profile(columns: list[list[Any]]) -> Profile:
    """A profile whose signals have these samples; its histograms, which no test reads, are left out."""
    signals = tuple(
        Signal(f"signal_{index:03d}", len(values), 0, None, None, None, (), (), 0, None, tuple(values))
        for index, values in enumerate(columns)
    )
    return Profile(len(columns[0]), signals)


def side(
    iteration: int,
    contracts: list[Contract],
    kpis: dict[str, dict[str, KpiValue]],
    columns: dict[str, list[list[Any]]],
) -> Side:
    """One iteration: KPI values by project and name, and the columns of each interface."""
    projects = {
        item.id: ProjectSide(
            run_id=f"run-{iteration}-{item.id}",
            kpis=kpis.get(item.id, {}),
            versions={
                promise.name: VersionRef(f"digest-{iteration}-{promise.name}", f"run-{iteration}-{item.id}")
                for promise in item.interfaces_out
            },
        )
        for item in contracts
    }
    data = {name: LoggedData(profile(found), content=ContentProfile((), ())) for name, found in columns.items()}
    return Side(iteration, f"assembly-{iteration}", f"digest-{iteration}", projects, data)
