"""Learns the schema of records from their columns; what was learnt of two parts can be merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from flywheel_mlflow.evidence.runs import FieldType

#: Objects keyed by data (a user, a URL) have as many fields as rows; such a schema says nothing
#: and would outgrow memory.
MAX_FIELDS = 2000

_NAMES = {
    "big integer": "integer",
    # What only Parquet has; named as JSON would write it.
    "decimal": "number",
    **dict.fromkeys(("binary", "timestamp", "date", "time", "duration"), "string"),
}


def path_part(key: str) -> str:
    """A key as one part of a dotted path: a dot inside it would read like a level of its own."""
    return key if "." not in key and "\\" not in key else key.replace("\\", "\\\\").replace(".", "\\.")


class SchemaTree:
    """The fields seen so far, with how often each held which kind."""

    def __init__(self) -> None:
        self.rows = 0
        self._counts: dict[str, Counter[str]] = {}

    def observe(self, rows: int, kinds: Iterable[tuple[str, str, int]]) -> None:
        """Adds some rows, of which so many have a value of a kind at a path; a field may be there and always null."""
        self.rows += rows
        for path, kind, count in kinds:
            counts = self._counts.setdefault(path, Counter())
            if count:
                counts[kind] += count

    def merge(self, other: SchemaTree) -> None:
        """Adds what another tree has seen."""
        self.rows += other.rows
        for path, counts in other._counts.items():
            self._counts.setdefault(path, Counter()).update(counts)

    @property
    def paths(self) -> frozenset[str]:
        """The fields seen so far."""
        return frozenset(self._counts)

    def fields(self) -> tuple[FieldType, ...]:
        """The schema, sorted by path: a field is required when every row has it and none is null."""
        return tuple(sorted(self._field(path, counts) for path, counts in self._counts.items()))

    def _field(self, path: str, counts: Counter[str]) -> FieldType:
        names = {_NAMES.get(kind, kind) for kind in counts}
        if names == {"integer", "number"}:
            names = {"number"}
        name = names.pop() if len(names) == 1 else ("mixed" if names else "null")
        return FieldType(path, name, counts.total() == self.rows)


def first_beyond(known: frozenset[str], records: Iterable[Mapping[str, Any]]) -> int | None:
    """Which of the records has the first field beyond ``MAX_FIELDS``, counted from 0; None when none has."""
    paths = set(known)
    for position, record in enumerate(records):
        pending = [("", record)]
        while pending:
            prefix, value = pending.pop()
            for key, item in value.items():
                path = f"{prefix}.{path_part(key)}" if prefix else path_part(key)
                paths.add(path)
                if isinstance(item, dict):
                    pending.append((path, item))
        if len(paths) > MAX_FIELDS:
            return position
    return None
