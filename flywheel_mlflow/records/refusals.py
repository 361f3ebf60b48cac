"""Finds what makes a record unusable: numbers and texts that cannot be kept, nesting without end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from flywheel_mlflow.base.errors import RecordError

MAX_DEPTH = 32

#: The largest power of two a 64-bit float holds; statistics are made of floats.
MAX_INTEGER_BITS = 1023


class RowFault(Exception):
    """A record that cannot be measured; ``row`` counts from 0 in the part of a file that was read."""

    def __init__(self, what: str, row: int, hint: str) -> None:
        super().__init__(what, row, hint)
        self.what = what
        self.row = row
        self.hint = hint


class TooManyFields(RowFault):
    """The first record with more fields than a schema may have, counted over the parts that were seen before it."""


def fault_of(record: Mapping[str, Any], row: int) -> RowFault | None:
    """Why a record cannot be measured; None when it can."""
    try:
        _check_object(record, 0)
    except RecordError as error:
        return RowFault(error.what, row, hint=error.hint or "correct the record")
    except UnicodeEncodeError:
        return RowFault("a text holds half a surrogate pair, which is no Unicode", row, hint="clean it")
    return None


def first_fault(records: Iterable[Mapping[str, Any]], row: int) -> RowFault | None:
    """The first of the records from ``row`` on that cannot be measured, if any."""
    faults = (fault_of(record, number) for number, record in enumerate(records, start=row))
    return next((fault for fault in faults if fault is not None), None)


def _check_object(value: Mapping[str, Any], depth: int) -> None:
    for key, item in value.items():
        if depth >= MAX_DEPTH:
            raise _too_deep()
        key.encode("utf-8")
        if type(item) is dict:
            _check_object(item, depth + 1)
        else:
            _check_value(item, depth)


def _check_value(value: Any, depth: int) -> None:
    kind = type(value)
    if kind is str:
        value.encode("utf-8")
    elif kind is float:
        if not math.isfinite(value):
            raise RecordError("a number is NaN or infinite", hint="write an unknown value as null")
    elif kind is int:
        if value.bit_length() > MAX_INTEGER_BITS:
            raise RecordError(f"a whole number of more than {MAX_INTEGER_BITS} bits", hint="write it as a text")
    elif kind is list or kind is tuple or kind is dict:
        if depth >= MAX_DEPTH:
            raise _too_deep()
        if kind is dict:
            for key in value:
                key.encode("utf-8")
            value = value.values()
        for item in value:
            _check_value(item, depth + 1)


def _too_deep() -> RecordError:
    return RecordError(f"a record is nested more than {MAX_DEPTH} levels deep", hint="flatten it")
