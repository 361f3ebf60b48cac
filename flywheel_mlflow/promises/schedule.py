"""What `schedule:` in flywheel.yaml says: how often the flywheel turns, and where its feedback comes from."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.base.periods import Cadence
from flywheel_mlflow.promises.contract import below_folder
from flywheel_mlflow.promises.strict import Strict

FilePattern = Annotated[str, StringConstraints(min_length=1, max_length=250), AfterValidator(below_folder)]


class FeedbackSource(Strict):
    """One place that feedback is collected from: files, or the traces of an experiment."""

    files: FilePattern | None = Field(
        default=None, description="Files of events below this folder, such as feedback/*.jsonl."
    )
    mapping: FilePattern | None = Field(
        default=None, description="With files: a shipped mapping by name, or a YAML file below this folder."
    )
    traces: Label | None = Field(default=None, description="The MLflow experiment that holds the traces.")

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.files is None) == (self.traces is None):
            raise ValueError("name either files or traces")
        if self.mapping is not None and self.files is None:
            raise ValueError("a mapping is for files")
        return self


class Schedule(Strict):
    """When the flywheel turns by itself."""

    every: Cadence | None = Field(
        default=None,
        description="`flywheel run` begins an iteration once in each day, week (from Monday), month, quarter or year, "
        "by UTC. Without it every call begins the next one.",
    )
    owner: Identifier | None = Field(default=None, description="The team that answers for it. Needed with `every`.")
    feedback: tuple[FeedbackSource, ...] = Field(default=(), description="What `flywheel run` collects first.")

    @model_validator(mode="after")
    def _somebody_answers(self) -> Self:
        if self.every is not None and self.owner is None:
            raise ValueError("name the owner, a team that answers when an iteration is late")
        return self
