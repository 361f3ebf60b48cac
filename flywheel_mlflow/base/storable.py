"""What every MLflow store can keep: finite numbers, whole characters, plain values, keys in their shortest form."""

from __future__ import annotations

import math
import posixpath
import re
from numbers import Integral, Real

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.names import MAX_LABEL_LENGTH, check_label

#: MLflow's grammar of keys (mlflow/utils/validation.py, 3.17.2), without the paths it refuses.
_KEY = re.compile(r"^[A-Za-z0-9_\-. :/]+$")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
MAX_PARAM_LENGTH = 6000
#: MLflow cuts longer run tags silently (tried on 3.17.2), so nothing longer is sent.
MAX_TAG_LENGTH = 8000


def number(name: str, value: object, *, place: str | None = None) -> float:
    """``value`` as a finite int or float; whole numbers stay whole, numpy's become Python's.

    Raises:
        InputError: it is NaN, infinite, or no number at all.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        shown = type(value).__name__
        raise InputError(f"{name} is not a number but {shown}", where=place, hint="give an int or a float")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        shown = "too large for a number" if isinstance(value, Integral) else str(found)
        raise InputError(f"{name} is {shown}", where=place, hint="leave an unknown value out: missing means unknown")
    return int(value) if isinstance(value, Integral) else found


def outcome(name: str, value: object) -> float:
    """What came of one sample as a finite float: 1 and 0 for true and false, numpy's included.

    Raises:
        InputError: it is NaN, infinite, or neither a number nor true or false.
    """
    if isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool":
        return float(bool(value))
    return float(number(name, value))


def is_finite(value: float) -> bool:
    """Whether it is a number to MLflow as well, which stores an infinity as 1.797e308."""
    return math.isfinite(value) and abs(value) < 1.7e308


def check_text(what: str, text: str) -> str:
    """``text`` if every store can keep it.

    Raises:
        InputError: it holds a zero character, which PostgreSQL refuses, or half a character.
    """
    if _UNSTORABLE.search(text):
        raise InputError(f"the {what} holds a character that cannot be kept", hint="clean the text")
    return text


def check_plain(what: str, value: object, *, place: str | None = None) -> None:
    """Nothing, if ``value`` can be written as JSON in UTF-8.

    Raises:
        InputError: it cannot.
    """
    try:
        digest_of(value)
    except (TypeError, ValueError) as error:
        reason = "half a character" if isinstance(error, UnicodeError) else str(error)
        raise InputError(f"{what} cannot be kept: {reason}", where=place, hint="use plain finite values") from error
    except RecursionError as error:
        raise InputError(f"{what} is nested too deeply", where=place) from error


def check_key(kind: str, name: str) -> str:
    """``name`` if MLflow can keep it as the key of a metric, parameter or tag.

    Raises:
        InputError: it cannot.
    """
    check_label(kind, name)
    # MLflow turns keys into file paths and refuses those that are not in their shortest form.
    if not _KEY.fullmatch(name) or ".." in name or name.startswith(("/", ".")) or posixpath.normpath(name) != name:
        raise InputError(
            f"{kind} {name[:80]!r} is not a valid name",
            hint=f"use letters, digits, '_', '-', '.', ' ', ':' or '/', at most {MAX_LABEL_LENGTH}, and no path upward",
        )
    return name
