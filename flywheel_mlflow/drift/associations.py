"""Pairs of fields that went together and no longer do, or now do, though each on its own looks as before."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from flywheel_mlflow.drift.distributions import NORMAL_95, Comparison, Method
from flywheel_mlflow.drift.ranks import average_ranks
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


def compare_associations(old: Sequence[ContentColumn], new: Sequence[ContentColumn]) -> Comparison | None:
    """Spearman's correlation of every pair of columns, before and now; None where there is no pair to compare.

    Told is the pair whose correlation changed most clearly, its p-value corrected for the number of pairs; the effect
    is the change halved, so that it is 0..1. The error of a correlation comes from the rows themselves (its influence
    function), so it needs no normal columns.
    """
    import numpy as np

    before, now = _paired_columns(old, new)
    names = list(before)
    rhos, variances = (
        zip(*(_correlations(np.column_stack([side[name][1] for name in names])) for side in (before, now)), strict=True)
        if len(names) > 1
        else ((), ())
    )
    scores = [
        (abs(rhos[1][pair] - rhos[0][pair]) / math.sqrt(variances[0][pair] + variances[1][pair]), pair)
        for pair in combinations(range(len(names)), 2)
        if before[names[pair[0]]][0] != before[names[pair[1]]][0] and variances[0][pair] + variances[1][pair] > 0
    ]
    if not scores:
        return None
    score, pair = max(scores, key=lambda item: item[0])
    effect = abs(float(rhos[1][pair] - rhos[0][pair])) / 2
    told = f"{names[pair[0]]} with {names[pair[1]]}"
    return Comparison(
        method=Method.CORRELATION,
        p=min(1.0, 2 * normal_tail(score) * len(scores)),
        effect=effect,
        effect_high=min(1.0, effect * (1 + NORMAL_95 / score)) if score else 0.0,
        n_reference=len(before[names[0]][1]),
        n_current=len(now[names[0]][1]),
        reference=f"{told}: rho {rhos[0][pair]:.2f}",
        current=f"{rhos[1][pair]:.2f} ({len(scores)} pairs)",
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
    ranks = np.zeros(len(numbers))
    ranks[there], _ = average_ranks(numbers[there])
    ranks[there] -= ranks[there].mean()
    spread = float(ranks[there].std())
    return ranks / spread if spread else ranks


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
