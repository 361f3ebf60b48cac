"""Draws a sample as a histogram between its extremes."""

from __future__ import annotations

from collections.abc import Sequence

from flywheel_mlflow.drawings.svg import drawing, element, line, text

_WIDTH, _BASE, _HEIGHT = 320.0, 84.0, 104.0
#: A bar is no wider than this share, so that two labels do not look like halves of a whole.
_WIDEST = 1 / 6


def histogram_svg(heights: Sequence[int], low: str, high: str, label: str) -> str:
    """Bars of these heights over the range from ``low`` to ``high``; what is not empty is never invisible."""
    top = max(heights, default=0) or 1
    width = min(_WIDTH / max(1, len(heights)), _WIDTH * _WIDEST)
    bars = [
        element("rect", kind="bar", x=place * width + 0.5, y=_BASE - size, width=width - 1, height=size)
        for place, height in enumerate(heights)
        if height and (size := max(1.0, height / top * _BASE))
    ]
    axis = line(0, _BASE, _WIDTH, _BASE, "axis")
    ends = [text(0, _HEIGHT - 4, low), text(_WIDTH, _HEIGHT - 4, high, anchor="end")]
    return drawing(_WIDTH, _HEIGHT, label, *bars, axis, *ends, kind="chart histogram")
