"""The thresholds by which two iterations are compared: the section ``drift`` of ``flywheel.yaml``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from flywheel_mlflow.promises.strict import Finite, Flag, Strict, Text

KpiName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", max_length=250)]
SignalName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*/.+$", max_length=500)]


class KpiRule(Strict):
    """How one KPI is judged otherwise than all others."""

    kpi: KpiName = Field(description="For example p05.latency_ms")
    tolerance: Annotated[Finite, Field(ge=0)] | None = Field(
        default=None, description="How much worse it may get, in the KPI's unit."
    )
    relative_tolerance: Annotated[Finite, Field(ge=0)] | None = Field(
        default=None, description="How much worse it may get, as a share of the reference value."
    )
    judged: Flag = Field(default=True, description="false: shown, and never regressed; it must still be there.")
    why: Text


class SignalRule(Strict):
    """How one signal of an interface is judged otherwise than all others."""

    signal: SignalName = Field(description="INTERFACE/SIGNAL, for example knowledge_index/quality_signals.length")
    min_effect: Annotated[Finite, Field(ge=0, le=1)] | None = Field(
        default=None, description="The smallest difference that counts."
    )
    judged: Flag = Field(default=True, description="false: not compared at all.")
    why: Text


class DriftSettings(Strict):
    """When a comparison of two iterations calls something regressed or drifted."""

    false_alarms: Finite = Field(
        default=0.035,
        gt=0,
        le=0.5,
        description="The false discovery rate over all signals, fields and filters of one report (Benjamini-Hochberg). "
        "Where nothing drifted it is the share of reports that say otherwise; 0.035 keeps that below 5 % with room for "
        "the approximations of the tests.",
    )
    min_effect: Finite = Field(
        default=0.1,
        ge=0,
        le=1,
        description="The smallest effect that counts as drift: D of numbers, V or phi of labels and shares, 2 AUC - 1 "
        "of classifiers. A difference whose 95 % interval lies below it is too little to count.",
    )
    min_filter_change: Finite = Field(
        default=0.05, ge=0, le=1, description="The smallest change of a filter's drop rate that counts as drift."
    )
    min_rows: int = Field(default=30, strict=True, ge=5, description="Fewer rows on either side are not tested.")
    kpi_confidence: Finite = Field(
        default=0.95, ge=0.5, lt=1, description="Confidence of the intervals of KPIs whose sample size is known."
    )
    kpi_tolerance: Finite = Field(
        default=0.05,
        ge=0,
        le=1,
        description="How much worse a KPI may get where its contract states no tolerance, as a share of the reference.",
    )
    kpi_false_alarms: Finite = Field(
        default=0.035,
        gt=0,
        le=0.5,
        description="The false discovery rate over all KPIs and suites of one report (Benjamini-Hochberg). Where "
        "nothing changed and no loss is tolerated it is the share of reports that say otherwise.",
    )
    noise_history: int = Field(
        default=8,
        strict=True,
        ge=3,
        description="Differences between iterations in which nothing upstream changed, from which on they are a KPI's "
        "noise.",
    )
    history: int = Field(default=20, strict=True, ge=1, le=200, description="Earlier iterations that are looked at.")
    trend: int = Field(default=10, strict=True, ge=2, le=200, description="Iterations a trend is drawn over.")
    seed: int = Field(default=1, strict=True, ge=0, le=2**32 - 1, description="Seed of the paired bootstrap.")
    kpis: tuple[KpiRule, ...] = ()
    signals: tuple[SignalRule, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        named: tuple[tuple[str, Iterable[str]], ...] = (
            ("kpis", (rule.kpi for rule in self.kpis)),
            ("signals", (rule.signal for rule in self.signals)),
        )
        for kind, names in named:
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            if twice:
                raise ValueError(f"{kind}: named twice: {', '.join(twice)}")
        return self

    def kpi_rule(self, name: str) -> KpiRule | None:
        """The exception for a KPI (``p05.latency_ms``), if any."""
        return next((rule for rule in self.kpis if rule.kpi == name), None)

    def signal_rule(self, name: str) -> SignalRule | None:
        """The exception for a signal (``INTERFACE/SIGNAL``), if any."""
        return next((rule for rule in self.signals if rule.signal == name), None)
