"""Compares the schemas of interface versions: what changed, which needs are not met."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from flywheel_mlflow.evidence import FieldType

ChangeClass = Literal["major", "minor", "patch"]


def change_class(previous: Iterable[FieldType], current: Iterable[FieldType]) -> ChangeClass:
    """The class of a schema change, as in semantic versioning.

    Removing a field, retyping it or making it optional is ``major``; adding a field, or making an
    optional one required, is ``minor``; the same schema is ``patch``.
    """
    before = {field.path: field for field in previous}
    after = {field.path: field for field in current}
    if any(_breaks(field, after.get(path)) for path, field in before.items()):
        return "major"
    return "patch" if before == after else "minor"


def _breaks(old: FieldType, new: FieldType | None) -> bool:
    return new is None or new.type != old.type or (old.required and not new.required)


def missing_fields(needed: Iterable[str], fields: Iterable[FieldType]) -> tuple[str, ...]:
    """The needed dotted paths that the schema does not promise in every row, in the order asked."""
    promised = {field.path for field in fields if field.required}
    return tuple(path for path in dict.fromkeys(needed) if path not in promised)
