"""Builds profiles batch by batch; what two builders of the same interface have seen can be merged, in any order."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.records import profiles
from flywheel_mlflow.records.arrays import as_numpy, distinct, from_numpy, only_where, valid
from flywheel_mlflow.records.arrow_values import decimal_floats
from flywheel_mlflow.records.batches import Batch, Part, RecordSchema
from flywheel_mlflow.records.checks import Row
from flywheel_mlflow.records.columns import Field, floats_of, replaced
from flywheel_mlflow.records.content.leaves import abridge
from flywheel_mlflow.records.fingerprints import hash_text
from flywheel_mlflow.records.personal import withheld
from flywheel_mlflow.records.profiles import LENGTH, Profile, Signal, Value

#: Distinct texts counted exactly; a signal with more is no category.
MAX_DISTINCT = 4096
MAX_TEXT = 200

_ALL_HASHES = 2**64
#: Where the binary point of sums lies: every 64-bit float is a whole number of these steps.
_STEPS = 1074
_LOW_BITS = 26


class NumberTally:
    """Count, extremes, exact sum and bins of numbers.

    The sum is a whole number of the smallest steps a float knows: no order of adding changes it.
    """

    def __init__(self) -> None:
        self.count = 0
        self.minimum = math.inf
        self.maximum = -math.inf
        self.steps = 0
        self.bins: Counter[int] = Counter()

    def observe(self, values: npt.NDArray[np.float64]) -> None:
        """Adds some numbers, all of them finite."""
        self.count += len(values)
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        self.steps += _exact_sum(values)
        indexes, counts = np.unique(bin_indexes(values), return_counts=True)
        for index, count in zip(indexes.tolist(), counts.tolist(), strict=True):
            self.bins[index] += count

    def merge(self, other: NumberTally) -> None:
        """Adds what another tally has seen."""
        self.count += other.count
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.steps += other.steps
        self.bins.update(other.bins)

    @property
    def mean(self) -> float:
        """The mean, correctly rounded."""
        return self.steps / (self.count << _STEPS)


def _exact_sum(values: npt.NDArray[np.float64]) -> int:
    """The sum of floats in steps of 2**-1074."""
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    high, low = whole >> _LOW_BITS, whole & ((1 << _LOW_BITS) - 1)
    total = 0
    for exponent in distinct(exponents).tolist():
        inside = exponents == exponent
        part = (int(high[inside].sum()) << _LOW_BITS) + int(low[inside].sum())
        shift = exponent - 53 + _STEPS
        # Floats below the normal ones have trailing zeros in place of the bits that are shifted out.
        total += part << shift if shift >= 0 else part >> -shift
    return total


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

    def observe(self, counts: Counter[str]) -> None:
        """Adds some texts with how often each was there; those over 200 characters count by their beginning."""
        for value, count in counts.items():
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


#: A signal's name and kind, and its values of some rows.
_Column = tuple[str, str, Any]

#: Bytes of a sampled record that are looked into, and of all of them together.
MAX_SAMPLED_RECORD = 16 << 10
MAX_SAMPLED_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class SampledRecord:
    """A row of the sample: its signals, where it is, the fingerprint of its content, and its canonical JSON.

    Of a long record the JSON is cut to a beginning of each of its texts.
    """

    key: int
    signals: dict[str, Value]
    row: Row
    fingerprint: int
    text: str

    @property
    def rank(self) -> tuple[int, str, Row]:
        """What decides which rows are in the sample: where keys are equal the values do, then the order of the data."""
        # A whole number may have come as 1 or as 1.0.
        spelled = {name: float(value) if type(value) is int else value for name, value in self.signals.items()}
        return self.key, repr(sorted(spelled.items())), self.row


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows as columns: their keys, signals, canonical JSON, fingerprints, and their numbers in one part."""

    keys: npt.NDArray[np.uint64]
    columns: list[_Column]
    texts: Any
    fingerprints: npt.NDArray[np.uint64]
    part: Part
    numbers: npt.NDArray[np.int64]

    def where(self, mask: npt.NDArray[np.bool_]) -> _Rows:
        """Those of them that the mask marks."""
        taken = from_numpy(np.flatnonzero(mask))
        return _Rows(
            self.keys[mask],
            [(name, kind, values.take(taken)) for name, kind, values in self.columns],
            self.texts.take(taken),
            self.fingerprints[mask],
            self.part,
            self.numbers[mask],
        )

    def records(self) -> Iterator[SampledRecord]:
        """One after the other."""
        lists = [(name, kind, values.to_pylist()) for name, kind, values in self.columns]
        texts = self.texts.to_pylist()
        for place, key in enumerate(self.keys.tolist()):
            signals = {name: _kept(kind, values[place]) for name, kind, values in lists if values[place] is not None}
            row = (self.part, int(self.numbers[place]))
            yield SampledRecord(key, signals, row, int(self.fingerprints[place]), texts[place])


