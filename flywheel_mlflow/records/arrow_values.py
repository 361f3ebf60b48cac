"""Puts values into Arrow arrays of few types, mixed kinds included, so that one way of measuring serves all data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flywheel_mlflow.records.arrays import as_numpy, from_numpy, texts_array

#: The kind of whole numbers that 64 bits do not hold; their array holds digits.
BIG_INTEGER = "big integer"

_KINDS: dict[type, str] = {str: "string", bool: "boolean", float: "number", dict: "object", list: "list"}
#: What tells every kind of list.
LIST_TESTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_DTYPES = {"boolean": np.bool_, "number": np.float64, "integer": np.int64}
_INT64 = 2**63


class MixedType(pa.ExtensionType):  # type: ignore[misc]  # pyarrow ships no types
    """A field that holds values of several kinds: an object with a field for each kind, all but one of them null.

    Arrow's unions have no nulls of their own, and abort where an object around them is null (pyarrow 25). It is not
    registered, so no file can hold it.
    """

    def __init__(self, storage: Any) -> None:
        super().__init__(storage, "flywheel.mixed")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: bytes) -> MixedType:
        del serialized
        return cls(storage_type)


def kind_of(data_type: Any) -> str:
    """The kind of values an Arrow type holds, widths and units folded."""
    is_a = pa.types
    kinds = (
        (is_a.is_string, "string"),
        (is_a.is_integer, "integer"),
        (is_a.is_floating, "number"),
        (is_a.is_boolean, "boolean"),
        (is_a.is_struct, "object"),
        (is_a.is_list, "list"),
        (is_a.is_null, "null"),
        (is_a.is_decimal, "decimal"),
        (is_a.is_timestamp, "timestamp" if getattr(data_type, "tz", None) is None else "timestamp[zoned]"),
        (is_a.is_date, "date"),
        (is_a.is_time, "time"),
        (is_a.is_duration, "duration"),
        (is_a.is_binary, "binary"),
        (is_a.is_large_binary, "binary"),
        (is_a.is_fixed_size_binary, "binary"),
        (is_a.is_binary_view, "binary"),
    )
    return next((kind for test, kind in kinds if test(data_type)), str(data_type))


def simple_array(array: Any) -> Any:
    """The array in the types that measuring knows: dictionaries decoded, large and fixed lists and views as plain ones.

    Maps become lists of pairs, as Python shows them; of extension types the storage counts.
    """
    if _is_foreign(array.type):
        return simple_array(array.storage)
    target = _simple(array.type)
    if target == array.type:
        return array
    if pa.types.is_dictionary(array.type):
        return simple_array(array.dictionary_decode())
    if pa.types.is_struct(array.type):
        children = [simple_array(child) for child in array.flatten()]
        names = [field.name for field in array.type]
        return pa.StructArray.from_arrays(children, names=names, mask=array.is_null())
    if pa.types.is_map(array.type):
        return build_array([_as_json(row) for row in array.to_pylist()])
    if pa.types.is_list(target):
        starts = from_numpy(np.concatenate(([0], np.cumsum(as_numpy(pc.list_value_length(array))))).astype(np.int32))
        values = simple_array(array.flatten())
        return pa.ListArray.from_arrays(starts, values, mask=array.is_null() if array.null_count else None)
    return array.cast(target)


def _is_foreign(data_type: Any) -> bool:
    """Whether it is an extension type of somebody else, such as uuid and json."""
    return isinstance(data_type, pa.BaseExtensionType) and not isinstance(data_type, MixedType)


def _simple(data_type: Any) -> Any:
    is_a = pa.types
    if _is_foreign(data_type) or is_a.is_dictionary(data_type):
        return None
    if is_a.is_large_string(data_type) or is_a.is_string_view(data_type):
        return pa.string()
    if is_a.is_struct(data_type):
        return pa.struct([pa.field(field.name, _simple(field.type) or pa.null()) for field in data_type])
    if is_a.is_map(data_type):
        return None
    if any(test(data_type) for test in LIST_TESTS):
        return pa.list_(pa.field(data_type.value_field.name, _simple(data_type.value_type) or pa.null()))
    return data_type


def _as_json(value: Any) -> Any:
    """A value of a map as JSON has it: pairs are lists, what JSON has no word for is text."""
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def build_array(values: Sequence[Any]) -> Any:
    """Values that were parsed from JSON as an array, of :class:`MixedType` where there are several kinds.

    Raises:
        UnicodeEncodeError: a text holds half a surrogate pair.
    """
    kinds = {type(value) for value in values}
    kinds.discard(type(None))
    big = int in kinds and any(type(value) is int and not -_INT64 <= value < _INT64 for value in values)
    if len(kinds) <= 1 and not big:
        return _of_kind(values, _name(kinds.pop()) if kinds else "null")
    names = [_name(kind) for kind in sorted(kinds, key=str)]
    if big:
        names.append(BIG_INTEGER)
    members = [_member(value) for value in values]
    children = [
        _of_kind([value if kind == name else None for kind, value in zip(members, values, strict=True)], name)
        for name in names
    ]
    mask = from_numpy(np.array([kind is None for kind in members], dtype=bool))
    storage = pa.StructArray.from_arrays(children, names=names, mask=mask)
    return pa.ExtensionArray.from_storage(MixedType(storage.type), storage)


def _name(kind: type) -> str:
    return "integer" if kind is int else _KINDS[kind]


def _member(value: Any) -> str | None:
    if value is None:
        return None
    if type(value) is int:
        return "integer" if -_INT64 <= value < _INT64 else BIG_INTEGER
    return _KINDS[type(value)]


def _of_kind(values: Sequence[Any], name: str) -> Any:
    if name == "object":
        return objects_array(values)
    if name == "list":
        lists = [() if value is None else value for value in values]
        starts = np.concatenate(([0], np.cumsum([len(value) for value in lists])))
        elements = build_array([item for value in lists for item in value])
        return pa.ListArray.from_arrays(from_numpy(starts.astype(np.int32)), elements, mask=_absent(values))
    if name == BIG_INTEGER:
        return texts_array([None if value is None else str(value) for value in values])
    if name == "string":
        return texts_array(values)
    if name == "null":
        return pa.nulls(len(values))
    filled: npt.NDArray[Any] = np.array([0 if value is None else value for value in values], dtype=_DTYPES[name])
    return from_numpy(filled, np.array([value is not None for value in values], dtype=bool))


def _absent(values: Sequence[Any]) -> Any:
    return from_numpy(np.array([value is None for value in values], dtype=bool))


def objects_array(values: Sequence[dict[str, Any] | None]) -> Any:
    """Objects as an array with a field for every key that any of them has."""
    keys = list(dict.fromkeys(key for value in values if value is not None for key in value))
    mask = _absent(values)
    if not keys:
        return pa.StructArray.from_buffers(pa.struct([]), len(values), [_bitmap(mask)])
    children = [build_array([None if value is None else value.get(key) for value in values]) for key in keys]
    return pa.StructArray.from_arrays(children, names=keys, mask=mask)


def _bitmap(mask: Any) -> Any:
    return pa.py_buffer(np.packbits(~as_numpy(mask), bitorder="little"))


def decimal_floats(values: Any) -> Any:
    """Decimals as floats, as Python converts them."""
    return _of_kind([None if value is None else float(value) for value in values.to_pylist()], "number")
