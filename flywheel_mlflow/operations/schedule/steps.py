"""The steps of an iteration as `flywheel run` does them, and how each ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from flywheel_mlflow.base.errors import ExitCode, FlywheelError


class StepName(StrEnum):
    """The steps, in their order."""

    FEEDBACK = "feedback"
    PROJECTS = "projects"
    ASSEMBLY = "assembly"
    DRIFT = "drift"
    TASKS = "tasks"
    FINDINGS = "findings"
    THEMES = "themes"
    REVIEW = "review"
    RISKS = "risks"
    ROLLBACK = "rollback"
    NOTICES = "notices"


class StepState(StrEnum):
    """How a step ended; what was there already was not done again, and what waits is for people to do."""

    DONE = "done"
    THERE = "there already"
    NOTHING = "nothing to do"
    FAILED = "failed"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Step:
    """A step that ended: what came of it in words, where its evidence lies, what to do where it failed."""

    name: StepName
    state: StepState
    text: str
    run_id: str | None = None
    hint: str = ""
    exit_code: ExitCode = ExitCode.PASS


def failed(name: StepName, error: FlywheelError) -> Step:
    """A step that an error ended."""
    return Step(name, StepState.FAILED, error.what, hint=error.hint or "", exit_code=error.exit_code)


@dataclass(frozen=True, slots=True)
class IterationRun:
    """What `flywheel run` did: ``iteration`` is None where none was due, ``why`` says why it is this one or none.

    ``finished`` is when the iteration was, None while it is not.
    """

    iteration: int | None
    why: str
    steps: tuple[Step, ...] = ()
    finished: datetime | None = None
    planned: Mapping[StepName, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """That of the step that failed worst: the tool before bad input before a block."""
        return max((step.exit_code for step in self.steps), default=ExitCode.PASS)
