"""Experiments as flywheel.yaml declares them: what is tried, against what, and what would decide it."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from flywheel_mlflow.base.names import Identifier, VariantName
from flywheel_mlflow.promises.strict import Finite, Strict, Text


class OutcomeMetric(Strict):
    """A number that every outcome row has; ``rate`` is 0 or 1 (or true, false), ``mean`` any number."""

    name: Identifier = Field(description="The field of the outcome rows.")
    kind: Literal["rate", "mean"] = "mean"
    direction: Literal["higher", "lower"] = "higher"
    covariate: Identifier | None = Field(
        default=None,
        description="A field with the same unit's number from before the experiment: it takes out what is no effect.",
    )


class PrimaryMetric(OutcomeMetric):
    """What decides the experiment."""

    smallest_effect: Annotated[Finite, Field(gt=0)] = Field(
        description="The smallest difference from the control worth having, in the metric's own unit."
    )
    baseline: Finite | None = Field(
        default=None, description="What the control is expected to give; of a rate it plans the number of rows."
    )
    spread: Annotated[Finite, Field(gt=0)] | None = Field(
        default=None, description="The expected standard deviation of a mean; it plans the number of rows."
    )

    @model_validator(mode="after")
    def _can_be_a_rate(self) -> Self:
        if self.kind == "rate" and self.baseline is not None and not 0 <= self.baseline <= 1:
            raise ValueError("the baseline of a rate lies between 0 and 1")
        return self


class Guardrail(OutcomeMetric):
    """What must not get worse meanwhile."""

    tolerance: Annotated[Finite, Field(ge=0)] = Field(
        default=0.0, description="The loss that is accepted, in the metric's own unit."
    )


class Experiment(Strict):
    """One experiment: variants of a project, side by side on the same users."""

    id: Identifier
    project: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    hypothesis: Text
    control: VariantName
    treatments: tuple[VariantName, ...] = Field(min_length=1, max_length=9)
    primary: PrimaryMetric
    guardrails: tuple[Guardrail, ...] = Field(default=(), max_length=20)
    split: dict[VariantName, Annotated[Finite, Field(gt=0, lt=1)]] | None = Field(
        default=None, description="The share of units for each variant; the same for all if left out."
    )
    alpha: Annotated[Finite, Field(gt=0, lt=0.5)] = Field(
        default=0.05, description="How often an experiment without any effect may seem to have one."
    )
    power: Annotated[Finite, Field(gt=0.5, lt=1)] = Field(
        default=0.8, description="How often the smallest effect shall be found with the planned rows."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(set(self.variants)) != len(self.variants):
            raise ValueError("control and treatments must have names of their own")
        if self.split is not None:
            if set(self.split) != set(self.variants):
                raise ValueError("split names exactly the control and the treatments")
            if not math.isclose(sum(self.split.values()), 1, abs_tol=1e-9):
                raise ValueError(f"the shares of split add up to 1, not {sum(self.split.values()):g}")
        names = [self.primary.name, *(item.name for item in self.guardrails)]
        if len(set(names)) != len(names):
            raise ValueError("a metric stands once: as the primary one or as a guardrail")
        return self

    @property
    def variants(self) -> tuple[str, ...]:
        """Every variant, the control first."""
        return (self.control, *self.treatments)

    @property
    def shares(self) -> dict[str, float]:
        """The share of units for each variant, the control first."""
        equal = dict.fromkeys(self.variants, 1 / len(self.variants))
        return equal if self.split is None else {name: self.split[name] for name in self.variants}

    @property
    def metrics(self) -> tuple[OutcomeMetric, ...]:
        """What outcome rows are read for, the primary metric first."""
        return (self.primary, *self.guardrails)
