"""Finds the records of evaluation data that stand inside training data, from what both logged of their contents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flywheel_mlflow.records.arrays import Mask
from flywheel_mlflow.records.fingerprints import Hashes
from flywheel_mlflow.records.shingles import Counts
from flywheel_mlflow.records.word_sketches import WHOLE_TEXT, WordSketch

if TYPE_CHECKING:
    from flywheel_mlflow.records.ray_engine import RayCluster

#: From this share of its n-grams, or of the words of its sentences, a record or a longer text of it is contained.
CONTAINED = 0.6
#: A text of this many kept n-grams (13 words) counts by itself, whatever else its record holds; so does a sentence.
TEXT_GRAMS, LONG_SENTENCE = 6, 8
#: A hash in more than this share of the evaluation records, and in more than so many, is a template.
COMMON_SHARE, COMMON_RECORDS = 0.02, 2
EXAMPLES = 5
#: Above every hash.
_NEVER = np.uint64(2**64 - 1)


@dataclass(frozen=True, slots=True)
class ContainedRecord:
    """An evaluation record that stands in training data: both places, and the share of it found there (0 to 1)."""

    evaluation: str
    training: str
    share: float


@dataclass(frozen=True, slots=True)
class Containment:
    """How many evaluation records stand in training data.

    ``compared`` are the records of which a hash is in the range that both sides kept; only of them anything is known.
    ``records`` are all. ``examples`` are the first few in the order of the data.
    """

    training: str
    evaluation: str
    contained: int
    compared: int
    records: int
    examples: tuple[ContainedRecord, ...] = ()

    @property
    def share(self) -> float | None:
        """Share of the compared records that are contained; None when none could be compared."""
        return self.contained / self.compared if self.compared else None


class _Evaluation:
    """An evaluation interface in the order of its records: its hashes by record and text, without templates."""

    def __init__(self, sketch: WordSketch) -> None:
        columns = sketch.columns
        place = columns["file"].astype(np.uint64) << np.uint64(48) | columns["row"].astype(np.uint64) << np.uint64(16)
        order = np.argsort(place | columns["text"], kind="stable")
        new_record = np.ones(len(order), dtype=bool)
        new_record[1:] = np.diff(place[order]) != 0
        records = np.cumsum(new_record) - 1
        own = ~_common(columns["hash"], place, int(new_record.sum()))[order]
        self.sketch = sketch
        # Of a hundred interfaces there are millions: small numbers are kept small.
        self.order, self.records = order[own].astype(np.int32), records[own].astype(np.int32)
        self.hashes = columns["hash"][self.order]
        self.words = columns["words"][self.order]
        self.texts = columns["text"][self.order]
        self.starts = np.searchsorted(self.records, np.arange(int(records[-1]) + 2 if len(records) else 1))
        smallest = np.where(self.words != WHOLE_TEXT, self.hashes, _NEVER)
        filled = self.starts[:-1][np.diff(self.starts) > 0]
        #: The smallest hash of each record, sorted: how many of them lie below a limit is how many can be compared.
        self.smallest = np.sort(np.minimum.reduceat(smallest, filled)) if len(filled) else smallest

    def comparable(self, limit: int | None) -> int:
        """How many records have a hash below the limit."""
        return int(np.searchsorted(self.smallest, _NEVER if limit is None else np.uint64(limit)))

    def contained(self, hits: Counts, training: WordSketch, at: Counts) -> tuple[int, tuple[ContainedRecord, ...]]:
        """How many records are contained of those that hold the hits, and some; ``at`` are the hits in training."""
        touched = np.unique(self.records[hits])
        positions = _ranges(self.starts[touched], self.starts[touched + 1])
        of_position = np.zeros(len(self.hashes), dtype=np.int64) - 1
        of_position[hits] = at
        found_at = of_position[positions]
        common = np.zeros(len(positions), dtype=bool)
        common[found_at >= 0] = training.columns["common"][found_at[found_at >= 0]]
        hashes = self.hashes[positions]
        known = ~common
        if training.limit is not None:
            known &= hashes < np.uint64(training.limit)
        positions, found_at = positions[known], found_at[known]
        records, words = self.records[positions].astype(np.int64), self.words[positions].astype(np.int64)
        _, texts = np.unique(records << 16 | self.texts[positions], return_inverse=True)
        found = found_at >= 0
        # A text that stands there as a whole is found with all that is in it; by itself it has no weight.
        whole_text = words == WHOLE_TEXT
        whole_found = np.bincount(texts, whole_text & found)
        found |= whole_found[texts] > 0
        words[whole_text] = 0
        grams = ((words == 0) & ~whole_text).astype(float)
        share = np.zeros(int(records.max(initial=-1)) + 1)
        for groups, least_grams, least_words in ((records, 1, 1), (texts, TEXT_GRAMS, LONG_SENTENCE)):
            for weights, least in ((grams, least_grams), (words.astype(float), least_words)):
                whole = np.bincount(groups, weights)
                part = np.bincount(groups, weights * found, minlength=len(whole))
                shares = np.divide(part, whole, out=np.zeros(len(whole)), where=whole >= least)
                np.maximum.at(share, records, shares[groups])
        hit_records = np.flatnonzero(share >= CONTAINED)
        examples = []
        for record in hit_records[:EXAMPLES].tolist():
            first = np.flatnonzero((records == record) & (found_at >= 0))
            # The place that holds most of it, the first of several.
            places, counts = np.unique(found_at[first], return_counts=True)
            rows = [(training.columns["file"][place], training.columns["row"][place]) for place in places]
            best = _most(rows, counts.tolist(), places.tolist())
            examples.append(
                ContainedRecord(
                    self.sketch.place(int(self.order[positions[first[0]]])),
                    training.place(best),
                    round(float(share[record]), 4),
                )
            )
        return len(hit_records), tuple(examples)


def _most(rows: list[Any], counts: list[int], places: list[int]) -> int:
    total: dict[Any, int] = {}
    for row, count in zip(rows, counts, strict=True):
        total[row] = total.get(row, 0) + count
    best = min(total, key=lambda row: (-total[row], row))
    return places[rows.index(best)]


def _common(hashes: Hashes, places: Hashes, records: int) -> Mask:
    """Which hashes stand in so many records that they are a template; hashes ascend, and the places of equal ones."""
    new_hash = np.ones(len(hashes), dtype=bool)
    new_hash[1:] = hashes[1:] != hashes[:-1]
    new_pair = new_hash.copy()
    new_pair[1:] |= places[1:] != places[:-1]
    group = np.cumsum(new_hash) - 1
    counts = np.bincount(group[new_pair], minlength=1)
    return np.asarray((counts > max(COMMON_RECORDS, COMMON_SHARE * records))[group])


def _ranges(starts: Counts, ends: Counts) -> Counts:
    """All positions from each start to its end."""
    sizes = ends - starts
    before = np.cumsum(sizes) - sizes
    return np.asarray(np.arange(int(sizes.sum())) + np.repeat(starts - before, sizes))


class EvaluationSets:
    """Evaluation interfaces with all their hashes in one order, to be looked up at once."""

    def __init__(self, evaluation: Mapping[str, Callable[[], WordSketch]]) -> None:
        self._sides = {name: _Evaluation(evaluation[name]()) for name in sorted(evaluation)}
        sides = self._sides.values()
        self._bounds = np.concatenate(([0], np.cumsum([len(side.hashes) for side in sides]))).astype(np.int64)
        together = np.concatenate([np.zeros(0, np.uint64), *(side.hashes for side in sides)])
        self._order = np.argsort(together, kind="stable").astype(np.int32)
        self._ordered = together[self._order]

    def within(self, training: str, sketch: WordSketch) -> tuple[Containment, ...]:
        """How many records of each evaluation interface stand in a training interface, sorted by name."""
        hashes, ordered = sketch.columns["hash"], self._ordered
        low = np.searchsorted(ordered, hashes, side="left")
        held = np.flatnonzero(ordered[np.minimum(low, len(ordered) - 1)] == hashes) if len(ordered) else low[:0]
        high = np.searchsorted(ordered, hashes[held], side="right")
        hits = self._order[_ranges(low[held], high)].astype(np.int64)
        at = np.repeat(held, high - low[held])
        by_place = np.argsort(hits, kind="stable")
        hits, at = hits[by_place], at[by_place]
        cuts = np.searchsorted(hits, self._bounds)
        found = []
        for number, (name, side) in enumerate(self._sides.items()):
            mine = slice(cuts[number], cuts[number + 1])
            contained, examples = (
                side.contained(hits[mine] - self._bounds[number], sketch, at[mine])
                if mine.start < mine.stop
                else (0, ())
            )
            compared = side.comparable(sketch.limit)
            found.append(Containment(training, name, contained, compared, side.sketch.rows, examples))
        return tuple(found)


def compare_words(
    training: Mapping[str, Callable[[], WordSketch]],
    evaluation: Mapping[str, Callable[[], WordSketch]],
    cluster: RayCluster | None = None,
) -> Iterator[Containment]:
    """How many records of each evaluation interface stand in each training interface, sorted by both names.

    Training sketches are read one after the other, and compared here or by the workers of a ``cluster``.

    Raises:
        WorkerLost: workers of the cluster ended by themselves, again and again.
    """
    sets = EvaluationSets(evaluation)
    sketches = ((name, training[name]()) for name in sorted(training))
    found = cluster.map(_within, sets, sketches) if cluster else (_within(sets, item) for item in sketches)
    for items in found:
        yield from items


def _within(sets: EvaluationSets, item: tuple[str, WordSketch]) -> tuple[Containment, ...]:
    return sets.within(*item)
