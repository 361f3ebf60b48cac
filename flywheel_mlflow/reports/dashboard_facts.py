"""What a console page is computed from: an assembly's record, its history, the ledger, drift, feedback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.assembly.history import LedgerLine
from flywheel_mlflow.decisions.explanations import Answered
from flywheel_mlflow.decisions.releases import ReleaseState
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.drift import DriftReport
from flywheel_mlflow.feedback.recurring import Themes
from flywheel_mlflow.feedback.tasks import TaskState
from flywheel_mlflow.reports.dashboard_record import AssemblyRecord
from flywheel_mlflow.tables.links import NO_LINKS, Links

#: Where no theme became a task.
NO_TASKS = TaskState()


@dataclass(frozen=True, slots=True)
class DriftFacts:
    """The comparison of the iteration, and what is left of it once people answered for it.

    Both are None when there is none, and ``unknown`` then says why.
    """

    report: DriftReport | None = None
    answered: Answered | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the ledger says now; ``unknown`` says why it cannot be read, ``faults`` what is wrong with it.

    ``aliases`` are where the server points; ``story`` is every event in a sentence, oldest first. ``state`` is None
    before the first release and when the ledger cannot be read.
    """

    state: ReleaseState | None = None
    aliases: Mapping[str, int] | None = None
    risks: tuple[Risk, ...] = ()
    tasks: TaskState = NO_TASKS
    story: tuple[LedgerLine, ...] = ()
    faults: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class FeedbackFacts:
    """Feedback of the iteration: sums over its ingestions by name, its themes; ``unknown`` says why there is none."""

    ingestions: int = 0
    counts: Mapping[str, int] | None = None
    themes: Themes | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class DashboardFacts:
    """Everything a page about one iteration says, at ``now`` (UTC).

    ``genuine`` says whether the files on the server still have the digest that was recorded with them, ``sound``
    whether the assembly's own checks held. ``history`` maps iterations, this one last, to their metrics. ``links`` are
    where its names lead, nowhere on a page that leaves the server.
    """

    flywheel: str
    title: str
    iteration: int
    run_id: str
    digest: str
    genuine: bool
    sound: bool
    record: AssemblyRecord
    history: Mapping[int, Mapping[str, float]]
    drift: DriftFacts
    ledger: LedgerFacts
    feedback: FeedbackFacts
    now: datetime
    links: Links = NO_LINKS
