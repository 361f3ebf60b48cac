"""The standard record checks, each an accumulator over batches that ends in one finding.

A check observes batches in any number, takes in what the same check has seen elsewhere, and gives its finding at the
end, whatever the order of all that; it never raises because data are bad. Findings name places and record ids, never
the values at fault.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flywheel_mlflow.base.names import label_fault
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.evidence.schema_paths import need_parts
from flywheel_mlflow.records.arrays import Mask, as_numpy, from_numpy
from flywheel_mlflow.records.batches import Batch, Part
from flywheel_mlflow.records.columns import encode, present, says_something, texts_of
from flywheel_mlflow.records.fingerprints import Hashes, as_hashes, hash_texts
from flywheel_mlflow.records.personal import withheld

SOURCE = "flywheel.records"
EXAMPLES = 5

#: The seven fields of the sample record; of a pair one suffices.
RECORD_FIELDS = (
    ("id",),
    ("source",),
    ("content", "payload"),
    ("metadata",),
    ("quality_signals",),
    ("split", "stage"),
    ("audit_trace",),
)
#: More licences than this are no statement anybody reads, and a longer one is none.
MAX_LICENCES, MAX_LICENCE_LENGTH = 20, 100
_LICENCE_PATHS = (
    ("metadata", "license"),
    ("metadata", "licence"),
    ("source", "license"),
    ("source", "licence"),
    ("license",),
    ("licence",),
)

#: A split is a handful of names; a field with more holds something else.
MAX_SPLITS = 1000


#: Where a row lies: its part of the data, its row in the part; rows sort in the order of the data.
Row = tuple[Part, int]
#: Names the place of a row for people.
PlaceOf = Callable[[Row], str]


class RecordCheck(Protocol):
    """What the standard checks have in common, whichever engine feeds them."""

    name: ClassVar[str]

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding over everything seen so far."""


class Finding:
    """Counts rows and offences and words them as a check."""

    name: ClassVar[str]

    def __init__(self, interface: str, severity: CheckSeverity = CheckSeverity.BLOCKING) -> None:
        self._interface = interface
        self._severity = severity
        self._rows = 0
        self._failing = 0
        #: The first few offences in the order of the data.
        self._examples: list[tuple[Row, dict[str, Any]]] = []

    def _merge(self, other: Finding) -> None:
        self._rows += other._rows
        self._failing += other._failing
        self._examples = sorted([*self._examples, *other._examples], key=lambda item: item[0])[:EXAMPLES]

    def _offend(self, batch: Batch, positions: Sequence[int], more: Callable[[int], Mapping[str, Any]]) -> None:
        """Counts offences of a batch; ``more`` says of a position what its example shows."""
        self._failing += len(positions)
        for position in positions[:EXAMPLES]:
            row: Row = (batch.part, batch.row + position)
            if len(self._examples) < EXAMPLES or row < self._examples[-1][0]:
                identity = batch.block.record(position).get("id")
                shown = withheld(str(identity)[:200]) if isinstance(identity, str | int) else None
                insort(self._examples, (row, {"id": shown, **more(position)}), key=lambda item: item[0])
                del self._examples[EXAMPLES:]

    def _check(self, outcome: Outcome, message: str, place_of: PlaceOf | None, **more: Any) -> Check:
        shown = tuple({"place": place_of(row) if place_of else None, **example} for row, example in self._examples)
        details = {"rows": self._rows, "failing": self._failing, "examples": shown, **more}
        return Check(f"{self._interface}.{self.name}", outcome, message, self._severity, SOURCE, details)

    def _judge(self, good: str, bad: str, place_of: PlaceOf | None, **more: Any) -> Check:
        if self._failing:
            return self._check(Outcome.FAILED, f"{self._failing} of {self._rows} rows {bad}", place_of, **more)
        return self._check(Outcome.PASSED, f"{self._rows} rows, {good}", place_of, **more)


