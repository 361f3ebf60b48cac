"""Whether two samples of a quality signal come from one distribution, with the size of the difference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from flywheel_mlflow.drift.tails import chi_square_tail, hypergeometric_tail, kolmogorov_tail

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from flywheel_mlflow.records.profiles import Signal, Value

    Floats = npt.NDArray[np.float64]

#: Labels of a categorical signal compared one by one; the rest are one label more.
MOST_LABELS = 50

#: Chi-square's approximation needs about this many expected rows in a cell (Cochran 1954).
LEAST_EXPECTED = 5.0

#: Rows of both samples together that a tail holds, as a share and at least so many.
TAIL_SHARE = 0.02
TAIL_ROWS = 8

#: Values that are asked whether they pile up: so many, each in this share of the rows.
PILES = 4
PILE_SHARE = 0.01

#: What fewer rows of both samples share is not tested: at best p is 2 ** -11, so it would only take from the error of
#: what can be told from chance (Tarone 1990).
LEAST_TOLD = 12

#: The share of a column's error that the look at the whole has; what details show is clear or nothing.
WHOLE = 0.8

#: Below this many expected rows shares are compared exactly.
EXACT_BELOW = 20.0

#: The 95 % points of Kolmogorov's distribution and of the normal one, two-sided.
_KS_95 = 1.358
NORMAL_95 = 1.96


class Method(StrEnum):
    """How two samples were compared; fixed by the kind of values, never by how many there are."""

    KS = "two-sample Kolmogorov-Smirnov"
    TAIL = "share beyond a limit, exact two-sample test"
    PILE = "share of one value, exact two-sample test"
    CHI2 = "two-sample chi-square"
    TYPE = "share of numbers among the values, exact two-sample test"
    LABEL = "share of one label, exact two-sample test"
    COUNT = "share of rows, exact two-sample test"
    PHRASE = "shares of texts with a phrase, exact two-sample test"
    CLASSIFIER = "classifier two-sample test, cross-fitted"
    CORRELATION = "Spearman's correlations of all pairs"


_EFFECTS = {
    Method.KS: "D",
    Method.CHI2: "V",
    Method.CLASSIFIER: "2 AUC - 1",
    Method.CORRELATION: "half the change of rho",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two samples compared, each described in a few words.

    ``p`` is the probability of so large a difference where there is none. ``effect`` is 0..1: the Kolmogorov-Smirnov
    distance D, Cramer's V (corrected for its bias), phi, or what the method says; ``effect_high`` is the upper end of
    its 95 % interval.
    """

    method: Method
    p: float
    effect: float
    effect_high: float
    n_reference: int
    n_current: int
    reference: str
    current: str

    @property
    def effect_name(self) -> str:
        """What the effect size is called."""
        return _EFFECTS.get(self.method, "phi")


def values_of(signal: Signal | None) -> list[Value]:
    """The sampled values of a signal, rows without one left out."""
    return [] if signal is None else [value for value in signal.sample if value is not None]


def compare_values(reference: Sequence[Value], current: Sequence[Value]) -> Comparison | None:
    """Two samples compared: numbers by their distributions, texts and booleans by their labels.

    Each also by what a look at the whole misses: numbers by their tails and by values that pile up, labels one by one.
    The p-value is that of the clearest difference, corrected for how many were looked for: ``WHOLE`` of the error
    goes to the look at the whole, the rest to the others. Where one side has numbers alone and
    the other has not, the type changed: they are compared by how many are numbers. None when either is empty.
    """
    if not reference or not current:
        return None
    numeric = _numeric(reference), _numeric(current)
    if all(numeric):
        return _compare_numbers([float(value) for value in reference], [float(value) for value in current])
    if any(numeric):
        old, new = ((sum(map(_is_number, side)), len(side)) for side in (reference, current))
        return compare_share(Method.TYPE, old, new, "numbers")
    return _compare_labels(reference, current)


def _numeric(values: Sequence[Value]) -> bool:
    return set(map(type, values)) <= {int, float}


def _is_number(value: Value) -> bool:
    return type(value) in (int, float)


def _clearest(whole: Comparison, details: Sequence[Comparison]) -> Comparison:
    """The comparison with the smallest p-value after weighted Bonferroni: most for the whole, the rest for details."""
    if not details:
        return whole
    weighted = [replace(whole, p=min(1.0, whole.p / WHOLE))]
    weighted += [replace(item, p=min(1.0, len(details) * item.p / (1 - WHOLE))) for item in details]
    return min(weighted, key=lambda item: item.p)  # the first of equals: the whole


