"""Tells two samples apart by a classifier that is trained on the one half and tested on the other.

The classifier has not seen the rows it is tested on, so the test keeps its level however good or bad the classifier is
(Lopez-Paz and Oquab 2017, "Revisiting Classifier Two-Sample Tests").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.drift.distributions import NORMAL_95, Comparison, Method
from flywheel_mlflow.drift.pictures import MOST_EXAMPLES
from flywheel_mlflow.drift.ranks import average_ranks
from flywheel_mlflow.drift.tails import normal_tail

if TYPE_CHECKING:
    from flywheel_mlflow.records.content.profile import VectorSketch, Wording

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

#: Rows on either side below which there is nothing to learn from.
LEAST_ROWS = 60

#: Added to the counts of a word on each side: a word of one row says little.
SMOOTHING = 1.0
#: Rows of both sides that a word stands in at least to be learnt.
LEAST_SUPPORT = 3


@dataclass(frozen=True, slots=True)
class Separation:
    """How well two samples can be told apart, and the rows now that are most unlike before, the most unlike first.

    The effect is 2 AUC - 1, where AUC is the probability that a row now looks more like now than a row of before does:
    0 where nothing tells them apart.
    """

    comparison: Comparison
    unlike: tuple[int, ...]


def separate_wordings(old: Wording, new: Wording) -> Separation | None:
    """How well the wording of the texts tells before from now; None with too few texts."""
    kept = [np.flatnonzero(item.there) for item in (old, new)]

    def train_and_score(train: tuple[Rows, Rows], test: tuple[Rows, Rows]) -> tuple[Floats, Floats]:
        weights = _weights(old, train[0], new, train[1])
        return _scores(old, test[0], weights), _scores(new, test[1], weights)

    return _cross_fitted(kept[0], kept[1], train_and_score)


def separate_vectors(old: VectorSketch, new: VectorSketch) -> Separation | None:
    """How well the vectors tell before from now; None with too few, and None where they are of different dimensions."""
    if old.values.shape[1] != new.values.shape[1] or old.dimension != new.dimension:
        return None
    sides = [np.asarray(item.values, np.float64) for item in (old, new)]
    kept = [np.flatnonzero(~np.isnan(side[:, 0])) for side in sides]
    features = [np.hstack([side, side * side]) for side in sides]

    def train_and_score(train: tuple[Rows, Rows], test: tuple[Rows, Rows]) -> tuple[Floats, Floats]:
        before, now = features[0][train[0]], features[1][train[1]]
        spread = np.cov(np.vstack([before - before.mean(axis=0), now - now.mean(axis=0)]).T)
        ridge = 0.1 * np.trace(spread) / len(spread) + 1e-12
        direction = np.linalg.solve(spread + ridge * np.eye(len(spread)), now.mean(axis=0) - before.mean(axis=0))
        return features[0][test[0]] @ direction, features[1][test[1]] @ direction

    return _cross_fitted(kept[0], kept[1], train_and_score)


def _cross_fitted(
    old: Rows,
    new: Rows,
    train_and_score: Callable[[tuple[Rows, Rows], tuple[Rows, Rows]], tuple[Floats, Floats]],
) -> Separation | None:
    """Each half is tested by what was learnt from the other; the p-value is twice the smaller of the two."""
    if min(len(old), len(new)) < LEAST_ROWS:
        return None
    halves = [(old[place::2], new[place::2]) for place in (0, 1)]
    found = [(*train_and_score(halves[1 - place], halves[place]), halves[place][1]) for place in (0, 1)]
    aucs = [_auc(before, now) for before, now, _ in found]
    # The standard error of one half's AUC, with half the rows of each side.
    size = math.sqrt((len(old) + len(new) + 2) / (3 * len(old) * len(new)))
    p = min(1.0, 2 * min(normal_tail((auc - 0.5) / (size * spread)) if spread else 1.0 for auc, spread in aucs))
    auc = sum(auc for auc, _ in aucs) / 2
    effect = max(0.0, 2 * auc - 1)
    scores, rows = (np.concatenate([half[place] for half in found]) for place in (1, 2))
    return Separation(
        Comparison(
            method=Method.CLASSIFIER,
            p=p,
            effect=effect,
            effect_high=min(1.0, effect + 2 * NORMAL_95 * size / math.sqrt(2)),
            n_reference=len(old),
            n_current=len(new),
            reference="AUC 0.50 where nothing tells them apart",
            current=f"AUC {auc:.2f}",
        ),
        tuple(rows[np.lexsort((rows, -scores))[:MOST_EXAMPLES]].tolist()),
    )


def _weights(old: Wording, before: Rows, new: Wording, now: Rows) -> Floats:
    """How much more often each hashed word stands in rows now than before: log ratios (naive Bayes)."""
    size = int(max(old.features.max(initial=0), new.features.max(initial=0))) + 1
    counts = [
        np.bincount(_features(item, rows), minlength=size).astype(np.float64)
        for item, rows in ((old, before), (new, now))
    ]
    shares = [
        (count + SMOOTHING) / (len(rows) + 2 * SMOOTHING) for count, rows in zip(counts, (before, now), strict=True)
    ]
    weights: Floats = np.log(shares[1] / shares[0])
    weights[counts[0] + counts[1] < LEAST_SUPPORT] = 0.0
    # Words whose difference is within chance only blur the ones that matter.
    pooled = (counts[0] + counts[1] + 2 * SMOOTHING) / (len(before) + len(now) + 4 * SMOOTHING)
    error = np.sqrt(pooled * (1 - pooled) * (1 / len(before) + 1 / len(now)))
    strength = np.abs(shares[1] - shares[0]) / error
    return np.asarray(weights * np.clip(strength - 1.0, 0.0, 2.0))


def _features(item: Wording, rows: Rows) -> npt.NDArray[np.int64]:
    lengths = np.diff(item.starts)[rows]
    total = int(lengths.sum())
    places = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(item.starts[rows], lengths)
    return np.asarray(item.features[places], np.int64)


def _scores(item: Wording, rows: Rows, weights: Floats) -> Floats:
    lengths = np.diff(item.starts)[rows]
    values = np.concatenate(([0.0], np.cumsum(weights[np.minimum(_features(item, rows), len(weights) - 1)])))
    ends = np.cumsum(lengths)
    return np.asarray(values[ends] - values[ends - lengths])


def _auc(before: Floats, now: Floats) -> tuple[float, float]:
    """The share of pairs in which now has the higher score, ties half; and how ties narrow its error (1: no ties)."""
    ranks, counts = average_ranks(np.concatenate([before, now]))
    total = float(ranks[len(before) :].sum())
    auc = (total - len(now) * (len(now) + 1) / 2) / (len(before) * len(now))
    size = len(ranks)
    ties = float((counts**3 - counts).sum()) / (size**3 - size)
    return auc, math.sqrt(max(0.0, 1 - ties))
