"""Two runs judged sample by sample: exact for outcomes, a seeded bootstrap for values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: Resamples of the bootstrap: the ends of a 95 % interval are then known to about 1/20 of its width.
ROUNDS = 4000

#: With fewer pairs a bootstrap interval is far too narrow.
LEAST_PAIRS = 20

#: The share of the smaller side that must have a partner, or the two sides are not the same samples.
LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Paired:
    """The same samples judged twice.

    ``worse`` is the mean loss, positive when the current side is worse; ``low`` and ``high`` enclose it; ``p`` is
    McNemar's exact p-value for outcomes of 0 and 1, None for other values.
    """

    n: int
    worse: float
    low: float
    high: float
    lost: int
    won: int
    p: float | None

    @property
    def method(self) -> str:
        """How it was judged, in words."""
        boot = f"paired bootstrap, {ROUNDS} rounds"
        return boot if self.p is None else f"McNemar exact, {boot}"


def mcnemar(lost: int, won: int) -> float:
    """McNemar's exact two-sided p-value: of ``lost + won`` samples that changed, so many for the worse.

    Binomial with one half; 1 when nothing changed.
    """
    total = lost + won
    if not total:
        return 1.0
    tail = math.fsum(math.exp(_log_choose(total, k) - total * math.log(2)) for k in range(min(lost, won) + 1))
    return min(1.0, 2 * tail)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def compare_pairs(
    current: Mapping[str, float], reference: Mapping[str, float], *, higher: bool, confidence: float, seed: int
) -> Paired | None:
    """The samples both sides have, compared one by one; None when too few are the same.

    ``higher`` says that a higher value is better.
    """
    shared = sorted(current.keys() & reference.keys())
    smaller = min(len(current), len(reference))
    if len(shared) < LEAST_PAIRS or len(shared) < LEAST_OVERLAP * smaller:
        return None
    sign = 1 if higher else -1
    losses = [sign * (reference[name] - current[name]) for name in shared]
    low, high = _bootstrap(losses, confidence, seed)
    lost, won = sum(loss > 0 for loss in losses), sum(loss < 0 for loss in losses)
    binary = all(side[name] in (0, 1) for side in (current, reference) for name in shared)
    p = mcnemar(lost, won) if binary else None
    return Paired(len(shared), math.fsum(losses) / len(losses), low, high, lost, won, p)


def _bootstrap(losses: list[float], confidence: float, seed: int) -> tuple[float, float]:
    """The percentile interval of the mean."""
    import numpy as np

    values = np.asarray(losses, dtype=float)
    random = np.random.default_rng(seed)
    means = np.empty(ROUNDS)
    for index in range(ROUNDS):  # one at a time: all at once would need rounds x samples of memory
        means[index] = values[random.integers(0, len(values), len(values))].mean()
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
