"""Finds the rows whose texts hold personal data or secrets, from whole columns of texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from flywheel_mlflow.records.arrays import Mask, as_numpy, from_numpy
from flywheel_mlflow.records.columns import buffer_of
from flywheel_mlflow.records.personal import kinds_in
from flywheel_mlflow.records.secret_keys import KEY_LIKE

#: All that can be a hit, in one expression that does not look back.
_SUSPICIOUS = (
    r"@[A-Za-z0-9\-]+\."
    r"|(?:^|[^0-9A-Za-z_.\-]|(?:^|[^0-9A-Za-z_])-|(?:^|[^0-9])\.)"
    r"(?:[0-9](?:[ .\-()]{0,2}[0-9]){8}|[0-9]{6}(?:/|[\-+A-FU-Y])[0-9]{3}|[0-9]{7,8}-?[A-Zk]"
    r"|[0-9]{2}\.[0-9]{3}\.[0-9]{3}-[Kk])"
    r"|(?:^|[^0-9A-Za-z_])(?:[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11}|[XYZ]-?[0-9]{7}|[A-Z]{4,6}[0-9]{2,6}[A-Z])"
    r"|[\x{FF10}-\x{FF19}\x{FF20}]"
    r"|" + KEY_LIKE
)
#: Numbers of people have as many digits; those with letters have fewer, and a letter beside a digit. Only India's PAN
#: has four, between letters.
_DIGITS, _DIGITS_BESIDE_LETTERS = 9, 7
#: Where more than one byte in so many is a digit, looking at each digit costs more than the expression.
_DENSE = 8


def rows_with_personal_data(columns: Iterable[Any], name: str = "") -> list[int]:
    """The rows in whose texts personal data or secrets are found, were each in a field of that name.

    A text may be several joined by line breaks.
    """
    found: set[int] = set()
    for texts in columns:
        rows = np.flatnonzero(_may_hold(texts))
        if len(rows):
            chosen = texts if len(rows) == len(texts) else texts.take(from_numpy(rows))
            marked = as_numpy(pc.indices_nonzero(pc.match_substring_regex(chosen, _SUSPICIOUS)))
            for row in rows[marked].tolist():
                if row not in found and kinds_in(texts[row].as_py(), name):
                    found.add(row)
    return sorted(found)


def _may_hold(texts: Any) -> Mask:
    """Which texts have what a hit needs (an @, enough digits, a long token, full-width forms), by passes over bytes."""
    data, starts = buffer_of(texts)
    raw = np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]
    starts = starts - starts[0]
    is_digit = (raw - np.uint8(48)) < 10
    if np.count_nonzero(is_digit) > len(raw) // _DENSE:
        return np.ones(len(texts), dtype=bool)
    found = _has_long_token(raw, starts)
    digits = np.flatnonzero(is_digit)
    rows = np.searchsorted(starts, digits, side="right") - 1
    counts = np.bincount(rows, minlength=len(texts))
    found |= counts >= _DIGITS
    several = counts[rows] >= _DIGITS_BESIDE_LETTERS
    places = digits[several]
    beside = _is_letter(raw, places - 1) | _is_letter(raw, places + 1) | _is_letter(raw, places + 2)
    found[rows[several][beside]] = True
    fours = digits[:-3][digits[3:] - digits[:-3] == 3]
    between = _is_letter(raw, fours - 1) & _is_letter(raw, fours + 4)
    found[np.searchsorted(starts, fours[between], side="right") - 1] = True
    for sign in (ord("@"), 0xEF):
        found[np.searchsorted(starts, np.flatnonzero(raw == sign), side="right") - 1] = True
    return found


def _is_letter(raw: npt.NDArray[np.uint8], places: npt.NDArray[np.intp]) -> Mask:
    return np.asarray(((raw[np.clip(places, 0, len(raw) - 1)] | np.uint8(32)) - np.uint8(97)) < 26)


def _has_long_token(raw: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64]) -> Mask:
    """Which texts may hold a key, which has a run of 20 ASCII characters without a space, quote or bracket.

    Such a run holds four blocks without a break one after the other, wherever it begins.
    """
    is_break = np.zeros(-len(raw) % 4 + len(raw), dtype=bool)
    np.greater_equal(raw - np.uint8(0x2B), 0x80 - 0x2B, out=is_break[: len(raw)])
    clean = is_break.view(np.uint32) == 0
    runs = 4 * np.flatnonzero(clean[:-3] & clean[1:-2] & clean[2:-1] & clean[3:])
    first = np.searchsorted(starts, runs, side="right") - 1
    found = np.zeros(len(starts) - 1, dtype=bool)
    # Short texts in a row have no break between them, and are no run.
    found[first[starts[first + 1] >= np.minimum(runs + 16, len(raw))]] = True
    return found
