"""How flywheel.yaml turns numbers into scores, statuses and bottlenecks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.promises.strict import Finite, Strict, Text

Severity = Literal["low", "medium", "high"]


class BottleneckRule(Strict):
    """A rule whose truth names a bottleneck."""

    id: Identifier
    title: Label
    when: Text = Field(description="For example: p01.quality_retention < 0.25")
    severity: Severity
    advice: Text

    @field_validator("when")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        try:
            parse_rule(value)
        except InputError as error:
            raise ValueError(error.what) from error
        return value


class ScoreWeights(Strict):
    """Weights of a project's score; they need not add up to one."""

    checks: Finite = Field(default=0.4, ge=0)
    kpis: Finite = Field(default=0.4, ge=0)
    contract: Finite = Field(default=0.2, ge=0)

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.checks + self.kpis + self.contract <= 0:
            raise ValueError("at least one weight must be above 0")
        return self


class Scoring(Strict):
    """How scores become statuses."""

    weights: ScoreWeights = ScoreWeights()
    blocked_below: Finite = Field(
        default=0.5, ge=0, le=1, description="A stage with a project scored below this is blocked."
    )
    completed_from: Finite = Field(
        default=0.85, ge=0, le=1, description="A stage must score at least this to be completed."
    )
    severity_weights: dict[Severity, Annotated[Finite, Field(ge=0, le=1e6)]] = Field(
        default={"low": 1, "medium": 2, "high": 4}, description="Weights that rank bottlenecks."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.blocked_below > self.completed_from:
            raise ValueError("blocked_below must not exceed completed_from")
        missing = sorted({"low", "medium", "high"} - set(self.severity_weights))
        if missing:
            raise ValueError(f"severity_weights: missing: {', '.join(missing)}")
        return self
