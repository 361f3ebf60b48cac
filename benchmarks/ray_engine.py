"""Benchmarks measuring by tasks of Ray beside the local engine: what Ray costs, and from which size it pays.

    python -m benchmarks.ray_engine --rows 20000 200000 1000000 --workers 1 2

Writes records of 1.1 KB as JSONL and Parquet to a temporary directory for each number of rows, then measures them by
the local engine and by a Ray of this machine, each with each number of workers, each time in a process of its own.
Prints the wall-clock and processor time of the start, and of measuring, which includes the start of workers; processor
time is that of all processes, those of Ray included. It needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal, cast

from benchmarks.records import write_data

ENGINES = ("local", "ray")
FORMATS = ("jsonl", "parquet")


def run_job(engine: Literal["local", "ray"], workers: int, path: Path) -> None:
    """Measures in this process; prints the seconds of the start and of measuring, and the seconds of processor time."""
    from flywheel_mlflow.promises.interfaces import InterfaceOut
    from flywheel_mlflow.records import measure
    from flywheel_mlflow.records.ray_engine import connected

    promise = InterfaceOut.model_validate(
        {"name": "corpus", "title": "Corpus", "format": path.suffix[1:], "group_key": "metadata.page"}
    )
    idle = _processor_time()
    began = time.perf_counter()
    with connected(engine, workers=workers):
        started = time.perf_counter()
        used = _processor_time()
        measure(path, promise, engine=engine, workers=workers)
        ended = time.perf_counter()
        done = _processor_time()
    print(
        json.dumps({"start": started - began, "start cpu": used - idle, "seconds": ended - started, "cpu": done - used})
    )


def _processor_time() -> float:
    """Seconds of this process and of all below it, those that run and those that ended."""
    return sum(_ticks(pid) for pid in _family(os.getpid())) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in _family(int(child)))]


def _ticks(pid: int) -> int:
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(word) for word in words[11:15])


def _best(engine: str, workers: int, path: Path, rounds: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ray_engine", "--job", engine, str(workers), str(path)]
    found = []
    for _ in range(rounds):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return {name: min(item[name] for item in found) for name in found[0]}


def main() -> None:
    """Writes the data, runs every job, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000, 1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--job", nargs=3, metavar=("ENGINE", "WORKERS", "PATH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        engine, workers, path = given.job
        run_job(cast("Literal['local', 'ray']", engine), int(workers), Path(path))
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, best of {given.rounds} rounds")
    print(f"{'rows':>9} {'format':8}{'engine':8}{'workers':>7}{'start s':>9}{'its CPU s':>11}{'wall s':>9}{'CPU s':>9}")
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as folder:
            write_data(Path(folder), rows)
            for name in FORMATS:
                for engine in ENGINES:
                    for workers in given.workers:
                        done = _best(engine, workers, Path(folder, f"data.{name}"), given.rounds)
                        figures = (
                            f"{done['start']:9.1f}{done['start cpu']:11.1f}{done['seconds']:9.1f}{done['cpu']:9.1f}"
                        )
                        print(f"{rows:9,} {name:8}{engine:8}{workers:7}{figures}", flush=True)


if __name__ == "__main__":
    main()
