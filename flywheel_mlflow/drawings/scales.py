"""Maps values to pixels, and finds the round values an axis names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

#: An axis steps by these, times a power of ten.
_STEPS = (1.0, 2.0, 5.0, 10.0)
#: Values closer than this share of the larger one are drawn as one.
_SAME = 1e-9
#: What is larger is drawn as this, so that no difference of two values overflows.
_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` to ``high`` between two pixels; ``ticks`` are round values in between, ``step`` apart."""

    low: float
    high: float
    start: float
    end: float
    step: float

    def at(self, value: float) -> float:
        """The pixel of a value; what lies outside is drawn at the edge."""
        # Halved, since the difference of two of the largest floats is infinite.
        share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    @property
    def ticks(self) -> tuple[float, ...]:
        """The round values, lowest first."""
        first, last = math.ceil(self.low / self.step - _SAME), math.floor(self.high / self.step + _SAME)
        return tuple(number * self.step for number in range(first, last + 1))

    def named(self, tick: float) -> str:
        """A tick in as many digits as its neighbours need to be told apart."""
        if abs(tick) >= 1e6 or self.step < 1e-6:
            return f"{tick:.3g}"
        decimals = max(0, -math.floor(math.log10(self.step) + _SAME))
        return f"{tick + 0.0:,.{decimals}f}"


def round_scale(values: Iterable[float], start: float, end: float, *, most: int = 4, cap: float = math.inf) -> Scale:
    """A scale from one round value to another around all of ``values``, with at most ``most`` steps between them.

    It goes below zero, and above ``cap``, only where a value does: equal values lie in its middle otherwise.
    """
    known = [min(_LARGEST, max(-_LARGEST, value)) for value in values]
    low, high = min(known), max(known)
    if high - low <= _SAME * max(abs(low), abs(high), _SAME):
        room = abs(low) / 10 if abs(low) > _SAME else 1.0
        low = max(low - room, 0.0) if low >= 0 else low - room
        high = min(high + room, cap) if high <= cap else high + room
    size = (high - low) / most
    power = 10.0 ** math.floor(math.log10(size))
    step = next(
        found
        for factor in (*_STEPS, 20.0)
        if math.ceil(high / (found := factor * power) - _SAME) - math.floor(low / found + _SAME) <= most
    )
    return Scale(math.floor(low / step + _SAME) * step, math.ceil(high / step - _SAME) * step, start, end, step)
