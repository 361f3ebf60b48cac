"""What a change of data is, and the parts that changes are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.content_records import Draw, Record

Edit = Callable[[Record, Draw], None]
Transform = Callable[[list[Record], Draw], list[Record]]
Rewrite = Callable[[Any, Draw], Any]


def _nothing(records: list[Record], draw: Draw) -> list[Record]:  # noqa: ARG001 - a transform that does nothing
    return records


@dataclass(frozen=True, slots=True)
class Change:
    """A change that happens in real work on data of one shape.

    ``after`` makes the new side from records of the usual kind. ``before`` is applied to the old side, where the usual
    records lack what changes. Both may edit the records they are given.
    """

    name: str
    family: str
    shape: str
    about: str
    after: Transform
    before: Transform = _nothing


def some(share: float, edit: Edit) -> Transform:
    """The edit in a share of the rows, drawn row by row."""

    def transform(records: list[Record], draw: Draw) -> list[Record]:
        for record in records:
            if draw.chance(share):
                edit(record, draw)
        return records

    return transform


def every(edit: Edit) -> Transform:
    """The edit in every row."""
    return some(1.0, edit)


def at(path: str, rewrite: Rewrite) -> Edit:
    """An edit that writes the value at a path anew; a value that is missing stays so."""
    *parents, name = path.split(".")

    def edit(record: Record, draw: Draw) -> None:
        place = record
        for parent in parents:
            place = place[parent]
        if place.get(name) is not None:
            place[name] = rewrite(place[name], draw)

    return edit


def to(path: str, value: Any) -> Edit:
    """An edit that writes one value."""
    return at(path, lambda _old, _draw: value)


def only(condition: Callable[[Record], bool], edit: Edit) -> Edit:
    """The edit where the condition holds."""

    def edit_some(record: Record, draw: Draw) -> None:
        if condition(record):
            edit(record, draw)

    return edit_some


def shuffled(*paths: str, share: float = 1.0) -> Transform:
    """The values at the paths moved between a share of the rows, together; each value stays, its row is another."""

    def transform(records: list[Record], draw: Draw) -> list[Record]:
        chosen = [record for record in records if draw.chance(share)]
        for path in paths:
            *parents, name = path.split(".")
            places = []
            for record in chosen:
                place = record
                for parent in parents:
                    place = place[parent]
                places.append(place)
            values = [place[name] for place in places]
            # Every value goes to the next row: none stays, and those of one row stay together.
            for place, value in zip(places, values[1:] + values[:1], strict=True):
                place[name] = value
        return records

    return transform


def copied(share: float, *paths: str) -> Transform:
    """A share of the rows get the values of other rows at the paths."""

    def transform(records: list[Record], draw: Draw) -> list[Record]:
        originals = [{path: record[path] for path in paths} for record in records]
        for record in records:
            if draw.chance(share):
                record.update(draw.choice(originals))
        return records

    return transform
