"""How contracts name the fields of records, and the types they may demand of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

FieldPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*$", max_length=250)]
#: The same through lists: ``content.messages.role`` or ``content.messages[].role``, ``tags[]`` for the elements.
NeedPath = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_\-]+(\[\])*(\.[A-Za-z0-9_\-]+(\[\])*)*$", max_length=250),
]

_NAMES: Final = (
    "string",
    "integer",
    "number",
    "boolean",
    "list",
    "object",
    "binary",
    "decimal",
    "timestamp",
    "timestamp[zoned]",
    "date",
    "time",
    "duration",
)
_VECTOR: Final = r"vector\[[1-9][0-9]{0,5}\]"


def _type_name(value: str) -> str:
    if value not in _NAMES and re.fullmatch(_VECTOR, value) is None:
        raise ValueError(f"a type is one of {', '.join(_NAMES)}, or vector[N] for N numbers")
    return value


TypeName = Annotated[
    str,
    AfterValidator(_type_name),
    WithJsonSchema({"anyOf": [{"enum": list(_NAMES)}, {"type": "string", "pattern": f"^{_VECTOR}$"}]}),
]
#: A field by its path, or with the type it must have: ``metadata.topic`` or ``content: string``.
FieldNeed = NeedPath | dict[NeedPath, TypeName]


def field_types(fields: Iterable[FieldNeed]) -> dict[str, str | None]:
    """The type of each field by its path, in the order listed; None where none is declared."""
    found: dict[str, str | None] = {}
    for item in fields:
        found |= {item: None} if isinstance(item, str) else item
    return found
