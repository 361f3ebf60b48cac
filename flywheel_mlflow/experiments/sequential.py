"""Intervals and tests that hold however often one looks: confidence sequences, and a test of the split.

Asymptotic confidence sequences follow Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences" (Annals of Statistics 2024, theorem 2.2); the test of the split follows
Lindon and Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022). Rare events have an
exact sequence: the mixture of Robbins, "Statistical methods related to the law of the iterated logarithm" (1970).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from flywheel_mlflow.experiments.moments import Moments

#: Rows that each variant needs before anything is told: the bound holds for many rows, the more the longer the tails
#: of the values are (benchmarks/experiments.py).
LEAST_ROWS = 500
#: A rate has an exact sequence, which is wider, below so many rows, events, or rows without one.
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
    least = 1 if is_rate else LEAST_ROWS
    if min(control.n, treatment.n) < least:
        rows = "1 row" if least == 1 else f"{least} rows"
        return f"{rows} of each variant are needed, there are {min(control.n, treatment.n)}"
    return "" if is_rate or control.squares + treatment.squares else "all values are the same"


def difference(
    control: Moments, treatment: Moments, *, planned: int, alpha: float, is_rate: bool = False
) -> Difference:
    """The treatment's mean minus the control's, where nothing is :func:`lacking`.

    With a covariate both means are those at the same value of it (CUPED: Deng, Xu, Kohavi and Walker 2013).
    ``planned`` are the rows of both together near which the interval is narrowest. A rate of few events has an exact
    interval, without the covariate.
    """
    if is_rate and min(map(_rarest, (control, treatment))) < LEAST_EVENTS:
        return _exact_difference(control, treatment, alpha)
    slope = _slope(control, treatment)
    value = treatment.mean - control.mean - slope * (treatment.x_mean - control.x_mean)
    error = math.sqrt(sum(_variance(item, slope) / item.n for item in (control, treatment)))
    half = width_factor(control.n + treatment.n, planned, alpha) * error
    return Difference(value, value - half, value + half)


def _rarest(item: Moments) -> int:
    """Events, or rows without one, of a rate: the fewer; none where there are few rows at all."""
    events = round(item.mean * item.n)
    return min(events, item.n - events) if item.n >= LEAST_RATE_ROWS else 0


def _exact_difference(control: Moments, treatment: Moments, alpha: float) -> Difference:
    """From the two rates' own sequences: both hold together as often as their error rates add up to."""
    one, other = (rate_interval(round(item.mean * item.n), item.n, alpha / 2) for item in (control, treatment))
    return Difference(treatment.mean - control.mean, other[0] - one[1], other[1] - one[0])


def rate_interval(events: int, rows: int, alpha: float) -> tuple[float, float]:
    """The rates that ``events`` in ``rows`` leave possible, however often one looks; exact, for any number of rows.

    A rate is ruled out once the mixture of all rates (Jeffreys' prior) explains the rows ``1 / alpha`` times as well.
    """
    mixture = _log_beta(events + 0.5, rows - events + 0.5) - _log_beta(0.5, 0.5)

    def is_possible(rate: float) -> bool:
        likelihood = (events * math.log(rate) if events else 0.0) + (
            (rows - events) * math.log1p(-rate) if rows > events else 0.0
        )
        return mixture - likelihood < -math.log(alpha)

    middle = events / rows
    low = 0.0 if not events else _edge(is_possible, middle, 0.0)
    high = 1.0 if events == rows else _edge(is_possible, middle, 1.0)
    return low, high


def _edge(is_possible: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where possible rates end between one that is and the end of the scale, on the outer side."""
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if is_possible(middle) else (inside, middle)
    return outside


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


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
