"""How much worse a KPI may get before it counts, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flywheel_mlflow.promises.thresholds import DriftSettings


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much worse a KPI may get: ``amount`` in its unit, or a ``share`` of the reference value; the other is None.

    ``origin`` says who states it: the contract, an exception of ``flywheel.yaml``, or nobody ("default"). ``judged``
    is False where such an exception has the KPI shown, and never regressed.
    """

    amount: float | None
    share: float | None
    origin: Literal["contract", "exception", "default"]
    judged: bool = True

    def of(self, reference: float | None) -> float:
        """The allowance in the KPI's unit, for a reference value."""
        if self.amount is not None:
            return self.amount
        return (self.share or 0.0) * abs(reference or 0.0)


def allowance_of(subject: str, declared: float | None, settings: DriftSettings) -> Allowance:
    """How much worse a KPI (``p05.latency_ms``) may get, of whose contract ``declared`` is the tolerance.

    An exception's tolerance, else the contract's, else a share of the reference value.
    """
    rule = settings.kpi_rule(subject)
    judged = rule is None or rule.judged
    if rule is not None and rule.tolerance is not None:
        return Allowance(rule.tolerance, None, "exception", judged)
    if rule is not None and rule.relative_tolerance is not None:
        return Allowance(None, rule.relative_tolerance, "exception", judged)
    if declared is not None:
        return Allowance(declared, None, "contract", judged)
    return Allowance(None, settings.kpi_tolerance, "default", judged)
