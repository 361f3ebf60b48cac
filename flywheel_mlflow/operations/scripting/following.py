"""What follows an assembly: absorbed tasks go into the ledger, risks it shows are opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.operations.assembly.assembling import Assembled
from flywheel_mlflow.operations.deciding import Session, read_snapshot

#: Does an act by its name, with its arguments.
Act = Callable[..., dict[str, Any]]


def record_absorbed(session: Session, act: Act, assembled: Assembled) -> Mapping[str, FlywheelError]:
    """Write the tasks an assembly found absorbed into the ledger; those that could not be written, each with why."""
    from flywheel_mlflow.operations.feedback.tasking import unrecorded

    iteration, failed = assembled.assembly.iteration, {}
    for item in unrecorded(session, assembled.assembly.absorption):
        try:
            act("task-absorb", task=item.task, iteration=iteration, evidence=item.run_id)
        except FlywheelError as error:
            failed[item.task] = error
    return failed


def watch_risks(session: Session, act: Act, iteration: int) -> None:
    """Open the risks an iteration shows; a flywheel without a ledger has decided nothing, and gets none for this."""
    if read_snapshot(session.tracking) is not None:
        act("risk-watch", iteration=iteration)
