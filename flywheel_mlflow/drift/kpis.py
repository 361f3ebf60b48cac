"""Verdicts on KPIs: direction, tolerance, sample size and history decide, never a test on a handful of values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from flywheel_mlflow.contract import Kpi
from flywheel_mlflow.drift.distributions import benjamini_hochberg
from flywheel_mlflow.drift.findings import KpiFound, KpiVerdict
from flywheel_mlflow.drift.intervals import Rate, newcombe_difference, samples_needed
from flywheel_mlflow.drift.paired import compare_pairs
from flywheel_mlflow.evidence import KpiValue
from flywheel_mlflow.thresholds import DriftSettings

#: Units of shares: values between 0 and 1 whose sample size says how exact they are.
SHARES = frozenset({"ratio"})

#: With fewer earlier values than this there is no range to speak of.
LEAST_RANGE = 2


@dataclass(frozen=True, slots=True)
class KpiCase:
    """One KPI of one project with all that its verdict rests on.

    ``history`` holds the values of iterations up to the reference, oldest first; ``samples`` and
    ``reference_samples`` the outcome of each sample by its id, where both runs logged them.
    """

    subject: str
    kpi: Kpi
    current: KpiValue
    reference: KpiValue
    history: tuple[float, ...] = ()
    samples: Mapping[str, float] | None = None
    reference_samples: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class _Loss:
    """How much worse a KPI is, and between which bounds where they are known."""

    worse: float
    tolerance: float
    method: str
    low: float | None = None
    high: float | None = None
    n: int | None = None
    remark: str = ""
    certain: bool = True  # False: the difference may be chance, whatever the interval says


def compare_kpis(cases: Sequence[KpiCase], settings: DriftSettings) -> tuple[KpiFound, ...]:
    """The verdict on each KPI, in the order given; one without a value on either side is left out."""
    measured = [case for case in cases if case.current.value is not None or case.reference.value is not None]
    losses = [_loss(case, settings) for case in measured]
    p_values = _noise(measured, losses, settings)
    return tuple(_judge(*item, settings) for item in zip(measured, losses, p_values, strict=True))


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


def tolerance_of(case: KpiCase, settings: DriftSettings) -> float:
    """How much worse the KPI may get, in its unit; see :func:`allowance_of`."""
    found = allowance_of(case.subject, case.kpi.tolerance, settings)
    return found.amount if found.amount is not None else (found.share or 0.0) * abs(case.reference.value or 0.0)


def _loss(case: KpiCase, settings: DriftSettings) -> _Loss | None:
    """How much worse the KPI is; None when there is nothing to compare."""
    now, before = case.current.value, case.reference.value
    if now is None or before is None:
        return None
    tolerance = tolerance_of(case, settings)
    higher = case.kpi.direction == "higher"
    worse = before - now if higher else now - before
    paired = _paired(case, tolerance, settings)
    if paired is not None:
        return paired
    current, reference = _rate(case.kpi, case.current), _rate(case.kpi, case.reference)
    if current is None or reference is None:
        return _Loss(worse, tolerance, "tolerance")
    if now == before and current.n == reference.n:
        return _Loss(worse, tolerance, "equal counts", low=0.0, high=0.0, n=current.n)
    best, worst = (reference, current) if higher else (current, reference)
    low, high = newcombe_difference(
        best.successes, best.n, worst.successes, worst.n, confidence=settings.kpi_confidence
    )
    return _Loss(worse, tolerance, f"Newcombe {settings.kpi_confidence:.0%} interval", low, high, current.n)


def _paired(case: KpiCase, tolerance: float, settings: DriftSettings) -> _Loss | None:
    if case.samples is None or case.reference_samples is None:
        return None
    found = compare_pairs(
        case.samples,
        case.reference_samples,
        higher=case.kpi.direction == "higher",
        confidence=settings.kpi_confidence,
        seed=settings.seed,
    )
    if found is None:
        return None
    remark = f"{found.n} samples judged by both runs, {found.lost} lost, {found.won} won"
    certain = found.p is None or found.p <= 1 - settings.kpi_confidence
    return _Loss(found.worse, tolerance, found.method, found.low, found.high, found.n, remark, certain)


def _rate(kpi: Kpi, value: KpiValue) -> Rate | None:
    """The KPI as a share with its sample size; None when it is none, or the size is unknown."""
    if kpi.unit not in SHARES or value.n is None or value.n < 1 or value.value is None or not 0 <= value.value <= 1:
        return None
    return Rate(value.value * value.n, value.n)


def _noise(cases: Sequence[KpiCase], losses: Sequence[_Loss | None], settings: DriftSettings) -> list[float | None]:
    """Adjusted p-values against each KPI's own history, where it is long enough."""
    raw = [
        _prediction(case, settings) if loss is not None and len(case.history) >= settings.noise_history else None
        for case, loss in zip(cases, losses, strict=True)
    ]
    known = [index for index, p in enumerate(raw) if p is not None]
    adjusted = benjamini_hochberg([p for p in raw if p is not None])
    found: list[float | None] = [None] * len(raw)
    for index, p in zip(known, adjusted, strict=True):
        found[index] = p
    return found


