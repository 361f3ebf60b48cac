"""Suites: groups of KPIs with one pooled verdict, whose members are its detail."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flywheel_mlflow.drift.allowances import allowance_of
from flywheel_mlflow.drift.findings import KpiFound, KpiVerdict
from flywheel_mlflow.drift.losses import KpiCase, Loss, normal_loss
from flywheel_mlflow.promises.contract import Contract, Suite
from flywheel_mlflow.promises.thresholds import DriftSettings


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """A suite of one project: its full name (``p05.mmlu``) and those of its members."""

    subject: str
    suite: Suite
    unit: str
    members: tuple[str, ...]


def suites_of(contract: Contract) -> tuple[SuiteCase, ...]:
    """The suites a contract declares."""
    return tuple(
        SuiteCase(
            f"{contract.id}.{suite.name}",
            suite,
            members[0].unit,
            tuple(f"{contract.id}.{kpi.name}" for kpi in members),
        )
        for suite in contract.suites
        if (members := contract.members(suite))
    )


def suite_of_each(suites: Sequence[SuiteCase]) -> dict[str, str]:
    """The suite of each KPI that is in one."""
    return {member: suite.subject for suite in suites for member in suite.members}


def suite_values(
    suite: SuiteCase, cases: Mapping[str, KpiCase], losses: Mapping[str, Loss | None], settings: DriftSettings
) -> tuple[KpiFound, Loss | None]:
    """The suite with its pooled values, and its loss; None when no member has a value on both sides.

    The difference is the mean of its members' differences, each weighted by its samples where all are known and alike
    otherwise; so is its standard error, from what is known about each member's two sides.
    """
    present = [cases[name] for name in suite.members if name in cases]
    pairs = [(case, loss) for case in present if (loss := losses[case.subject]) is not None]
    sizes = [_size(case, loss) for case, loss in pairs]
    weights = [float(size) for size in sizes if size] if all(sizes) else [1.0] * len(pairs)
    before = _mean([case.reference.value for case, _ in pairs], weights)
    now = _mean([case.current.value for case, _ in pairs], weights)
    item = KpiFound(
        subject=suite.subject,
        verdict=KpiVerdict.NEW,
        text="",
        method="",
        unit=suite.unit,
        direction=suite.suite.direction,
        value=now if pairs else _mean([case.current.value for case in present], [1.0] * len(present)),
        reference=before if pairs else _mean([case.reference.value for case in present], [1.0] * len(present)),
        n=_total([case.current.n for case, _ in pairs]),
        reference_n=_total([case.reference.n for case, _ in pairs]),
        members=len(pairs),
    )
    if not pairs:
        return item, None
    return item, _pooled(suite, pairs, weights, before, settings)


def _pooled(
    suite: SuiteCase,
    pairs: Sequence[tuple[KpiCase, Loss]],
    weights: Sequence[float],
    before: float | None,
    settings: DriftSettings,
) -> Loss:
    total = math.fsum(weights)
    worse = math.fsum(weight * loss.worse for weight, (_, loss) in zip(weights, pairs, strict=True)) / total
    counted = sum(loss.n or 0 for _, loss in pairs) if all(loss.n for _, loss in pairs) else None
    missing = len(suite.members) - len(pairs)
    remark = f"{len(pairs)} KPIs" + (f", {missing} more have no value on one side" if missing else "")
    tolerance = allowance_of(suite.subject, suite.suite.tolerance, settings).of(before)
    plain = Loss(worse, tolerance, "mean of its KPIs, tolerance", n=counted, remark=remark)
    errors = [loss.error for _, loss in pairs]
    known = [weight * error for weight, error in zip(weights, errors, strict=True) if error is not None]
    if len(known) < len(pairs):
        return plain
    return normal_loss(plain, math.hypot(*known) / total, f"pooled: {_methods(pairs)}", settings)


def _methods(pairs: Sequence[tuple[KpiCase, Loss]]) -> str:
    return "; ".join(dict.fromkeys(loss.method for _, loss in pairs))


def _size(case: KpiCase, loss: Loss) -> int | None:
    """How many samples a member's difference rests on: the pairs, else those of the smaller side."""
    if case.samples is not None and loss.n:
        return loss.n
    sizes = [value.n for value in (case.current, case.reference)]
    return min(size for size in sizes if size) if all(sizes) else None


def _mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = math.fsum(weight for _, weight in known)
    return math.fsum(value * weight for value, weight in known) / total if total else None


def _total(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None
