"""The one way numbers and moments are written for people, in reports, charts, notes or on the command line."""

from __future__ import annotations

import math
import re
from datetime import datetime

from flywheel_mlflow.base.errors import AssemblyError

UNKNOWN = "unknown"

#: Characters of a digest or run id that tell it from others on a page.
SHORT = 12

#: Decimals of the units that always show the same number of them; other units show what they need.
_DECIMALS = {"ratio": 4, "score 0..1": 4, "hours": 2, "rmb": 2, "days": 2}

#: How a unit is written behind a number in running text; others are written as they are.
_SUFFIXES = {"ratio": "", "score 0..1": "", "count": "", "hours": "h", "rmb": "RMB"}

#: Units in three capitals are currencies, as ISO 4217 spells them; amounts have two decimals.
_CURRENCY = re.compile("[A-Z]{3}")

_MOST_DECIMALS = 4


def format_value(value: float | None, unit: str) -> str:
    """``value`` as people read it, without its unit; an unknown value is the word "unknown".

    Ratios and scores have four decimals, hours, days and currencies two, whole numbers none, everything
    else at most four. Thousands are grouped. Rounding never reaches a value it must not be taken
    for: what is not zero never reads as zero, and a ratio below 1 never reads as 1.

    Raises:
        AssemblyError: the value is NaN or infinite, which no evidence may hold.
    """
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        raise AssemblyError(f"{value} reached a report", hint="evidence must not hold NaN or infinite numbers")
    decimals = 2 if _CURRENCY.fullmatch(unit) else _DECIMALS.get(unit)
    if decimals is None and value == int(value):
        return f"{int(value):,}"
    text = f"{value:,.{_MOST_DECIMALS if decimals is None else decimals}f}"
    if value != 0 and not re.search("[1-9]", text):
        return f"{value:.2g}"
    if decimals is None:
        return text.rstrip("0").rstrip(".")
    if decimals == _DECIMALS["ratio"] and abs(value) < 1 and float(text.replace(",", "")) in (1.0, -1.0):
        return "0.9999" if value > 0 else "-0.9999"
    return text.removeprefix("-") if value == 0 else text


def with_unit(value: float | None, unit: str) -> str:
    """``value`` with its unit behind it, as in "8.06 h"; a ratio, a score, a count and the unknown have none."""
    return f"{format_value(value, unit)} {unit_label(unit) if value is not None else ''}".rstrip()


def unit_label(unit: str) -> str:
    """A unit as it stands behind a number: "h", "EUR"; empty for ratios, scores and counts."""
    return _SUFFIXES.get(unit, unit)


def format_change(before: float, now: float, unit: str) -> str:
    """The difference with its sign, as in "+0.0210"."""
    difference = now - before
    return ("-" if difference < 0 else "+") + format_value(abs(difference), unit)


def moment_text(at: datetime) -> str:
    """A moment as people read it, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