def _prediction(case: KpiCase, settings: DriftSettings) -> float:
    """How likely a value so bad is as the next one of this history (a t prediction, one-sided)."""
    values = case.history[-settings.history :]
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    now = case.current.value if case.current.value is not None else mean
    worse = mean - now if case.kpi.direction == "higher" else now - mean
    if variance <= 0:
        return 0.0 if worse > 0 else 1.0
    from scipy.stats import t

    return float(t.sf(worse / math.sqrt(variance * (1 + 1 / len(values))), len(values) - 1))


def _judge(case: KpiCase, loss: _Loss | None, p: float | None, settings: DriftSettings) -> KpiFound:
    base = KpiFound(
        subject=case.subject,
        verdict=KpiVerdict.NEW,
        text="",
        method="",
        unit=case.kpi.unit,
        direction=case.kpi.direction,
        value=case.current.value,
        reference=case.reference.value,
        n=case.current.n,
        reference_n=case.reference.n,
        history=len(case.history),
    )
    if loss is None:
        return _one_sided(base)
    found = replace(
        base,
        worse=loss.worse,
        tolerance=loss.tolerance,
        low=loss.low,
        high=loss.high,
        p=p,
        method=loss.method,
    )
    verdict, why, decides = _verdict(case, loss, p, settings)
    rule = settings.kpi_rule(case.subject)
    if rule is not None and not rule.judged and verdict in (KpiVerdict.REGRESSED, KpiVerdict.INCONCLUSIVE):
        verdict, why, decides = KpiVerdict.WITHIN, f"shown, not judged: {rule.why}", False
    needed = _needed(case, loss, settings) if verdict is KpiVerdict.INCONCLUSIVE else None
    if needed is not None:
        have, had = (f"{value.n or 0:,}" for value in (case.current, case.reference))
        why += f"; about {needed:,} samples on each side would decide it: there are {have}, and {had} in the reference"
    text = "; ".join(part for part in (_change(found, paired=bool(loss.remark)), why, loss.remark) if part)
    return replace(found, verdict=verdict, text=text, decides=decides, needed=needed)


def _one_sided(found: KpiFound) -> KpiFound:
    if found.value is not None:
        return replace(found, text=f"{_number(found.value)}, and no value in the reference", method="presence")
    if found.n == 0:
        text = f"no sample this time; the reference has {_number(found.reference)}"
        return replace(found, verdict=KpiVerdict.INCONCLUSIVE, text=text, method="presence")
    text = f"no value; the reference has {_number(found.reference)}"
    return replace(found, verdict=KpiVerdict.VANISHED, text=text, method="presence")


def _verdict(case: KpiCase, loss: _Loss, p: float | None, settings: DriftSettings) -> tuple[KpiVerdict, str, bool]:
    """The verdict, why where the numbers do not say it all, and whether an inconclusive one decides the whole."""
    bounded = loss.low is not None and loss.high is not None
    low = loss.low if loss.low is not None else loss.worse
    high = loss.high if loss.high is not None else loss.worse
    # Rounding must not turn a loss of exactly the tolerance into a regression.
    margin = loss.tolerance * (1 + 1e-9)
    if (high if bounded else loss.worse) <= margin:
        improved = high < 0 if bounded else -loss.worse > margin
        return (KpiVerdict.IMPROVED if improved else KpiVerdict.WITHIN), "", False
    if low > margin and loss.certain:
        excuse = _excuse(case, p, settings)
        return (KpiVerdict.INCONCLUSIVE, excuse, False) if excuse else (KpiVerdict.REGRESSED, "", False)
    size = "" if loss.n is None else f" of {loss.n:,} samples"
    why = f"the loss{size} lies between {_number(low)} and {_number(high)}, which leaves it open"
    return KpiVerdict.INCONCLUSIVE, why, loss.worse > margin


def _excuse(case: KpiCase, p: float | None, settings: DriftSettings) -> str:
    """Why the KPI's own history explains the loss; empty when it does not.

    Rule and measured error rates: docs/drift.md. One earlier value tells nothing about noise, so the tolerance
    decides alone; up to ``noise_history`` the loss must be worse than ever by more than the range seen.
    """
    values = case.history[-settings.history :]
    if len(values) < LEAST_RANGE:
        return ""
    if p is not None:
        return f"within the noise of {len(values)} earlier values (p {p:.2g})" if p > settings.kpi_false_alarms else ""
    worst = min(values) if case.kpi.direction == "higher" else max(values)
    now = case.current.value if case.current.value is not None else worst
    beyond = worst - now if case.kpi.direction == "higher" else now - worst
    if beyond <= max(values) - min(values):
        return f"no worse than the range of {len(values)} earlier values allows"
    return ""


def _needed(case: KpiCase, loss: _Loss, settings: DriftSettings) -> int | None:
    current, reference = _rate(case.kpi, case.current), _rate(case.kpi, case.reference)
    if current is None or reference is None or loss.remark:
        return None
    found = samples_needed(
        current,
        reference,
        margin=loss.tolerance,
        confidence=settings.kpi_confidence,
        higher=case.kpi.direction == "higher",
    )
    return found if found is not None and found > min(current.n, reference.n) else None


def _change(found: KpiFound, *, paired: bool) -> str:
    word = "worse" if (found.worse or 0) > 0 else "better"
    size = f"{word} by {_number(abs(found.worse or 0))}" if found.worse else "unchanged"
    # The values are over all samples of each run, the difference over those that both judged.
    size += " on the same samples" if paired else ""
    return f"{_number(found.reference)} → {_number(found.value)}, {size}, tolerance {_number(found.tolerance)}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
