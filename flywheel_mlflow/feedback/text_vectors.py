"""Compares texts: by their letters, and by what they mean where a model is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.feedback.embedding import Embedder

if TYPE_CHECKING:
    #: A sparse matrix with a row for each text.
    Vectors = Any

#: Letters compared together. Characters instead of words: Chinese has no spaces, and word endings do not matter.
NGRAMS = (2, 5)
#: Mean cosine distance by letters up to which groups of texts are one theme (average linkage). Chosen on labelled
#: complaints: beyond it, groups begin to hold unlike things. docs/feedback.md shows the table.
DISTANCE = 0.8
#: From which likeness of their typical texts two themes are one that came back (cosine, 0 to 1). Tried on seven
#: complaints said in other words: 0.49 and more for the same, 0.22 and less for others.
ALIKE = 0.35


@dataclass(frozen=True, slots=True)
class Limits:
    """The cosine distance up to which texts are one theme, and the likeness from which a theme came back."""

    distance: float
    alike: float


class TextVectors:
    """Vectors of texts whose cosine says how alike they are.

    With a model, two texts are alike when the mean of both distances, each in parts of its own limit, is at most one:
    said in like words and meant alike, or one of the two very much so. That is one cosine of vectors put side by side.
    """

    def __init__(self, embedder: Embedder | None) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._letters = TfidfVectorizer(analyzer="char_wb", ngram_range=NGRAMS, lowercase=False, sublinear_tf=True)
        self._embedder = embedder
        self.limits = Limits(DISTANCE, ALIKE)
        self._weights = (1.0, 0.0)
        if embedder is not None:
            # dL / (2 DISTANCE) + dM / (2 distance) <= 1, as weights that sum to one and a limit.
            parts = 1 / (2 * DISTANCE), 1 / (2 * embedder.used.distance)
            limit = 1 / sum(parts)
            self._weights = parts[0] * limit, parts[1] * limit
            self.limits = Limits(limit, 1 - limit * (1 - ALIKE) / DISTANCE)

    def fit(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts, and from then on others are compared with these.

        A text without a letter or digit is nearest to itself.
        """
        return self._with_meaning(
            self._letters.fit_transform([text or "\N{REPLACEMENT CHARACTER}" for text in texts]), texts
        )

    def of(self, texts: Sequence[str]) -> Vectors:
        """The vectors of other texts."""
        return self._with_meaning(self._letters.transform(texts), texts)

    def _with_meaning(self, letters: Vectors, texts: Sequence[str]) -> Vectors:
        if self._embedder is None:
            return letters
        from scipy.sparse import csr_matrix, hstack

        one, two = (sqrt(weight) for weight in self._weights)
        return csr_matrix(hstack([letters * one, csr_matrix(self._embedder.vectors(texts)) * two]))
