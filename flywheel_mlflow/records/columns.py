"""Walks and spells nested Arrow columns: the fields in them, their texts, their JSON.

Arrays are of the types that :func:`~flywheel_mlflow.records.arrow_values.simple_array` gives. In masks and texts a null
is a value that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flywheel_mlflow.evidence.schema_paths import Parts, path_part
from flywheel_mlflow.records.arrays import (
    Mask,
    as_numpy,
    from_numpy,
    join,
    lists_of,
    only_where,
    text_scalar,
    texts_array,
    valid,
)
from flywheel_mlflow.records.arrow_values import BIG_INTEGER, MixedType, kind_of

#: Whole floats below this are whole numbers exactly.
EXACT_WHOLE = 2.0**53
#: Between these, Arrow spells a float as Python's ``repr`` does, but for the ``.0`` of whole ones.
_PLAIN_FLOATS = 1e-4, 1e10
_ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
    **{chr(code): f"\\u{code:04x}" for code in range(32) if chr(code) not in "\n\r\t\b\f"},
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of records that lies in no list: dotted path, kind of its values, the values by row (null: none)."""

    path: str
    kind: str
    values: Any


def members(array: Any) -> Iterator[tuple[str, Any]]:
    """The kinds a field holds, each with its values; several where they are mixed, none where all are null."""
    if isinstance(array.type, MixedType):
        yield from items_of(array.storage)
    elif not pa.types.is_null(array.type):
        yield kind_of(array.type), array


def items_of(array: Any) -> list[tuple[str, Any]]:
    """The fields of an array of objects by name, null where the object is."""
    names = [field.name for field in array.type]
    return list(zip(names, array.flatten(), strict=True))


def fields_of(array: Any, path: str = "") -> Iterator[Field]:
    """Every field of an array of objects at any depth, but not in lists."""
    for name, child in items_of(array):
        inner = f"{path}.{path_part(name)}" if path else path_part(name)
        if pa.types.is_null(child.type):
            yield Field(inner, "null", child)
        for kind, values in members(child):
            yield Field(inner, kind, values)
            if kind == "object":
                yield from fields_of(values, inner)


def values_at(array: Any, parts: Parts) -> list[tuple[str, Any]]:
    """The values at a path of nested objects, by kind; a field of that path as its whole name comes first."""
    for name, child in items_of(array):
        if name == parts[0]:
            if len(parts) == 1:
                return list(members(child))
            return [
                found for kind, values in members(child) if kind == "object" for found in values_at(values, parts[1:])
            ]
    return []


def present(array: Any, parts: Parts) -> Mask:
    """Where objects have a value at the path: in lists on the way, every element must have it.

    A part None asks for the elements of a list themselves.
    """
    found = np.zeros(len(array), dtype=bool)
    for kind, values in members(array):
        if not parts:
            found |= valid(values)
        elif kind == "object":
            for name, child in items_of(values):
                if name == parts[0]:
                    found |= present(child, parts[1:])
        elif kind == "list":
            elements, starts = elements_of(values)
            inner = parts[1:] if parts[0] is None else parts
            lacking = np.concatenate(([0], np.cumsum(~present(elements, inner))))
            found |= valid(values) & (lacking[starts[1:]] == lacking[starts[:-1]])
    return found


def elements_of(array: Any) -> tuple[Any, npt.NDArray[np.int64]]:
    """The elements of all lists one after the other, and where each list begins; one more start than lists."""
    lengths = array.value_lengths()
    counts = as_numpy(lengths)
    return array.flatten(), np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


def any_in_lists(mask: Mask, starts: npt.NDArray[np.int64]) -> Mask:
    """Of a mask over elements: which lists hold one."""
    counts = np.concatenate(([0], np.cumsum(mask)))
    return np.asarray(counts[starts[1:]] > counts[starts[:-1]])


def buffer_of(array: Any) -> tuple[memoryview, npt.NDArray[np.int64]]:
    """The UTF-8 bytes of an array of texts, and where each begins; one more start than texts."""
    _, offsets, data = array.buffers()
    kind = np.int64 if pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type) else np.int32
    starts = np.frombuffer(offsets, kind)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    return memoryview(data if data is not None else b""), starts


