"""Trains the smallest of language models, to see that the training split teaches something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from math import log2

#: Added to every count, so that an unseen pair is unlikely and not impossible (add-k smoothing).
SMOOTHING = 0.05


def bits_per_char(train: Iterable[str], held_out: Iterable[str]) -> tuple[float, float] | None:
    """Bits a character of the held-out text costs under a character bigram model, and without any model.

    The second is log2 of the alphabet; None when one of the two has no text.
    """
    texts, others = list(train), list(held_out)
    alphabet = {char for text in texts + others for char in text}
    pairs: Counter[tuple[str, str]] = Counter()
    for text in texts:
        pairs.update(pairwise(text))
    singles: Counter[str] = Counter()
    for (first, _), count in pairs.items():
        singles[first] += count
    unseen = [pair for text in others for pair in pairwise(text)]
    if not pairs or not unseen:
        return None
    cost = -sum(log2((pairs[pair] + SMOOTHING) / (singles[pair[0]] + SMOOTHING * len(alphabet))) for pair in unseen)
    return cost / len(unseen), log2(len(alphabet))
