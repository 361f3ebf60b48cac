"""Learns the schema of records by walking each once, gathering the texts met on the way."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Mapping
from typing import Any

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.evidence.runs import FieldType

#: Objects keyed by data (a user, a URL) have as many fields as rows; such a schema says nothing
#: and would outgrow memory.
MAX_FIELDS = 2000
MAX_DEPTH = 32

#: The largest power of two a 64-bit float holds; statistics are made of floats.
MAX_INTEGER_BITS = 1023

_TYPE_NAMES: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "list",
    dict: "object",
    # What only Parquet has; named as JSON would write it.
    tuple: "list",
    bytes: "string",
    decimal.Decimal: "number",
    dt.datetime: "string",
    dt.date: "string",
    dt.time: "string",
    dt.timedelta: "string",
}

#: Whole numbers below this have too few digits to be a phone or card number.
_LONG_NUMBER = 10**9


def path_part(key: str) -> str:
    """A key as one part of a dotted path: a dot inside it would read like a level of its own."""
    return key if "." not in key and "\\" not in key else key.replace("\\", "\\\\").replace(".", "\\.")


class _Node:
    __slots__ = ("children", "counts", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.counts: dict[type, int] = {}
        self.children: dict[str, _Node] = {}


class SchemaTree:
    """The fields seen so far, with how often each held which type.

    Example::

        tree = SchemaTree()
        tree.observe({"id": "a", "metadata": {"lang": "en"}})    # -> ["id", "a", "lang", "en", ...]
        tree.fields()    # FieldType("id", "string", True), FieldType("metadata", "object", True), ...
    """

    def __init__(self) -> None:
        self.rows = 0
        self._root = _Node("")
        self._size = 0

    def observe(self, record: Mapping[str, Any]) -> list[str]:
        """Counts one record; gives its texts: strings, long whole numbers, keys not seen before.

        Raises:
            RecordError: a number that is not finite, over 2,000 fields, or nested over 32 deep.
        """
        self.rows += 1
        texts: list[str] = []
        self._walk(self._root, record, texts, 0)
        return texts

    def _walk(self, node: _Node, record: Mapping[str, Any], texts: list[str], depth: int) -> None:
        children = node.children
        for key, value in record.items():
            child = children.get(key)
            if child is None:
                child = self._grow(node, key, depth)
                texts.append(key)
            kind = type(value)
            child.counts[kind] = child.counts.get(kind, 0) + 1
            if kind is str:
                texts.append(value)
            elif kind is dict:
                self._walk(child, value, texts, depth + 1)
            elif value is not None and kind is not bool:
                _gather(value, texts, depth)

    def _grow(self, node: _Node, key: str, depth: int) -> _Node:
        self._size += 1
        if self._size > MAX_FIELDS:
            raise RecordError(
                f"more than {MAX_FIELDS} different fields: keys seem to hold data",
                hint="write such objects as a list of {key, value}",
            )
        if depth >= MAX_DEPTH:
            raise _too_deep()
        name = path_part(key)
        child = node.children[key] = _Node(f"{node.path}.{name}" if node.path else name)
        return child

    def fields(self) -> tuple[FieldType, ...]:
        """The schema, sorted by path: a field is required when every row has it and none is null."""
        found: list[FieldType] = []
        pending = list(self._root.children.values())
        while pending:
            node = pending.pop()
            pending.extend(node.children.values())
            found.append(self._field(node))
        return tuple(sorted(found))

    def _field(self, node: _Node) -> FieldType:
        present = sum(count for kind, count in node.counts.items() if kind is not type(None))
        names = {_TYPE_NAMES.get(kind, "mixed") for kind in node.counts} - {"null"}
        if names == {"integer", "number"}:
            names = {"number"}
        name = names.pop() if len(names) == 1 else ("mixed" if names else "null")
        return FieldType(node.path, name, present == self.rows)


def _gather(value: Any, texts: list[str], depth: int) -> None:
    """Adds the texts of a value that is no field, not null and no boolean."""
    kind = type(value)
    if kind is float:
        if not math.isfinite(value):
            raise RecordError("a number is NaN or infinite", hint="write an unknown value as null")
    elif kind is int:
        if not -_LONG_NUMBER < value < _LONG_NUMBER:
            texts.append(_long_number(value))
    elif kind is str:
        texts.append(value)
    elif kind is list or kind is tuple or kind is dict:
        _gather_items(value, texts, depth)
    elif kind is bytes:
        texts.append(value.decode("utf-8", "replace"))
    else:
        texts.append(str(value))


def _gather_items(value: Any, texts: list[str], depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise _too_deep()
    if type(value) is dict:
        texts.extend(value)
        value = value.values()
    for item in value:
        if item is not None and type(item) is not bool:
            _gather(item, texts, depth + 1)


def _long_number(value: int) -> str:
    if value.bit_length() > MAX_INTEGER_BITS:
        raise RecordError(f"a whole number of more than {MAX_INTEGER_BITS} bits", hint="write it as a text")
    return str(value)


def _too_deep() -> RecordError:
    return RecordError(f"a record is nested more than {MAX_DEPTH} levels deep", hint="flatten it")
