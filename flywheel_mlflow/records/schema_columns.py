"""Walks columns for what a schema is learnt from: every field through objects and lists, and how often it is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flywheel_mlflow.evidence.schema_paths import ELEMENT
from flywheel_mlflow.records.columns import Field, fields_of, members
from flywheel_mlflow.records.schema_tree import Observation


def observations(fields: Iterable[Field]) -> Iterator[Observation]:
    """What is seen in the fields of records that lie in no list, and in the lists among them at any depth."""
    for item in fields:
        yield from _field(item, "", "")


def _field(item: Field, base: str, outermost: str) -> Iterator[Observation]:
    count = len(item.values) - item.values.null_count
    if item.kind == "list" and count:
        yield from _list(item, count, base, outermost)
    else:
        yield Observation(item.path, item.kind, count, base, outermost)


def _list(item: Field, count: int, base: str, outermost: str) -> Iterator[Observation]:
    lengths = pc.min_max(pc.list_value_length(item.values)).as_py()
    elements = item.values.flatten()
    yield Observation(
        item.path, "list", count, base, outermost, elements=len(elements), lengths=(lengths["min"], lengths["max"])
    )
    if len(elements):
        yield from _elements(elements, item.path + ELEMENT, outermost or item.path + ELEMENT)


def _elements(elements: Any, path: str, outermost: str) -> Iterator[Observation]:
    """The elements of all lists of a field as one field, with those inside it; they may be missing from themselves."""
    if pa.types.is_null(elements.type):
        yield Observation(path, "null", 0, path, outermost)
    for kind, values in members(elements):
        yield from _field(Field(path, kind, values), path, outermost)
        if kind == "object" and values.null_count < len(values):
            for inner in fields_of(values, path):
                yield from _field(inner, path, outermost)
