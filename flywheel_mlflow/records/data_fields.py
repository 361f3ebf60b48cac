"""The fields of records down to their leaves, with types that tell integers, dates and lists apart.

They are learnt from the data themselves, or, where those are not at hand, from the schema a version was recorded with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.evidence.schema_paths import Parts, parts_of
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.schema_tree import MAX_FIELDS
from flywheel_mlflow.records.sources import DataFile, record_files

if TYPE_CHECKING:
    import pyarrow as pa

#: The keys of the splits a record may name.
SPLIT_FIELDS: Final = ("split", "stage")
#: More different values are no splits.
MAX_SPLITS: Final = 50


@dataclass(frozen=True, slots=True)
class DataField:
    """One field.

    ``type`` is Croissant's, such as ``sc:Text``; None where it holds fields, or values of no single type that
    Croissant has. ``dimensions`` is 0, or how deep its lists are nested.
    """

    name: str
    type: str | None = None
    dimensions: int = 0
    children: tuple[DataField, ...] = ()

    @property
    def is_typed(self) -> bool:
        """Whether anything in it has a type."""
        return bool(self.name) and (self.type is not None or any(child.is_typed for child in self.children))


@dataclass(frozen=True, slots=True)
class LearntData:
    """What the data themselves say: their fields, and the splits they name, sorted."""

    fields: tuple[DataField, ...]
    splits: tuple[str, ...]


def learn_data(path: Path, data_format: str) -> LearntData:
    """The fields and splits of the data at ``path``: of Parquet from its schema, of JSONL from every record.

    Opaque data have none.

    Raises:
        InputError: no data at the path. RecordError: data that are cut, or no records.
        StorageError: the system refuses to read.
    """
    if data_format not in _LEARN:
        return LearntData((), ())
    fields, splits = _LEARN[data_format](record_files(path, data_format))
    known = splits - {None}
    is_split = known and len(known) <= MAX_SPLITS and all(isinstance(item, str) for item in known)
    return LearntData(fields, tuple(sorted(known)) if is_split else ())


def recorded_fields(fields: Iterable[FieldType]) -> tuple[DataField, ...]:
    """The fields of a recorded schema; a list of which nothing is known, as by earlier versions, has no type."""
    return tuple(map(_recorded_field, schema_tree(fields)))


def _recorded_field(node: SchemaNode) -> DataField:
    if node.element is not None and node.type != "mixed":
        return replace(_list_of(_recorded_field(node.element)), name=node.name)
    children = tuple(map(_recorded_field, node.children)) if node.type == "object" else ()
    return DataField(node.name, _RECORDED_TYPES.get(node.type), children=children)


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """One field of a recorded schema with those inside it, and the elements of a list; ``type`` is the recorded word.

    Elements have no name.
    """

    name: str
    type: str
    children: tuple[SchemaNode, ...] = ()
    element: SchemaNode | None = None


def schema_tree(fields: Iterable[FieldType]) -> tuple[SchemaNode, ...]:
    """A recorded schema, which is flat with paths, as a tree."""
    types = {parts_of(field.path): field.type for field in fields}
    inside: dict[Parts, list[Parts]] = {}
    for parts in types:
        if parts[-1] is not None:
            inside.setdefault(parts[:-1], []).append(parts)

    def node_at(parts: Parts) -> SchemaNode:
        elements = (*parts, None)
        return SchemaNode(
            parts[-1] or "",
            types[parts],
            tuple(map(node_at, inside.get(parts, ()))),
            node_at(elements) if elements in types else None,
        )

    return tuple(map(node_at, inside.get((), ())))


_RECORDED_TYPES: Final = {
    "string": "sc:Text",
    "integer": "sc:Integer",
    "number": "sc:Float",
    "decimal": "sc:Float",
    "boolean": "sc:Boolean",
    "timestamp": "sc:DateTime",
    "timestamp[zoned]": "sc:DateTime",
    "date": "sc:Date",
    "time": "sc:Time",
}


def _list_of(item: DataField) -> DataField:
    """A list of such items; Croissant's readers know no lists of lists of objects."""
    dimensions = item.dimensions + 1
    return DataField(item.name, item.type, dimensions, item.children if dimensions == 1 else ())


