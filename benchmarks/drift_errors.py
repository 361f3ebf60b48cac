"""Counts how often a drift report is wrong: false alarms where nothing changed, changes it does not find.

    python -m benchmarks.drift_errors --repetitions 400

Prints one line for each case. Every case runs the whole comparison, as ``flywheel drift`` does, on fresh samples.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.drift_samples import column, contract, side
from flywheel_mlflow.contract import Contract
from flywheel_mlflow.drift import DataVerdict, DriftReport, KpiVerdict, compare
from flywheel_mlflow.thresholds import DriftSettings

COLUMNS = 100
MOVED = 10
SIZES = (50, 500, 5000)
POWERS = ((500, 0.5), (500, 0.3), (200, 0.5), (50, 0.5))

#: Of these KPIs every 25th loses 6 %; the rest only scatter by 0.8 % of their value.
KPIS = 500
EVERY = 25
NOISE = 0.008
LOSS = 0.06


def distributions(random: np.random.Generator, rows: int, shift: float, settings: DriftSettings) -> DriftReport:
    """One report over 100 columns, the first ten of which moved by ``shift`` standard deviations."""
    contracts = [contract("p01", 1, ["corpus"])]
    sides = [
        side(
            iteration,
            contracts,
            {"p01.kpi_0": 1.0},
            {"corpus": [_column(random, index, rows, iteration, shift) for index in range(COLUMNS)]},
        )
        for iteration in (1, 2)
    ]
    return compare("bench", {item.id: item for item in contracts}, sides[1], sides[0], settings=settings)


def _column(random: np.random.Generator, index: int, rows: int, iteration: int, shift: float) -> list[Any]:
    """Where something moves, the first ten columns are numbers; else every tenth pair of columns are labels."""
    if shift and index < MOVED:
        return column(random, 0, rows, shift if iteration == 2 else 0.0)
    return column(random, index, rows, 0.0)


def measure_distributions(random: np.random.Generator, repetitions: int, settings: DriftSettings) -> None:
    """Print false alarms by report and by column, then powers."""
    for rows in SIZES:
        start = time.perf_counter()
        reports = [distributions(random, rows, 0.0, settings) for _ in range(repetitions)]
        alarmed = sum(report.drifted_signals > 0 for report in reports)
        columns = sum(report.drifted_signals for report in reports)
        print(
            f"n = {rows}, nothing moved: {alarmed / repetitions:.2%} of {repetitions} reports raise a drift, "
            f"{columns / repetitions / COLUMNS:.3%} of columns ({time.perf_counter() - start:.0f} s)"
        )
    for rows, shift in POWERS:
        reports = [distributions(random, rows, shift, settings) for _ in range(repetitions)]
        found = sum(_drifted(report, True) for report in reports)
        wrong = sum(_drifted(report, False) for report in reports)
        print(
            f"n = {rows}, {MOVED} of {COLUMNS} moved by {shift}: {found / repetitions / MOVED:.1%} found, "
            f"{wrong / repetitions:.2f} false ones a report"
        )


def _drifted(report: DriftReport, moved: bool) -> int:
    names = {f"corpus/signal_{index:03d}" for index in range(MOVED)}
    return sum(
        item.verdict is DataVerdict.DRIFTED and (item.subject in names) is moved for item in report.distributions
    )


def measure_kpis(random: np.random.Generator, repetitions: int) -> None:
    """Print how often a KPI that only scatters is called regressed, and how often a loss is found."""
    contracts = [contract("p01", KPIS, ["corpus"], tolerance=0.0)]
    for history in (1, 3, 5, 8, 20):
        for tolerance in (0.01, 0.02, 0.05):
            settings = DriftSettings.model_validate({"kpi_tolerance": tolerance, "history": 20})
            counts = np.zeros(4)
            for _ in range(repetitions):
                counts += _kpi_round(random, contracts, history, settings)
            clean, lost, wrong, found = counts
            print(
                f"{history} earlier values, tolerance {tolerance:.0%}: {wrong / clean:.2%} of clean KPIs called "
                f"regressed, {found / lost:.0%} of losses of {LOSS:.0%} found"
            )


def _kpi_round(
    random: np.random.Generator, contracts: list[Contract], history: int, settings: DriftSettings
) -> np.ndarray:
    names = [f"p01.{kpi.name}" for kpi in contracts[0].kpis]
    better = np.array([1 if kpi.direction == "higher" else -1 for kpi in contracts[0].kpis])
    values = random.normal(1.0, NOISE, (history + 1, KPIS))
    lost = np.arange(KPIS) % EVERY == 0
    values[-1] -= better * LOSS * lost
    turns = {turn + 1: dict(zip(names, row.tolist(), strict=True)) for turn, row in enumerate(values)}
    current = side(history + 1, contracts, turns.pop(history + 1), {})
    reference = side(history, contracts, turns[history], {})
    report = compare("bench", {"p01": contracts[0]}, current, reference, settings=settings, history=turns)
    bad = np.array([item.verdict is KpiVerdict.REGRESSED for item in report.kpis])
    return np.array([(~lost).sum(), lost.sum(), (bad & ~lost).sum(), (bad & lost).sum()], dtype=float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--kpi-repetitions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    measure_distributions(random, arguments.repetitions, DriftSettings())
    measure_kpis(random, arguments.kpi_repetitions)


if __name__ == "__main__":
    main()
