"""The values a comparison is made of: what was found about each KPI, signal, filter, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import ConfigDict

from flywheel_mlflow.drift.pictures import Picture

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

#: A severity nothing measured reaches: what is gone.
GONE = 1000.0


class Verdict(StrEnum):
    """What a comparison means for a release."""

    PASS = "PASS"  # noqa: S105 - a verdict
    BLOCK = "BLOCK"
    INCONCLUSIVE = "INCONCLUSIVE"


class KpiVerdict(StrEnum):
    """What became of one KPI."""

    IMPROVED = "improved"
    WITHIN = "within tolerance"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    VANISHED = "vanished"
    NEW = "new"


class DataVerdict(StrEnum):
    """What became of one distribution, or of one filter."""

    UNCHANGED = "unchanged"  # the very same data
    STABLE = "no difference seen"
    SMALL = "differs, too little to count"
    DRIFTED = "drifted"
    NOT_TESTED = "not tested"
    VANISHED = "vanished"
    NEW = "new"

    @classmethod
    def _missing_(cls, value: object) -> DataVerdict | None:
        """What reports of earlier versions call by another name."""
        return cls.STABLE if value == "no drift found" else None


class ChangeOutcome(StrEnum):
    """What a difference means to people; what did not change has none."""

    WORSE = "worse"
    CHANGED = "changed"  # nobody can say for better or worse
    INTENDED = "as intended"  # a task said so beforehand, and its KPI did not get worse
    BETTER = "better"


class Kind(StrEnum):
    """What a finding is about."""

    KPI = "kpi"
    DISTRIBUTION = "distribution"
    FILTER = "filter"
    SCHEMA = "schema"  # fields gone, retyped or no longer everywhere
    PROMISE = "promise"  # a field that a consumer needs
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class KpiFound:
    """One KPI, or one suite of them, compared.

    ``worse`` is how much worse it got, in its unit, negative when it got better; ``tolerance`` is the most it may;
    ``low`` and ``high`` enclose ``worse`` where it is known how exact it is; ``needed`` samples on each side would
    decide an inconclusive one; ``history`` counts the differences between quiet iterations that are known; ``p`` is the
    p-value of "it lost no more than the tolerance", adjusted over all KPIs and suites. ``decides`` marks an
    inconclusive KPI whose value is worse than the tolerance: the whole is then not a pass. ``suite`` is the suite it is
    a detail of; ``members`` counts the KPIs of a suite, 0 for a KPI. ``outcome`` is what the difference means, None
    where there is none; ``task`` is the task that intended it.
    """

    subject: str
    verdict: KpiVerdict
    text: str
    method: str
    unit: str
    direction: Literal["higher", "lower"]
    value: float | None = None
    reference: float | None = None
    worse: float | None = None
    tolerance: float | None = None
    n: int | None = None
    reference_n: int | None = None
    low: float | None = None
    high: float | None = None
    needed: int | None = None
    history: int = 0
    p: float | None = None
    decides: bool = False
    suite: str = ""
    members: int = 0
    task: str = ""
    outcome: ChangeOutcome | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    @property
    def stops(self) -> bool:
        """Whether it keeps a release from moving: worse or gone; of a suite's member only its absence counts."""
        return self.outcome is ChangeOutcome.WORSE and (not self.suite or self.verdict is KpiVerdict.VANISHED)

    def gain(self, loss: float | None) -> float | None:
        """An amount it got worse by as what it gained, a share of the larger of both values.

        Of the larger one, so that growth from nothing hides no other; None where the amount is unknown.
        """
        size = max(abs(self.reference or 0.0), abs(self.value or 0.0)) or 1.0
        return None if loss is None else -loss / size

    @property
    def severity(self) -> float:
        """How bad it is, to put findings in order: what it got worse by, in tolerances."""
        if self.verdict is KpiVerdict.VANISHED:
            return GONE
        if self.worse is None or self.worse <= 0:
            return 0.0
        scale = self.tolerance or abs(self.reference or 0.0) * 0.01 or 1.0
        return min(self.worse / scale, GONE - 1)