def _compare_numbers(reference: Sequence[float], current: Sequence[float]) -> Comparison:
    import numpy as np

    old, new = np.sort(np.asarray(reference, dtype=float)), np.sort(np.asarray(current, dtype=float))
    return _clearest(kolmogorov_smirnov(old, new), [*_tails(old, new), *_piles(old, new)])


def kolmogorov_smirnov(old: Floats, new: Floats) -> Comparison:
    """Two samples of numbers, each sorted, by the largest distance of their distributions."""
    import numpy as np

    both = np.concatenate([old, new])
    gap = np.searchsorted(old, both, side="right") / len(old) - np.searchsorted(new, both, side="right") / len(new)
    distance = float(np.abs(gap).max())
    return Comparison(
        method=Method.KS,
        # The size is that of scipy.stats.ks_2samp(method="asymp"); ties make p larger than the truth, never smaller.
        p=kolmogorov_tail(distance, round(len(old) * len(new) / len(both))),
        effect=distance,
        n_reference=len(old),
        n_current=len(new),
        reference=_summary(float(old.mean()), float(old.std())),
        current=_summary(float(new.mean()), float(new.std())),
        # Kolmogorov's 95 % band of each sample around its distribution, both together.
        effect_high=min(1.0, distance + _KS_95 * math.sqrt(1 / len(old) + 1 / len(new))),
    )


