"""What an earlier assembly said; apart from the assembly itself, since most commands only look back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flywheel_mlflow.drift.history import Earlier


@dataclass(frozen=True, slots=True)
class FinishedIteration:
    """When the work of `flywheel run` on an iteration began and was done, UTC."""

    begun: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class RecordedAssembly:
    """What an earlier assembly said, as its run on the server holds it.

    ``metrics`` are the numbers of that run by name; ``statuses`` the stage statuses by stage id; ``sound`` is False
    where it contradicts itself; ``ended`` is UTC, None while unknown. ``causes`` is what each project's numbers rested
    on (:class:`flywheel_mlflow.drift.Earlier`), empty where an earlier version wrote the run.
    """

    iteration: int
    run_id: str
    digest: str
    metrics: Mapping[str, float]
    statuses: Mapping[str, str] = field(default_factory=dict)
    sound: bool = True
    experiment_id: str = ""
    ended: datetime | None = None
    causes: Mapping[str, str] = field(default_factory=dict)
    finished: FinishedIteration | None = None

    def as_history(self) -> Earlier:
        """What a later comparison learns from it about noise and trends."""
        from flywheel_mlflow.drift.history import Earlier

        return Earlier(self.metrics, self.causes)