def texts_of(array: Any, *, whole_numbers: bool, nulls: bool = False) -> Any:
    """Each value as the text it stands for: texts as they are, anything else as its JSON; null where none is."""
    found = [
        values if kind == "string" else encode(values, kind, whole_numbers, nulls) for kind, values in members(array)
    ]
    return (pc.coalesce(*found) if len(found) > 1 else found[0]) if found else pa.nulls(len(array), pa.string())


def record_texts(array: Any, *, whole_numbers: bool = True, nulls: bool = False) -> Any:
    """The JSON of each object: sorted keys, no spaces.

    With ``whole_numbers`` numbers are spelled by their value (1.0 is 1), otherwise as Python does (1.0). Without
    ``nulls`` fields that are null, and with ``whole_numbers`` also objects that hold nothing, are left out.
    """
    return _objects(array, whole_numbers, nulls)


def encode(array: Any, kind: str, whole_numbers: bool, nulls: bool = False) -> Any:
    """The JSON of each value of one kind, null where none is."""
    if kind == "string":
        return join('"', _escaped(array), '"')
    if kind == "object":
        return _objects(array, whole_numbers, nulls)
    if kind == "list":
        return _lists(array, whole_numbers, nulls)
    if pa.types.is_floating(array.type):
        return _floats(array, whole_numbers)
    if kind in ("integer", "boolean", BIG_INTEGER):
        return pc.cast(array, pa.string())
    # What only Parquet has; spelled as `json.dumps(..., default=str)` does.
    return texts_array([None if value is None else encode_basestring(str(value)) for value in array.to_pylist()])


def _any_kind(array: Any, whole_numbers: bool, nulls: bool) -> Any:
    found = [encode(values, kind, whole_numbers, nulls) for kind, values in members(array)]
    return (pc.coalesce(*found) if len(found) > 1 else found[0]) if found else pa.nulls(len(array), pa.string())


def _objects(array: Any, whole_numbers: bool, nulls: bool) -> Any:
    there = valid(array)
    parts, _ = _object_parts(array, there, whole_numbers, nulls)
    joined = _joined(parts, len(array))
    return only_where(there, joined)


def _object_parts(array: Any, there: Mask, whole_numbers: bool, nulls: bool) -> tuple[list[Any], bool]:
    """Texts and columns that joined are the JSON of each object that is there; whether none of them is empty.

    A field that all of them have costs no column of its own: its key is text beside its values.
    """
    parts: list[Any] = []
    optional: list[Any] = []  # fields before the first that every object has, so that where commas belong is unknown
    certain = False
    for name, child in sorted(items_of(array)):
        key = f"{encode_basestring(name)}:"
        values, everywhere = _value_parts(child, there, whole_numbers, nulls)
        if values and everywhere:
            parts += ["," + key if certain else key, *values]
            certain = True
        elif values and certain:
            parts.append(join("," + key, *values))
        elif values:
            optional.append(join(key, *values))
    if not certain and optional:
        return ["{", _listed(optional), "}"], False
    return ["{", *(join(item, ",") for item in optional), *parts, "}"], certain


def _value_parts(child: Any, there: Mask, whole_numbers: bool, nulls: bool) -> tuple[list[Any], bool]:
    """The same of a field's values, and whether every object that is there has one; nothing where none has."""
    kinds = list(members(child))
    if len(kinds) == 1 and (child.null_count == 0 or bool(np.all(valid(child) | ~there))):
        ((kind, values),) = kinds
        if kind == "string":
            return ['"', _escaped(values), '"'], True
        if kind == "object":
            parts, certain = _object_parts(values, there, whole_numbers, nulls)
            if certain or not whole_numbers:
                return parts, True
    text = _any_kind(child, whole_numbers, nulls)
    if whole_numbers:
        text = _without_empty_objects(child, text)
    if nulls:
        text = pc.coalesce(text, text_scalar("null"))
    if text.null_count == len(text):
        return [], False
    return [text], text.null_count == 0 or bool(np.all(valid(text) | ~there))


