"""What drift tests compare: KPIs, profiles and sides made of plain numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

from flywheels import contract

from flywheel_mlflow.drift import DriftReport, Earlier, KpiCase, LoggedData, ProjectSide, Side, VersionRef, compare
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Contract, Kpi
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.records.cards import DataCard
from flywheel_mlflow.records.content.profile import ContentProfile
from flywheel_mlflow.records.profiles import Profile, Signal, Value

SETTINGS = DriftSettings()


def kpi(name: str = "hit_rate", **more: Any) -> Kpi:
    """A KPI, a ratio that is better when higher unless told otherwise."""
    return Kpi.model_validate({"name": name, "path": name, "direction": "higher", "unit": "ratio"} | more)


def case(
    now: float | None,
    before: float | None,
    *,
    n: tuple[int | None, int | None] = (None, None),
    stderr: tuple[float | None, float | None] = (None, None),
    quiet: Iterable[float] = (),
    samples: tuple[Mapping[str, float], Mapping[str, float]] | None = None,
    **more: Any,
) -> KpiCase:
    """One KPI, now and before."""
    current, reference = samples or (None, None)
    values = KpiValue(now, n[0], stderr[0]), KpiValue(before, n[1], stderr[1])
    return KpiCase(f"p01.{more.get('name', 'hit_rate')}", kpi(**more), *values, tuple(quiet), current, reference)


def quiet_turns(values: Mapping[int, Mapping[str, float]]) -> dict[int, Earlier]:
    """Earlier iterations in which nothing but the runs differs."""
    return {number: Earlier(found, {"p01": f"same/{number}"}) for number, found in values.items()}


def signal(name: str, values: Iterable[Value | None]) -> Signal:
    """A signal with these values, all of them in its sample."""
    found = tuple(values)
    known = [value for value in found if value is not None]
    return Signal(name, len(known), len(found) - len(known), None, None, None, (), (), 0, None, found)


def profile(**signals: Iterable[Value | None]) -> Profile:
    """A profile of these signals."""
    found = tuple(signal(name, values) for name, values in sorted(signals.items()))
    return Profile(max((len(item.sample) for item in found), default=0), found)


def normal(rows: int, shift: float = 0.0, *, seed: int = 1) -> list[float]:
    """Normal numbers, moved by so many standard deviations."""
    draw = random.Random(seed)  # noqa: S311 - sample data
    return [draw.gauss(shift, 1.0) for _ in range(rows)]


def card(**rows: tuple[int, int]) -> DataCard:
    """A data card whose filters have these rows in and out."""
    notes = [
        {"rule": name, "rows_in": taken, "rows_out": kept, "reason": "quality"} for name, (taken, kept) in rows.items()
    ]
    return DataCard.model_validate({"source": "made for a test", "licence": "CC0-1.0", "filters": notes})


def logged(profile: Profile | None = None, card: DataCard | None = None) -> LoggedData:
    """What a run logged of data that hold these signals and nothing else."""
    return LoggedData(profile, card, content=ContentProfile((), ()))


def promise(*interfaces: str, kpis: Iterable[Kpi] = (), **more: Any) -> Contract:
    """A contract of the project p01 with these interfaces, all of which say ``more``, and these KPIs."""
    made = [{"name": name, "title": name, "format": "jsonl"} | more for name in interfaces or ("corpus",)]
    found = [item.model_dump(by_alias=True) for item in kpis] or [kpi().model_dump(by_alias=True)]
    return contract("p01", interfaces_out=made, interfaces_in=[], kpis=found, results={})


def side(
    iteration: int,
    *,
    kpis: Mapping[str, float | None] | None = None,
    digests: Mapping[str, str] | None = None,
    records: Mapping[str, str] | None = None,
    data: Mapping[str, LoggedData] | None = None,
    samples: Mapping[str, Mapping[str, float]] | None = None,
    tasks: Iterable[str] = (),
) -> Side:
    """One iteration of the project p01."""
    versions = {
        name: VersionRef(digest, f"run-{iteration}", records_digest=(records or {}).get(name, ""))
        for name, digest in (digests or {}).items()
    }
    values = {name: KpiValue(value) for name, value in (kpis or {"hit_rate": 0.9}).items()}
    projects = {"p01": ProjectSide(f"run-{iteration}", values, versions, tuple(tasks))}
    return Side(iteration, f"assembly-{iteration}", str(iteration) * 8, projects, data or {}, samples or {})


def compared(current: Side, reference: Side, *, made: Contract | None = None, **more: Any) -> DriftReport:
    """The report of two sides of the project p01."""
    contracts = {"p01": made or promise()}
    history = quiet_turns(more.pop("history", {}))
    settings = more.pop("settings", SETTINGS)
    return compare("test", contracts, current, reference, settings=settings, history=history, **more)
