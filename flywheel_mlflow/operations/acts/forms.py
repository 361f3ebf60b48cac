"""Reads what a form of the console sends, as the arguments of an act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import AwareDatetime, ValidationError
from pydantic.fields import FieldInfo

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.operations.acts.acting import ACTS, read_act
from flywheel_mlflow.operations.acts.kinds import Form

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_HINT = "fill in the form again"


#: The acts that people do by a form.
FORMS: Mapping[str, Form] = {name: kind.form for name, kind in ACTS.items() if kind.form is not None}
#: What commands take and forms do not: a form acts, and a browser has no key to sign with.
_LEFT_OUT = frozenset({"dry_run", "signature"})


def read_form(name: str, fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The arguments of an act, read from the texts of a form; within the limits of the act.

    A field that is left empty is left out, if the act can do without. A day alone means its end, in UTC.

    Raises:
        UnknownName: no form of that name. InputError: fields that cannot be read.
    """
    if name not in FORMS:
        raise UnknownName("form", name, FORMS)
    takes = fields_of(name)
    found: dict[str, Any] = {}
    for key, text in fields:
        if key not in takes:
            raise InputError(f"the form of {name} has no field {key[:40]!r}", hint=_HINT)
        kind = _kind(takes[key].annotation)
        if key in found and kind is not tuple:
            raise InputError(f"{key} was sent twice", hint=_HINT)
        if kind is tuple:
            found.setdefault(key, []).append(_line_ends(text))
        elif text.strip() or takes[key].is_required():
            found[key] = _value(key, kind, _line_ends(text))
    missing = [key for key in needed_by(name) if key not in found]
    if missing:
        raise _lacking(missing, takes)
    try:
        read_act(name, found)
    except InputError as error:
        raise _in_words(error) from error
    return found


def needed_by(name: str) -> tuple[str, ...]:
    """The fields without which the form of an act is not taken."""
    needs = FORMS[name].needs
    return tuple(key for key, field in fields_of(name).items() if field.is_required() or key in needs)


def _lacking(missing: list[str], takes: Mapping[str, FieldInfo]) -> InputError:
    """What is missing, for somebody in front of a browser."""
    boxes = [key for key in missing if _kind(takes[key].annotation) is tuple]
    told = [f"{key}: none is ticked" if key in boxes else f"{key} is missing" for key in missing]
    ticked = f"tick at least one of the {', '.join(boxes)}" if boxes else ""
    filled = f"fill in {', '.join(key for key in missing if key not in boxes)}" if len(boxes) < len(missing) else ""
    do = " and ".join(filter(None, (ticked, filled)))
    return InputError("; ".join(told), hint=f"go back to the page of the form, and {do}")


def _in_words(error: InputError) -> InputError:
    """The same fault for somebody in front of a browser, who knows neither a command nor the names of types."""
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return InputError("the form holds characters that cannot be kept", hint=_HINT)
    return InputError("; ".join(_fault(item) for item in cause.errors()[:5]), hint="correct it, then send it again")


def _fault(item: ErrorDetails) -> str:
    key = str(item["loc"][0]) if item["loc"] else "the form"
    kind, limits, given = item["type"], item.get("ctx", {}), item["input"]
    if kind == "string_too_short":
        return f"{key} is empty"
    if kind == "string_too_long":
        return f"{key} has {len(given):,} characters, at most {limits['max_length']:,} are kept"
    if kind == "greater_than_equal":
        return f"{key} is {given}, and must be at least {limits['ge']:,}"
    if kind == "less_than_equal":
        return f"{key} is {given}, and must be at most {limits['le']:,}"
    if kind == "value_error":
        return f"{key}: {limits['error']}"
    return f"{key}: {item['msg']}"


def fields_of(name: str) -> dict[str, FieldInfo]:
    """The fields that the form of an act can have, by name."""
    return {key: field for key, field in ACTS[name].takes.model_fields.items() if key not in _LEFT_OUT}


def _line_ends(text: str) -> str:
    """Browsers send two characters for the one that their limit counts."""
    return text.replace("\r\n", "\n")


def _kind(annotation: Any) -> Any:
    """The type of an argument, without its limits and without None."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _kind(next(item for item in get_args(annotation) if item is not type(None)))
    return get_origin(annotation) or annotation


def _value(key: str, kind: Any, text: str) -> Any:
    if kind is int:
        if not (text.isascii() and text.isdecimal() and len(text) <= len("999999999")):
            raise InputError(f"{key} is {text[:40]!r}, which is no whole number", hint=_HINT)
        return int(text)
    if kind is bool:
        if text not in ("true", "false"):
            raise InputError(f"{key} is {text[:40]!r}, neither true nor false", hint=_HINT)
        return text == "true"
    return _moment(key, text) if kind is AwareDatetime else text


def _moment(key: str, text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
        if len(text) <= len("2026-12-01"):
            found = datetime.combine(found.date(), time(23, 59, 59))
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)).isoformat()
    except (ValueError, OverflowError) as error:
        hint = "write 2026-12-01 or 2026-12-01T15:30, in UTC"
        raise InputError(f"{key} is {text[:40]!r}, which is no time", hint=hint) from error
