"""Builds profiles batch by batch; two builders of the same interface can be merged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.records import profiles
from flywheel_mlflow.records.batches import Batch, RecordSchema
from flywheel_mlflow.records.fingerprints import hash_text
from flywheel_mlflow.records.personal import withheld
from flywheel_mlflow.records.profiles import Profile, Signal, Value, signals_of

#: The signal made of each record's content: its length in characters.
LENGTH = "length"

#: Distinct texts counted exactly; a signal with more is no category.
MAX_DISTINCT = 4096
MAX_TEXT = 200

_ALL_HASHES = 2**64


class NumberTally:
    """Count, extremes, sum and bins of numbers."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum = math.inf
        self.maximum = -math.inf
        self.total = 0.0
        self.bins: Counter[int] = Counter()

    def observe(self, values: list[float]) -> None:
        """Adds some numbers, all of them finite."""
        array = np.array(values, dtype=np.float64)
        self.count += len(values)
        self.minimum = min(self.minimum, float(array.min()))
        self.maximum = max(self.maximum, float(array.max()))
        self.total += math.fsum(values)
        indexes, counts = np.unique(bin_indexes(array), return_counts=True)
        for index, count in zip(indexes.tolist(), counts.tolist(), strict=True):
            self.bins[index] += count

    def merge(self, other: NumberTally) -> None:
        """Adds what another tally has seen."""
        self.count += other.count
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.total += other.total
        self.bins.update(other.bins)


