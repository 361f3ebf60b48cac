"""What ``traces`` in ``flywheel.yaml`` says about MLflow traces: which values are complaints, and what tags mean."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.promises.contract import GapType
from flywheel_mlflow.promises.routes import Scope, Severity
from flywheel_mlflow.promises.strict import Finite, Flag, Strict, Text

#: The fields of an event that a trace's tags and metadata may fill.
TraceField = Literal["project", "interface", "interface_version", "stage", "scope", "severity", "type", "record"]

#: Where they are looked for if the flywheel names no other place.
DEFAULT_TAGS: dict[TraceField, tuple[str, ...]] = {
    "project": ("flywheel.project",),
    "interface": ("flywheel.interface",),
    "interface_version": ("flywheel.interface_version",),
    "stage": ("flywheel.stage",),
    "scope": ("flywheel.scope",),
    "severity": ("flywheel.severity",),
    "type": ("flywheel.type",),
    "record": ("flywheel.record",),
}

Key = Annotated[str, StringConstraints(min_length=1, max_length=250)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=250)]
Said = bool | int | float | Annotated[str, StringConstraints(min_length=1, max_length=250)]


class AssessmentRule(Strict):
    """What the values of some assessments mean, and what is known of every event they make."""

    names: tuple[Pattern, ...] = Field(min_length=1, description="Assessments by name; `*` stands for anything.")
    good: tuple[Said, ...] = Field(default=(), description="Values that ask for nothing, beside yes, pass and true.")
    bad: tuple[Said, ...] = Field(default=(), description="Values that are complaints, beside no, fail and false.")
    at_least: Finite | None = Field(default=None, description="Numbers from here on are good, smaller ones complaints.")
    at_most: Finite | None = Field(default=None, description="Numbers up to here are good, larger ones complaints.")
    ignore: Flag = Field(default=False, description="Never an event: the assessment says nothing about quality.")
    project: Identifier | None = None
    interface: Identifier | None = None
    scope: Scope | None = None
    severity: Severity | None = None
    type: GapType | None = None

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least must not exceed at_most")
        both = [value for value in self.good if value in self.bad]
        if both:
            raise ValueError(f"good and bad at once: {both[0]!r}")
        return self


class TraceRules(Strict):
    """How traces are read: the first rule whose name fits decides about an assessment."""

    assessments: tuple[AssessmentRule, ...] = ()
    tags: dict[TraceField, tuple[Key, ...]] = Field(
        default_factory=dict,
        description="Field of an event: the tags or metadata keys, of the assessment or trace, that hold it.",
    )
    values: dict[TraceField, dict[Key, Label]] = Field(
        default_factory=dict, description="Field of an event: their value: ours; others stay as they are."
    )
    errors: Flag = Field(default=True, description="A trace that ended in an error is an event.")
    tools: Flag = Field(default=True, description="A tool that failed is an event.")
    retrievals: Flag = Field(default=True, description="A retrieval that returned nothing is an event.")
    refusals: tuple[Text, ...] = Field(
        default=(), max_length=100, description="Beginnings of answers that refuse, in any case; none are looked for."
    )
    max_tokens: int | None = Field(default=None, strict=True, ge=1, description="Tokens a trace may use in all.")
    max_seconds: Finite | None = Field(default=None, gt=0, description="Seconds a trace may take.")

    def keys_of(self, field: TraceField) -> tuple[str, ...]:
        """Tags and metadata keys that hold a field."""
        return self.tags.get(field, DEFAULT_TAGS[field])

    @property
    def needs_spans(self) -> bool:
        """Whether what happens within a trace is asked for."""
        return self.errors or self.tools or self.retrievals
