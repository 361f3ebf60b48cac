"""The wording of texts without the texts: hashed words and word pairs of each row, and phrases that many rows share."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.records.content.labels import LEAST_ROWS, LEAST_SHARE
from flywheel_mlflow.records.content.profile import Phrase, Wording
from flywheel_mlflow.records.personal import withheld

#: Words, line ends and single signs; scripts that write no spaces are cut at every sign.
_TOKEN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|\n|[^\w\s]"
)

#: Of a long text its beginning and its end.
HEAD_CHARACTERS = 3000
TAIL_CHARACTERS = 1000

#: Hashed words and word pairs are numbers below this; of a row with many at least so many are kept.
BUCKETS = 2**18
LEAST_FEATURES = 40
_BUCKET_SHIFT = np.uint64(64 - 18)

#: Rows whose wording is looked at.
MAX_ROWS = 10_000

#: Phrases kept, by their number of words.
MOST_PHRASES = {1: 300, 2: 300, 3: 500}

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))

Ints = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Text:
    """A text's tokens and the hashes of its n-grams, by n: the one that begins at each token."""

    tokens: list[str]
    grams: dict[int, Ints]


class WordingBuilder:
    """Collects the wording of one text field."""

    def __init__(self, field: str, features: int) -> None:
        self._field = field
        self._features = features
        self._known: dict[str, int] = {}
        self._texts: list[_Text | None] = []

    def observe(self, text: str | None) -> None:
        """Adds the text of the next row, None where it has none."""
        self._texts.append(None if text is None else self._hashed(text))

    def _hashed(self, text: str) -> _Text:
        if len(text) > HEAD_CHARACTERS + TAIL_CHARACTERS:
            tokens = _TOKEN.findall(text[:HEAD_CHARACTERS]) + _TOKEN.findall(text[-TAIL_CHARACTERS:])
        else:
            tokens = _TOKEN.findall(text)
        words = np.array([self._hash(token) for token in tokens], np.uint64)
        return _Text(tokens, {size: _grams(words, size) for size in MOST_PHRASES})

    def _hash(self, token: str) -> int:
        found = self._known.get(token)
        if found is None:
            found = self._known[token] = _token_hash(token)
        return found

    def result(self) -> Wording:
        """The wording of all rows seen."""
        rows = [np.zeros(0, np.int32) if item is None else self._row(item) for item in self._texts]
        there = [item for item in self._texts if item is not None]
        floor = max(LEAST_ROWS, -(-len(there) // round(1 / LEAST_SHARE)))
        phrases: list[Phrase] = []
        least: dict[int, int] = {}
        for size, most in MOST_PHRASES.items():
            kept, least[size] = _frequent(there, size, floor, most)
            phrases += kept
        return Wording(
            field=self._field,
            features=np.concatenate([np.zeros(0, np.int32), *rows]),
            starts=np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64),
            there=np.array([item is not None for item in self._texts], dtype=bool),
            phrases=tuple(phrases),
            least=tuple(sorted(least.items())),
        )

    def _row(self, text: _Text) -> npt.NDArray[np.int32]:
        """The lowest of a text's hashed words and word pairs: the same ones of every text that has them."""
        found = np.unique(np.concatenate([text.grams[1], text.grams[2]]) >> _BUCKET_SHIFT)
        return found[: self._features].astype(np.int32)


def _token_hash(token: str) -> int:
    data = token.encode("utf-8", "surrogatepass")
    return zlib.crc32(data) | zlib.adler32(data) << 32


def _grams(words: Ints, size: int) -> Ints:
    """The hash of every ``size`` words in a row, by where they begin."""
    if size == 1:
        return _mixed(words * _MIX[0])
    joined = np.full(max(0, len(words) - size + 1), size, np.uint64)
    for place in range(size if len(joined) else 0):
        joined += words[place : len(joined) + place] * _MIX[place] << np.uint64(place)
    return _mixed(joined)


def rows_at_most(wording: Wording, phrases: Sequence[Phrase]) -> list[int]:
    """In how many rows each phrase can stand at most, by the hashed words and word pairs of the rows.

    Every row with a phrase has its word pairs, unless that row has more features than were kept and theirs are higher.
    """
    lengths = np.diff(wording.starts)
    full = (lengths >= LEAST_FEATURES) & (lengths == lengths.max(initial=0))
    highest = np.sort(wording.features[wording.starts[1:][full] - 1])
    counts = np.bincount(wording.features, minlength=BUCKETS)
    found = []
    for phrase in phrases:
        tokens = ["\n" if word == "\u23ce" else word for word in phrase.text.split(" ")]
        words = np.array([_token_hash(token) for token in tokens], np.uint64)
        buckets = (_grams(words, min(2, phrase.words)) >> _BUCKET_SHIFT).astype(np.int64)
        within = counts[buckets] + np.searchsorted(highest, buckets)
        found.append(int(within.min()) if len(words) == phrase.words else wording.texts)
    return found


def _mixed(values: Ints) -> Ints:
    """Spreads hashes over all 64 bits (the finaliser of MurmurHash3)."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    return np.asarray(values ^ (values >> np.uint64(33)))


def _frequent(texts: Sequence[_Text], size: int, floor: int, most: int) -> tuple[list[Phrase], int]:
    """The phrases of so many words in at least ``floor`` texts, the most frequent ones, and the fewest rows that count.

    A phrase that is not among them is in no more rows than that number.
    """
    distinct = [np.unique(text.grams[size], return_index=True) for text in texts]
    if not distinct:
        return [], floor - 1
    hashes = np.concatenate([item[0] for item in distinct])
    owners = np.repeat(np.arange(len(distinct)), [len(item[0]) for item in distinct])
    places = np.concatenate([item[1] for item in distinct])
    _, first, counts = np.unique(hashes, return_index=True, return_counts=True)
    chosen = np.flatnonzero(counts >= floor)
    named = []
    for index in chosen.tolist():
        row, place = int(owners[first[index]]), int(places[first[index]])
        words = texts[row].tokens[place : place + size]
        named.append((int(counts[index]), " ".join("\u23ce" if word == "\n" else word for word in words)))
    named.sort(key=lambda item: (-item[0], item[1]))
    kept = [Phrase(withheld(text[:120]), size, count) for count, text in named[:most]]
    return kept, named[most][0] if len(named) > most else floor - 1
