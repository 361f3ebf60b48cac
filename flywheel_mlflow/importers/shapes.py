"""Holds another tool's JSON against the fields we rely on.

A field that decides a verdict is strict; one that only describes it may hold anything, and is shown as text.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from flywheel_mlflow.base.documents import Document, faults_of
from flywheel_mlflow.base.errors import DocumentError, Fault

#: Names and values around a result; what is no object tells nothing.
Details = Annotated[dict[str, Any], BeforeValidator(lambda value: value if isinstance(value, dict) else {})]


class Shape(BaseModel):
    """The part of a foreign document we read: types are strict, fields we do not know are left alone."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


Read = TypeVar("Read", bound=Shape)


def read_shape(shape: type[Read], value: Any, *, name: str) -> Read:
    """``value`` as a ``shape``.

    Raises:
        DocumentError: every place where the value does not fit.
    """
    if not isinstance(value, dict):
        raise DocumentError([Fault(name, 0, "", f"the document must be a JSON object, it is {_kind(value)}")])
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        # The JSON parser keeps no lines, so the faults carry the dotted path alone.
        raise DocumentError(faults_of(error, Document(name, value, {(): 0}))) from error


def _kind(value: Any) -> str:
    words = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return words.get(type(value), "a number")
