"""Intervals and p-values of a difference of two proportions, exact enough for small samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.drift.tails import normal_tail

#: Beyond this many samples a side nobody measures; the answer is then "no sample size decides it".
MOST_SAMPLES = 10_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """A proportion with its sample size.

    ``successes`` may be fractional: the mean of values in 0..1 varies at most as much as a
    proportion of the same size does, so its interval here is on the safe side.

    Raises:
        InputError: no sample, or more successes than samples.
    """

    successes: float
    n: int

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.successes <= self.n:
            raise InputError(
                f"{self.successes:g} of {self.n} is no proportion", hint="give 0 <= successes <= n, n >= 1"
            )

    @property
    def value(self) -> float:
        """The proportion, 0..1."""
        return self.successes / self.n


def wilson_interval(successes: float, n: int, *, confidence: float) -> tuple[float, float]:
    """The two-sided score interval of one proportion (Wilson 1927, JASA 22).

    Raises:
        InputError: no sample, more successes than samples, or a confidence outside 0..1.
    """
    return _wilson(Rate(successes, n), two_sided_z(confidence))


def _wilson(rate: Rate, z: float) -> tuple[float, float]:
    n, share = rate.n, rate.value
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)
    # Rounding must not move the ends past the value they enclose.
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def newcombe_difference(x1: float, n1: int, x2: float, n2: int, *, confidence: float) -> tuple[float, float]:
    """The two-sided interval of ``x1/n1 - x2/n2``, two independent proportions.

    Newcombe's hybrid score interval without continuity correction (Newcombe 1998, Statistics in
    Medicine 17, method 10): close to its confidence from a handful of samples on, where the
    textbook interval is far too narrow.

    Raises:
        InputError: no sample, more successes than samples, or a confidence outside 0..1.
    """
    return _newcombe(Rate(x1, n1), Rate(x2, n2), two_sided_z(confidence))


def _newcombe(first: Rate, second: Rate, z: float) -> tuple[float, float]:
    p1, p2 = first.value, second.value
    low1, high1 = _wilson(first, z)
    low2, high2 = _wilson(second, z)
    difference = p1 - p2
    low = difference - math.sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    high = difference + math.sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)
    return max(-1.0, low), min(1.0, high)


def newcombe_p(first: Rate, second: Rate, *, margin: float) -> float:
    """One-sided p-value of "``first - second`` is at most ``margin``" (0 or more), by inverting Newcombe's interval.

    It is the level at which the end of the interval reaches the margin, so interval and p-value never disagree.
    """
    below = first.value - second.value <= margin
    end = 1 if below else 0
    z = bisect(lambda z: (margin - _newcombe(first, second, z)[end]) * (-1 if below else 1), 0.0, FARTHEST_Z)
    return normal_tail(-z if below else z)


#: Beyond this many standard errors a p-value is 0 for every purpose.
FARTHEST_Z = 38.0


def bisect(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises from below 0 to above crosses 0; the nearer end where it does not."""
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def decides(low: float, high: float, margin: float) -> bool:
    """Whether an interval of "how much worse" lies on one side of the margin."""
    return high <= margin or low > margin


def samples_needed(current: Rate, reference: Rate, *, margin: float, confidence: float, higher: bool) -> int | None:
    """Samples on each side that would decide whether ``current`` is worse than the margin.

    The rates are taken to stay as they are; ``higher`` says that a higher rate is better. None when no size up
    to ten million a side would: the loss seen is the margin itself. Raises as :func:`newcombe_difference`.
    """

    def decided(n: int) -> bool:
        best, worst = (reference, current) if higher else (current, reference)
        low, high = newcombe_difference(best.value * n, n, worst.value * n, n, confidence=confidence)
        return decides(low, high, margin)

    if not decided(MOST_SAMPLES):
        return None
    below, enough = 0, 1
    while not decided(enough):
        below, enough = enough, min(enough * 2, MOST_SAMPLES)
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (below, middle) if decided(middle) else (middle, enough)
    return enough


def two_sided_z(confidence: float) -> float:
    """How many standard errors a two-sided interval of this confidence reaches, each way.

    Raises:
        InputError: a confidence outside 0..1.
    """
    if not 0 < confidence < 1:
        raise InputError(f"{confidence} is no confidence", hint="give a share between 0 and 1, such as 0.95")
    return NormalDist().inv_cdf((1 + confidence) / 2)
