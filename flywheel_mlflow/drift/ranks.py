"""Ranks of values, as tests that ask nothing of their distribution need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def average_ranks(values: Floats) -> tuple[Floats, Floats]:
    """The rank of each value from 1 on, equal values sharing theirs, and how many there are of each different value."""
    import numpy as np

    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return ranks[places], counts.astype(np.float64)
