"""Record findings: data that are as promised and yet look wrong, each a warning with its reason and places."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.records.arrays import as_numpy, from_numpy, valid
from flywheel_mlflow.records.batches import Batch
from flywheel_mlflow.records.checks import Finding, PlaceOf
from flywheel_mlflow.records.columns import Field, encode
from flywheel_mlflow.records.fingerprints import normalised_hashes
from flywheel_mlflow.records.shingles import shingles_of

#: A signal or side that had one value in this many rows would have had another by now.
CONSTANT_ROWS = 50
#: What a model learns from, or is asked, in records that hold two texts or more.
SIDES = frozenset(
    {"answer", "chosen", "completion", "negative", "output", "positive", "query", "question", "rejected", "response"}
    | {"source", "target"}
)
#: Fields of a text and of its translation.
TRANSLATIONS = (("source", "target"), ("src", "tgt"), ("source_text", "target_text"), ("original", "translation"))
#: A name or a number is the same in two languages; so many words in a row are not.
TRANSLATED_WORDS = 5
#: Where content may lie: below a field of content, or beside the other fields of a free row.
_ROOTS = ("content.", "payload.", "")

#: So many rows of one length, and this share of all, are a pile if they are so many times the most of any near length.
PILE_ROWS, PILE_SHARE, PILE_TIMES = 20, 0.01, 8
#: Shorter texts are labels and codes; longer ones share one count.
SHORTEST_PILE, LONGEST_PILE = 50, 1 << 17
#: Texts near the length that must be there: a pile alone is a format.
NEAR_ROWS = 5
#: Fields of which lengths are kept; a contract with more says nothing by their names.
MAX_PILE_FIELDS = 50


class Warned(Finding):
    """A finding that counts as a warning."""

    def __init__(self, interface: str) -> None:
        super().__init__(interface, CheckSeverity.WARNING)

    def _look(self, place_of: PlaceOf | None, looked: int, nothing: str, good: str, bad: str, **more: Any) -> Check:
        """The finding on several fields: skipped where there was none to look at."""
        if not looked:
            return self._check(Outcome.SKIPPED, nothing, place_of)
        if self._failing:
            return self._check(Outcome.FAILED, bad, place_of, **more)
        return self._check(Outcome.PASSED, good, place_of, **more)


class _OneValue:
    """How many rows have a field, and the value if it is one."""

    def __init__(self) -> None:
        self.rows = 0
        self.value: str | None = None
        self.several = False

    def observe(self, values: Any, kind: str) -> None:
        """Adds the values of a batch."""
        there = len(values) - values.null_count
        if not there:
            return
        self.rows += there
        if self.several:
            return
        distinct = pc.unique(values.drop_null())
        # Numbers are told apart by their value: 1 is 1.0, and 0.0 is -0.0.
        spelled = set(encode(distinct.slice(0, 3), kind, whole_numbers=True).to_pylist())
        self.several = len(spelled) > 1
        if not self.several:
            self._meet(spelled.pop())

    def _meet(self, value: str) -> None:
        self.several = self.several or (self.value is not None and self.value != value)
        self.value = None if self.several else value

    def merge(self, other: _OneValue) -> None:
        """Adds what another has seen."""
        self.rows += other.rows
        self.several = self.several or other.several
        if self.several:
            self.value = None
        elif other.value is not None:
            self._meet(other.value)


class _Constants(Warned, ABC):
    """Fields of which every row has the same value."""

    nothing: ClassVar[str]
    noun: ClassVar[str]

    def __init__(self, interface: str) -> None:
        super().__init__(interface)
        self._fields: dict[str, _OneValue] = {}

    @abstractmethod
    def _is_looked_at(self, item: Field) -> bool:
        """Whether a field is one of those."""

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        for item in batch.fields:
            if self._is_looked_at(item):
                self._fields.setdefault(item.path, _OneValue()).observe(item.values, item.kind)

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        for path, seen in other._fields.items():
            self._fields.setdefault(path, _OneValue()).merge(seen)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped where no field has enough rows."""
        enough = {path: seen for path, seen in self._fields.items() if seen.rows >= CONSTANT_ROWS}
        constant = {path: seen.rows for path, seen in sorted(enough.items()) if not seen.several}
        self._failing = sum(constant.values())
        named = ", ".join(f"{path} ({rows} rows)" for path, rows in list(constant.items())[:3])
        return self._look(
            place_of,
            len(enough),
            f"{self.nothing} in {CONSTANT_ROWS} rows and more",
            f"{len(enough)} {self.noun}, each with several values",
            f"{len(constant)} of {len(enough)} {self.noun} have one value: {named}",
            constant=constant,
        )


class ConstantSignals(_Constants):
    """No number among the quality signals is the same in every row: such a one measures nothing."""

    name = "constant_signals"
    nothing = "no quality signal that is a number"
    noun = "signals"

    def _is_looked_at(self, item: Field) -> bool:
        return item.path.startswith("quality_signals.") and item.kind in ("integer", "number")


