"""Profiles of the quality signals: enough to draw and to compare distributions once the data are gone."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from flywheel_mlflow.base.canonical import document_json, plain
from flywheel_mlflow.base.errors import RecordError

#: Values kept of each signal: the Kolmogorov-Smirnov distance of two such samples is known to
#: about 1.36 * sqrt(2/2000) = 0.04 at 95 %, which is below any drift worth an alarm.
SAMPLE_SIZE = 2000

#: The signal made of each record's content: its length in characters.
LENGTH = "length"

#: Values of a categorical signal that are counted one by one in the profile.
TOP_CATEGORIES = 50

#: Bins per power of two: each bin is at most 1/32 = 3.1 % of its value wide.
BINS_PER_OCTAVE = 32

#: Magnitudes below 2**-41 (4.5e-13) share the bin of zero.
SMALLEST_EXPONENT = -40

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Signal:
    """One quality signal over all rows.

    ``count`` rows have a value, ``missing`` have none. ``minimum``, ``maximum`` and ``mean`` are
    over numbers, with booleans as 0 and 1; None without any. ``bins`` are pairs of bin index
    and count, see :func:`bin_edges`. ``categories`` are the most frequent texts and booleans with
    their counts; ``other`` counts the rest; ``distinct`` is None when there were too many values
    to count, and then the categories are the most frequent of an evenly drawn part of them.
    ``sample`` holds the values of the sampled rows, None where the row has none; the same
    position is the same row in every signal of a profile.
    """

    name: str
    count: int
    missing: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    bins: tuple[tuple[int, int], ...]
    categories: tuple[tuple[str, int], ...]
    other: int
    distinct: int | None
    sample: tuple[Value | None, ...]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def quantile(self, share: float) -> float | None:
        """The value below which ``share`` (0..1) of the numbers lie, to 1.6 %; None without numbers."""
        total = sum(count for _, count in self.bins)
        if not total or self.minimum is None or self.maximum is None:
            return None
        passed = 0
        for index, count in self.bins:
            passed += count
            if passed >= share * total:
                low, high = bin_edges(index)
                return min(max((low + high) / 2, self.minimum), self.maximum)
        return self.maximum


@dataclass(frozen=True, slots=True)
class Profile:
    """All signals of an interface version, sorted by name."""

    rows: int
    signals: tuple[Signal, ...]
    format_version: Literal[1] = 1

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def signal(self, name: str) -> Signal | None:
        """The signal of that name, if any."""
        return next((signal for signal in self.signals if signal.name == name), None)

    def to_json(self) -> str:
        """The profile as a JSON document with sorted keys; equal profiles give equal bytes."""
        return document_json(self)


_PROFILE: TypeAdapter[Profile] = TypeAdapter(Profile)


def profile_from_json(document: Any) -> Profile:
    """The profile of a parsed JSON document that :meth:`Profile.to_json` wrote.

    Raises:
        RecordError: it is no such document; the message names the first fault.
    """
    try:
        return _PROFILE.validate_python(plain(document))
    except (ValidationError, ValueError, TypeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise RecordError(f"not a profile of format 1: {reason}", hint="log the interface again") from error


def bin_edges(index: int) -> tuple[float, float]:
    """The lower and upper edge of a bin.

    The layout is HdrHistogram's (Tene): every power of two is cut into 32 equal parts, so the bins
    are fixed for all data ever seen, profiles add up exactly, and no order of rows or platform's
    logarithm changes them. Bin 0 holds zero; negative indexes mirror positive ones.
    """
    if index == 0:
        smallest = math.ldexp(0.5, SMALLEST_EXPONENT)
        return -smallest, smallest
    octave, part = divmod(abs(index) - 1, BINS_PER_OCTAVE)
    low = _ldexp(0.5 + part / (2 * BINS_PER_OCTAVE), octave + SMALLEST_EXPONENT)
    high = _ldexp(0.5 + (part + 1) / (2 * BINS_PER_OCTAVE), octave + SMALLEST_EXPONENT)
    return (low, high) if index > 0 else (-high, -low)


def _ldexp(mantissa: float, exponent: int) -> float:
    try:
        return math.ldexp(mantissa, exponent)
    except OverflowError:  # the upper edge of the last bin of all
        return sys.float_info.max
