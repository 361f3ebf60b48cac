"""Counts how often a drift report is wrong: false alarms where nothing changed, changes it does not find.

    python -m benchmarks.drift_errors --repetitions 400

Prints one line for each case. Every case runs the whole comparison, as ``flywheel drift`` does, on fresh samples.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.drift_samples import column, contract, side
from flywheel_mlflow.drift import DataVerdict, DriftReport, Earlier, KpiVerdict, compare
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Contract, Suite
from flywheel_mlflow.promises.thresholds import DriftSettings

COLUMNS = 100
MOVED = 10
SIZES = (50, 500, 5000)
POWERS = ((500, 0.5), (500, 0.3), (200, 0.5), (50, 0.5))


def distributions(random: np.random.Generator, rows: int, shift: float, settings: DriftSettings) -> DriftReport:
    """One report over 100 columns, the first ten of which moved by ``shift`` standard deviations."""
    contracts = [contract("p01", 1, ["corpus"])]
    sides = [
        side(
            iteration,
            contracts,
            {"p01": {"kpi_0": KpiValue(1.0)}},
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


@dataclass(frozen=True, slots=True)
class Family:
    """KPIs of one kind: what is known about each value, and how much may be lost."""

    name: str
    unit: str
    tolerance: float | None
    known: str  # counts, stderr, or history
    suite: float | None = None  # the tolerance of a suite that holds all of them

    def contract(self, count: int) -> Contract:
        """A project with so many of them."""
        made = contract("p01", count, ["corpus"], tolerance=self.tolerance, unit=self.unit)
        if self.suite is None:
            return made
        kpis = tuple(kpi.model_copy(update={"direction": "higher"}) for kpi in made.kpis)
        suite = Suite(name="suite", kpis=("kpi_*",), direction="higher", tolerance=self.suite)
        return made.model_copy(update={"kpis": kpis, "suites": (suite,)})


FAMILIES = (
    Family("ratio, default tolerance", "ratio", None, "counts"),
    Family("ratio, tolerance 0", "ratio", 0.0, "counts"),
    Family("percent, tolerance 0", "percent", 0.0, "counts"),
    Family("stated error, tolerance 0", "score", 0.0, "stderr"),
    Family("history of 8 quiet differences, tolerance 0", "score", 0.0, "history"),
    Family("history of 20 quiet differences, tolerance 0", "score", 0.0, "history"),
)
SUITE = Family("ratio in a suite", "ratio", None, "counts", suite=0.02)
COUNTS = (1, 20, 65, 500, 1600)
SAMPLE_SIZES = (100, 150, 200, 300, 500, 1000, 1300, 5000)
LOSSES = (0.02, 0.05, 0.10)


def kpi_report(random: np.random.Generator, family: Family, count: int, lost: np.ndarray) -> DriftReport:
    """One comparison of two draws of the same true values, from which ``lost`` is taken on the current side."""
    made = family.contract(count)
    truth = random.uniform(0.2, 0.8, count)
    sizes = random.choice(SAMPLE_SIZES, count)
    better = np.array([1 if kpi.direction == "higher" else -1 for kpi in made.kpis])
    scale = 100.0 if family.unit == "percent" else 1.0
    turns = 22 if "20" in family.name else 10 if family.known == "history" else 2
    values = random.binomial(sizes, np.tile(truth, (turns, 1))) / sizes
    values[-1] = random.binomial(sizes, np.clip(truth - better * lost, 0, 1)) / sizes
    errors = np.sqrt(truth * (1 - truth) / sizes)
    names = [kpi.name for kpi in made.kpis]

    def known(row: np.ndarray) -> dict[str, KpiValue]:
        return {
            name: KpiValue(
                float(value * scale),
                int(size) if family.known == "counts" else None,
                float(error * scale) if family.known == "stderr" else None,
            )
            for name, value, size, error in zip(names, row, sizes, errors, strict=True)
        }

    history = {
        number: Earlier(
            {f"p01.{name}": float(v) for name, v in zip(names, row, strict=True)}, {"p01": f"same/{number}"}
        )
        for number, row in enumerate(values[:-1], start=1)
        if family.known == "history"
    }
    sides = [
        side(number, [made], {"p01": known(row)}, {}) for number, row in ((turns, values[-1]), (turns - 1, values[-2]))
    ]
    return compare("bench", {"p01": made}, sides[0], sides[1], settings=DriftSettings(), history=history)


def measure_kpis(random: np.random.Generator, repetitions: int) -> None:
    """Print the share of comparisons that BLOCK where nothing changed, for each kind of KPI and each count."""
    for family in FAMILIES:
        for count in COUNTS:
            rounds = max(100, min(repetitions, 65 * repetitions // count))
            reports = [kpi_report(random, family, count, np.zeros(count)) for _ in range(rounds)]
            blocked = sum(report.regressed_kpis > 0 for report in reports)
            better = sum(report.better > 0 for report in reports)
            print(
                f"{family.name}, {count} KPIs, nothing changed: {blocked / rounds:.2%} of {rounds} comparisons BLOCK, "
                f"{better / rounds:.1%} call one better",
                flush=True,
            )


def measure_kpi_power(random: np.random.Generator, repetitions: int) -> None:
    """Print how many of 7 real losses among 65 KPIs are found, by size of the loss and of the sample."""
    family = FAMILIES[0]
    lost_ones = np.arange(65) % 10 == 3
    for loss in LOSSES:
        hits: dict[int, list[bool]] = {size: [] for size in SAMPLE_SIZES}
        false = 0
        for _ in range(repetitions):
            report = kpi_report(random, family, 65, loss * lost_ones)
            for index, item in enumerate(report.kpis):
                if lost_ones[index]:
                    hits[item.n or 0].append(item.verdict is KpiVerdict.REGRESSED)
                else:
                    false += item.verdict is KpiVerdict.REGRESSED
        shown = ", ".join(f"n = {size}: {np.mean(found):.0%}" for size, found in hits.items() if found)
        print(
            f"7 of 65 ratios lost {loss:.0%}: found {shown}; {false / repetitions:.3f} false ones a report", flush=True
        )


def measure_suites(random: np.random.Generator, repetitions: int) -> None:
    """Print the verdicts on a suite of 65 ratios whose members all lose the same, by the loss."""
    for loss in (0.0, 0.01, 0.02, 0.05):
        verdicts: Counter[str] = Counter()
        for _ in range(repetitions):
            report = kpi_report(random, SUITE, 65, np.full(65, loss))
            verdicts[report.verdict.value] += 1
        shares = ", ".join(f"{name} {count / repetitions:.1%}" for name, count in sorted(verdicts.items()))
        print(f"a suite of 65 ratios, tolerance 0.02, every member lost {loss:.0%}: {shares}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--kpi-repetitions", type=int, default=400)
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    measure_distributions(random, arguments.repetitions, DriftSettings())
    measure_kpis(random, arguments.kpi_repetitions)
    measure_kpi_power(random, arguments.kpi_repetitions // 4)
    measure_suites(random, arguments.kpi_repetitions // 4)


if __name__ == "__main__":
    main()
