"""Benchmarks a drift report next to Evidently's own preset on the same columns: time, memory, size of the page.

    python -m benchmarks.drift

15 projects with 20 KPIs each and ten earlier iterations, 25 interfaces with 10 signals each, samples of 2,000 rows.
Importing Evidently is timed apart: both need it. Memory is taken in processes of their own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift_samples import LABELS, column, contract, side
from benchmarks.timing import interleaved
from flywheel_mlflow.drift import DriftReport, Side, compare
from flywheel_mlflow.promises.thresholds import DriftSettings

PROJECTS, KPIS, INTERFACES, SIGNALS, ROWS, TURNS = 15, 20, 25, 10, 2000, 10


class Case:
    """Two iterations to compare, and ten before them."""

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        names = [f"interface_{index:02d}" for index in range(INTERFACES)]
        self.contracts = [contract(f"p{number + 1:02d}", KPIS, names[number::PROJECTS]) for number in range(PROJECTS)]
        kpis = [f"{item.id}.{kpi.name}" for item in self.contracts for kpi in item.kpis]
        self.history = {
            turn: dict(zip(kpis, random.normal(1, 0.01, len(kpis)), strict=True)) for turn in range(1, TURNS)
        }
        self.columns: dict[int, dict[str, list[list[Any]]]] = {}
        self.sides: dict[int, Side] = {}
        for turn in (TURNS - 1, TURNS):
            # A quarter of the interfaces moved, so that the page has what a bad one has.
            self.columns[turn] = {
                name: [
                    column(random, index, ROWS, 0.3 * (turn == TURNS and number % 4 == 0)) for index in range(SIGNALS)
                ]
                for number, name in enumerate(names)
            }
            values = {name: float(random.normal(1.0 - 0.1 * (turn == TURNS), 0.01)) for name in kpis}
            self.sides[turn] = side(turn, self.contracts, values, self.columns[turn])

    def compare(self) -> DriftReport:
        """The comparison, as plain values."""
        return compare(
            "bench",
            {item.id: item for item in self.contracts},
            self.sides[TURNS],
            self.sides[TURNS - 1],
            settings=DriftSettings(),
            history=self.history,
        )

    def page(self) -> tuple[str, str]:
        """The whole of it: comparison, JSON, HTML."""
        from flywheel_mlflow.monitoring import render_html

        report = self.compare()
        return report.to_json(), render_html(report)

    def preset(self) -> str:
        """What one would write with Evidently alone, on the same columns, with its page."""
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        frames = [
            pd.DataFrame(
                {f"{name}/{i}": values for name, found in self.columns[turn].items() for i, values in enumerate(found)}
            )
            for turn in (TURNS, TURNS - 1)
        ]
        labels = [name for name in frames[0] if int(name.rsplit("/", 1)[1]) in LABELS]
        plan = DataDefinition(
            numerical_columns=[name for name in frames[0] if name not in labels],
            categorical_columns=labels,
            text_columns=[],
            datetime_columns=[],
            unknown_columns=[],
            list_columns=[],
        )
        current, reference = (Dataset.from_pandas(frame, data_definition=plan) for frame in frames)
        report = Report([DataDriftPreset()], include_tests=True).run(current, reference)
        return str(report.get_html_str(as_iframe=False))


def load() -> None:
    """Import Evidently as the product does."""
    import warnings

    from flywheel_mlflow.monitoring.importing import load_metrics

    load_metrics()
    warnings.simplefilter("ignore")
    import evidently.presets  # noqa: F401


def peak(which: str) -> float:
    """Peak memory in MB of a process that does one of the two once."""
    command = [sys.executable, "-m", "benchmarks.drift", "--once", which]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]) / 1024


def own_peak() -> str:
    """This process's own highest memory in KB; what ``wait4`` says holds the parent's at the fork."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", choices=("nothing", "ours", "preset"))
    arguments = parser.parse_args()
    start = time.perf_counter()
    load()
    loaded = time.perf_counter() - start
    case = Case()
    jobs: dict[str, Callable[[], object]] = {"compare": case.compare, "ours": case.page, "preset": case.preset}
    if arguments.once:
        jobs.get(arguments.once, lambda: None)()
        print(own_peak())
        return
    timed = interleaved(jobs, arguments.rounds)
    document, page = case.page()
    print(f"importing Evidently: {loaded:.1f} s")
    for name, found in timed.items():
        print(f"{name}: median {found.median:.2f} s of {len(found.seconds)}")
    print(f"preset / ours: {timed['preset'].median / timed['ours'].median:.1f}")
    print(f"page {len(page.encode()) / 1e6:.2f} MB, JSON {len(document.encode()) / 1e6:.2f} MB")
    print(f"page of the preset {len(case.preset().encode()) / 1e6:.2f} MB")
    for which in ("nothing", "ours", "preset"):
        print(f"peak memory, {which}: {peak(which):.0f} MB")


if __name__ == "__main__":
    main()
