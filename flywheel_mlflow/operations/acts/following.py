"""What follows an assembly: its comparison, absorbed tasks and risks in the ledger, findings as feedback, notices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flywheel_mlflow.base.errors import FlywheelError, StorageError
from flywheel_mlflow.decisions.rhythms import Rhythm
from flywheel_mlflow.operations.acts.acting import act_somewhere, tell_people
from flywheel_mlflow.operations.assembly.assembling import Assembled
from flywheel_mlflow.operations.assembly.drifting import Followed, drift_after_assembly
from flywheel_mlflow.operations.assembly.noticing import NoticedAfter, notice_after_assembly
from flywheel_mlflow.operations.assembly.rhythms import read_rhythms
from flywheel_mlflow.operations.deciding import Session, read_snapshot
from flywheel_mlflow.operations.feedback.tasking import unrecorded


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What became of each step; None was not asked for, or not done for an assembly that contradicts itself.

    ``unrecorded`` are the absorbed tasks that could not be written, by id, each with why; ``unsent`` is what people
    could not be told. ``rhythms`` are all there are, kept or late.
    """

    compared: Followed | None = None
    unrecorded: Mapping[str, FlywheelError] = field(default_factory=dict)
    noticed: NoticedAfter | None = None
    unsent: tuple[str, ...] = ()
    rhythms: tuple[Rhythm, ...] = ()

    @property
    def disk_failure(self) -> StorageError | None:
        """Why something was not written that should have been: the assembly stands, but this is no success."""
        failures = (item.failure for item in (self.compared, self.noticed) if item is not None)
        return next((item for item in failures if isinstance(item, StorageError)), None)


def follow_up(
    session: Session, assembled: Assembled, *, drift: bool, findings: bool, step: Callable[[str], None]
) -> FollowUp:
    """Do what follows an assembly; ``step`` is told what is being done. A step that fails does not undo the assembly.

    Raises:
        ServerError, StorageError: risks cannot be read or written.
    """
    if assembled.contradictions:
        return FollowUp()
    iteration, flywheel, tracking = assembled.assembly.iteration, session.flywheel, session.tracking
    compared = noticed = None
    if drift:
        step("comparing with the iteration before")
        compared = drift_after_assembly(flywheel, tracking, iteration, assembled.run_id)
    step("writing down absorbed tasks and risks")
    failed = record_absorbed(session, assembled)
    watch_risks(session, iteration)
    if findings:
        step("taking findings in as feedback")
        noticed = notice_after_assembly(flywheel, tracking, iteration)
    return FollowUp(compared, failed, noticed, tell_people(session, step), read_rhythms(session))


def record_absorbed(session: Session, assembled: Assembled) -> Mapping[str, FlywheelError]:
    """Write down the tasks that an assembly's runs absorbed; those that could not be written, by id, each with why."""
    iteration, failed = assembled.assembly.iteration, {}
    for item in unrecorded(session, assembled.assembly.absorption):
        try:
            act_somewhere(session, "task-absorb", {"task": item.task, "iteration": iteration, "evidence": item.run_id})
        except FlywheelError as error:
            failed[item.task] = error
    return failed


def watch_risks(session: Session, iteration: int) -> None:
    """Open the risks an iteration shows; a flywheel without a ledger has decided nothing, and gets none for this."""
    if read_snapshot(session.tracking) is not None:
        act_somewhere(session, "risk-watch", {"iteration": iteration})
