"""The digest of records: the same for the same records, whatever their order, files or format.

It is the sum of the sha256 of each record's canonical JSON, modulo a prime, with the count. Canonical is: sorted keys,
no spaces, numbers by their value (1.0 is 1), fields that are null and objects that hold nothing left out. Sums of parts
add up, so parts can be measured anywhere. It tells accidents apart, not attackers: a release pins the digest of files.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.records.columns import buffer_of

#: The largest prime below 2**256.
PRIME = 2**256 - 189


class RecordDigest:
    """Adds up the hashes of records."""

    def __init__(self) -> None:
        self.rows = 0
        self.total = 0

    def observe(self, texts: Any) -> None:
        """Adds the canonical JSON of some records, an Arrow array of texts without nulls."""
        data, starts = buffer_of(texts)
        ends = starts.tolist()
        joined = b"".join([sha256(data[start:end]).digest() for start, end in pairwise(ends)])
        # Words of four bytes add up in 64 bits without overflow.
        words = np.frombuffer(joined, dtype=">u4").reshape(-1, 8).sum(axis=0, dtype=np.uint64)
        total = sum(int(word) << (32 * place) for place, word in enumerate(reversed(words.tolist())))
        self.total = (self.total + total) % PRIME
        self.rows += len(texts)

    def merge(self, other: RecordDigest) -> None:
        """Adds the records another digest has seen."""
        self.total = (self.total + other.total) % PRIME
        self.rows += other.rows

    def result(self) -> str:
        """The digest, 64 hex digits."""
        return digest_of([self.rows, f"{self.total:064x}"])