class RequiredFields(Finding):
    """Every row has the fields its schema demands and those the contract lists, none of them null."""

    name = "required_fields"

    def __init__(self, interface: str, schema: str, fields: Sequence[str]) -> None:
        super().__init__(interface)
        self._needed = (RECORD_FIELDS if schema == "record" else ()) + tuple((field,) for field in fields)
        self._missing: Counter[str] = Counter()

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        lacking: dict[str, Mask] = {}
        for names in self._needed:
            there = np.zeros(batch.rows, dtype=bool)
            for name in names:
                there |= present(batch.array, (name,))
                if (parts := need_parts(name)) != (name,):
                    there |= present(batch.array, parts)
            if not there.all():
                lacking[" or ".join(names)] = ~there
        if lacking:
            self._missing.update({words: int(mask.sum()) for words, mask in lacking.items()})
            offenders = np.flatnonzero(np.logical_or.reduce(list(lacking.values()))).tolist()
            self._offend(
                batch,
                offenders,
                lambda position: {"missing": tuple(words for words, mask in lacking.items() if mask[position])},
            )

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        self._missing.update(other._missing)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped when neither schema nor contract demands a field."""
        if not self._needed:
            return self._check(Outcome.SKIPPED, "neither the schema nor the contract demands a field", place_of)
        missing = dict(sorted(self._missing.items()))
        return self._judge("each with all required fields", "lack a required field", place_of, missing=missing)


class ByRow:
    """Values of every row so far, kept by part, in the order of the data when they are asked for."""

    def __init__(self) -> None:
        self._parts: dict[Part, list[tuple[int, npt.NDArray[Any]]]] = {}

    def add(self, batch: Batch, values: npt.NDArray[Any]) -> None:
        """Keeps the values of a batch."""
        self._parts.setdefault(batch.part, []).append((batch.row, values))

    def merge(
        self, other: ByRow, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = lambda values: values
    ) -> None:
        """Keeps the values of other rows, changed."""
        for part, arrays in other._parts.items():
            self._parts.setdefault(part, []).extend((row, change(values)) for row, values in arrays)

    def values(self, kind: type[np.generic]) -> npt.NDArray[Any]:
        """All values."""
        arrays = [values for _, _, values in self._sorted()]
        return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)

    def row_of(self) -> Callable[[int], Row]:
        """What finds the row of a position among all values."""
        arrays = self._sorted()
        starts = np.cumsum([0, *(len(values) for _, _, values in arrays)]).tolist()

        def find(position: int) -> Row:
            index = bisect_right(starts, position) - 1
            part, row, _ = arrays[index]
            return part, row + position - starts[index]

        return find

    def _sorted(self) -> list[tuple[Part, int, npt.NDArray[Any]]]:
        return [
            (part, row, values)
            for part in sorted(self._parts)
            for row, values in sorted(self._parts[part], key=lambda item: item[0])
            if len(values)
        ]


class _Repeats(Finding):
    """Finds rows whose hash an earlier row has, from eight bytes a row."""

    def __init__(self, interface: str, severity: CheckSeverity = CheckSeverity.BLOCKING) -> None:
        super().__init__(interface, severity)
        self._hashes = ByRow()

    def _collect(self, batch: Batch, hashes: Hashes) -> None:
        self._rows += batch.rows
        self._hashes.add(batch, hashes)

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        self._hashes.merge(other._hashes)

    def hashes(self) -> Hashes:
        """The hash of every row so far, 0 for a row without."""
        return self._hashes.values(np.uint64)

    def _repeats(self, without: str, good: str, bad: str, missing: str, place_of: PlaceOf | None) -> Check:
        hashes = self.hashes()
        absent = int(np.count_nonzero(hashes == 0))
        if absent == self._rows:
            return self._check(Outcome.SKIPPED, without, place_of)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        again = (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)
        self._failing = int(np.count_nonzero(again))
        self._examples = pairs("same_as", order[1:][again], order[:-1][again], self._hashes, place_of)
        return self._judge(good, bad, place_of, **{missing: absent})


def pairs(
    word: str, later: npt.NDArray[Any], earlier: npt.NDArray[Any], rows: ByRow, place_of: PlaceOf | None
) -> list[tuple[Row, dict[str, Any]]]:
    """The first few pairs of rows that should not be alike, as examples."""
    row_of = rows.row_of()
    first = np.argsort(later, kind="stable")[:EXAMPLES].tolist()
    found = [(row_of(int(later[index])), row_of(int(earlier[index]))) for index in first]
    return [(row, {word: place_of(other) if place_of else None}) for row, other in found]


class UniqueIds(_Repeats):
    """No two rows of the interface have the same id."""

    name = "unique_ids"

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._collect(batch, batch.ids)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped when no row has an id."""
        return self._repeats("no row has an id", "each id once", "repeat an id", "without_id", place_of)


