"""Compares the schemas of interface versions: what changed, which needs are not met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from flywheel_mlflow.evidence.runs import SCHEMA_FORMAT, FieldType
from flywheel_mlflow.evidence.schema_paths import ELEMENT, ancestors, is_in_list, need_path, parts_of

ChangeClass = Literal["major", "minor", "patch", "unknown"]

#: The type of a field with values of several kinds, and of elements that are objects with too many fields to list.
_MIXED, _MAP = "mixed", "map"
_ANY = frozenset({_MIXED, _MAP})
#: The types of format 1. It called decimals numbers, and all else that JSON has no word for a string.
_FIRST_TYPES = frozenset({"string", "integer", "number", "boolean", "list", "object", "null", _MIXED})

#: Why a schema of format 1 leaves something open.
FIRST_FORMAT = "an earlier version recorded one side, and did not look into lists, nor tell texts from bytes and times"


class Described(Protocol):
    """A version with its schema."""

    @property
    def fields(self) -> tuple[FieldType, ...]:
        """Its fields."""

    @property
    def schema_format(self) -> int:
        """The format they were recorded in, 1 or :data:`~flywheel_mlflow.evidence.runs.SCHEMA_FORMAT`."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema by itself."""

    fields: tuple[FieldType, ...]
    schema_format: int = SCHEMA_FORMAT


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What differs between two schemas, as pairs of the old and the new field.

    ``gone`` were in every row, ``dropped`` in some: whoever reads these copes without them. ``unknown`` says why there
    may be more than is seen, empty when all could be compared.
    """

    gone: tuple[FieldType, ...] = ()
    dropped: tuple[FieldType, ...] = ()
    added: tuple[FieldType, ...] = ()
    retyped: tuple[tuple[FieldType, FieldType], ...] = ()
    narrowed: tuple[tuple[FieldType, FieldType], ...] = ()
    loosened: tuple[FieldType, ...] = ()
    tightened: tuple[FieldType, ...] = ()
    unknown: str = ""

    @property
    def change_class(self) -> ChangeClass:
        """The class of the change, as in semantic versioning.

        Removing a field that was everywhere, retyping a field or making it optional is ``major``; adding a field,
        making an optional one required or dropping it is ``minor``; the same schema is ``patch``. Where nothing differs
        and not all could be compared, it is ``unknown``.
        """
        if self.gone or self.retyped or self.loosened:
            return "major"
        if self.added or self.dropped or self.narrowed or self.tightened:
            return "minor"
        return "unknown" if self.unknown else "patch"

    def __iter__(self) -> Iterator[str]:
        """Each difference in words, those that break a reader first."""
        yield from (f"{item.path} is gone" for item in self.gone)
        yield from (f"{old.path} was {old.type}, is {new.type}" for old, new in self.retyped)
        yield from (f"{item.path} is no longer in every {_whole(item.path)}" for item in self.loosened)
        yield from (f"{item.path} was in some {_whole(item.path)}s, is in none" for item in self.dropped)
        yield from (f"{item.path} was added" for item in self.added)
        yield from (f"{old.path} was {old.type}, is {new.type}" for old, new in self.narrowed)
        yield from (f"{item.path} is now in every {_whole(item.path)}" for item in self.tightened)


def _whole(path: str) -> str:
    return "element" if is_in_list(path) else "row"


def schema_change(previous: Described, current: Described) -> SchemaChange:
    """What differs between two schemas, as far as both formats can say.

    A field whose new type serves those who read the old one is no retyping: a ``mixed`` field that now holds one type,
    a number that is now whole. A field that is now always null is as good as gone. What is inside a field that is gone,
    retyped or empty is not told on top.
    """
    old_fields, new_fields, unknown = _comparable(previous, current)
    before, after = ({item.path: item for item in fields} for fields in (old_fields, new_fields))
    both = [(old, after[path]) for path, old in before.items() if path in after]
    typed = [(old, new) for old, new in both if old.type == "null" or new.type != "null"]
    # Where a list is always empty nothing is known of its elements.
    lost = [
        *(old for path, old in before.items() if parts_of(path)[-1] is not None and not _is_known(path, after, before)),
        *(old for old, new in both if new.type == "null" != old.type),
    ]
    return SchemaChange(
        gone=tuple(item for item in lost if item.required),
        dropped=tuple(item for item in lost if not item.required),
        added=tuple(new for path, new in after.items() if not _is_known(path, before, after)),
        retyped=tuple((old, new) for old, new in typed if not _still_serves(old, new)),
        narrowed=tuple((old, new) for old, new in typed if old.type != new.type and _still_serves(old, new)),
        loosened=tuple(new for old, new in typed if old.required and not new.required),
        tightened=tuple(new for old, new in typed if new.required and not old.required),
        unknown=unknown,
    )


def change_class(previous: Described, current: Described) -> ChangeClass:
    """The class of :func:`schema_change`."""
    return schema_change(previous, current).change_class


def _comparable(previous: Described, current: Described) -> tuple[tuple[FieldType, ...], tuple[FieldType, ...], str]:
    """Both schemas in the words of the older format, and why that leaves something open."""
    if previous.schema_format == current.schema_format:
        return previous.fields, current.fields, ""
    before, after = _as_first(previous), _as_first(current)
    return before, after, FIRST_FORMAT if (before, after) != (previous.fields, current.fields) else ""


def _as_first(schema: Described) -> tuple[FieldType, ...]:
    """The schema as format 1 would have recorded it."""
    if schema.schema_format == 1:
        return schema.fields
    return tuple(replace(item, type=_first_type(item.type)) for item in schema.fields if not is_in_list(item.path))


def _first_type(kind: str) -> str:
    """The word of format 1 for a type."""
    if kind.startswith("vector["):
        return "list"
    return kind if kind in _FIRST_TYPES else "number" if kind == "decimal" else "string"


def _still_serves(old: FieldType, new: FieldType) -> bool:
    """Whether who could read the old values can read the new ones; what was always null served nobody."""
    return old.type == "null" or serves(new.type, old.type)


def _is_known(path: str, fields: Mapping[str, FieldType], own: Mapping[str, FieldType]) -> bool:
    """Whether a schema has a field of another, its ``own``, or what the field lies in already differs."""
    if path in fields:
        return True
    return any(
        not _may_hold(fields[outer].type, elements=elements) if outer in fields else outer in own
        for outer, elements in ancestors(path)
    )


def _may_hold(kind: str, *, elements: bool) -> bool:
    """Whether values of a type have elements, or fields."""
    return kind == _MIXED or (kind.startswith(("list", "vector[")) if elements else kind == "object")


def missing_fields(needed: Iterable[str], version: Described, before: Described | None = None) -> tuple[str, ...]:
    """The needed paths that the schema does not promise everywhere, or with another type, in the order asked.

    A field must be in every row, and inside a list in every element. ``needed`` may map paths to types, as
    :func:`~flywheel_mlflow.promises.fields.field_types` does. A field whose type nobody declared must have that of the
    version ``before``, where there is one.
    """
    types = needed if isinstance(needed, Mapping) else dict.fromkeys(needed)
    fields = {item.path: item for item in version.fields}
    now = _by_need(version.fields)
    was = _by_need(before.fields if before is not None else ())
    is_first = 1 in (version.schema_format, before.schema_format if before is not None else SCHEMA_FORMAT)
    lacking: list[str] = []
    for path, declared in types.items():
        field, earlier = now.get(need_path(path)), was.get(need_path(path))
        wanted = declared or (earlier.type if earlier is not None and earlier.type != "null" else None)
        if field is None:
            lacking += _why_absent(path, now, fields, version)
        elif not _is_everywhere(field, fields):
            lacking.append(path)
        elif wanted is not None and not _serves_as(field.type, wanted, is_first=is_first):
            lacking.append(f"{path} as {wanted} (it is {field.type})")
    return tuple(lacking)


def _by_need(fields: Iterable[FieldType]) -> dict[str, FieldType]:
    """The fields by the path that contracts name them by; of several the one with the fewest lists on its way."""
    return {need_path(item.path): item for item in sorted(fields, key=lambda item: -item.path.count(ELEMENT))}


def _is_everywhere(field: FieldType, fields: Mapping[str, FieldType]) -> bool:
    """Whether every row, or every element, has a field, and no list on the way to it is missing."""
    return field.required and all(fields[outer].required for outer, elements in ancestors(field.path) if elements)


def _why_absent(
    path: str, now: Mapping[str, FieldType], fields: Mapping[str, FieldType], version: Described
) -> Iterator[str]:
    """Why a field that no schema names is lacking; nothing where no list has an element that could lack it."""
    around = [now[outer] for outer, _ in ancestors(need_path(path)) if outer in now]
    innermost = around[-1] if around else None
    if innermost is None or not _may_hold(innermost.type, elements=True):
        yield path
    elif version.schema_format == 1:
        yield f"{path} (unknown: {FIRST_FORMAT})"
    elif (elements := fields.get(innermost.path + ELEMENT)) is None:
        yield from () if _is_everywhere(innermost, fields) and innermost.type != _MIXED else (path,)
    else:
        yield f"{path} (unknown: too many different fields)" if elements.type == _MAP else path


def retyped_fields(promised: Mapping[str, str | None], version: Described) -> tuple[str, ...]:
    """The promised fields that are there with another type than the declared one."""
    there = Schema(tuple(replace(item, required=True) for item in version.fields), version.schema_format)
    known = _by_need(there.fields)
    typed = {path: kind for path, kind in promised.items() if kind is not None and need_path(path) in known}
    return missing_fields(typed, there)


def _serves_as(kind: str, wanted: str, *, is_first: bool) -> bool:
    """Whether a type will do, as far as format 1 can say where one side is of it."""
    return serves(_first_type(kind), _first_type(wanted)) if is_first else serves(kind, wanted)


def serves(kind: str, wanted: str) -> bool:
    """Whether a field of type ``kind`` will do where ``wanted`` is asked for: a whole number is a number."""
    if wanted == "list":
        return _may_hold(kind, elements=True) and kind != _MIXED
    return wanted in (kind, *_ANY) or (wanted == "number" and kind in ("integer", "decimal"))
