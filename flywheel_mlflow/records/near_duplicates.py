"""Finds rows that are almost the same as another, by MinHash of their word n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.evidence.runs import Check
from flywheel_mlflow.records.batches import Batch
from flywheel_mlflow.records.checks import ByRow, PlaceOf, pairs
from flywheel_mlflow.records.findings import Warned
from flywheel_mlflow.records.shingles import mixed

#: Smallest hashes of 32 bits kept of each row, two in a number, and how many of them near duplicates have in common:
#: with nine of ten n-grams in common 81 % of the pairs are found, with half 4 %, with a third none of a hundred (Broder
#: 1997: each is equal with the probability of the share in common).
_NUMBERS = 4
ALIKE = 7
#: Texts of fewer n-grams (15 words) are too short to be alike.
LEAST_GRAMS = 8
#: Data made from templates, turns or steps are alike in part; below this share of the rows it is no finding.
SHARE = 0.05


class NearDuplicates(Warned):
    """At most one row in twenty is almost the same as an earlier one, by the words of their contents."""

    name = "near_duplicates"

    def __init__(self, interface: str, *, is_looked_for: bool) -> None:
        super().__init__(interface)
        self._is_looked_for = is_looked_for
        self._signatures = ByRow()

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        if self._is_looked_for:
            self._signatures.add(batch, _signatures(batch))

    def merge(self, other: NearDuplicates) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        self._signatures.merge(other._signatures)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped for data that nobody trains on or evaluates with, and without longer texts."""
        signatures = self._signatures.values(np.uint64).reshape(-1, _NUMBERS + 1)
        long = int(np.count_nonzero(signatures[:, 0]))
        later, earlier = _alike(signatures)
        alike = len(later)
        if alike and alike >= SHARE * self._rows:
            self._failing = alike
            self._examples = pairs("like", later, earlier, self._signatures, place_of)
        return self._look(
            place_of,
            long,
            "no training or evaluation data with texts of 15 words",
            f"{alike} of {long} texts are almost the same as an earlier one",
            f"{alike} of {long} texts are almost the same as an earlier one",
            alike=alike,
            texts=long,
        )


def _signatures(batch: Batch) -> npt.NDArray[np.uint64]:
    """Of each row its smallest hashes, zeros for a short one, and last its fingerprint."""
    texts, found = batch.shingles
    signatures = np.zeros((batch.rows, _NUMBERS + 1), dtype=np.uint64)
    signatures[:, -1] = batch.fingerprints
    rows = texts[found.gram_texts]
    if not len(rows):
        return signatures
    starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
    long = np.diff(np.append(starts, len(rows))) >= LEAST_GRAMS
    hashes = found.grams
    for number in range(_NUMBERS):
        hashes = mixed(hashes + np.uint64(1))
        halves = [np.minimum.reduceat(hashes.view(np.uint32)[half::2], starts).astype(np.uint64) for half in (0, 1)]
        together = halves[0] << np.uint64(32) | halves[1]
        signatures[rows[starts[long]], number] = np.maximum(together[long], np.uint64(1))
    return signatures


def _alike(signatures: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The rows that are almost like an earlier one, ascending, and that one; copies are another check's."""
    found: dict[int, int] = {}
    for number in range(_NUMBERS):
        band = signatures[:, number]
        order = np.argsort(band, kind="stable")
        same = np.flatnonzero((band[order][1:] == band[order][:-1]) & (band[order][1:] != 0))
        later, earlier = order[same + 1], order[same]
        one, two = signatures[later], signatures[earlier]
        equal = (one[:, :_NUMBERS].copy().view(np.uint32) == two[:, :_NUMBERS].copy().view(np.uint32)).sum(axis=1)
        alike = (equal >= ALIKE) & (one[:, -1] != two[:, -1])
        for row, other in zip(later[alike].tolist(), earlier[alike].tolist(), strict=True):
            found[row] = min(other, found.get(row, other))
    rows = np.array(sorted(found), dtype=np.int64)
    return rows, np.array([found[row] for row in rows.tolist()], dtype=np.int64)