@dataclass(frozen=True, slots=True)
class SignalFound:
    """One signal of one interface compared; ``p`` is adjusted for all comparisons of the report.

    ``effect`` (D, V, phi and the like, 0..1) is as large as ``limit`` unless ``effect_high``, the upper end of its 95 %
    interval, says otherwise; ``detectable`` is the shift of a normal signal, in standard deviations, that samples of
    this size show four times out of five. ``reference`` and ``value`` describe the two samples in a few words,
    ``picture`` in bars, and ``examples`` are the places of rows now that show the difference. ``outcome`` is what the
    difference means, ``task`` the task that intended it. ``decides`` marks data that changed and were not looked into:
    the whole is then not a pass.
    """

    subject: str
    project: str
    verdict: DataVerdict
    text: str
    method: str
    n: int | None = None
    reference_n: int | None = None
    p: float | None = None
    effect: float | None = None
    effect_name: str = ""
    limit: float | None = None
    detectable: float | None = None
    value: str = ""
    reference: str = ""
    task: str = ""
    outcome: ChangeOutcome | None = None
    effect_high: float | None = None
    picture: Picture | None = None
    examples: tuple[str, ...] = ()
    decides: bool = False

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    @property
    def field(self) -> str:
        """The interface and field it is about: all measures of one text are told as one finding."""
        return self.subject.partition(": ")[0]

    @property
    def stops(self) -> bool:
        """Whether it keeps a release from moving: it changed, and nobody can say for better or worse."""
        return self.outcome is ChangeOutcome.CHANGED

    @property
    def severity(self) -> float:
        """How large it is, to put findings in order: its effect, in effects that count."""
        if self.verdict is DataVerdict.VANISHED:
            return GONE
        return 0.0 if self.effect is None else min(self.effect / (self.limit or 0.01), GONE - 1)


@dataclass(frozen=True, slots=True)
class FilterFound:
    """One filter of a data card compared by the share of rows it drops; ``p`` is adjusted as for signals.

    ``change`` is the drop rate now minus the reference's; it must reach ``limit`` either way.
    ``outcome`` is what the difference means, ``task`` the task that intended it.
    """

    subject: str
    project: str
    verdict: DataVerdict
    text: str
    method: str
    n: int | None = None
    reference_n: int | None = None
    value: float | None = None
    reference: float | None = None
    change: float | None = None
    limit: float | None = None
    p: float | None = None
    task: str = ""
    outcome: ChangeOutcome | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    @property
    def stops(self) -> bool:
        """Whether it keeps a release from moving: it changed, and nobody can say for better or worse."""
        return self.outcome is ChangeOutcome.CHANGED

    @property
    def severity(self) -> float:
        """How large it is, to put findings in order: its change, in changes that count."""
        if self.verdict is DataVerdict.VANISHED:
            return GONE
        return 0.0 if self.change is None else min(abs(self.change) / (self.limit or 0.01), GONE - 1)


@dataclass(frozen=True, slots=True)
class Trend:
    """A KPI over the last iterations, oldest first; None where an iteration has no value.

    ``slope`` is the least-squares change each iteration, in the KPI's unit; ``worst_step`` the
    largest step for the worse between two known values, which ended at iteration ``worst_at``.
    """

    subject: str
    iterations: tuple[int, ...]
    values: tuple[float | None, ...]
    spark: str
    slope: float | None = None
    worst_step: float | None = None
    worst_at: int | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a reviewer must know, with its numbers, its method and the command to look closer.

    ``decides`` says that it keeps the whole from being a pass; ``outcome`` is what the difference means.
    """

    kind: Kind
    subject: str
    verdict: Verdict
    text: str
    decides: bool
    value: float | str | None = None
    reference: float | str | None = None
    limit: float | None = None
    n: int | None = None
    method: str = ""
    next: str = ""
    outcome: ChangeOutcome | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    @property
    def brief(self) -> str:
        """What became of it: its text without how that was told."""
        return self.text.partition(";")[0]
