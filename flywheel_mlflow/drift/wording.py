"""The words, tones, colours and order in which differences are told: one table for terminal, pages and figures."""

from __future__ import annotations

import math
from enum import StrEnum

from flywheel_mlflow.drift import (
    DataVerdict,
    FilterFound,
    Finding,
    KpiFound,
    KpiVerdict,
    SchemaFound,
    SignalFound,
    Verdict,
)
from flywheel_mlflow.evidence.provenance import Direction

#: A share of the larger value below which a difference is the rounding of floating point numbers.
ROUNDING = 1e-12


class Tone(StrEnum):
    """What a text means for the reader, said by a mark and a colour beside its words."""

    NONE = "plain"
    GOOD = "good"
    INTENDED = "intended"
    ATTENTION = "attention"
    UNKNOWN = "unknown"
    BAD = "bad"


#: The colour of each tone in figures: Okabe and Ito's, which people with any colour vision tell apart
#: (jfly.uni-koeln.de/color, 2008). Pages have shades of their own that stand out from light and dark backgrounds.
COLOURS = {
    Tone.NONE: "#8C8C8C",
    Tone.GOOD: "#0072B2",
    Tone.INTENDED: "#CC79A7",
    Tone.ATTENTION: "#E69F00",
    Tone.UNKNOWN: "#8C8C8C",
    Tone.BAD: "#D55E00",
}

#: Every word for what became of something compared, in the order in which people want to hear of it.
WORDS = {
    "worse": Tone.BAD,
    "vanished": Tone.BAD,
    "changed": Tone.ATTENTION,
    "error": Tone.UNKNOWN,
    "cannot be told": Tone.UNKNOWN,
    "now unknown": Tone.UNKNOWN,
    "not tested": Tone.UNKNOWN,
    "as intended": Tone.INTENDED,
    "better": Tone.GOOD,
    "new": Tone.NONE,
    "newly known": Tone.NONE,
    "moved": Tone.NONE,
    "within noise": Tone.NONE,
    "differs, too little to count": Tone.NONE,
    "no difference seen": Tone.NONE,
    "unchanged": Tone.NONE,
}
_ORDER = {word: place for place, word in enumerate(WORDS)}

_VERDICT_WORDS: dict[str, str] = {
    KpiVerdict.REGRESSED: "worse",
    KpiVerdict.IMPROVED: "better",
    DataVerdict.DRIFTED: "changed",
    KpiVerdict.INCONCLUSIVE: "cannot be told",
    KpiVerdict.WITHIN: "within noise",
    KpiVerdict.NEW: "new",
    DataVerdict.NOT_TESTED: "not tested",
    DataVerdict.STABLE: DataVerdict.STABLE.value,
    DataVerdict.SMALL: DataVerdict.SMALL.value,
    DataVerdict.UNCHANGED: "unchanged",
}

#: What a verdict on the whole means.
VERDICT_TONES = {
    Verdict.PASS.value: Tone.GOOD,
    Verdict.BLOCK.value: Tone.BAD,
    Verdict.INCONCLUSIVE.value: Tone.UNKNOWN,
}

Compared = KpiFound | SignalFound | FilterFound | SchemaFound


def word_of(item: Compared | Finding) -> str:
    """What became of something compared, in a word of :data:`WORDS`."""
    if isinstance(item, Finding):
        return item.outcome.value if item.outcome else "error" if item.kind == "error" else "cannot be told"
    if item.verdict.value == "vanished" and not item.task:
        return "vanished"
    return item.outcome.value if item.outcome else _VERDICT_WORDS[item.verdict]


def tone_of(item: Compared | Finding) -> Tone:
    """What that word means for the reader."""
    return WORDS[word_of(item)]


def compared_order(item: Compared) -> tuple[int, float, str]:
    """Sorts what was compared, the worst first, then by size."""
    return _ORDER[word_of(item)], -item.severity, item.subject


def word_order(word: str) -> int:
    """Sorts words, the worst first."""
    return _ORDER[word]


def number_word(before: float | None, now: float | None, direction: Direction | None) -> str:
    """The word of :data:`WORDS` for a number that moved and that nobody judges; ``direction`` is the better one."""
    if now is None:
        return "now unknown"
    if before is None:
        return "newly known"
    if direction is None:
        return "moved"
    return "better" if (now > before) == (direction == "higher") else "worse"


def same_number(before: float | None, now: float | None) -> bool:
    """Whether two values are the same but for rounding; the unknown is the same as the unknown alone."""
    if before is None or now is None:
        return before is now
    return before == now or math.isclose(before, now, rel_tol=ROUNDING)


def kpi_differs(found: KpiFound) -> bool:
    """Whether a KPI's value or its sample size is another than in the reference."""
    return found.value != found.reference or found.n != found.reference_n
