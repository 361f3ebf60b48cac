"""How much worse a KPI is than in the reference, and how sure that is, from the best evidence about the two sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flywheel_mlflow.drift.allowances import allowance_of
from flywheel_mlflow.drift.intervals import Rate, newcombe_difference, newcombe_p, two_sided_z
from flywheel_mlflow.drift.paired import compare_pairs
from flywheel_mlflow.drift.tails import normal_tail, student_quantile, student_tail
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.evidence.samples import JudgedRecords
from flywheel_mlflow.promises.contract import Kpi
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.promises.units import share_scale


@dataclass(frozen=True, slots=True)
class KpiCase:
    """One KPI of one project with all that its verdict rests on.

    ``samples`` and ``reference_samples`` hold the outcome of each sample by its id, where both runs logged them;
    ``judged`` and ``reference_judged`` the records these were asked of, where evaluations know them.
    ``quiet`` are differences between earlier iterations in which nothing upstream changed, in the KPI's unit.
    ``unlike`` says why the two values are shown and not judged; empty where they are.
    """

    subject: str
    kpi: Kpi
    current: KpiValue
    reference: KpiValue
    quiet: tuple[float, ...] = ()
    samples: Mapping[str, float] | None = None
    reference_samples: Mapping[str, float] | None = None
    judged: JudgedRecords | None = None
    reference_judged: JudgedRecords | None = None
    unlike: str = ""

    @property
    def higher(self) -> bool:
        """Whether a higher value is better."""
        return self.kpi.direction == "higher"


@dataclass(frozen=True, slots=True)
class Loss:
    """How much worse a KPI is than in the reference, in its unit; negative when it is better.

    ``low`` and ``high`` enclose ``worse``, ``error`` is its standard error. ``p_worse`` is the one-sided p-value of "it
    lost no more than the tolerance", ``p_better`` that of "it gained nothing". All are None where only the two values
    are known. ``n`` is the sample size the method rests on; ``remark`` says more about it. ``historic`` says that only
    earlier iterations tell how exact it is. ``paired`` says that it is of the samples both runs judged.
    """

    worse: float
    tolerance: float
    method: str
    error: float | None = None
    low: float | None = None
    high: float | None = None
    p_worse: float | None = None
    p_better: float | None = None
    n: int | None = None
    remark: str = ""
    historic: bool = False
    paired: bool = False

    @property
    def most(self) -> float:
        """The largest loss that is not excluded: what must lie within the tolerance for a verdict of "within"."""
        return self.worse if self.high is None or self.historic else self.high


def loss_of(case: KpiCase, settings: DriftSettings) -> Loss | None:
    """The loss by the best evidence there is about the two sides; None when a value is missing.

    In this order: outcomes of the same samples, counts, stated standard errors, the scatter of quiet iterations, and
    the tolerance alone.
    """
    now, before = case.current.value, case.reference.value
    if now is None or before is None:
        return None
    tolerance = allowance_of(case.subject, case.kpi.tolerance, settings).of(before)
    plain = Loss(before - now if case.higher else now - before, tolerance, "tolerance")
    paired = _paired(case, plain, settings)
    if paired is not None:
        return paired
    loss = (
        _counted(case, plain, settings) or _stated(case, plain, settings) or _scattered(case, plain, settings) or plain
    )
    return replace(loss, remark=_unpaired(case))


def _paired(case: KpiCase, plain: Loss, settings: DriftSettings) -> Loss | None:
    """Both runs judged the same samples. Outcomes of 0 and 1 behind a percentage count as shares of 100."""
    if case.samples is None or case.reference_samples is None:
        return None
    scale = share_scale(case.kpi.unit) or 1.0
    if any(not 0 <= value <= 1 for side in (case.samples, case.reference_samples) for value in side.values()):
        scale = 1.0
    pairs = compare_pairs(
        case.samples,
        case.reference_samples,
        higher=case.higher,
        confidence=settings.kpi_confidence,
        seed=settings.seed,
        tolerance=plain.tolerance / scale,
    )
    if pairs is None:
        return None
    return replace(
        plain,
        worse=pairs.worse * scale,
        method=pairs.method,
        error=pairs.error * scale,
        low=pairs.low * scale,
        high=pairs.high * scale,
        p_worse=pairs.p_worse,
        p_better=pairs.p_better,
        n=pairs.n,
        remark=f"{pairs.n} samples judged by both runs, {pairs.lost} lost, {pairs.won} won{_left_out(case)}",
        paired=True,
    )


def _left_out(case: KpiCase) -> str:
    """What a comparison by pairs says nothing about: samples that one side alone has."""
    now, before = case.samples or {}, case.reference_samples or {}
    added, gone = len(now.keys() - before.keys()), len(before.keys() - now.keys())
    if not added and not gone:
        return ""
    version = _other_records(case)
    return f"; {version + ': ' if version else ''}{added} only now and {gone} only in the reference are not compared"


def _unpaired(case: KpiCase) -> str:
    """That the two values are of different samples, where too few are the same to be paired; empty otherwise."""
    if case.samples is None or case.reference_samples is None or case.samples.keys() == case.reference_samples.keys():
        return ""
    shared = len(case.samples.keys() & case.reference_samples.keys())
    version = _other_records(case) or "other samples than in the reference"
    return f"{version}: {shared} are in both, too few to pair, so the two values answer different questions"


def _other_records(case: KpiCase) -> str:
    """That the two evaluations judged different records, by the name of their data set; empty where that is unknown."""
    now, before = case.judged, case.reference_judged
    if now is None or before is None or now.digest == before.digest:
        return ""
    return f"another version of {now.name}" if now.name == before.name else f"{now.name} instead of {before.name}"


def rate_of(kpi: Kpi, value: KpiValue) -> Rate | None:
    """The KPI as a share with its sample size; None when it is no share, or the size is unknown."""
    scale = share_scale(kpi.unit)
    if scale is None or not value.n or value.n < 0 or value.value is None or not 0 <= value.value <= scale:
        return None
    return Rate(value.value / scale * value.n, value.n)


def _counted(case: KpiCase, plain: Loss, settings: DriftSettings) -> Loss | None:
    """Two shares of known sample size (Newcombe 1998, method 10)."""
    current, reference = rate_of(case.kpi, case.current), rate_of(case.kpi, case.reference)
    scale = share_scale(case.kpi.unit)
    if current is None or reference is None or scale is None:
        return None
    error = math.hypot(_rate_error(current), _rate_error(reference)) * scale
    if current == reference:
        return replace(
            plain, method="equal counts", error=error, low=0.0, high=0.0, p_worse=1.0, p_better=1.0, n=current.n
        )
    best, worst = (reference, current) if case.higher else (current, reference)
    low, high = newcombe_difference(
        best.successes, best.n, worst.successes, worst.n, confidence=settings.kpi_confidence
    )
    return replace(
        plain,
        method=f"Newcombe {settings.kpi_confidence:.0%} interval",
        error=error,
        low=low * scale,
        high=high * scale,
        p_worse=newcombe_p(best, worst, margin=plain.tolerance / scale),
        p_better=newcombe_p(worst, best, margin=0.0),
        n=current.n,
    )


def _rate_error(rate: Rate) -> float:
    """The standard error of a share, never 0: one success and one failure are added (Agresti and Caffo 2000)."""
    share = (rate.successes + 1) / (rate.n + 2)
    return math.sqrt(share * (1 - share) / (rate.n + 2))


def _stated(case: KpiCase, plain: Loss, settings: DriftSettings) -> Loss | None:
    """Both values come with a standard error, or the contract declares the noise of every value."""
    errors = [value.stderr if value.stderr is not None else case.kpi.noise for value in (case.current, case.reference)]
    if errors[0] is None or errors[1] is None:
        return None
    stated = case.current.stderr is not None and case.reference.stderr is not None
    return normal_loss(
        plain, math.hypot(errors[0], errors[1]), "stated standard errors" if stated else "declared noise", settings
    )


def normal_loss(plain: Loss, error: float, method: str, settings: DriftSettings) -> Loss:
    """A loss whose difference is normal with a known standard error; without any error the values are exact."""
    reach = two_sided_z(settings.kpi_confidence) * error
    return replace(
        plain,
        method=method,
        error=error,
        low=plain.worse - reach,
        high=plain.worse + reach,
        p_worse=_beyond(plain.worse - plain.tolerance, error),
        p_better=_beyond(-plain.worse, error),
    )


def _beyond(excess: float, error: float) -> float:
    if error <= 0:
        return 0.0 if excess > 0 else 1.0
    return normal_tail(excess / error)


def _scattered(case: KpiCase, plain: Loss, settings: DriftSettings) -> Loss | None:
    """Nothing is known about these two, but how much the KPI moves while nothing upstream changes.

    Differences of quiet iterations scatter around 0 as this one does when nothing changed: Student's t. Neighbouring
    differences share a value, which makes their mean square half as uncertain again (their correlation is -1/2, and
    1 + 2/4 = 3/2), so they have two thirds as many degrees of freedom as there are differences.
    """
    quiet = case.quiet[-settings.history :]
    if len(quiet) < settings.noise_history:
        return None
    error = math.sqrt(math.fsum(value * value for value in quiet) / len(quiet))
    method = f"scatter of {len(quiet)} differences between iterations in which nothing upstream changed"
    plain = replace(plain, historic=True)
    if error <= 0:
        return normal_loss(plain, error, method, settings)
    freedom = 2 * len(quiet) / 3
    reach = student_quantile((1 - settings.kpi_confidence) / 2, freedom) * error
    return replace(
        plain,
        method=method,
        error=error,
        low=plain.worse - reach,
        high=plain.worse + reach,
        p_worse=student_tail((plain.worse - plain.tolerance) / error, freedom),
        p_better=student_tail(-plain.worse / error, freedom),
    )
