"""Tells which iteration is due, and which rhythms are kept or late."""

from __future__ import annotations

from dataclasses import dataclass

from flywheel_mlflow.assembly.next_iteration import NextIteration
from flywheel_mlflow.decisions.rhythms import Rhythm, late
from flywheel_mlflow.operations.assembly.rhythms import read_rhythms
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.schedule.whole_iteration import due_iteration


@dataclass(frozen=True, slots=True)
class Standing:
    """The iteration `flywheel run` would work on now, and every rhythm as it stands."""

    due: NextIteration
    rhythms: tuple[Rhythm, ...]

    @property
    def late(self) -> tuple[Rhythm, ...]:
        """The rhythms that should have been held by now."""
        return late(self.rhythms)


def read_standing(session: Session) -> Standing:
    """Where the flywheel stands in its schedule now.

    Raises:
        ServerError: the server is away, or refuses.
    """
    return Standing(due_iteration(session), read_rhythms(session))
