"""Two runs judged sample by sample: exact for outcomes of 0 and 1, a seeded bootstrap for other values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flywheel_mlflow.drift.intervals import bisect, two_sided_z
from flywheel_mlflow.drift.tails import normal_tail, student_tail

#: Resamples of the bootstrap: the ends of a 95 % interval are then known to about 1/20 of its width.
ROUNDS = 4000

#: With fewer pairs a bootstrap interval is far too narrow.
LEAST_PAIRS = 20

#: The share of the smaller side that must have a partner, or the two sides are not the same samples.
LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Paired:
    """The same samples judged twice.

    ``worse`` is the mean loss, positive when the current side is worse, ``error`` its standard error; ``low`` and
    ``high`` enclose it. ``p_worse`` is the one-sided p-value of "it lost no more than the tolerance", ``p_better`` that
    of "it gained nothing". ``binary`` says that every outcome is 0 or 1.
    """

    n: int
    worse: float
    error: float
    low: float
    high: float
    lost: int
    won: int
    binary: bool
    p_worse: float
    p_better: float

    @property
    def method(self) -> str:
        """How it was judged, in words."""
        return "McNemar exact, Tango's score interval" if self.binary else f"paired bootstrap, {ROUNDS} rounds"


def mcnemar(lost: int, won: int) -> float:
    """McNemar's exact one-sided p-value: so many or more of ``lost + won`` samples that changed, changed for the worse.

    Binomial with one half; 1 when nothing changed.
    """
    total = lost + won
    return min(1.0, math.fsum(math.exp(_log_choose(total, k) - total * math.log(2)) for k in range(lost, total + 1)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def compare_pairs(
    current: Mapping[str, float],
    reference: Mapping[str, float],
    *,
    higher: bool,
    confidence: float,
    seed: int,
    tolerance: float = 0.0,
) -> Paired | None:
    """The samples both sides have, compared one by one; None when too few are the same.

    ``higher`` says that a higher value is better; ``tolerance`` is in the unit of the values.
    """
    shared = sorted(current.keys() & reference.keys())
    smaller = min(len(current), len(reference))
    if len(shared) < LEAST_PAIRS or len(shared) < LEAST_OVERLAP * smaller:
        return None
    sign = 1 if higher else -1
    losses = [sign * (reference[name] - current[name]) for name in shared]
    n, worse = len(losses), math.fsum(losses) / len(losses)
    error = math.sqrt(math.fsum((loss - worse) ** 2 for loss in losses) / (n - 1) / n)
    lost, won = sum(loss > 0 for loss in losses), sum(loss < 0 for loss in losses)
    binary = all(side[name] in (0, 1) for side in (current, reference) for name in shared)
    if binary:
        low, high = _tango_interval(lost, won, n, two_sided_z(confidence))
        # The score test is approximate; for few samples that changed the exact test of no loss at all holds it back.
        p_worse = max(normal_tail(_tango_z(lost, won, n, tolerance)), mcnemar(lost, won))
        p_better = mcnemar(won, lost)
    else:
        low, high = _bootstrap(losses, confidence, seed)
        p_worse, p_better = _student(worse - tolerance, error, n), _student(-worse, error, n)
    return Paired(n, worse, error, low, high, lost, won, binary, p_worse, p_better)


def _tango_z(lost: int, won: int, n: int, margin: float) -> float:
    """The score statistic of "the share lost minus the share won is ``margin``" (Tango 1998, Stat. in Medicine 17).

    Large when more than the margin was lost.
    """
    if margin < 0:
        return -_tango_z(won, lost, n, -margin)
    a = 2 * n
    b = (2 * n - lost + won) * margin - lost - won
    c = -won * margin * (1 - margin)
    least_won = (math.sqrt(b * b - 4 * a * c) - b) / (2 * a)
    variance = n * (2 * least_won + margin * (1 - margin))
    difference = lost - won - n * margin
    if variance <= 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / math.sqrt(variance)


def _tango_interval(lost: int, won: int, n: int, z: float) -> tuple[float, float]:
    """The margins that the score test does not refuse; they enclose the difference seen."""
    seen = (lost - won) / n
    low = bisect(lambda margin: z - _tango_z(lost, won, n, margin), -1.0, seen)
    high = bisect(lambda margin: -z - _tango_z(lost, won, n, margin), seen, 1.0)
    return low, high


def _student(excess: float, error: float, n: int) -> float:
    """One-sided p-value of a mean loss that exceeds its limit by ``excess`` (Student's t)."""
    if error <= 0:
        return 0.0 if excess > 0 else 1.0
    return student_tail(excess / error, n - 1)


def _bootstrap(losses: Sequence[float], confidence: float, seed: int) -> tuple[float, float]:
    """The percentile interval of the mean."""
    import numpy as np

    values = np.asarray(losses, dtype=float)
    random = np.random.default_rng(seed)
    means = np.empty(ROUNDS)
    for index in range(ROUNDS):  # one at a time: all at once would need rounds x samples of memory
        means[index] = values[random.integers(0, len(values), len(values))].mean()
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
