"""Bounded sketches of what training and evaluation data say: hashes of n-grams and sentences, and no text.

A training interface keeps the smallest hashes of all, an evaluation interface the smallest hashes of each of its texts:
what is large is sampled, and both sides sample the same. However data are cut and merged, a sketch is the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.records.batches import Batch, Part
from flywheel_mlflow.records.fingerprints import Hashes
from flywheel_mlflow.records.shingles import (
    HASH_BITS,
    SENTENCE_BITS,
    SENTENCE_WORDS,
    Counts,
    Shingles,
)

Role = Literal["training", "evaluation"]
Columns = dict[str, npt.NDArray[Any]]

#: Hashes that the sketch of a training interface holds at most: about 7 MB as a file, of 6,000 records of 1.1 KB all.
MAX_TRAINING_HASHES = 1 << 20
#: Hashes that the sketch of an evaluation interface holds at most, of whole records: about 2 MB as a file.
MAX_EVALUATION_HASHES = 1 << 18
#: N-grams and sentences kept of each text of an evaluation record: enough to tell a half from all.
TEXT_GRAMS, TEXT_SENTENCES = 16, 8
#: A hash in more than this share of the training records, and in more than so many, is boilerplate, as of prompts.
COMMON_SHARE, COMMON_ROWS = 0.02, 20
#: What is noted instead of words: of a content without a sentence, of a text as a whole.
WHOLE_CONTENT, WHOLE_TEXT = 2**16 - 1, 2**16 - 2
#: What earlier versions noted of ids, which are kept by :mod:`~flywheel_mlflow.records.id_sketches` now.
IDENTITY = 2**16 - 3

_ROW_BITS = 40
_ROW_MASK = (1 << _ROW_BITS) - 1
#: The columns of a sketch.
COLUMN_TYPES: Mapping[str, Any] = {
    "hash": np.uint64,
    "file": np.uint16,
    "row": np.uint32,
    "text": np.uint16,
    "words": np.uint16,
    "common": np.bool_,
}


@dataclass(frozen=True, slots=True)
class WordSketch:
    """What is kept of an interface's contents, sorted by hash.

    ``rows`` counts all records. Of training data only hashes below ``limit`` are kept (None: all), each with the first
    record that holds it, and ``common`` ones are marked. Of evaluation data whole records are kept, those with the
    smallest keys; ``text`` numbers the texts of a record, ``words`` is 0 for an n-gram.
    """

    role: Role
    rows: int
    limit: int | None
    files: tuple[str, ...]
    columns: Columns

    def place(self, position: int) -> str:
        """Where the record of a hash lies: file and record, counted from 1."""
        return f"{self.files[self.columns['file'][position]]}, row {int(self.columns['row'][position]) + 1}"


class Words(ABC):
    """Hashes with their rows as columns, of parts in any order; how many are kept at most may be told."""

    role: ClassVar[Role]
    #: Hashes kept at most, and the columns they are kept in.
    bound: ClassVar[int]
    kinds: ClassVar[Mapping[str, Any]]

    def __init__(self, most: int | None = None) -> None:
        self._most = self.bound if most is None else most
        #: Hashes of training data, keys of evaluation records, from here on were dropped.
        self._limit: int | None = None
        self._rows = 0
        self._parts: list[Part] = []
        self._state: Columns = self._empty()
        self._pending: list[tuple[Part, Columns]] = []

    def _empty(self) -> Columns:
        return {name: np.zeros(0, kind) for name, kind in self.kinds.items()}

    @abstractmethod
    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""

    @abstractmethod
    def sketch(self, rows_of: Mapping[Part, int], files: tuple[str, ...]) -> WordSketch:
        """The sketch, once all parts were merged; files by their number."""

    @abstractmethod
    def _reduce(self, columns: Columns) -> Columns:
        """Those that are kept."""

    def _add(self, part: Part, columns: Columns) -> None:
        self._pending.append((part, columns))
        if sum(len(item["hash"]) for _, item in self._pending) >= self._most:
            self._compact()

    def _compact(self) -> None:
        """Brings everything pending into the state; rows carry the number of their part in the order of the data."""
        if not self._pending:
            return
        parts = sorted({*self._parts, *(part for part, _ in self._pending)})
        number = {part: index << _ROW_BITS for index, part in enumerate(parts)}
        moved = self._placed(number)
        arrived = [columns | {"row": columns["row"] + number[part]} for part, columns in self._pending]
        together = [moved, *arrived]
        self._parts, self._pending = parts, []
        self._state = self._reduce({name: np.concatenate([item[name] for item in together]) for name in moved})

    def _placed(self, number: Mapping[Part, int]) -> Columns:
        table = np.array([number[part] for part in self._parts] or [0], dtype=np.int64)
        rows = self._state["row"]
        return self._state | {"row": table[rows >> _ROW_BITS] + (rows & _ROW_MASK)}

    def merge(self, other: Self) -> None:
        """Takes in what was seen of other parts."""
        limits = [item for item in (self._limit, other._limit) if item is not None]
        self._limit = min(limits, default=None)
        self._rows += other._rows
        self._compact()
        other._compact()
        parts = sorted({*self._parts, *other._parts})
        number = {part: index << _ROW_BITS for index, part in enumerate(parts)}
        mine, theirs = self._placed(number), other._placed(number)
        self._parts = parts
        self._state = self._reduce({name: np.concatenate((mine[name], theirs[name])) for name in mine})

    def _sketch(
        self, columns: Columns, limit: int | None, rows_of: Mapping[Part, int], files: tuple[str, ...]
    ) -> WordSketch:
        """The sketch of columns sorted by hash; their ``row`` becomes file and row in the file."""
        starts = np.zeros(len(self._parts) + 1, dtype=np.int64)
        numbers = np.zeros(len(self._parts) + 1, dtype=np.int64)
        for index, (file, start) in enumerate(self._parts):
            starts[index] = sum(rows for part, rows in rows_of.items() if part[0] == file and part[1] < start)
            numbers[index] = file
        parts = columns["row"] >> _ROW_BITS
        columns = columns | {"file": numbers[parts], "row": starts[parts] + (columns["row"] & _ROW_MASK)}
        kept = {name: columns[name].astype(kind) for name, kind in COLUMN_TYPES.items()}
        return WordSketch(self.role, self._rows, limit, files, kept)


class TrainingWords(Words):
    """The smallest hashes of n-grams and sentences in training data, each with its first record and its records."""

    role = "training"
    bound = MAX_TRAINING_HASHES
    kinds: ClassVar[Mapping[str, Any]] = {"hash": np.uint64, "row": np.int64, "count": np.int64}

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        rows, found = batch.shingles
        without = _without_shingles(batch, rows, found)
        limit = np.uint64(min(1 << HASH_BITS, self._limit or 1 << HASH_BITS))
        grams = found.grams < limit
        sentences = (found.sentences < limit) & (found.sentence_words >= SENTENCE_WORDS)
        wholes = _whole_texts(found)
        parts = (
            (found.grams[grams], rows[found.gram_texts[grams]]),
            (found.sentences[sentences], rows[found.sentence_texts[sentences]]),
            (_text_hashes(found, wholes), rows[wholes]),
            (_content_hashes(batch, without), without),
        )
        hashes = np.concatenate([part for part, _ in parts])
        rows = np.concatenate([part for _, part in parts]) + batch.row
        kept = hashes < limit
        hashes, rows = hashes[kept], rows[kept]
        order = _order(hashes)
        hashes, rows = hashes[order], rows[order]
        first = np.ones(len(hashes), dtype=bool)
        first[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
        hashes, rows = hashes[first], rows[first]
        self._add(batch.part, {"hash": hashes, "row": rows, "count": np.ones(len(hashes), np.int64)})

    def _reduce(self, columns: Columns) -> Columns:
        room = self._most + self._most // 8
        if len(columns["hash"]) > room:
            # Most of it will go: only what may stay is sorted. Where many hashes are equal, that may be too little.
            bound = int(np.partition(columns["hash"], room)[room])
            low = columns["hash"] <= np.uint64(bound)
            reduced = self._reduced({name: values[low] for name, values in columns.items()})
            if len(reduced["hash"]) == self._most and self._limit is not None and self._limit <= bound:
                return reduced
        return self._reduced(columns)

    def _reduced(self, columns: Columns) -> Columns:
        order = np.argsort(columns["hash"], kind="stable")
        hashes = columns["hash"][order]
        starts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1]))) if len(hashes) else order
        if len(starts) > self._most:
            self._limit = min(int(hashes[starts[self._most]]), 1 << 64 if self._limit is None else self._limit)
        if self._limit is not None:
            starts = starts[hashes[starts] < np.uint64(self._limit)]
        if not len(starts):
            return self._empty()
        end = int(np.searchsorted(hashes, hashes[starts[-1]], side="right"))
        order = order[:end]
        return {
            "hash": hashes[starts],
            "row": np.minimum.reduceat(columns["row"][order], starts),
            "count": np.add.reduceat(columns["count"][order], starts),
        }

    def sketch(self, rows_of: Mapping[Part, int], files: tuple[str, ...]) -> WordSketch:
        """The sketch, once all parts were merged; files by their number."""
        self._compact()
        count = self._state["count"]
        nothing = np.zeros(len(count), np.int64)
        common = count > max(COMMON_ROWS, COMMON_SHARE * self._rows)
        columns = self._state | {"text": nothing, "words": nothing, "common": common}
        return self._sketch(columns, self._limit, rows_of, files)


class EvaluationWords(Words):
    """The smallest hashes of each text of evaluation data, of whole records as far as there is room."""

    role = "evaluation"
    bound = MAX_EVALUATION_HASHES
    kinds: ClassVar[Mapping[str, Any]] = {
        "hash": np.uint64,
        "key": np.uint64,
        "leaf": np.uint64,
        "row": np.int64,
        "words": np.int64,
    }

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        wanted = np.ones(batch.rows, dtype=bool) if self._limit is None else batch.keys < np.uint64(self._limit)
        rows, found = batch.shingles
        asked = wanted[rows]
        without = _without_shingles(batch, rows, found)
        without = without[wanted[without]]
        grams, sentences = np.flatnonzero(asked[found.gram_texts]), np.flatnonzero(asked[found.sentence_texts])
        grams = grams[_smallest(found.grams[grams], found.gram_texts[grams], TEXT_GRAMS, HASH_BITS)]
        sentences = sentences[
            _smallest(found.sentences[sentences], found.sentence_texts[sentences], TEXT_SENTENCES, SENTENCE_BITS)
        ]
        # What training data never keep counts as missing there: beside it three words of a text are not the whole.
        sentences = sentences[~np.isin(rows[found.sentence_texts[sentences]], without)]
        wholes = _whole_texts(found)
        wholes = wholes[asked[wholes]]
        of_texts = np.concatenate((found.gram_texts[grams], found.sentence_texts[sentences], wholes))
        at = np.concatenate((rows[of_texts], without))
        words = np.minimum(found.sentence_words[sentences], IDENTITY - 1)
        marks = (len(grams), 0), (len(wholes), WHOLE_TEXT), (len(without), WHOLE_CONTENT)
        of_grams, of_texts_whole, of_contents = (np.full(size, mark) for size, mark in marks)
        kinds = (
            (found.grams[grams], of_grams),
            (found.sentences[sentences], words),
            (_text_hashes(found, wholes), of_texts_whole),
            (_content_hashes(batch, without), of_contents),
        )
        columns = {
            "hash": np.concatenate([hashes for hashes, _ in kinds]),
            "key": batch.keys[at],
            "leaf": np.concatenate((found.text_hashes[of_texts], np.zeros(len(without), np.uint64))),
            "row": at + batch.row,
            "words": np.concatenate([marked for _, marked in kinds]),
        }
        self._add(batch.part, columns)

    def _reduce(self, columns: Columns) -> Columns:
        order = np.argsort(columns["key"], kind="stable")
        keys = columns["key"][order]
        kept = len(keys)
        if kept > self._most:
            # Records share a key where they say the same; they stay or go together.
            self._limit = min(int(keys[self._most]), self._limit if self._limit is not None else 1 << 64)
        if self._limit is not None:
            kept = int(np.searchsorted(keys, np.uint64(self._limit)))
        return {name: values[order[:kept]] for name, values in columns.items()}

    def sketch(self, rows_of: Mapping[Part, int], files: tuple[str, ...]) -> WordSketch:
        """The sketch, once all parts were merged; files by their number."""
        self._compact()
        state = self._state
        order = np.lexsort((state["words"], state["hash"], state["leaf"], state["row"]))
        ordered = {name: values[order] for name, values in state.items()}
        same_row = ordered["row"][1:] == ordered["row"][:-1]
        same_text = same_row & (ordered["leaf"][1:] == ordered["leaf"][:-1])
        same_hash = same_text & (ordered["hash"][1:] == ordered["hash"][:-1])
        new = np.concatenate(([True], ~same_hash))[: len(order)]  # a text of one sentence is kept as that
        texts = np.concatenate(([0], np.cumsum(~same_text)))[: len(order)]
        first_of_row = np.maximum.accumulate(np.where(np.concatenate(([True], ~same_row))[: len(order)], texts, 0))
        nothing = np.zeros(len(order), dtype=bool)
        columns = ordered | {"text": np.minimum(texts - first_of_row, 2**16 - 1), "common": nothing}
        by_hash = np.flatnonzero(new)[np.argsort(ordered["hash"][new], kind="stable")]
        return self._sketch({name: values[by_hash] for name, values in columns.items()}, self._limit, rows_of, files)


def words_for(role: str) -> Words | None:
    """What looks at the contents of an interface of a role; None where nothing is compared."""
    return TrainingWords() if role == "training" else EvaluationWords() if role == "evaluation" else None


def _without_shingles(batch: Batch, rows: Counts, found: Shingles) -> Counts:
    """The records that have a content, but no text of three words."""
    known = batch.fingerprints == 0
    known[rows[found.text_words >= SENTENCE_WORDS]] = True
    return np.flatnonzero(~known)


def _whole_texts(found: Shingles) -> Counts:
    """The texts that are compared as a whole, too: then it does not matter where their signs part them."""
    return np.flatnonzero(found.text_words >= SENTENCE_WORDS)


def _text_hashes(found: Shingles, texts: Counts) -> Hashes:
    return np.asarray(found.text_hashes[texts] >> np.uint64(64 - SENTENCE_BITS))


def _content_hashes(batch: Batch, rows: Counts) -> Hashes:
    return batch.fingerprints[rows] >> np.uint64(64 - SENTENCE_BITS)


def _order(hashes: Hashes) -> Counts:
    """What sorts hashes, equal ones as they stand: their upper bits are sorted with their positions as the lower."""
    bits = np.uint64(max(1, len(hashes).bit_length()))
    positions = np.arange(len(hashes), dtype=np.uint64)
    high = hashes << np.uint64(64 - HASH_BITS) >> bits << bits
    order = (np.sort(high | positions) & np.uint64((1 << int(bits)) - 1)).astype(np.int64)
    ordered = hashes[order]
    return order if bool(np.all(ordered[1:] >= ordered[:-1])) else np.argsort(hashes, kind="stable")


def _smallest(hashes: Hashes, texts: Counts, most: int, bits: int) -> Counts:
    """The positions of the smallest different hashes of each text; texts ascend."""
    if not len(hashes):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate(([True], texts[1:] != texts[:-1])))
    sizes = np.diff(np.append(starts, len(texts)))
    # Three times as many as are wanted are below this limit; a text with too few of them is taken whole.
    shares = np.minimum(1.0, 3 * most / sizes)
    low = hashes < np.repeat((shares * 2.0**bits).astype(np.uint64), sizes)
    whole = (shares == 1.0) | (np.add.reduceat(low.astype(np.int64), starts) < 2 * most)
    positions = np.flatnonzero(low | np.repeat(whole, sizes))
    # One number holds both, but for the last bits of the hash: to sort by two numbers takes thrice as long.
    text_bits = np.uint64(max(1, int(texts[-1] + 1).bit_length()))
    spare = np.uint64(max(0, bits + int(text_bits) - 64))
    both = (texts[positions].astype(np.uint64) << (np.uint64(bits) - spare)) | (hashes[positions] >> spare)
    order = positions[np.argsort(both)]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (hashes[order][1:] != hashes[order][:-1]) | (texts[order][1:] != texts[order][:-1])
    order = order[new]
    first = np.concatenate(([True], texts[order][1:] != texts[order][:-1]))
    rank = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    return order[rank < most]