class ExactDuplicates(_Repeats):
    """No two rows have the same content, whatever its case and white space."""

    name = "exact_duplicates"

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._collect(batch, batch.fingerprints)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped when no row has content."""
        bad = "repeat the content of another"
        return self._repeats("no row has content", "each content once", bad, "without_content", place_of)


class SplitLeakage(Finding):
    """No group (an article, a page, a seed) has rows in two splits; rows are told by group, not by id."""

    name = "split_leakage"

    def __init__(self, interface: str, group_key: str | None) -> None:
        super().__init__(interface)
        self._group_key = group_key
        self._groups = ByRow()
        self._codes = ByRow()
        #: The name of each code from 1 on; 0 is no split.
        self._splits: dict[str, int] = {}
        self._unknown = 0

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        if self._group_key is None:
            return
        key = self._group_key
        groups = hashes_of(first_texts(batch, [(key,), tuple(key.split("."))]))
        codes = self._codes_of(first_texts(batch, [("split",), ("stage",)]))
        known = (groups != 0) & (codes != 0)
        self._unknown += int(np.count_nonzero(~known))
        self._groups.add(batch, np.where(known, groups, np.uint64(0)))
        self._codes.add(batch, np.where(known, codes, np.uint16(0)))

    def _codes_of(self, splits: Any) -> npt.NDArray[np.uint16]:
        named = pc.utf8_slice_codeunits(splits, 0, 200).dictionary_encode()
        codes = np.array([self._code(name) for name in named.dictionary.to_pylist()] + [0], dtype=np.uint16)
        return np.asarray(codes[as_numpy(named.indices, missing=len(codes) - 1)])

    def _code(self, name: str) -> int:
        if name == "":
            return 0
        if len(self._splits) > MAX_SPLITS:
            return 1  # the finding is an error whatever the code
        return self._splits.setdefault(name, len(self._splits) + 1)

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        self._unknown += other._unknown
        codes = np.array([0] + [self._code(name) for name in other._splits], dtype=np.uint16)
        self._groups.merge(other._groups)
        self._codes.merge(other._codes, lambda values: codes[values])

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding: skipped without a group key, an error when the field of the split holds no splits.

        Rows whose group or split is unknown fail it: leakage cannot be ruled out for them.
        """
        if self._group_key is None:
            return self._check(Outcome.SKIPPED, "the contract declares no group_key", place_of)
        if len(self._splits) > MAX_SPLITS:
            return self._check(
                Outcome.ERROR, f"more than {MAX_SPLITS} different splits: the field holds something else", place_of
            )
        leaking = self._leaking_groups(place_of)
        self._failing = leaking + self._unknown
        more = {
            "leaking_groups": leaking,
            "unknown_rows": self._unknown,
            "splits": tuple(sorted(withheld(name) for name in self._splits)),
        }
        if leaking or self._unknown:
            parts = [f"{leaking} groups have rows in two splits"] if leaking else []
            parts += [f"{self._unknown} rows have no group or no split"] if self._unknown else []
            return self._check(Outcome.FAILED, "; ".join(parts), place_of, **more)
        return self._check(Outcome.PASSED, f"{self._rows} rows, every group in one split", place_of, **more)

    def _leaking_groups(self, place_of: PlaceOf | None) -> int:
        """Counts the groups with two splits, and takes the first few pairs of rows as examples."""
        groups, codes = self._groups.values(np.uint64), self._codes.values(np.uint16)
        # Codes are given as splits come; in the order of names they are the same whatever came first.
        names = sorted(self._splits)
        ranks = np.zeros(len(names) + 1, dtype=np.uint16)
        ranks[[self._splits[name] for name in names]] = np.arange(1, len(names) + 1)
        codes = ranks[codes]
        order = np.lexsort((codes, groups))
        group, code = groups[order], codes[order]
        leak = (group[1:] == group[:-1]) & (code[1:] != code[:-1]) & (group[1:] != 0)
        one, two = order[1:][leak], order[:-1][leak]
        self._examples = pairs("same_group_as", np.maximum(one, two), np.minimum(one, two), self._groups, place_of)
        return len(np.unique(group[1:][leak]))


