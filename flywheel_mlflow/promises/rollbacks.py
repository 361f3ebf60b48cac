"""What `rollback_when:` in flywheel.yaml says: what speaks for taking production back, and who may let it happen."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.promises.routes import Severity
from flywheel_mlflow.promises.strict import Strict, Text


class RollbackCondition(Strict):
    """One condition over what was seen since the release in production got there."""

    id: Identifier
    title: Label
    owner: Identifier = Field(description="The team that answers for the proposal.")
    when: Text | None = Field(
        default=None,
        description="A rule over KPIs that are measured in production, such as p05.hit_rate < 0.7.",
    )
    drift: tuple[Identifier, ...] | None = Field(
        default=None, min_length=1, description="Projects that measure production: one of their numbers got worse."
    )
    guardrail: Identifier | None = Field(
        default=None, description="An experiment that runs in production: a guardrail of it got worse."
    )
    incident: Severity | None = Field(
        default=None, description="Somebody opened a risk of at least this severity, and it is open."
    )
    action: Literal["propose", "rollback"] = Field(
        default="propose",
        description="propose: open a risk and tell those who may roll back. rollback: `flywheel run` does it, where "
        "whoever runs it has a role of releases.may_move.",
    )

    @field_validator("when")
    @classmethod
    def _can_be_read(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                parse_rule(value)
        except InputError as error:
            raise ValueError(error.what) from error
        return value

    @model_validator(mode="after")
    def _is_one_condition(self) -> Self:
        named = [item for item in (self.when, self.drift, self.guardrail, self.incident) if item is not None]
        if len(named) != 1:
            raise ValueError("name one of when, drift, guardrail and incident")
        return self