def _learn_parquet(files: tuple[DataFile, ...]) -> tuple[tuple[DataField, ...], set[Any]]:
    import pyarrow as pa

    from flywheel_mlflow.records.parquet import open_parquet

    kinds: dict[str, list[pa.DataType]] = {}
    splits = set[Any]()
    for file in files:
        with open_parquet(file.path) as source:
            schema = source.schema_arrow
            for item in schema:
                kinds.setdefault(item.name, []).append(item.type)
            column = next((name for name in SPLIT_FIELDS if name in schema.names), None)
            if column is not None and _arrow_field(column, schema.field(column).type).type == "sc:Text":
                for batch in source.iter_batches(columns=[column]):
                    if len(splits) <= MAX_SPLITS:
                        splits |= set(batch.column(0).unique().to_pylist())

    def field_of(name: str) -> DataField:
        try:
            (joined,) = pa.unify_schemas(
                [pa.schema([(name, kind)]) for kind in kinds[name]], promote_options="permissive"
            )
        except pa.ArrowException:  # text in one file, numbers in another
            return DataField(name)
        return _arrow_field(name, joined.type)

    return tuple(map(field_of, kinds)), splits


def _arrow_field(name: str, kind: pa.DataType) -> DataField:
    import pyarrow as pa
    from pyarrow import types

    from flywheel_mlflow.records.arrow_values import LIST_TESTS

    if isinstance(kind, pa.BaseExtensionType):
        return _arrow_field(name, kind.storage_type)
    if types.is_dictionary(kind):
        return _arrow_field(name, kind.value_type)
    if any(test(kind) for test in LIST_TESTS):
        return _list_of(_arrow_field(name, kind.value_type))
    if types.is_struct(kind):
        return DataField(name, children=tuple(_arrow_field(item.name, item.type) for item in kind))
    return DataField(name, _arrow_type(kind))


def _arrow_type(kind: pa.DataType) -> str | None:
    """Croissant's type; None for bytes, durations and maps, which it has no type for."""
    from pyarrow import types

    if types.is_integer(kind):
        return f"cr:{'U' if types.is_unsigned_integer(kind) else ''}Int{kind.bit_width}"
    if types.is_floating(kind):
        return f"cr:Float{kind.bit_width}"
    named = (
        ("sc:Boolean", types.is_boolean),
        ("sc:Text", types.is_string),
        ("sc:Text", types.is_large_string),
        ("sc:Text", types.is_string_view),
        ("sc:Text", types.is_null),
        ("sc:Float", types.is_decimal),
        ("sc:Date", types.is_date),
        ("sc:DateTime", types.is_timestamp),
        ("sc:Time", types.is_time),
    )
    return next((name for name, fits in named if fits(kind)), None)


def _learn_jsonl(files: tuple[DataFile, ...]) -> tuple[tuple[DataField, ...], set[Any]]:
    root, splits = _Seen(), set[Any]()
    for file in files:
        for records in reader_for(file, "jsonl").batches():
            for record in records:
                root.see(record)
                if len(splits) <= MAX_SPLITS:
                    value = next((record[name] for name in SPLIT_FIELDS if name in record), None)
                    splits.add(value if isinstance(value, str | None) else ...)
    return root.field("").children, splits


class _Seen:
    """What stood at a place of JSON records; the items of lists are its child ``None``."""

    __slots__ = ("children", "kinds")

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.children: dict[str | None, _Seen] = {}

    def see(self, value: Any) -> None:
        if value is None:
            return
        self.kinds.add(_date_kind(value) if type(value) is str else _JSON_TYPES[type(value)])
        if type(value) is dict:
            for key, item in value.items():
                self._child(key).see(item)
        elif type(value) is list:
            items = self._child(None)
            for item in value:
                items.see(item)

    def _child(self, key: str | None) -> _Seen:
        child = self.children.get(key)
        if child is None:
            if len(self.children) >= MAX_FIELDS:
                self.kinds.add("keys hold data")
                return _Seen()
            child = self.children[key] = _Seen()
        return child

    def field(self, name: str) -> DataField:
        kinds = self.kinds or {"sc:Text"}  # never anything but null
        if kinds == {"list"}:
            return _list_of(self.children[None].field(name))
        if kinds == {"object"}:
            return DataField(name, children=tuple(child.field(key) for key, child in self.children.items() if key))
        for several, one in _JOINED:
            if kinds <= several:
                return DataField(name, kinds.pop() if len(kinds) == 1 else one)
        return DataField(name)


_JSON_TYPES: Final = {bool: "sc:Boolean", int: "sc:Integer", float: "sc:Float", list: "list", dict: "object"}
_JOINED: Final = (
    ({"sc:Boolean"}, ""),
    ({"sc:Integer", "sc:Float"}, "sc:Float"),
    ({"sc:Date", "sc:DateTime"}, "sc:DateTime"),
    ({"sc:Text", "sc:Date", "sc:DateTime"}, "sc:Text"),
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?P<time>[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def _date_kind(text: str) -> str:
    match = _DATE.fullmatch(text) if text[:1].isdigit() else None
    if match is None:
        return "sc:Text"
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return "sc:Text"
    return "sc:DateTime" if match["time"] else "sc:Date"


_LEARN: Final = {"parquet": _learn_parquet, "jsonl": _learn_jsonl}
