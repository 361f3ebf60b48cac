"""Learns the schema of records from their columns; what was learnt of two parts can be merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.evidence.schema_paths import ELEMENT, path_part

#: Objects keyed by data (a user, a URL) have as many fields as rows; such a schema says nothing
#: and would outgrow memory.
MAX_FIELDS = 2000
#: Fields at any depth inside one list. A list with more holds objects keyed by data: its elements are called ``map``.
MAX_LIST_FIELDS = 200
#: From so many numbers on a list whose length never differs is a vector.
MIN_VECTOR = 2

_NUMBERS = frozenset({"integer", "number", "decimal"})


class Observation(NamedTuple):
    """How often a field held one kind of value in some rows; it may be there and always null.

    ``base`` is what the field may be missing from: the elements of the innermost list around it, empty for the rows;
    ``outermost`` names the elements of the outermost list. Of lists ``elements`` counts what they hold together, and
    ``lengths`` are those of the shortest and the longest.
    """

    path: str
    kind: str
    present: int
    base: str = ""
    outermost: str = ""
    elements: int = 0
    lengths: tuple[int, int] | None = None


@dataclass(slots=True)
class _Place:
    base: str
    outermost: str
    kinds: Counter[str] = field(default_factory=Counter)
    lengths: tuple[int, int] | None = None

    def add(self, kinds: Mapping[str, int], lengths: tuple[int, int] | None) -> None:
        for kind, count in kinds.items():
            if count:
                self.kinds[kind] += count
        if lengths is not None:
            low, high = self.lengths or lengths
            self.lengths = min(low, lengths[0]), max(high, lengths[1])


class SchemaTree:
    """The fields seen so far, with how often each held which kind."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._slots: Counter[str] = Counter()  # rows under "", else elements of a list
        self._inside: dict[str, set[str]] = {}
        self._maps: set[str] = set()  # outermost lists with too many fields: whatever the order, once is for ever

    @property
    def rows(self) -> int:
        """How many rows were seen."""
        return self._slots[""]

    def observe(self, rows: int, observations: Iterable[Observation]) -> None:
        """Adds what some rows hold."""
        self._slots[""] += rows
        for item in observations:
            self._add(item.path, item.base, item.outermost, {item.kind: item.present}, item.lengths)
            if item.elements:
                self._slots[item.path + ELEMENT] += item.elements

    def merge(self, other: SchemaTree) -> None:
        """Adds what another tree has seen."""
        for outermost in other._maps:
            self._close(outermost)
        for path, place in other._places.items():
            self._add(path, place.base, place.outermost, place.kinds, place.lengths)
        self._slots.update(other._slots)

    def _add(
        self, path: str, base: str, outermost: str, kinds: Mapping[str, int], lengths: tuple[int, int] | None
    ) -> None:
        if path != outermost and outermost in self._maps:
            return
        place = self._places.get(path)
        if place is None:
            place = self._places[path] = _Place(base, outermost)
            if outermost and path != outermost:
                inside = self._inside.setdefault(outermost, set())
                inside.add(path)
                if len(inside) > MAX_LIST_FIELDS:
                    self._close(outermost)
                    return
        place.add(kinds, lengths)

    def _close(self, outermost: str) -> None:
        self._maps.add(outermost)
        for path in self._inside.pop(outermost, ()):
            del self._places[path]

    @property
    def paths(self) -> frozenset[str]:
        """The fields seen so far that lie in no list: those that may not be too many."""
        return frozenset(path for path, place in self._places.items() if not place.outermost)

    def fields(self) -> tuple[FieldType, ...]:
        """The schema, sorted by path: a field is required when every row or element has it and none is null."""
        maps = self._maps | self._largest()
        return tuple(sorted(self._fields(maps)))

    def _largest(self) -> set[str]:
        """Lists that must be called maps as well, largest first, so that all lists together have few enough fields."""
        total, found = sum(map(len, self._inside.values())), set[str]()
        for outermost, inside in sorted(self._inside.items(), key=lambda item: (-len(item[1]), item[0])):
            if total <= MAX_FIELDS:
                break
            found.add(outermost)
            total -= len(inside)
        return found

    def _fields(self, maps: set[str]) -> Iterator[FieldType]:
        for path, place in self._places.items():
            if path in maps:
                name = "map"
            elif place.outermost in maps:
                continue
            else:
                name = self._type_name(path, place)
            yield FieldType(path, name, place.kinds.total() == self._slots[place.base])

    def _type_name(self, path: str, place: _Place) -> str:
        names = {"integer" if kind == "big integer" else kind for kind in place.kinds}
        if names == {"integer", "number"}:
            return "number"
        name = names.pop() if len(names) == 1 else ("mixed" if names else "null")
        return self._list_name(path, place) if name == "list" else name

    def _list_name(self, path: str, place: _Place) -> str:
        """``vector[384]`` where every list holds as many numbers; a single list says nothing about the others."""
        shortest, longest = place.lengths or (0, 0)
        elements = self._places.get(path + ELEMENT)
        is_vector = (
            elements is not None
            and MIN_VECTOR <= shortest == longest
            and place.kinds.total() > 1
            and elements.kinds.total() == self._slots[path + ELEMENT]
            and {"integer" if kind == "big integer" else kind for kind in elements.kinds} <= _NUMBERS
        )
        return f"vector[{longest}]" if is_vector else "list"


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
