"""Tells which units are those of shares."""

from __future__ import annotations

#: Units of shares and how large the whole is in them. No F1: it is a ratio of counts, but no mean over samples.
SHARE_SCALES = {
    **dict.fromkeys(
        ("ratio", "accuracy", "share", "rate", "fraction", "proportion", "probability", "recall", "precision"), 1.0
    ),
    **dict.fromkeys(("percent", "%", "pct", "percentage"), 100.0),
}


def share_scale(unit: str) -> float | None:
    """The whole in a unit of shares: 1 for values 0..1, 100 for percent; None when the unit is no share.

    The sample size says how exact a share is; of any other value it says nothing.
    """
    return SHARE_SCALES.get(unit.strip().lower())
