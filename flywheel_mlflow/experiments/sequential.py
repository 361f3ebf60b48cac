"""Intervals and tests that hold however often one looks: confidence sequences, and a test of the split.

Asymptotic confidence sequences follow Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences" (Annals of Statistics 2024, theorem 2.2); the test of the split follows
Lindon and Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from flywheel_mlflow.experiments.moments import Moments

#: Rows that each variant needs before anything is told: the bound holds for many rows, the more the longer the tails
#: of the values are (benchmarks/experiments.py).
LEAST_ROWS = 500
#: The same of a rate, with so many events, and so many rows without one.
LEAST_RATE_ROWS, LEAST_EVENTS = 200, 20
#: How strongly the test of the split believes in the declared shares: as if it had seen so many rows of them.
SPLIT_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """A treatment minus the control: the estimate, and the interval that holds at every look."""

    value: float
    low: float
    high: float


def width_factor(rows: int, planned: int, alpha: float) -> float:
    """The half width of a confidence sequence after ``rows`` rows, in standard errors of the mean.

    The sequence is narrowest near ``planned`` rows. ``alpha`` is how often it misses the truth at any look at all.
    """
    tuned = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned
    grown = rows * tuned + 1
    return math.sqrt(2 * grown / (rows * tuned) * math.log(math.sqrt(grown) / alpha))


def lacking(control: Moments, treatment: Moments, *, is_rate: bool) -> str:
    """What is missing before a difference can be told, in words; empty when nothing is."""
    least = LEAST_RATE_ROWS if is_rate else LEAST_ROWS
    if min(control.n, treatment.n) < least:
        return f"{least} rows of each variant are needed, there are {min(control.n, treatment.n)}"
    if is_rate:
        events = [min(item.mean * item.n, item.n - item.mean * item.n) for item in (control, treatment)]
        if min(events) < LEAST_EVENTS:
            return f"{LEAST_EVENTS} rows of either answer are needed in each variant, there are {round(min(events))}"
    return "" if control.squares + treatment.squares else "all values are the same"


def difference(control: Moments, treatment: Moments, *, planned: int, alpha: float) -> Difference:
    """The treatment's mean minus the control's, where nothing is :func:`lacking`.

    With a covariate both means are those at the same value of it (CUPED: Deng, Xu, Kohavi and Walker 2013).
    ``planned`` are the rows of both together near which the interval is narrowest.
    """
    slope = _slope(control, treatment)
    value = treatment.mean - control.mean - slope * (treatment.x_mean - control.x_mean)
    error = math.sqrt(sum(_variance(item, slope) / item.n for item in (control, treatment)))
    half = width_factor(control.n + treatment.n, planned, alpha) * error
    return Difference(value, value - half, value + half)


def _slope(control: Moments, treatment: Moments) -> float:
    """How much of the covariate goes over into the outcome, from both variants alike."""
    squares = control.x_squares + treatment.x_squares
    return (control.products + treatment.products) / squares if squares else 0.0


def _variance(item: Moments, slope: float) -> float:
    squares = item.squares - 2 * slope * item.products + slope * slope * item.x_squares
    return max(squares, 0.0) / (item.n - 1)


def planned_rows(spread: float, effect: float, shares: tuple[float, float], *, alpha: float, power: float) -> int:
    """Rows of control and treatment together with which the sequence shows ``effect`` in ``power`` of all cases.

    ``spread`` is the standard deviation of a row, ``shares`` those of control and treatment among all rows.
    """
    total = sum(shares)
    per_row = spread * math.sqrt(total / shares[0] + total / shares[1])
    found_in = NormalDist().inv_cdf(power)

    def shows(rows: int) -> bool:
        return (width_factor(rows, rows, alpha) + found_in) * per_row / math.sqrt(rows) <= effect

    high = 2 * LEAST_RATE_ROWS
    while not shows(high):
        high *= 2
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def split_p(batches: Iterable[Mapping[str, int]], shares: Mapping[str, float]) -> float:
    """The probability, at most, of counts as uneven as these at any look if units were split as declared.

    ``batches`` are the rows by variant, in the order in which they were looked at. Below 0.01 the assignment or the
    logging is broken, and nothing else about the experiment can be believed.
    """
    counts = dict.fromkeys(shares, 0)
    strongest = 0.0
    for batch in batches:
        for name in counts:
            counts[name] += batch.get(name, 0)
        strongest = max(strongest, _log_bayes_factor(list(counts.values()), list(shares.values())))
    return math.exp(-strongest)


def _log_bayes_factor(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Of shares drawn around the declared ones against the declared ones: a martingale, so Ville's bound holds."""
    prior = [SPLIT_WEIGHT * share for share in shares]
    alternative = math.lgamma(sum(prior)) - math.lgamma(sum(prior) + sum(counts))
    alternative += sum(math.lgamma(a + n) - math.lgamma(a) for a, n in zip(prior, counts, strict=True))
    return alternative - sum(n * math.log(share) for n, share in zip(counts, shares, strict=True))
