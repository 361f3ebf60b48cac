"""Candidates with their priority and what became of them, as every reader is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.evidence.owners import Owner
from flywheel_mlflow.feedback.candidates import Candidate
from flywheel_mlflow.feedback.priority import Priority
from flywheel_mlflow.feedback.tasks import AcceptedTask, ThemeDecision


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate, what speaks for it, the newest decision about it in any iteration, and the task it became.

    ``owner`` answers for the project that would do it, None where none is named.
    """

    candidate: Candidate
    priority: Priority
    decision: ThemeDecision | None = None
    task: AcceptedTask | None = None
    owner: Owner | None = None

    @property
    def waits(self) -> bool:
        """Whether somebody should decide: nobody accepted or declined it for this iteration, and no task of it is open.

        What was queued waits still.
        """
        if self.task is not None and self.task.absorbed is None and self.task.withdrawn is None:
            return False
        stands = self.decision
        return stands is None or stands.kind == "queued" or stands.iteration < self.candidate.iteration

    def document(self) -> dict[str, Any]:
        """Everything as plain values, for machines."""
        item, priority = self.candidate, self.priority
        spread = priority.leverage_range
        return {
            "id": item.id,
            "kind": item.kind,
            "project": item.project,
            "owner": plain(self.owner),
            "category": item.category,
            "iteration": item.iteration,
            "title": item.title,
            "evidence": list(item.evidence),
            "urgency": priority.urgency,
            "why": priority.why,
            **{name: plain(part) for name, part in priority.parts.items()},
            "benefit": priority.benefit,
            "cost": plain(priority.cost),
            "leverage": priority.leverage,
            "leverage_range": list(spread) if spread else None,
            "waits": self.waits,
            "decision": plain(self.decision),
            "task": self.task.id if self.task else None,
        }

    def row(self) -> dict[str, Any]:
        """The numbers in one row, for tables."""
        found = self.document()
        parts = {name: part.value for name, part in self.priority.parts.items()}
        names = ("id", "kind", "project", "title", "urgency", "benefit", "leverage", "waits", "task")
        who = {"owner": str(self.owner) if self.owner else None}
        return {name: found[name] for name in names} | who | parts | {"cost (h)": self.priority.cost.value}