def first_texts(batch: Batch, paths: Sequence[tuple[str, ...]]) -> Any:
    """The texts of the first of some fields that has a value, numbers by their value."""
    found = pa.nulls(batch.rows, pa.string())
    for path in dict.fromkeys(paths):
        for kind, values in batch.values_at(path):
            found = pc.coalesce(found, values if kind == "string" else encode(values, kind, whole_numbers=True))
    return found


def hashes_of(texts: Any) -> Hashes:
    """The hash of each text, 0 where there is none; repeated ones are hashed once."""
    named = texts.dictionary_encode()
    hashes = np.concatenate((hash_texts(named.dictionary), as_hashes(bytes(8))))
    return np.asarray(hashes[as_numpy(named.indices, missing=len(hashes) - 1)])


class LicenceAndSource(Finding):
    """Every row says where it comes from and under which licence, itself or through the data card."""

    name = "licence_and_source"

    def __init__(self, interface: str, schema: str, *, card_source: bool, card_licence: bool) -> None:
        # Free rows (figures, logs) need not carry their origin; the card should, so look, do not stop.
        super().__init__(interface, CheckSeverity.BLOCKING if schema == "record" else CheckSeverity.WARNING)
        # A sample record names its own source: a card speaks of the whole, not of the one sample.
        self._source_known = card_source and schema != "record"
        self._licence_known = card_licence
        self._licences: set[str] = set()
        self._without: Counter[str] = Counter()

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        lacking: dict[str, Mask] = {}
        if not self._source_known:
            lacking["source"] = ~_says_at(batch, ("source",))
        if not self._licence_known:
            lacking["licence"] = ~self._observe_licences(batch)
        lacking = {word: mask for word, mask in lacking.items() if mask.any()}
        if lacking:
            self._without.update({word: int(mask.sum()) for word, mask in lacking.items()})
            self._offend(
                batch,
                np.flatnonzero(np.logical_or.reduce(list(lacking.values()))).tolist(),
                lambda position: {"missing": tuple(word for word, mask in lacking.items() if mask[position])},
            )

    def _observe_licences(self, batch: Batch) -> Mask:
        """Notes the licences of a batch; which rows state one."""
        stated = np.zeros(batch.rows, dtype=bool)
        for path in _LICENCE_PATHS:
            for _, values in batch.values_at(path):
                says = says_something(values) & ~stated
                if says.any():
                    stated |= says
                    self._note(texts_of(values, whole_numbers=True).filter(from_numpy(says)))
            if stated.all():
                break
        return stated

    def _note(self, licences: Any) -> None:
        self._keep({text.strip() for text in pc.unique(licences).to_pylist()})

    def _keep(self, licences: set[str]) -> None:
        # One more than may be shown: then they are too many, whichever they are.
        self._licences = set(sorted(self._licences | licences)[: MAX_LICENCES + 1])

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        self._without.update(other._without)
        self._keep(other._licences)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding, with the count of rows that lack each."""
        without = dict(sorted(self._without.items()))
        return self._judge("source and licence known", "lack source or licence", place_of, without=without)

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences the rows state, when every row states one that can be shown, and they are not too many."""
        whole = self._rows > 0 and not self._without["licence"] and len(self._licences) <= MAX_LICENCES
        return tuple(sorted(self._licences)) if whole and all(map(_is_shown, self._licences)) else ()


def _says_at(batch: Batch, path: tuple[str, ...]) -> Mask:
    found = np.zeros(batch.rows, dtype=bool)
    for _, values in batch.values_at(path):
        found |= says_something(values)
    return found


def _is_shown(licence: str) -> bool:
    return len(licence) <= MAX_LICENCE_LENGTH and label_fault(licence) is None
