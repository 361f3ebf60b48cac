"""The wording of texts without the texts: hashed words and word pairs of each row, and phrases that many rows share."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.records.arrays import distinct
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
_BUCKET_BITS = np.uint64(18)
_BUCKET_SHIFT = np.uint64(64) - _BUCKET_BITS

#: Rows whose wording is looked at.
MAX_ROWS = 10_000

#: Phrases kept, by their number of words.
MOST_PHRASES = {1: 300, 2: 300, 3: 500}

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))

#: How line ends are written in phrases.
_LINE_END = {"\n": "\u23ce"}

Ints = npt.NDArray[np.uint64]


class WordingBuilder:
    """Collects the wording of one text field."""

    def __init__(self, field: str, features: int) -> None:
        self._field = field
        self._features = features
        #: Every token with its number, and the numbers of each text's tokens.
        self._known: dict[str, int] = {}
        self._texts: list[npt.NDArray[np.int32] | None] = []

    def observe(self, text: str | None) -> None:
        """Adds the text of the next row, None where it has none."""
        self._texts.append(None if text is None else self._numbered(text))

    def _numbered(self, text: str) -> npt.NDArray[np.int32]:
        tokens = _TOKEN.findall(text[:HEAD_CHARACTERS] if len(text) > HEAD_CHARACTERS + TAIL_CHARACTERS else text)
        if len(text) > HEAD_CHARACTERS + TAIL_CHARACTERS:
            tokens += _TOKEN.findall(text[-TAIL_CHARACTERS:])
        known = self._known
        return np.array([known.setdefault(token, len(known)) for token in tokens], np.int32)

    def result(self) -> Wording:
        """The wording of all rows seen."""
        there = np.array([text is not None for text in self._texts], dtype=bool)
        lengths = [0 if text is None else len(text) for text in self._texts]
        numbers = np.concatenate([np.zeros(0, np.int32), *(text for text in self._texts if text is not None)])
        tokens = list(self._known)
        words = np.array([_token_hash(token) for token in tokens], np.uint64)[numbers]
        rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        floor = max(LEAST_ROWS, -(-int(there.sum()) // round(1 / LEAST_SHARE)))
        buckets = np.zeros(0, np.uint64)
        phrases: list[Phrase] = []
        least: dict[int, int] = {}
        for size, most in MOST_PHRASES.items():
            grams = _grams_within(words, rows, size)
            if size <= 2:
                own = grams.rows.astype(np.uint64) << _BUCKET_BITS | grams.hashes >> _BUCKET_SHIFT
                buckets = distinct(np.concatenate((buckets, own)))
            named = [
                (count, " ".join(_LINE_END.get(tokens[number], tokens[number]) for number in numbers[place:][:size]))
                for count, place in _frequent(grams, floor)
            ]
            named.sort(key=lambda item: (-item[0], item[1]))
            phrases += [Phrase(withheld(text[:120]), size, count) for count, text in named[:most]]
            # What is not among them is in no more rows than this.
            least[size] = named[most][0] if len(named) > most else floor - 1
        features, starts = self._lowest(buckets, len(lengths))
        return Wording(self._field, features, starts, there, tuple(phrases), tuple(sorted(least.items())))

    def _lowest(self, buckets: Ints, rows: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """The lowest of each row's hashed words and word pairs: the same ones of every text that has them.

        ``buckets`` hold row and hash, sorted; given are the hashes, and where those of each row begin.
        """
        owners = (buckets >> _BUCKET_BITS).astype(np.int64)
        first = np.searchsorted(owners, np.arange(rows + 1))
        kept = np.arange(len(buckets)) - first[owners] < self._features
        starts = np.concatenate(([0], np.cumsum(np.minimum(np.diff(first), self._features)))).astype(np.int64)
        return (buckets[kept] & np.uint64(BUCKETS - 1)).astype(np.int32), starts


@dataclass(frozen=True, slots=True)
class _Grams:
    """All n-grams of all texts: their hashes, the rows they stand in, which ascend, and the token each begins with."""

    hashes: Ints
    rows: npt.NDArray[np.int32]
    places: npt.NDArray[np.int64]


def _grams_within(words: Ints, rows: npt.NDArray[np.int32], size: int) -> _Grams:
    """The n-grams of texts whose words stand one after the other: none reaches from one text into the next."""
    count = max(0, len(words) - size + 1)
    places = np.flatnonzero(rows[:count] == rows[size - 1 :])
    return _Grams(_grams(words, size)[places], rows[places], places)


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


def _frequent(grams: _Grams, floor: int) -> list[tuple[int, int]]:
    """How many texts have each n-gram that at least ``floor`` have, and the token that the first one begins with."""
    order = np.argsort(grams.hashes, kind="stable")
    hashes, rows = grams.hashes[order], grams.rows[order]
    new_hash = np.ones(len(order), dtype=bool)
    new_hash[1:] = hashes[1:] != hashes[:-1]
    new_row = new_hash.copy()
    new_row[1:] |= rows[1:] != rows[:-1]
    starts = np.flatnonzero(new_hash)
    counts = np.add.reduceat(new_row.astype(np.int64), starts) if len(starts) else np.zeros(0, np.int64)
    chosen = counts >= floor
    return list(zip(counts[chosen].tolist(), grams.places[order[starts[chosen]]].tolist(), strict=True))
