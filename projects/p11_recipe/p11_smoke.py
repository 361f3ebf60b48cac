"""Trains a tiny bigram model on packed rows, to see that they can be learnt from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

DIMENSIONS = 24
#: Large, since a batch averages over 500 positions and each token is met in few of them.
LEARNING_RATE = 20.0
BATCH_ROWS = 1
#: Rows that are trained on: enough to see the loss fall, and a second of work.
MOST_ROWS = 24


@dataclass(frozen=True, slots=True)
class Training:
    """How the smoke training went: loss in nats a token before and after, and tokens a second."""

    loss_before: float
    loss_after: float
    tokens_per_s: float


def smoke_train(rows: Sequence[Sequence[int]], vocabulary: int, pad: int, seed: int) -> Training | None:
    """Train logits = E[previous] @ O by plain gradient descent with a softmax; None without rows.

    The last row is held out: both losses are of it. About MOST_ROWS of the others are trained on.
    """
    import numpy as np

    if len(rows) < 2:
        return None
    data = np.asarray(rows, dtype=np.int64)
    draw = np.random.default_rng(seed)
    inward = draw.normal(0, 0.3, (vocabulary, DIMENSIONS)).astype(np.float32)
    outward = np.zeros((DIMENSIONS, vocabulary), dtype=np.float32)

    def loss_and_slopes(batch: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        previous, following = batch[:, :-1].ravel(), batch[:, 1:].ravel()
        real = (previous != pad) & (following != pad)
        previous, following = previous[real], following[real]
        hidden = inward[previous]
        logits = hidden @ outward
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        chances /= chances.sum(axis=1, keepdims=True)
        places = np.arange(len(following))
        loss = float(-np.log(chances[places, following] + 1e-12).mean())
        chances[places, following] -= 1
        return loss, previous, chances / max(1, len(following)), hidden

    # Rows are sorted by the length of what is in them: spread the choice over all of them.
    held_out, training = data[-1:], data[:-1][:: max(1, (len(data) - 1) // MOST_ROWS)]
    before = loss_and_slopes(held_out)[0]
    seen, started = 0, time.perf_counter()
    for start in range(0, len(training), BATCH_ROWS):
        _, previous, slopes, hidden = loss_and_slopes(training[start : start + BATCH_ROWS])
        back = slopes @ outward.T
        outward -= LEARNING_RATE * hidden.T @ slopes
        np.subtract.at(inward, previous, LEARNING_RATE * back)
        seen += len(previous)
    elapsed = time.perf_counter() - started
    return Training(before, loss_and_slopes(held_out)[0], seen / elapsed)
