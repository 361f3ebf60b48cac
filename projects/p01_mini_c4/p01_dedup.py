"""Removes repeated texts: equal ones by their hash, nearly equal ones by MinHash."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from typing import TYPE_CHECKING

from p01_filters import Document, Effect, words

if TYPE_CHECKING:
    from datasketch import MinHash

PERMUTATIONS = 128
#: Jaccard similarity of word trigrams above which two texts are one: mirrors that change a word or two.
THRESHOLD = 0.8
SHINGLE = 3
SEED = 1

#: Texts whose verdict is known: one changed word is a copy, the same topic is none.
_CLOSED = (
    "The old bridge over the river was closed for repair in spring, and a ferry carried people for six weeks instead. "
    "Nobody complained, because the crossing was short, the fare was low and"
)
CANARIES = (
    f"{_CLOSED} the view was better than from the road.",
    f"{_CLOSED} the view was nicer than from the road.",
    "A bridge over a river needs repair every few years; while it is closed, a ferry can carry people to the far bank.",
)


def text_sha1(text: str) -> str:
    """The published fingerprint of a text: sha1 of its words, so that case and spacing do not count."""
    return sha1(" ".join(words(text)).encode(), usedforsecurity=False).hexdigest()


def minhash(text: str) -> MinHash:
    """The MinHash of a text's word trigrams (character trigrams in Chinese)."""
    from datasketch import MinHash

    found = words(text)
    grams = {" ".join(found[at : at + SHINGLE]) for at in range(max(1, len(found) - SHINGLE + 1))}
    sketch = MinHash(num_perm=PERMUTATIONS, seed=SEED)
    sketch.update_batch([gram.encode() for gram in sorted(grams)])
    return sketch


def without_equal(documents: Sequence[Document]) -> tuple[list[Document], Effect]:
    """The first of each group of equal texts."""
    first: dict[str, Document] = {}
    for document in documents:
        first.setdefault(text_sha1(document.text), document)
    kept = list(first.values())
    effect = Effect("exact_duplicates", "duplicate", "sha1", "the same text twice", len(documents), len(kept))
    return kept, effect


def without_similar(documents: Sequence[Document], threshold: float = THRESHOLD) -> tuple[list[Document], Effect]:
    """The first of each group of nearly equal texts, in the order given."""
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    sketches: list[MinHash] = []
    kept: list[Document] = []
    for document in documents:
        sketch = minhash(document.text)
        # The index proposes; the estimate decides, for its bands let some pairs below the threshold through.
        if any(sketch.jaccard(sketches[int(near)]) >= threshold for near in index.query(sketch)):
            continue
        index.insert(str(len(sketches)), sketch)
        sketches.append(sketch)
        kept.append(document)
    effect = Effect("near_duplicates", "duplicate", threshold, "mirrors and reposts", len(documents), len(kept))
    return kept, effect


def finds_copies() -> bool:
    """Whether the canaries get the verdicts they deserve."""
    original, copy, other = map(minhash, CANARIES)
    return original.jaccard(copy) >= THRESHOLD > original.jaccard(other)
