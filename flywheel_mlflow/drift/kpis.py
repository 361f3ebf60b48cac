"""Verdicts on KPIs and suites: what is known about the two sides decides, with one false discovery rate over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flywheel_mlflow.drift.allowances import allowance_of
from flywheel_mlflow.drift.distributions import benjamini_hochberg
from flywheel_mlflow.drift.findings import KpiFound, KpiVerdict
from flywheel_mlflow.drift.intentions import with_outcome
from flywheel_mlflow.drift.intervals import samples_needed
from flywheel_mlflow.drift.losses import KpiCase, Loss, loss_of, rate_of
from flywheel_mlflow.drift.suites import SuiteCase, suite_of_each, suite_values
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.promises.units import share_scale


def compare_kpis(
    cases: Sequence[KpiCase], settings: DriftSettings, suites: Sequence[SuiteCase] = ()
) -> tuple[KpiFound, ...]:
    """The verdict on each suite and each KPI, in the order given; one without a value on either side is left out.

    A KPI in a suite is a detail of it: its verdict is shown and decides nothing, unless it vanished.
    """
    measured = [case for case in cases if case.current.value is not None or case.reference.value is not None]
    losses = {case.subject: loss_of(case, settings) for case in measured}
    found = [_described(case, losses[case.subject]) for case in measured]
    of_kpi = {case.subject: case for case in measured}
    grouped = suite_of_each(suites)
    pooled = [
        (replace(item, suite=grouped.get(item.subject, "")), losses[item.subject], of_kpi[item.subject])
        for item in found
    ]
    rows: list[tuple[KpiFound, Loss | None, KpiCase | None]] = [
        *((*suite_values(suite, of_kpi, losses, settings), None) for suite in suites),
        *pooled,
    ]
    rows = [row for row in rows if row[0].value is not None or row[0].reference is not None]
    tested = [_tested(item, loss, case, settings) for item, loss, case in rows]
    worse = _adjusted([loss.p_worse if loss else None for loss in tested])
    better = _adjusted([loss.p_better if loss else None for loss in tested])
    return tuple(
        with_outcome(_judge(item, loss, case, p_worse, p_better, settings))
        for (item, loss, case), p_worse, p_better in zip(rows, worse, better, strict=True)
    )


def _described(case: KpiCase, loss: Loss | None) -> KpiFound:
    """The KPI with its numbers, not judged yet."""
    return KpiFound(
        subject=case.subject,
        verdict=KpiVerdict.NEW,
        text="",
        method="" if loss is None else loss.method,
        unit=case.kpi.unit,
        direction=case.kpi.direction,
        value=case.current.value,
        reference=case.reference.value,
        n=case.current.n,
        reference_n=case.reference.n,
        history=len(case.quiet),
    )


def _tested(item: KpiFound, loss: Loss | None, case: KpiCase | None, settings: DriftSettings) -> Loss | None:
    """The loss if it belongs to the family of tests: what nobody judges takes nothing from the others."""
    if case is not None and case.unlike:
        return None
    return loss if allowance_of(item.subject, None, settings).judged else None


def _adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values that are known, adjusted over all of them (Benjamini-Hochberg)."""
    adjusted = iter(benjamini_hochberg([p for p in p_values if p is not None]))
    return [None if p is None else next(adjusted) for p in p_values]


def _judge(
    item: KpiFound,
    loss: Loss | None,
    case: KpiCase | None,
    p_worse: float | None,
    p_better: float | None,
    settings: DriftSettings,
) -> KpiFound:
    if loss is None:
        return _one_sided(item)
    verdict = _verdict(loss, p_worse, p_better, settings)
    decides = verdict is KpiVerdict.INCONCLUSIVE and loss.worse > _margin(loss) and not item.suite
    why = _open(loss) if verdict is KpiVerdict.INCONCLUSIVE else ""
    rule = settings.kpi_rule(item.subject)
    if rule is not None and not rule.judged and verdict in (KpiVerdict.REGRESSED, KpiVerdict.INCONCLUSIVE):
        verdict, why, decides = KpiVerdict.WITHIN, f"shown, not judged: {rule.why}", False
    if case is not None and case.unlike:
        verdict, why, decides = KpiVerdict.INCONCLUSIVE, f"shown, not judged: {case.unlike}", False
    needed = _needed(case, loss, settings) if case is not None and verdict is KpiVerdict.INCONCLUSIVE else None
    if needed is not None:
        have, had = (f"{count or 0:,}" for count in (item.n, item.reference_n))
        why += f"; about {needed:,} samples on each side would decide it: there are {have}, and {had} in the reference"
    item = replace(
        item,
        verdict=verdict,
        method=loss.method,
        worse=loss.worse,
        tolerance=loss.tolerance,
        low=loss.low,
        high=loss.high,
        p=p_worse,
        decides=decides,
        needed=needed,
    )
    text = "; ".join(part for part in (_change(item, paired=loss.paired), why, loss.remark) if part)
    return replace(item, text=text)


def _one_sided(item: KpiFound) -> KpiFound:
    if item.value is not None:
        return replace(item, text=f"{_number(item.value)}, and no value in the reference", method="presence")
    if item.n == 0:
        text = f"no sample this time; the reference has {_number(item.reference)}"
        return replace(item, verdict=KpiVerdict.INCONCLUSIVE, text=text, method="presence")
    text = f"no value; the reference has {_number(item.reference)}"
    return replace(item, verdict=KpiVerdict.VANISHED, text=text, method="presence")


def _margin(loss: Loss) -> float:
    """The tolerance, so that rounding does not turn a loss of exactly the tolerance into a regression."""
    return loss.tolerance * (1 + 1e-9)


def _verdict(loss: Loss, p_worse: float | None, p_better: float | None, settings: DriftSettings) -> KpiVerdict:
    """What the loss means: shown to be better, shown to be worse than it may, shown to be neither, or open."""
    if p_worse is None or p_better is None:  # the two values are all that is known
        improved, regressed = -loss.worse > _margin(loss), loss.worse > _margin(loss)
    else:
        improved, regressed = (p <= settings.kpi_false_alarms for p in (p_better, p_worse))
    if improved:
        return KpiVerdict.IMPROVED
    if loss.most <= _margin(loss):
        return KpiVerdict.WITHIN
    return KpiVerdict.REGRESSED if regressed else KpiVerdict.INCONCLUSIVE


def _open(loss: Loss) -> str:
    size = "" if loss.n is None else f" of {loss.n:,} samples"
    return f"the loss{size} lies between {_number(loss.low)} and {_number(loss.high)}, which leaves it open"


def _needed(case: KpiCase, loss: Loss, settings: DriftSettings) -> int | None:
    """Samples on each side that would decide an open share; None where none is short, or samples were paired."""
    current, reference = rate_of(case.kpi, case.current), rate_of(case.kpi, case.reference)
    if current is None or reference is None or loss.paired:
        return None
    needed = samples_needed(
        current,
        reference,
        margin=loss.tolerance / (share_scale(case.kpi.unit) or 1.0),
        confidence=settings.kpi_confidence,
        higher=case.higher,
    )
    return needed if needed is not None and needed > min(current.n, reference.n) else None


def _change(item: KpiFound, *, paired: bool) -> str:
    word = "worse" if (item.worse or 0) > 0 else "better"
    size = f"{word} by {_number(abs(item.worse or 0))}" if item.worse else "unchanged"
    # The values are over all samples of each run, the difference over those that both judged.
    size += " on the same samples" if paired else ""
    return f"{_number(item.reference)} → {_number(item.value)}, {size}, tolerance {_number(item.tolerance)}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
