"""Compares the schemas of interface versions: what changed, which needs are not met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from flywheel_mlflow.evidence.runs import FieldType

ChangeClass = Literal["major", "minor", "patch"]

#: The type of a field with values of several kinds.
_MIXED = "mixed"


def change_class(previous: Iterable[FieldType], current: Iterable[FieldType]) -> ChangeClass:
    """The class of a schema change, as in semantic versioning.

    Removing a field, retyping it or making it optional is ``major``; adding a field, or making an
    optional one required, is ``minor``; the same schema is ``patch``. A ``mixed`` field that now holds one type is
    no retyping: who could read several kinds can read one of them.
    """
    before = {field.path: field for field in previous}
    after = {field.path: field for field in current}
    if any(_breaks(field, after.get(path)) for path, field in before.items()):
        return "major"
    return "patch" if before == after else "minor"


def _breaks(old: FieldType, new: FieldType | None) -> bool:
    return new is None or old.type not in (new.type, _MIXED) or (old.required and not new.required)


def missing_fields(
    needed: Iterable[str], fields: Iterable[FieldType], before: Iterable[FieldType] = ()
) -> tuple[str, ...]:
    """The needed dotted paths that the schema does not promise in every row, or with another type, in the order asked.

    ``needed`` may map paths to types, as :func:`~flywheel_mlflow.promises.contract.field_types` does. A field whose
    type nobody declared must have that of the version ``before``, where there is one.
    """
    types = needed if isinstance(needed, Mapping) else dict.fromkeys(needed)
    now, was = {field.path: field for field in fields}, {field.path: field.type for field in before}
    lacking = []
    for path, declared in types.items():
        field = now.get(path)
        wanted = declared or was.get(path)
        if field is None or not field.required:
            lacking.append(path)
        elif wanted is not None and not serves(field.type, wanted):
            lacking.append(f"{path} as {wanted} (it is {field.type})")
    return tuple(lacking)


def retyped_fields(promised: Mapping[str, str | None], fields: Iterable[FieldType]) -> tuple[str, ...]:
    """The promised fields that are there with another type than the declared one."""
    there = {field.path: field for field in fields}
    typed = {path: kind for path, kind in promised.items() if kind is not None and path in there}
    return missing_fields(typed, (replace(there[path], required=True) for path in typed))


def serves(kind: str, wanted: str) -> bool:
    """Whether a field of type ``kind`` will do where ``wanted`` is asked for: a whole number is a number."""
    return wanted in (kind, _MIXED) or (wanted, kind) == ("number", "integer")
