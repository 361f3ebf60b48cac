"""Vectors such as embeddings: along a few fixed directions, which say what kind of vectors they are and no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.records.content.leaves import Scalar
from flywheel_mlflow.records.content.profile import VectorSketch

#: Numbers that a list has at least, all rows as many, to be a vector.
LEAST_DIMENSION = 8
#: Directions kept; vectors of fewer dimensions are kept as they are.
DIRECTIONS = 32
#: The share of rows whose list has the common length.
_ALIKE = 0.9


def as_vectors(values: Sequence[list[Scalar] | None]) -> npt.NDArray[np.float64] | None:
    """The lists of numbers as a matrix with a row each, NaN where there is none; None if they are no vectors."""
    lengths = [len(value) for value in values if value]
    if not lengths:
        return None
    size = max(set(lengths), key=lambda length: (lengths.count(length), length))
    if size < LEAST_DIMENSION or lengths.count(size) < _ALIKE * len(lengths):
        return None
    matrix = np.full((len(values), size), np.nan)
    for row, value in enumerate(values):
        if value and len(value) == size:
            if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
                return None
            matrix[row] = [float(item) for item in value]
    return matrix


def sketch(field: str, matrix: npt.NDArray[np.float64]) -> tuple[VectorSketch, npt.NDArray[np.float64]]:
    """The sketch of some vectors, and the length of each vector (NaN where there is none)."""
    sizes = np.sqrt(np.sum(matrix * matrix, axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.where(sizes[:, None] > 0, matrix / sizes[:, None], np.where(np.isnan(matrix), np.nan, 0.0))
    dimension = matrix.shape[1]
    if dimension > DIRECTIONS:
        # The same directions in every run: signs of a generator that depends on the dimension alone.
        signs = np.random.Generator(np.random.PCG64(dimension)).integers(0, 2, (dimension, DIRECTIONS)) * 2 - 1
        unit = unit @ (signs / np.sqrt(dimension))
    return VectorSketch(field, dimension, np.round(unit, 4).astype(np.float32)), sizes
