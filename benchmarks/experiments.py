"""Simulates experiments that are looked at after every batch: how often they are wrong, and when they find something.

    python -m benchmarks.experiments
    python -m benchmarks.experiments --experiments 200     # quicker, and less sure

The figures stand in docs/experiments.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.experiments.moments import Moments, moments_of
from flywheel_mlflow.experiments.sequential import difference, lacking, planned_rows, split_p

Values = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, float], Values]

BATCH = 100


def normal(random: np.random.Generator, rows: int, effect: float) -> Values:
    """A symmetric number, standard deviation 1."""
    return random.normal(effect, 1, rows)


def skewed(random: np.random.Generator, rows: int, effect: float) -> Values:
    """A number with a long tail: lognormal, sigma 1.5 (skewness 33)."""
    return random.lognormal(0, 1.5, rows) + effect


def rate_of(rate: float) -> Draw:
    """A rate."""

    def draw(random: np.random.Generator, rows: int, effect: float) -> Values:
        return (random.random(rows) < rate + effect).astype(np.float64)

    return draw


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of experiment; ``share`` is the treatment's share of the rows."""

    name: str
    draw: Draw
    is_rate: bool = False
    share: float = 0.5
    batches: int = 100
    planned: int = 4_000


CASES = (
    Case("a normal number", normal),
    Case("a normal number, 400 looks", normal, batches=400),
    Case("a long tail", skewed),
    Case("a long tail, 1 row of 10 treated", skewed, share=0.1, batches=200),
    Case("a rate of 50 %", rate_of(0.5), is_rate=True),
    Case("a rate of 10 %", rate_of(0.1), is_rate=True),
    Case("a rate of 1 %", rate_of(0.01), is_rate=True),
    Case("a rate of 0.2 %", rate_of(0.002), is_rate=True),
    Case("a rate of 1 %, 1 row of 10 treated", rate_of(0.01), is_rate=True, share=0.1, batches=200),
    Case("a rate of 10 %, 1 row of 10 treated", rate_of(0.1), is_rate=True, share=0.1, batches=200),
)


def simulate(case: Case, random: np.random.Generator, effect: float) -> tuple[int | None, bool, bool]:
    """One experiment: rows when it first seems to have an effect, whether an interval missed the truth, whether the
    split seemed broken.
    """
    one, other, first, missed = Moments(), Moments(), None, False
    counts = []
    for _ in range(case.batches):
        treated = int(random.binomial(BATCH, case.share))
        counts.append({"a": BATCH - treated, "b": treated})
        one += moments_of(case.draw(random, BATCH - treated, 0.0))
        other += moments_of(case.draw(random, treated, effect))
        if lacking(one, other, is_rate=case.is_rate):
            continue
        found = difference(one, other, planned=case.planned, alpha=0.05, is_rate=case.is_rate)
        missed |= not found.low <= effect <= found.high
        if first is None and not found.low <= 0 <= found.high:
            first = one.n + other.n
    return first, missed, split_p(counts, {"a": 1 - case.share, "b": case.share}) < 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--experiments", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    print(f"{arguments.experiments} experiments without an effect, looked at after every {BATCH} rows")
    for case in CASES:
        found = [simulate(case, random, 0.0) for _ in range(arguments.experiments)]
        alarms = sum(first is not None for first, _, _ in found) / len(found)
        broken = sum(split for _, _, split in found) / len(found)
        print(f"{case.name}: {alarms:.1%} ever seem to have one; {broken:.1%} seem to have a broken split", flush=True)
    rows = planned_rows((0.3 * 0.7) ** 0.5, 0.05, (0.5, 0.5), alpha=0.05, power=0.8)
    case = Case("a rate of 30 %", rate_of(0.3), is_rate=True, batches=rows // BATCH, planned=rows)
    found = [simulate(case, random, 0.05) for _ in range(arguments.experiments)]
    shown = sorted(first for first, _, _ in found if first is not None)
    missed = sum(missed for _, missed, _ in found) / len(found)
    print(
        f"a rate of 30 % that becomes 35 %, {rows:,} rows planned for a power of 80 %: {len(shown) / len(found):.1%} "
        f"found, half of them by {shown[len(shown) // 2]:,} rows; the interval missed the truth in {missed:.1%}"
    )


if __name__ == "__main__":
    main()