class RowSample:
    """The rows with the smallest keys: a uniform sample that depends on neither order nor chance.

    Rows stay columns until the end; where more rows share the last key than there is room for, their values decide.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._text_bytes = min(MAX_SAMPLED_RECORD, MAX_SAMPLED_BYTES // size)
        self._bound = _ALL_HASHES - 1
        self._blocks: list[_Rows] = []
        self._rows: list[SampledRecord] = []

    def observe(self, batch: Batch, columns: list[_Column]) -> None:
        """Enters the rows of a batch, of whose signals the columns hold the values."""
        inside = batch.keys <= np.uint64(self._bound)
        if inside.any():
            numbers = np.arange(batch.row, batch.row + batch.rows, dtype=np.int64)
            whole = _Rows(batch.keys, columns, batch.texts, batch.fingerprints, batch.part, numbers)
            rows = whole.where(inside)
            self._blocks.append(replace(rows, texts=_abridged(rows.texts, self._text_bytes)))
            self._prune()

    def merge(self, other: RowSample) -> None:
        """Adds the rows another sample has kept."""
        self._blocks += other._blocks
        self._rows += other._rows
        self._prune()

    def rows(self) -> list[SampledRecord]:
        """The sampled rows by rising key."""
        self._settle()
        return self._rows

    def _prune(self) -> None:
        keys = np.concatenate(
            [np.array([row.key for row in self._rows], np.uint64), *(block.keys for block in self._blocks)]
        )
        if len(keys) <= 2 * self._size:
            return
        self._bound = int(np.partition(keys, self._size - 1)[self._size - 1])
        self._rows = [row for row in self._rows if row.key <= self._bound]
        blocks = [block.where(block.keys <= np.uint64(self._bound)) for block in self._blocks]
        self._blocks = [block for block in blocks if len(block.keys)]
        if len(self._rows) + sum(len(block.keys) for block in self._blocks) > 2 * self._size:
            self._settle()

    def _settle(self) -> None:
        """Turns columns into rows, and keeps as many as there is room for."""
        for block in self._blocks:
            self._rows += block.records()
        self._blocks = []
        self._rows = sorted(self._rows, key=lambda row: row.rank)[: self._size]


def _abridged(texts: Any, most: int) -> Any:
    """The JSON of records, each no longer than about ``most`` bytes."""
    long = as_numpy(pc.binary_length(texts)) > most
    cut = [canonical_json(abridge(json.loads(texts[place].as_py()), most)) for place in np.flatnonzero(long).tolist()]
    return replaced(texts, long, cut)


def _kept(kind: str, value: Any) -> Value:
    if kind == "big integer":
        return int(value)
    return value[:MAX_TEXT] if kind == "string" else value  # type: ignore[no-any-return]


class ProfileBuilder:
    """Builds the profile of one interface, batch by batch.

    Signals of a ``record`` are the numbers, booleans and texts under ``quality_signals``; of a ``free`` row its numbers
    and booleans anywhere. Lists are no signals.
    """

    def __init__(self, schema: RecordSchema, *, sample_size: int = profiles.SAMPLE_SIZE) -> None:
        self._schema = schema
        self._rows = 0
        self._numbers: dict[str, NumberTally] = {}
        self._texts: dict[str, CategoryTally] = {}
        self._counts: Counter[str] = Counter()
        self._fractions: set[str] = set()
        self._sample = RowSample(sample_size)

    def observe(self, batch: Batch) -> None:
        """Adds a batch."""
        self._rows += batch.rows
        signals = self._signals(batch)
        for field in signals:
            self._observe(field)
        self._sample.observe(batch, [(field.path, field.kind, field.values) for field in signals])

    def sampled(self) -> list[SampledRecord]:
        """The rows of the sample, in the order in which the signals' samples hold them."""
        return self._sample.rows()

    def _signals(self, batch: Batch) -> list[Field]:
        kinds, prefix = {*_NUMBERS, "boolean"}, ""
        if self._schema == "record":
            kinds, prefix = {*kinds, "string"}, "quality_signals."
        found = [_as_signal(item) for item in batch.fields if item.kind in kinds and item.path.startswith(prefix)]
        known = batch.lengths >= 0
        if self._schema != "record":  # a free row that states a length of its own means that one
            for _, values in batch.values_at((LENGTH,)):
                known &= ~valid(values)
        found.append(Field(LENGTH, "integer", only_where(known, from_numpy(batch.lengths))))
        return found

    def _observe(self, field: Field) -> None:
        count = len(field.values) - field.values.null_count
        if not count:
            return
        self._counts[field.path] += count
        if field.kind in ("string", "boolean"):
            counted = pc.value_counts(pc.cast(field.values.drop_null(), pa.string())).to_pylist()
            counts = Counter({item["values"]: item["counts"] for item in counted})
            self._texts.setdefault(field.path, CategoryTally()).observe(counts)
        if field.kind != "string":
            numbers = floats_of(field.values)[valid(field.values)]
            self._numbers.setdefault(field.path, NumberTally()).observe(numbers)
        if field.kind == "number":
            self._fractions.add(field.path)

    def merge(self, other: ProfileBuilder) -> None:
        """Adds what another builder of the same interface has seen."""
        self._rows += other._rows
        self._counts.update(other._counts)
        self._fractions |= other._fractions
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

    def _signal(self, name: str, rows: list[SampledRecord]) -> Signal:
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
            mean=numbers.mean if known else None,
            bins=tuple(sorted(numbers.bins.items())),
            categories=top,
            other=texts.count - sum(number for _, number in top),
            distinct=texts.distinct,
            sample=tuple(self._shown(name, row.signals.get(name)) for row in rows),
        )

    def _shown(self, name: str, value: Value | None) -> Value | None:
        if isinstance(value, str):
            return withheld(value)
        # Where one value of a signal is a fraction, its whole numbers are floats like the rest.
        return float(value) if type(value) is int and name in self._fractions else value


_NUMBERS = ("integer", "number", "decimal", "big integer")


def _as_signal(item: Field) -> Field:
    if item.kind == "decimal":
        return Field(item.path, "number", decimal_floats(item.values))
    return item
