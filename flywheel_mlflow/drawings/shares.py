"""Draws a share of a whole as one bar."""

from __future__ import annotations

from flywheel_mlflow.drawings.svg import drawing, element

_WIDTH, _HEIGHT = 160, 10


def share_svg(share: float | None, label: str) -> str:
    """A bar from 0 to 1; an unknown share is an empty, dashed one, never a bar of no length."""
    if share is None:
        frame = element("rect", kind="unknown", x=0.5, y=0.5, width=_WIDTH - 1, height=_HEIGHT - 1, rx=3)
        return drawing(_WIDTH, _HEIGHT, label, frame, kind="chart share", stretched=True)
    width = min(1.0, max(0.0, share)) * _WIDTH
    whole = element("rect", kind="whole", x=0, y=0, width=_WIDTH, height=_HEIGHT, rx=3)
    part = element("rect", kind="part", x=0, y=0, width=width, height=_HEIGHT, rx=3)
    return drawing(_WIDTH, _HEIGHT, label, whole, part, kind="chart share", stretched=True)