def _joined(parts: list[Any], rows: int) -> Any:
    """Texts and columns put together row by row; a null is nothing."""
    merged: list[Any] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    if len(merged) == 1:
        return texts_array(merged * rows)
    return join(*merged, skip_nulls=True)


def _listed(columns: list[Any]) -> Any:
    """Columns row by row with commas between what is not null."""
    lists = [column.to_pylist() for column in columns]
    return texts_array([",".join(filter(None, row)) for row in zip(*lists, strict=True)])


def _without_empty_objects(child: Any, text: Any) -> Any:
    if not any(kind == "object" for kind, _ in members(child)):
        return text
    return only_where(~as_numpy(pc.equal(text, text_scalar("{}")), missing=False), text)


def _lists(array: Any, whole_numbers: bool, nulls: bool) -> Any:
    elements, starts = elements_of(array)
    texts = pc.coalesce(_any_kind(elements, whole_numbers, nulls), text_scalar("null"))
    lists = lists_of(starts, texts)
    joined = join("[", pc.binary_join(lists, text_scalar(",")), "]")
    return only_where(valid(array), joined)


def _floats(array: Any, whole_numbers: bool) -> Any:
    values = floats_of(array)
    plain = pc.cast(pc.cast(array, pa.float64()), pa.string())
    sizes = np.abs(values)
    known = valid(array)
    low, high = _PLAIN_FLOATS
    odd = known & (((sizes < low) & (values != 0)) | (sizes >= high))
    whole = known & (values == np.floor(values)) & ~odd
    if not whole_numbers and whole.any():
        plain = pc.if_else(from_numpy(whole), join(plain, ".0"), plain)
    elif whole.any():
        plain = pc.if_else(from_numpy(known & (values == 0)), text_scalar("0"), plain)
    return replaced(plain, odd, [number_text(value, whole_numbers) for value in values[odd].tolist()])


def number_text(value: float, whole_numbers: bool) -> str:
    """A number as JSON; by its value if ``whole_numbers``."""
    if whole_numbers and value.is_integer() and abs(value) < EXACT_WHOLE:
        return str(int(value))
    return repr(value)


def floats_of(array: Any) -> npt.NDArray[np.float64]:
    """Numbers as 64-bit floats, NaN where there is none."""
    return as_numpy(pc.cast(array, pa.float64(), safe=False), missing=np.nan)


def replaced(array: Any, where: Mask, texts: list[str]) -> Any:
    """The array with other texts at the places of the mask."""
    return pc.replace_with_mask(array, from_numpy(where), texts_array(texts)) if where.any() else array


def _escaped(array: Any) -> Any:
    data, starts = buffer_of(array)
    raw = np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]
    if not (raw.min(initial=255) < 32 or (raw == 34).any() or (raw == 92).any()):
        return array
    found = {chr(code) for code in np.flatnonzero(np.bincount(raw[(raw < 32) | (raw == 34) | (raw == 92)])).tolist()}
    return reduce(
        lambda texts, char: pc.replace_substring(texts, char, _ESCAPES[char]),
        (char for char in _ESCAPES if char in found),
        array,
    )


def search_texts(array: Any) -> list[Any]:
    """The texts in which personal data may lie: of each field one array, null where a row has none."""
    found: list[Any] = []
    for kind, values in members(array):
        if kind == "object":
            for _, child in items_of(values):
                found += search_texts(child)
        elif kind == "list":
            elements, starts = elements_of(values)
            found += [_joined_lists(texts, starts) for texts in search_texts(elements)]
        else:
            found += _scalar_texts(values, kind)
    return found


def _joined_lists(texts: Any, starts: npt.NDArray[np.int64]) -> Any:
    return pc.binary_join(lists_of(starts, pc.coalesce(texts, text_scalar(""))), text_scalar("\n"))


def keys_of(array: Any) -> set[str]:
    """The keys of objects at any depth."""
    found: set[str] = set()
    for kind, values in members(array):
        if kind == "object":
            for name, child in items_of(values):
                found |= {name, *keys_of(child)}
        elif kind == "list":
            found |= keys_of(values.flatten())
    return found


