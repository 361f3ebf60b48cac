"""Holds every row against what its contract expects of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.promises.expectations import Expectation, parse_expectation
from flywheel_mlflow.records.arrays import as_numpy, valid
from flywheel_mlflow.records.arrow_values import BIG_INTEGER
from flywheel_mlflow.records.batches import Batch
from flywheel_mlflow.records.checks import PlaceOf
from flywheel_mlflow.records.findings import Warned


class Expectations(Warned):
    """Every row is as the contract's ``expect`` says."""

    name = "expectations"

    def __init__(self, interface: str, expected: Sequence[str]) -> None:
        super().__init__(interface)
        self._texts = tuple(expected)
        self._failed: Counter[str] = Counter()
        self._known: Counter[str] = Counter()

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        if not self._texts:
            return
        failed: dict[int, list[str]] = {}
        for expectation in map(parse_expectation, self._texts):
            outcomes = _outcomes(expectation, batch)
            self._known[expectation.text] += sum(outcome is not None for outcome in outcomes)
            for position, outcome in enumerate(outcomes):
                if outcome is False:
                    failed.setdefault(position, []).append(expectation.text)
                    self._failed[expectation.text] += 1
        self._offend(batch, sorted(failed), lambda position: {"expected": tuple(failed[position])})

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        self._failed.update(other._failed)
        self._known.update(other._known)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped where nothing is expected, an error where no row has the fields that are spoken of."""
        if not self._texts:
            return self._check(Outcome.SKIPPED, "the contract expects nothing", place_of)
        unknown = [text for text in self._texts if not self._known[text]]
        failed = {text: self._failed[text] for text in self._texts if self._failed[text]}
        if failed:
            first = "; ".join(f"{rows} rows are not: {text}" for text, rows in list(failed.items())[:3])
            return self._check(Outcome.FAILED, first, place_of, expected=failed, unknown=unknown)
        if unknown:
            message = f"no row has the fields of: {unknown[0]}"
            return self._check(Outcome.ERROR, message, place_of, expected=failed, unknown=unknown)
        return self._check(Outcome.PASSED, f"{self._rows} rows as expected", place_of, expected=failed, unknown=unknown)


def _outcomes(expectation: Expectation, batch: Batch) -> list[bool | None]:
    columns = {path: _values(batch, path) for path in expectation.fields}
    names, rows = tuple(columns), zip(*columns.values(), strict=True)
    return [expectation.holds(dict(zip(names, row, strict=True))) for row in rows]


def _values(batch: Batch, path: str) -> list[Any]:
    """The values of a field as Python has them; of a list its length as a range, of an object a mark."""
    values: list[Any] = [None] * batch.rows
    for kind, array in batch.values_at((path,), tuple(path.split("."))):
        there = np.flatnonzero(valid(array)).tolist()
        if kind == "list":
            lengths = as_numpy(array.value_lengths()).tolist()
            found: dict[int, Any] = {position: range(lengths[position]) for position in there}
        elif kind == "object":
            found = dict.fromkeys(there, ...)
        elif kind == BIG_INTEGER:
            found = {position: int(array[position].as_py()) for position in there}
        else:
            listed = array.to_pylist()
            found = {position: listed[position] for position in there}
        for position, value in found.items():
            values[position] = value
    return values