class ConstantSides(_Constants):
    """No side of pairs (question, answer, chosen, rejected ...) is the same in every row."""

    name = "constant_sides"
    nothing = "no side of a pair"
    noun = "sides of pairs"

    def _is_looked_at(self, item: Field) -> bool:
        return item.kind == "string" and _below_root(item.path) in SIDES and item.path != "source"


def _below_root(path: str) -> str:
    """The name of a field right below content or payload, or of a row; empty for any other."""
    name = next(path.removeprefix(root) for root in _ROOTS if path.startswith(root))
    return "" if "." in name else name


class SameTranslations(Warned):
    """No translation is the text it was made from."""

    name = "same_translations"

    def __init__(self, interface: str) -> None:
        super().__init__(interface)
        self._pairs = 0

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        fields = {item.path: item.values for item in batch.fields if item.kind == "string"}
        same = np.zeros(batch.rows, dtype=bool)
        for one, other in _translations(fields):
            there = valid(fields[one]) & valid(fields[other])
            self._pairs += int(np.count_nonzero(there))
            hashes = normalised_hashes(fields[one])
            equal = there & (hashes == normalised_hashes(fields[other]))
            positions = np.flatnonzero(equal)
            if len(positions):
                words = shingles_of(fields[one].filter(from_numpy(equal))).text_words
                same[positions[words >= TRANSLATED_WORDS]] = True
        self._offend(batch, np.flatnonzero(same).tolist(), lambda _: {})

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        self._pairs += other._pairs

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped where no row has a text and its translation."""
        return self._look(
            place_of,
            self._pairs,
            "no row has a text and its translation",
            f"{self._pairs} translations, none of them the text itself",
            f"{self._failing} of {self._pairs} translations are the text itself",
        )


def _translations(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of paths: by their names, or two languages side by side below ``translation``."""
    found = [
        (f"{root}{one}", f"{root}{other}")
        for root in _ROOTS
        for one, other in TRANSLATIONS
        if f"{root}{one}" in fields and f"{root}{other}" in fields
    ]
    for root in _ROOTS:
        start = f"{root}translation."
        languages = sorted(path for path in fields if path.startswith(start) and 2 <= len(path) - len(start) <= 3)
        found += [(languages[0], path) for path in languages[1:]]
    return found


class LengthPiles(Warned):
    """No text field has a pile of rows of exactly one length, as texts cut at a limit have."""

    name = "length_piles"

    def __init__(self, interface: str) -> None:
        super().__init__(interface)
        self._lengths: dict[str, Counter[int]] = {}

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        self._add("content", batch.lengths[batch.lengths >= 0])
        for item in batch.fields:
            if item.kind == "string" and item.path.startswith(("content.", "payload.")):
                self._add(item.path, as_numpy(pc.utf8_length(item.values.drop_null())))

    def _add(self, path: str, lengths: npt.NDArray[Any]) -> None:
        values, counts = np.unique(np.minimum(lengths, LONGEST_PILE), return_counts=True)
        self._lengths.setdefault(path, Counter()).update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        self._keep()

    def _keep(self) -> None:
        for path in sorted(self._lengths)[MAX_PILE_FIELDS:]:
            del self._lengths[path]

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        for path, lengths in other._lengths.items():
            self._lengths.setdefault(path, Counter()).update(lengths)
        self._keep()

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped where no field has enough rows for a pile."""
        enough = {path: lengths for path, lengths in sorted(self._lengths.items()) if lengths.total() >= CONSTANT_ROWS}
        piles = [(path, *pile) for path, lengths in enough.items() for pile in piles_of(lengths)]
        self._failing = sum(rows for *_, rows in piles)
        first = (f"{rows} rows of {path} have {length} characters" for path, length, rows in piles[:3])
        return self._look(
            place_of,
            len(enough),
            f"no text in {CONSTANT_ROWS} rows and more",
            f"lengths of {len(enough)} text fields, no pile at one",
            f"{', '.join(first)}: cut there?",
            piles=tuple({"field": path, "length": length, "rows": rows} for path, length, rows in piles[:10]),
        )


def piles_of(lengths: Mapping[int, int]) -> Sequence[tuple[int, int]]:
    """The lengths that too many texts have exactly, each with its rows.

    Of lengths that vary none is much more frequent than those near it; where all are alike, as in forms and codes,
    nothing lies near.
    """
    total = sum(lengths.values())
    known = np.array(sorted(lengths), dtype=np.int64)
    counts = np.array([lengths[length] for length in known.tolist()], dtype=np.int64)
    piles = []
    for length, rows in zip(known.tolist(), counts.tolist(), strict=True):
        if not SHORTEST_PILE <= length < LONGEST_PILE or rows < max(PILE_ROWS, PILE_SHARE * total):
            continue
        width = max(16, length // 4)
        near = (np.abs(known - length) <= width) & (known != length)
        below = counts[near & (known < length)]
        if below.sum() >= NEAR_ROWS and len(below) >= NEAR_ROWS and rows >= PILE_TIMES * counts[near].max():
            piles.append((length, rows))
    return piles
