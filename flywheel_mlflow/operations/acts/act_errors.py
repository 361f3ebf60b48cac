"""The errors of acts as they travel between a server and its clients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flywheel_mlflow.base import errors
from flywheel_mlflow.base.errors import DocumentError, FlywheelError, Inconclusive, InputError, Refused, ServerError


def error_document(error: FlywheelError) -> dict[str, Any]:
    """An error as plain values, to be raised again on the other side."""
    faults = [str(fault) for fault in error.faults[:20]] if isinstance(error, DocumentError) else []
    told: dict[str, object] = {
        "kind": type(error).__name__,
        "what": "\n  ".join([error.what, *faults]),
        "where": error.where,
        "hint": error.hint,
    }
    if isinstance(error, Refused):
        told |= {"rule": error.rule, "value": plain_or_text(error.value), "limit": plain_or_text(error.limit)}
    return {"error": told}


def plain_or_text(value: object) -> object:
    """A value of a refusal as JSON can hold it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, str | int) else str(value)


def error_from(document: Mapping[str, Any], status: int) -> FlywheelError:
    """The error a server's answer describes."""
    told = document.get("error")
    if not isinstance(told, dict) or not isinstance(told.get("what"), str):
        code = str(document.get("error_code", f"HTTP_{status}"))
        return errors.ServerRefused(
            f"the server answers {status}: {str(document.get('message', document))[:300]}",
            code=code,
            hint="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" if status in (401, 403) else None,
        )
    what, where, hint = told["what"], told.get("where"), told.get("hint")
    if told.get("kind") == Refused.__name__:
        rule = str(told.get("rule", ""))
        return Refused(what, rule=rule, value=told.get("value"), limit=told.get("limit"), where=where, hint=hint)
    if told.get("kind") == Inconclusive.__name__:
        return Inconclusive(what, where=where, hint=hint)
    if status == 400:
        return InputError(what, where=where, hint=hint)
    return ServerError(what, where=where, hint=hint)
