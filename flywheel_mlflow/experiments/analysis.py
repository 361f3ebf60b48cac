"""What the outcomes of an experiment say so far, and what they advise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce

from flywheel_mlflow.experiments.outcomes import Outcomes, no_outcomes
from flywheel_mlflow.experiments.sequential import Difference, difference, lacking, planned_rows, split_p
from flywheel_mlflow.promises.experiments import Experiment, Guardrail, OutcomeMetric, PrimaryMetric

#: Below this probability the split is broken: outcomes of it say nothing about the variants.
BROKEN_SPLIT = 0.01
#: Rows of both variants near which intervals are narrowest, where nothing declared says how many will be needed.
UNPLANNED_ROWS = 5_000


class Word(StrEnum):
    """What became of a metric of a treatment."""

    BETTER = "better"
    WORSE = "worse"
    TOO_SMALL = "too small to be worth having"
    WITHIN = "within its tolerance"
    OPEN = "cannot be told"


class Advice(StrEnum):
    """What the outcomes advise."""

    SHIP = "ship"
    STOP = "stop"
    KEEP = "keep"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class JudgedMetric:
    """A metric of a treatment against the control; means of both, the interval of their difference, why it is open.

    ``difference`` is the treatment's minus the control's in the metric's own unit, None with ``lacking`` saying why.
    """

    treatment: str
    metric: str
    is_primary: bool
    direction: str
    control_mean: float | None
    mean: float | None
    n: tuple[int, int]
    difference: Difference | None
    word: Word
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that can be told now.

    ``planned`` are the rows of all variants together, None where nothing is planned; ``split`` the probability of
    counts as uneven as these, None before the first row; ``variant`` the one to ship.
    """

    experiment: str
    rows: dict[str, int]
    planned: int | None
    split: float | None
    judged: tuple[JudgedMetric, ...]
    missing: dict[str, int]
    left_out: dict[str, int]
    advice: Advice
    variant: str | None
    why: str


def analyse(experiment: Experiment, batches: Sequence[Outcomes]) -> Analysis:
    """Judge the outcomes of all batches, given in the order in which they were recorded."""
    total = reduce(lambda one, other: one + other, batches, no_outcomes(experiment))
    split = split_p((item.rows for item in batches), experiment.shares) if any(total.rows.values()) else None
    judged = tuple(_judged(experiment, total))
    advice, variant, why = _advice(experiment, total, split, judged)
    return Analysis(
        experiment.id,
        dict(total.rows),
        planned(experiment),
        split,
        judged,
        dict(total.missing),
        dict(total.left_out),
        advice,
        variant,
        why,
    )


def planned(experiment: Experiment) -> int | None:
    """Rows of all variants together that show the smallest effect as often as the declared power says.

    None where the declaration names neither the baseline of a rate nor the spread of a mean.
    """
    primary = experiment.primary
    spread = _spread(primary)
    if spread is None:
        return None
    shares = experiment.shares
    alpha = experiment.alpha / len(experiment.treatments)
    needed = []
    for name in experiment.treatments:
        pair = (shares[experiment.control], shares[name])
        rows = planned_rows(spread, primary.smallest_effect, pair, alpha=alpha, power=experiment.power)
        needed.append(rows / sum(pair))
    return round(max(needed))


def _spread(primary: PrimaryMetric) -> float | None:
    if primary.spread is not None:
        return primary.spread
    if primary.kind == "rate" and primary.baseline is not None and 0 < primary.baseline < 1:
        return float((primary.baseline * (1 - primary.baseline)) ** 0.5)
    return None


def _judged(experiment: Experiment, total: Outcomes) -> Iterable[JudgedMetric]:
    rows = planned(experiment) or UNPLANNED_ROWS
    shares = experiment.shares
    pairs = len(experiment.treatments)
    for treatment in experiment.treatments:
        together = round(rows * (shares[experiment.control] + shares[treatment]))
        for metric in experiment.metrics:
            is_primary = metric is experiment.primary
            # The primary metric has the declared error to itself; guardrails share as much again.
            tests = pairs if is_primary else pairs * len(experiment.guardrails)
            one, other = total.moments[metric.name][experiment.control], total.moments[metric.name][treatment]
            why = lacking(one, other, is_rate=metric.kind == "rate")
            alpha, is_rate = experiment.alpha / tests, metric.kind == "rate"
            found = None if why else difference(one, other, planned=together, alpha=alpha, is_rate=is_rate)
            yield JudgedMetric(
                treatment,
                metric.name,
                is_primary,
                metric.direction,
                one.mean if one.n else None,
                other.mean if other.n else None,
                (one.n, other.n),
                found,
                Word.OPEN if found is None else _word(metric, found),
                why,
            )


def _word(metric: OutcomeMetric, found: Difference) -> Word:
    """What the whole interval says, with the better direction up."""
    low, high = (found.low, found.high) if metric.direction == "higher" else (-found.high, -found.low)
    if isinstance(metric, PrimaryMetric):
        if low > 0:
            return Word.BETTER
        if high < 0:
            return Word.WORSE
        return Word.TOO_SMALL if high < metric.smallest_effect else Word.OPEN
    loss = metric.tolerance if isinstance(metric, Guardrail) else 0.0
    if high < -loss:
        return Word.WORSE
    return Word.WITHIN if low > -loss else Word.OPEN


def _advice(
    experiment: Experiment, total: Outcomes, split: float | None, judged: Sequence[JudgedMetric]
) -> tuple[Advice, str | None, str]:
    if split is None:
        return Advice.WAIT, None, "no outcome was recorded yet"
    if split < BROKEN_SPLIT:
        counts = ", ".join(f"{name} {count:,}" for name, count in total.rows.items())
        why = (
            f"the split is broken: {counts} rows are not what was declared (p {split:.2g}); mend the assignment or the "
            "logging, and start again"
        )
        return Advice.STOP, None, why
    harmed = {item.treatment: item for item in judged if item.word is Word.WORSE}
    alive = [name for name in experiment.treatments if name not in harmed]
    if not alive:
        told = "; ".join(f"{name}: {item.metric} is worse" for name, item in harmed.items())
        return Advice.STOP, None, told
    of = {(item.treatment, item.metric): item for item in judged}
    primary = experiment.primary
    better = [name for name in alive if of[name, primary.name].word is Word.BETTER]
    ready = [name for name in better if not _unproven(experiment, name, of)]
    if ready:
        best = max(ready, key=lambda name: _gain(of[name, primary.name]))
        return Advice.SHIP, best, f"{primary.name} is better, and no guardrail is worse"
    if better:
        left = "; ".join(f"{name}: {', '.join(_unproven(experiment, name, of))}" for name in better)
        return Advice.WAIT, None, f"{primary.name} is better, but guardrails cannot be told yet: {left}"
    if all(of[name, primary.name].word is Word.TOO_SMALL for name in alive):
        return Advice.KEEP, None, f"no treatment changes {primary.name} by {primary.smallest_effect:g} or more"
    return Advice.WAIT, None, f"{primary.name} cannot be told yet"


def _unproven(experiment: Experiment, treatment: str, of: dict[tuple[str, str], JudgedMetric]) -> list[str]:
    """Guardrails with a tolerance must be shown to keep it; of the others it is enough that none is shown worse."""
    return [
        item.name for item in experiment.guardrails if item.tolerance and of[treatment, item.name].word is Word.OPEN
    ]


def _gain(item: JudgedMetric) -> float:
    value = item.difference.value if item.difference else 0.0
    return value if item.direction == "higher" else -value
