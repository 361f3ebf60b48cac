"""The words for how a number differs between two iterations or releases, the same wherever it is told."""

from __future__ import annotations

import math

from flywheel_mlflow.drift import KpiFound, KpiVerdict
from flywheel_mlflow.provenance import Direction

#: A share of the larger value below which a difference is the rounding of floating point numbers.
ROUNDING = 1e-12

#: What drift's verdict on a KPI is called, worst first.
KPI_WORDS = {
    KpiVerdict.REGRESSED: "worse",
    KpiVerdict.VANISHED: "vanished",
    KpiVerdict.INCONCLUSIVE: "cannot be told",
    KpiVerdict.IMPROVED: "better",
    KpiVerdict.NEW: "appeared",
    KpiVerdict.WITHIN: "within noise",
}
KPI_ORDER = tuple(KPI_WORDS)
#: What the change of a number that nobody judges is called, in the order in which people want to hear of it.
NUMBER_WORDS = ("worse", "now unknown", "better", "newly known", "moved")


def number_word(before: float | None, now: float | None, direction: Direction | None) -> str:
    """The word of :data:`NUMBER_WORDS` for a number that moved; ``direction`` is the better one, None where unknown."""
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


def kpi_order(found: KpiFound) -> tuple[int, float, str]:
    """Sorts KPIs, the worst first."""
    return KPI_ORDER.index(found.verdict), -found.severity, found.subject