def _tails(old: Floats, new: Floats) -> Iterator[Comparison]:
    """The shares beyond limits that the tails of both samples together lie behind."""
    import numpy as np

    both = np.sort(np.concatenate([old, new]))
    reach = max(TAIL_ROWS, round(TAIL_SHARE * len(both)))
    if reach * 4 > len(both):
        return
    for limit, below in ((both[reach - 1], True), (both[-reach], False)):
        middle = limit < both[len(both) // 2] if below else limit > both[len(both) // 2]
        if not middle:
            continue  # the limit is the bulk itself
        counts = [int((side <= limit).sum() if below else (side >= limit).sum()) for side in (old, new)]
        sign = "≤" if below else "≥"
        yield compare_share(Method.TAIL, (counts[0], len(old)), (counts[1], len(new)), f"{sign} {limit:.4g}")


def _piles(old: Floats, new: Floats) -> Iterator[Comparison]:
    """The shares of the values that most rows have exactly."""
    import numpy as np

    values, counts = np.unique(np.concatenate([old, new]), return_counts=True)
    if len(values) < 2:
        return
    largest = np.argsort(-counts, kind="stable")[:PILES]
    for value in values[largest[counts[largest] >= PILE_SHARE * (len(old) + len(new))]].tolist():
        held = [int((side == value).sum()) for side in (old, new)]
        yield compare_share(Method.PILE, (held[0], len(old)), (held[1], len(new)), f"= {value:.6g}")


def compare_share(method: Method, old: tuple[int, int], new: tuple[int, int], what: str) -> Comparison:
    """Two shares, given as counts with the rows they are of."""
    p, effect = compare_shares(old, new)
    return Comparison(
        method=method,
        p=p,
        effect=effect,
        n_reference=old[1],
        n_current=new[1],
        reference=f"{old[0] / old[1]:.1%} {what}",
        current=f"{new[0] / new[1]:.1%} {what}",
        effect_high=share_high(effect, old[1] + new[1]),
    )


def share_high(effect: float, rows: int) -> float:
    """The upper end of the 95 % interval of phi or V over so many rows of both samples."""
    return min(1.0, effect + NORMAL_95 / math.sqrt(rows))


def compare_shares(old: tuple[int, int], new: tuple[int, int]) -> tuple[float, float]:
    """(p, phi) of two shares, each a count with the rows it is of.

    Where counts are small p is Fisher's exact one, twice the smaller tail; else chi-square's with Yates' correction.
    Phi is not corrected for its bias, which is below 1/sqrt(n). It grows with the ratio of rare shares: 1 % → 4 % is
    0.10, as is 45 % → 55 %.
    """
    (a, n), (b, m) = old, new
    total = a + b
    if total in (0, n + m):
        return 1.0, 0.0
    phi = abs(b / m - a / n) * math.sqrt(n * m) / math.sqrt(total * (n + m - total))
    if min(total, n + m - total) * min(n, m) / (n + m) >= EXACT_BELOW:
        return _chi_square([(a, b), (n - a, m - b)])[0], phi
    return hypergeometric_tail(a, n, b, m), phi


def _summary(mean: float, deviation: float) -> str:
    return f"{mean:.4g} ± {deviation:.3g}"


def _label(value: Value) -> str:
    """A value as a label: the text "1" and the number 1 are different labels."""
    return value if isinstance(value, str) else f"{value!r}"


def _compare_labels(reference: Sequence[Value], current: Sequence[Value]) -> Comparison:
    old, new = Counter(map(_label, reference)), Counter(map(_label, current))
    table = _cells(old, new)
    p, effect = _chi_square(table)
    whole = Comparison(
        method=Method.CHI2,
        p=p,
        effect=effect,
        n_reference=len(reference),
        n_current=len(current),
        reference=_shares(old, old + new),
        current=_shares(new, old + new),
        effect_high=share_high(effect, len(reference) + len(current)),
    )
    sizes = (len(reference), len(current))
    return _clearest(whole, list(_single_labels(old, new, sizes)))


def _single_labels(old: Counter[str], new: Counter[str], sizes: tuple[int, int]) -> Iterator[Comparison]:
    """The shares of single labels, where there are more than two: the whole says all about two."""
    both = old + new
    if len(both) < 3:
        return
    ranked = sorted(both.items(), key=lambda item: (-item[1], item[0]))[:MOST_LABELS]
    for label, count in ranked:
        if count >= LEAST_TOLD:
            yield compare_share(Method.LABEL, (old[label], sizes[0]), (new[label], sizes[1]), label[:24])


def _cells(old: Counter[str], new: Counter[str]) -> list[tuple[int, int]]:
    """(reference, current) counts of each label, rare labels put together so that chi-square holds."""
    both = old + new
    total_old, total_new = sum(old.values()), sum(new.values())
    smaller_share = min(total_old, total_new) / (total_old + total_new)
    kept: list[tuple[int, int]] = []
    rest_old = rest_new = 0
    for index, (label, count) in enumerate(sorted(both.items(), key=lambda item: (-item[1], item[0]))):
        if index < MOST_LABELS and count * smaller_share >= LEAST_EXPECTED:
            kept.append((old[label], new[label]))
        else:
            rest_old, rest_new = rest_old + old[label], rest_new + new[label]
    if rest_old + rest_new:
        kept.append((rest_old, rest_new))
    return kept


def _chi_square(table: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """(p, bias-corrected Cramer's V) of a table with two columns; one label alone cannot differ.

    Two labels are corrected for continuity (Yates), as scipy does by default: without it small tables alarm too often.
    """
    if len(table) < 2:
        return 1.0, 0.0
    rows = [sum(row) for row in table]
    columns = [sum(column) for column in zip(*table, strict=True)]
    total, freedom = sum(rows), len(table) - 1
    expected = [[row * column / total for column in columns] for row in rows]
    shift = 0.5 if freedom == 1 else 0.0
    statistic = math.fsum(
        max(0.0, abs(seen - due) - shift) ** 2 / due
        for counts, dues in zip(table, expected, strict=True)
        for seen, due in zip(counts, dues, strict=True)
    )
    # Bergsma 2013: V of samples from one distribution is positive by chance; its expectation is taken off.
    phi = max(0.0, statistic - freedom) / total
    return chi_square_tail(statistic, freedom), math.sqrt(phi)


def _shares(counts: Counter[str], both: Counter[str]) -> str:
    """The three most frequent labels of both samples with their share in this one."""
    total = sum(counts.values())
    names = [label for label, _ in sorted(both.items(), key=lambda item: (-item[1], item[0]))[:3]]
    shown = ", ".join(f"{name[:24]} {counts[name] / total:.0%}" for name in names)
    return shown + (f" of {len(both)} labels" if len(both) > len(names) else "")


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that rejecting those <= q keeps the false discovery rate at q (1995, JRSS B 57)."""
    ranked = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    least = 1.0
    for rank in range(len(ranked), 0, -1):
        index = ranked[rank - 1]
        least = min(least, p_values[index] * len(p_values) / rank)
        adjusted[index] = least
    return adjusted


def detectable_shift(n_reference: int, n_current: int, *, alpha: float) -> float | None:
    """The shift of a normal signal, in standard deviations, that samples of these sizes show four times out of five.

    A shift of d moves the distributions apart by ``2 * Phi(d/2) - 1``; returned is the d whose distance is the
    critical one of a Kolmogorov-Smirnov test at level ``alpha``, ``sqrt(-ln(alpha/2) / (2 m))`` with
    m = n1 n2 / (n1 + n2) (Smirnov). The largest distance of two samples exceeds that of their distributions, so
    such a shift is found in 74 to 87 % of samples of 50 to 2,000 rows (measured). None when no shift would be.
    """
    from statistics import NormalDist

    if n_reference < 1 or n_current < 1:
        return None
    size = n_reference * n_current / (n_reference + n_current)
    critical = math.sqrt(-math.log(alpha / 2) / (2 * size))
    return 2 * NormalDist().inv_cdf((1 + critical) / 2) if critical < 1 else None