def _scalar_texts(values: Any, kind: str) -> list[Any]:
    if kind in ("string", BIG_INTEGER):
        return [values]
    if kind in ("boolean", "null") or pa.types.is_floating(values.type):
        return []
    if kind == "integer":
        extremes = pc.min_max(values)
        small = all(item is None or -LONG_NUMBER < item < LONG_NUMBER for item in extremes.as_py().values())
        return [] if small else [pc.cast(values, pa.string())]
    if kind == "binary":
        decoded = [None if value is None else value.decode("utf-8", "replace") for value in values.to_pylist()]
        return [texts_array(decoded)]
    return [texts_array([None if value is None else str(value) for value in values.to_pylist()])]


#: Whole numbers below this have too few digits to be a number of a person.
LONG_NUMBER = 10**8


def text_lengths(array: Any) -> npt.NDArray[np.int64]:
    """Characters of each value: of a text its length, of anything nested the sum over its texts."""
    total = np.zeros(len(array), dtype=np.int64)
    for kind, values in members(array):
        if kind == "string":
            total += as_numpy(pc.utf8_length(values))
        elif kind == "object":
            for _, child in items_of(values):
                total += text_lengths(child)
        elif kind == "list":
            elements, starts = elements_of(values)
            sums = np.concatenate(([0], np.cumsum(text_lengths(elements))))
            total += sums[starts[1:]] - sums[starts[:-1]]
    return total


def says_something(array: Any) -> Mask:
    """Where a value is more than white space, a boolean, or objects and lists of nothing but these."""
    found = np.zeros(len(array), dtype=bool)
    for kind, values in members(array):
        if kind == "string":
            found |= _is_text(values)
        elif kind == "object":
            for _, child in items_of(values):
                found |= says_something(child)
        elif kind == "list":
            elements, starts = elements_of(values)
            found |= any_in_lists(says_something(elements), starts)
        elif kind != "boolean":
            found |= valid(values)
    return found


def _is_text(array: Any) -> Mask:
    data, starts = buffer_of(array)
    raw = np.frombuffer(data, np.uint8)
    first = np.zeros(len(array), dtype=np.uint8)
    filled = (starts[1:] > starts[:-1]) & valid(array)
    first[filled] = raw[starts[:-1][filled]]
    sure = (first > 32) & (first < 127)
    for position in np.flatnonzero(filled & ~sure).tolist():
        sure[position] = bool(array[position].as_py().strip())
    return np.asarray(sure)


def where_floats(array: Any, test: Callable[[npt.NDArray[np.float64]], Mask]) -> Mask:
    """Where a float for which the test holds lies at any depth; the test is given NaN where there is none."""
    found = np.zeros(len(array), dtype=bool)
    for kind, values in members(array):
        if kind == "object":
            for _, child in items_of(values):
                found |= where_floats(child, test)
        elif kind == "list":
            elements, starts = elements_of(values)
            if len(elements):
                found |= any_in_lists(where_floats(elements, test), starts)
        elif pa.types.is_floating(values.type):
            numbers = floats_of(values)
            found |= test(numbers) & valid(values)
    return found


def has_whole_float(array: Any) -> Mask:
    """Where a float lies that is a whole number."""
    return where_floats(array, lambda numbers: numbers == np.floor(numbers))


def has_infinite(array: Any) -> Mask:
    """Where a number lies that is NaN or infinite."""
    return where_floats(array, lambda numbers: ~np.isfinite(numbers))


def has_null(array: Any) -> Mask:
    """Where a null lies in an object or list at any depth."""
    found = np.zeros(len(array), dtype=bool)
    for kind, values in members(array):
        if kind == "object":
            there = valid(values)
            for _, child in items_of(values):
                found |= (there & ~present(child, ())) | has_null(child)
        elif kind == "list":
            elements, starts = elements_of(values)
            found |= any_in_lists(~present(elements, ()) | has_null(elements), starts)
    return found
