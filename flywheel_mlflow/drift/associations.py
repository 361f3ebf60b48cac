"""Pairs of fields that went together and no longer do, or now do, though each on its own looks as before."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.drift.tails import normal_tail

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from flywheel_mlflow.records.content.profile import ContentColumn

    Floats = npt.NDArray[np.float64]

#: Rows on either side below which correlations are not compared.
LEAST_ROWS = 100
#: Columns of which every pair is compared; labels count by their most frequent values.
MOST_COLUMNS = 24
LABELS = 3
#: The share of rows that have a value, and of rows that a label holds or does not, on both sides.
_COVERED = 0.9
_LEAST_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class AssociationFound:
    """The pair whose rank correlation changed most clearly; ``p`` is corrected for the number of pairs.

    ``effect`` is the change of the correlation, halved so that it is 0..1; ``effect_high`` ends its 95 % interval.
    """

    pair: tuple[str, str]
    before: float
    now: float
    p: float
    effect: float
    effect_high: float
    pairs: int
    n_reference: int
    n_current: int


def compare_associations(old: Sequence[ContentColumn], new: Sequence[ContentColumn]) -> AssociationFound | None:
    """Spearman's correlation of every pair of columns, before and now; None where there is no pair to compare.

    The error of a correlation comes from the rows themselves (its influence function), so it needs no normal columns.
    """
    import numpy as np

    before, now = _paired_columns(old, new)
    names = [name for name in before if name in now]
    if len(names) < 2:
        return None
    leaves = [before[name][0] for name in names]
    correlations = [_correlations(np.column_stack([side[name][1] for name in names])) for side in (before, now)]
    best: tuple[float, int, int] | None = None
    pairs = 0
    for one in range(len(names)):
        for other in range(one + 1, len(names)):
            if leaves[one] == leaves[other]:
                continue
            variance = correlations[0][1][one, other] + correlations[1][1][one, other]
            if not variance > 0:
                continue
            pairs += 1
            change = correlations[1][0][one, other] - correlations[0][0][one, other]
            best = max(
                best or (0.0, one, other), (abs(change) / math.sqrt(variance), one, other), key=lambda item: item[0]
            )
    if best is None:
        return None
    score, one, other = best
    values = [float(item[0][one, other]) for item in correlations]
    error = math.sqrt(float(correlations[0][1][one, other] + correlations[1][1][one, other]))
    effect = abs(values[1] - values[0]) / 2
    return AssociationFound(
        pair=(names[one], names[other]),
        before=values[0],
        now=values[1],
        p=min(1.0, 2 * normal_tail(score) * pairs),
        effect=effect,
        effect_high=min(1.0, effect + 1.96 * error / 2),
        pairs=pairs,
        n_reference=len(before[names[0]][1]),
        n_current=len(now[names[0]][1]),
    )


def _paired_columns(
    old: Sequence[ContentColumn], new: Sequence[ContentColumn]
) -> tuple[dict[str, tuple[str, Floats]], dict[str, tuple[str, Floats]]]:
    """The columns of both sides as numbers by name, with the leaf each is made of."""
    sides: tuple[dict[str, tuple[str, Floats]], dict[str, tuple[str, Floats]]] = ({}, {})
    others = {column.name: column for column in new}
    for column in old:
        other = others.get(column.name)
        if other is None or other.kind != column.kind or not _asked(column):
            continue
        pair = (column, other)
        if any(_known(item) < max(LEAST_ROWS, _COVERED * len(item.values)) for item in pair):
            continue
        if column.kind != "label":
            for side, item in zip(sides, pair, strict=True):
                side[column.name] = (column.leaf, _ranks(item.values))
            continue
        counts = Counter(value for item in pair for value in item.values if value is not None)
        for label, _ in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:LABELS]:
            held = [[value == label for value in side.values] for side in pair]
            shares = [sum(flags) / len(flags) for flags in held]
            if all(_LEAST_SHARE <= share <= 1 - _LEAST_SHARE for share in shares):
                for side, flags in zip(sides, held, strict=True):
                    side[f"{column.name} = {label}"] = (column.leaf, _ranks([float(flag) for flag in flags]))
    names = [name for name in sides[0] if name in sides[1]][:MOST_COLUMNS]
    return {name: sides[0][name] for name in names}, {name: sides[1][name] for name in names}


def _asked(column: ContentColumn) -> bool:
    """Fields themselves and the size of texts; what describes a text in other ways goes along with its size."""
    return column.name in {column.leaf, f"{column.leaf}: characters"}


def _known(column: ContentColumn) -> int:
    return sum(value is not None for value in column.values)


def _ranks(values: Sequence[float | str | None]) -> Floats:
    """Ranks with mean 0 and variance 1, equal values sharing theirs; rows without a value are in the middle."""
    import numpy as np

    numbers = np.array([np.nan if value is None else float(value) for value in values])
    there = ~np.isnan(numbers)
    _, places, counts = np.unique(numbers[there], return_inverse=True, return_counts=True)
    ranks = np.full(len(numbers), np.nan)
    ranks[there] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    ranks -= np.nanmean(ranks)
    spread = float(np.nanstd(ranks))
    return np.nan_to_num(ranks / spread if spread else ranks * 0.0)


def _correlations(columns: Floats) -> tuple[Floats, Floats]:
    """Every pair's correlation, and the variance of each: that of its influence function over the rows."""
    import numpy as np

    rows = len(columns)
    r = columns.T @ columns / rows
    squares = columns * columns
    cubes = squares * columns
    crossed = squares.T @ squares / rows  # mean of u2 v2
    odd = cubes.T @ columns / rows  # mean of u3 v
    fourth = np.mean(squares * squares, axis=0)
    spread = crossed - r * (odd + odd.T) + r * r / 4 * (fourth[:, None] + fourth[None, :] + 2 * crossed)
    return r, spread / rows
