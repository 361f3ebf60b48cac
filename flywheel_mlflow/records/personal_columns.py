"""Finds the rows whose texts hold personal data, from whole columns of texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow.compute as pc

from flywheel_mlflow.records.arrays import Mask, as_numpy, from_numpy
from flywheel_mlflow.records.columns import buffer_of
from flywheel_mlflow.records.personal import kinds_in

#: All that `may_hold_personal_data` suspects and that can be a hit, in one expression that does not look back.
_SUSPICIOUS = (
    r"@[A-Za-z0-9\-]+\."
    r"|(?:^|[^0-9A-Za-z_.\-]|(?:^|[^0-9A-Za-z_])-|(?:^|[^0-9])\.)[0-9](?:[ .\-()]{0,2}[0-9]){8}"
    r"|(?:^|[^0-9A-Za-z_])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11}"
    r"|[\x{FF10}-\x{FF19}\x{FF20}]"
)
#: Every number of a person has as many digits; an IBAN has two after two capitals.
_DIGITS = 9
#: Where more than one byte in so many is a digit, looking at each digit costs more than the expression.
_DENSE = 8


def rows_with_personal_data(columns: Iterable[Any]) -> list[int]:
    """The rows in whose texts personal data are found.

    A text may be several joined by line breaks: no kind of personal data reaches over one.
    """
    found: set[int] = set()
    for texts in columns:
        rows = np.flatnonzero(_may_hold(texts))
        if len(rows):
            chosen = texts if len(rows) == len(texts) else texts.take(from_numpy(rows))
            marked = as_numpy(pc.indices_nonzero(pc.match_substring_regex(chosen, _SUSPICIOUS)))
            for row in rows[marked].tolist():
                if row not in found and any(map(kinds_in, texts[row].as_py().split("\n"))):
                    found.add(row)
    return sorted(found)


def _may_hold(texts: Any) -> Mask:
    """Which texts have an @, enough digits, the beginning of an IBAN, or full-width forms: a few passes over bytes."""
    data, starts = buffer_of(texts)
    raw = np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]
    starts = starts - starts[0]
    is_digit = (raw - np.uint8(48)) < 10
    if np.count_nonzero(is_digit) > len(raw) // _DENSE:
        return np.ones(len(texts), dtype=bool)
    digits = np.flatnonzero(is_digit)
    rows = np.searchsorted(starts, digits, side="right") - 1
    found = np.bincount(rows, minlength=len(texts)) >= _DIGITS
    pairs = digits[:-1][(digits[1:] - digits[:-1] == 1) & (digits[:-1] >= 2)]
    capitals = ((raw[pairs - 1] - np.uint8(65)) < 26) & ((raw[pairs - 2] - np.uint8(65)) < 26)
    signs = [np.flatnonzero(raw == sign) for sign in (ord("@"), 0xEF)]
    for places in (pairs[capitals], *signs):
        found[np.searchsorted(starts, places, side="right") - 1] = True
    return found