def bin_indexes(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The index of each value's bin, by exact arithmetic on its binary form; see ``bin_edges``."""
    mantissas, exponents = np.frexp(np.abs(values))
    parts = ((mantissas - 0.5) * (2 * profiles.BINS_PER_OCTAVE)).astype(np.int64)
    octaves = exponents.astype(np.int64) - profiles.SMALLEST_EXPONENT
    indexes = octaves * profiles.BINS_PER_OCTAVE + parts + 1
    indexes[(octaves < 0) | (values == 0)] = 0
    return np.where(values < 0, -indexes, indexes)


class CategoryTally:
    """Counts texts in bounded memory, whatever their order.

    Beyond ``MAX_DISTINCT`` only the values with the smallest hashes stay. The bound on the hash
    only ever falls, so a value that is still here was never dropped and its count is exact.
    """

    def __init__(self) -> None:
        self.count = 0
        self.values: Counter[str] = Counter()
        self._below = _ALL_HASHES

    def observe(self, values: Iterable[str]) -> None:
        """Adds some texts; those over 200 characters count by their beginning."""
        for value, count in Counter(values).items():
            self.count += count
            short = value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "..."
            if self._below == _ALL_HASHES or short in self.values or _rank(short) < self._below:
                self.values[short] += count
        self._drop()

    def merge(self, other: CategoryTally) -> None:
        """Adds what another tally has seen."""
        self.count += other.count
        self._below = min(self._below, other._below)
        self.values.update(other.values)
        if self._below < _ALL_HASHES:
            self.values = Counter({text: n for text, n in self.values.items() if _rank(text) < self._below})
        self._drop()

    def _drop(self) -> None:
        if len(self.values) > MAX_DISTINCT:
            ranked = sorted((_rank(value), value) for value in self.values)
            self._below = ranked[MAX_DISTINCT][0]
            self.values = Counter({value: self.values[value] for _, value in ranked[:MAX_DISTINCT]})

    @property
    def distinct(self) -> int | None:
        """How many different texts; None when there were too many to count."""
        return len(self.values) if self._below == _ALL_HASHES else None

    def top(self) -> tuple[tuple[str, int], ...]:
        """The most frequent texts, ties by name; one that is personal data itself is withheld."""
        ranked = sorted(self.values.items(), key=lambda item: (-item[1], item[0]))
        return tuple((withheld(value), count) for value, count in ranked[: profiles.TOP_CATEGORIES])


def _rank(value: str) -> int:
    return int.from_bytes(hash_text(value), "little")


@dataclass(frozen=True, slots=True, order=True)
class _Sampled:
    key: int
    text: str  # the values spelled out: decides between rows of one key, whatever their order


class RowSample:
    """The rows with the smallest keys: a uniform sample that depends on neither order nor chance."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._bound = _ALL_HASHES - 1
        self._rows: list[tuple[_Sampled, dict[str, Value]]] = []

    def candidates(self, keys: npt.NDArray[np.uint64]) -> list[int]:
        """Positions whose key is small enough to enter the sample."""
        positions: list[int] = np.flatnonzero(keys <= np.uint64(self._bound)).tolist()
        return positions

    def add(self, key: int, values: dict[str, Value]) -> None:
        """Enters one row's values."""
        cut = {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in values.items()}
        self._rows.append((_Sampled(key, repr(sorted(cut.items()))), cut))
        if len(self._rows) > 2 * self._size:
            self._prune()

    def merge(self, other: RowSample) -> None:
        """Adds the rows another sample has kept."""
        self._rows += other._rows
        self._prune()

    def rows(self) -> list[dict[str, Value]]:
        """The sampled rows by rising key."""
        self._prune()
        return [values for _, values in self._rows]

    def _prune(self) -> None:
        self._rows.sort(key=lambda row: row[0])
        del self._rows[self._size :]
        if len(self._rows) == self._size:
            self._bound = self._rows[-1][0].key


class ProfileBuilder:
    """Builds the profile of one interface, batch by batch."""

    def __init__(self, schema: RecordSchema, *, sample_size: int = profiles.SAMPLE_SIZE) -> None:
        self._schema = schema
        self._rows = 0
        self._numbers: dict[str, NumberTally] = {}
        self._texts: dict[str, CategoryTally] = {}
        self._counts: Counter[str] = Counter()
        self._sample = RowSample(sample_size)

    def observe(self, batch: Batch) -> None:
        """Adds a batch."""
        self._rows += len(batch.records)
        columns: dict[str, list[Value]] = {}
        for position in range(len(batch.records)):
            for name, value in self._values(batch, position):
                column = columns.get(name)
                if column is None:
                    column = columns[name] = []
                column.append(value)
        for name, values in columns.items():
            self._observe_column(name, values)
        for position in self._sample.candidates(batch.keys):
            self._sample.add(int(batch.keys[position]), dict(self._values(batch, position)))

    def _observe_column(self, name: str, values: list[Value]) -> None:
        self._counts[name] += len(values)
        texts = [value for value in values if type(value) is str]
        flags = ["true" if value else "false" for value in values if type(value) is bool]
        numbers = [float(value) for value in values if type(value) is not str]
        if numbers:
            self._numbers.setdefault(name, NumberTally()).observe(numbers)
        if texts or flags:
            self._texts.setdefault(name, CategoryTally()).observe(texts + flags)

    def _values(self, batch: Batch, position: int) -> list[tuple[str, Value]]:
        record = batch.records[position]
        found = signals_of(record, self._schema)
        length = batch.lengths[position]
        # A free row that states a length of its own means that one.
        if length is not None and (self._schema == "record" or LENGTH not in record):
            found.append((LENGTH, length))
        return found

    def merge(self, other: ProfileBuilder) -> None:
        """Adds what another builder of the same interface has seen."""
        self._rows += other._rows
        self._counts.update(other._counts)
        for name, numbers in other._numbers.items():
            self._numbers.setdefault(name, NumberTally()).merge(numbers)
        for name, texts in other._texts.items():
            self._texts.setdefault(name, CategoryTally()).merge(texts)
        self._sample.merge(other._sample)

    def result(self) -> Profile:
        """The profile of everything seen so far."""
        rows = self._sample.rows()
        names = sorted(self._numbers.keys() | self._texts.keys())
        return Profile(self._rows, tuple(self._signal(name, rows) for name in names))

    def _signal(self, name: str, rows: list[dict[str, Value]]) -> Signal:
        numbers = self._numbers.get(name, NumberTally())
        texts = self._texts.get(name, CategoryTally())
        top = texts.top()
        count = self._counts[name]
        known = numbers.count > 0
        return Signal(
            name=name,
            count=count,
            missing=self._rows - count,
            minimum=numbers.minimum if known else None,
            maximum=numbers.maximum if known else None,
            mean=numbers.total / numbers.count if known else None,
            bins=tuple(sorted(numbers.bins.items())),
            categories=top,
            other=texts.count - sum(number for _, number in top),
            distinct=texts.distinct,
            sample=tuple(_shown(row.get(name)) for row in rows),
        )


def _shown(value: Value | None) -> Value | None:
    return withheld(value) if isinstance(value, str) else value
