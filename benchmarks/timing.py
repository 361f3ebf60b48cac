"""Times jobs side by side, so that a machine that is busy with other things slows all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

#: A job that has taken this long in all is not started again, once it has been timed LEAST times.
BUDGET_S = 45.0
LEAST = 3


@dataclass(frozen=True, slots=True)
class Timed:
    """How long the rounds of one job took, in seconds.

    For whole processes also the median of their CPU seconds and their highest peak of memory in bytes.
    """

    seconds: tuple[float, ...]
    cpu: float | None = None
    peak: int | None = None

    @property
    def median(self) -> float:
        """The median, which one slow round does not move."""
        return statistics.median(self.seconds)


def interleaved(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timed]:
    """Every job once in turn, ``rounds`` times over, after one round that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            if len(taken[name]) >= LEAST and sum(taken[name]) > BUDGET_S:
                continue
            start = time.perf_counter()
            job()
            if number:
                taken[name].append(time.perf_counter() - start)
    return {name: Timed(tuple(values)) for name, values in taken.items()}


def processes(
    commands: Mapping[str, Sequence[str]], rounds: int, *, folder: Path, environment: Mapping[str, str]
) -> dict[str, Timed]:
    """The same for whole processes, from their start to their end.

    Raises:
        SystemExit: one of them failed; the message shows what it wrote.
    """
    used: dict[str, list[tuple[float, int]]] = {name: [] for name in commands}

    def run(name: str) -> None:
        used[name].append(_run(commands[name], folder, environment))

    timed = interleaved({name: partial(run, name) for name in commands}, rounds)
    return {
        name: Timed(
            found.seconds,
            cpu=statistics.median(cpu for cpu, _ in used[name]),
            peak=max(peak for _, peak in used[name]),
        )
        for name, found in timed.items()
    }


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[float, int]:
    """Run a command; returns its CPU seconds and peak memory in bytes, the operating system's own figures."""
    with (folder / "output").open("w+b") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{output.read().decode()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, int(usage.ru_maxrss * 1024)
