"""Writes down what changes are expected to cost, whether they are used again, and what was spent on them."""

from __future__ import annotations

from flywheel_mlflow.base.errors import InputError, Refused, UnknownName
from flywheel_mlflow.feedback.costs import REUSES, cost_body
from flywheel_mlflow.feedback.tasks import TaskKind, fold_tasks
from flywheel_mlflow.operations.deciding import LedgerSnapshot, NewEvent, Session, persistently, read_snapshot
from flywheel_mlflow.operations.feedback.handing import read_cost
from flywheel_mlflow.operations.feedback.prioritising import work_of
from flywheel_mlflow.operations.feedback.tasking import TaskDecided, given_reason, known_task, write_down
from flywheel_mlflow.operations.feedback.theming import task_state


def estimate_cost(
    session: Session,
    about: str,
    reason: str,
    *,
    cost: str | None = None,
    reuse: str | None = None,
    dry_run: bool = False,
) -> TaskDecided:
    """Say what a theme, a candidate or a task is expected to cost, and whether what it makes is used again.

    What is left out stays as it was said before. A later word replaces an earlier one.

    Args:
        session: who acts, where.
        about: the id of the theme, candidate or task.
        reason: why; one line.
        cost: hours, days or money, such as ``3d``, ``12h`` or ``500 EUR``.
        reuse: ``asset``: it is used again and again; ``one_time``: it is the result of one time.
        dry_run: write nothing.

    Raises:
        UnknownName: nothing has that id, or no such reuse. InputError: nothing was said, or it cannot be read.
    """
    if cost is None and reuse is None:
        raise InputError("nothing is said: neither what it costs nor whether it is used again", hint="--cost 3d")
    if reuse is not None and reuse not in REUSES:
        raise UnknownName("reuse", reuse, REUSES)
    known = task_state(persistently(session, lambda: read_snapshot(session.tracking)))
    if about not in known.tasks:
        work_of(session.flywheel, session.tracking, about, None, now=session.now())
    body: dict[str, object] = {
        "about": about,
        "cost": cost_body(read_cost(session.flywheel, cost)) if cost is not None else None,
        "reuse": reuse,
        "reason": given_reason(reason),
    }
    return write_down(session, TaskKind.ESTIMATED, body, lambda _: NewEvent(TaskKind.ESTIMATED, body), dry_run=dry_run)


def spend(session: Session, task_id: str, total: str, *, dry_run: bool = False) -> TaskDecided:
    """Say what was spent on a task in all, hours and money each by themselves; a later word replaces an earlier one.

    Raises:
        UnknownName: no such task. InputError: a total that cannot be read. Refused: it is said already.
    """
    cost = read_cost(session.flywheel, total, least=0)
    body: dict[str, object] = {"task": task_id, "total": cost_body(cost)}
    if persistently(session, lambda: read_snapshot(session.tracking)) is None:
        raise UnknownName("task", task_id, ())

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        said = known_task(fold_tasks(snapshot.ledger.counted), task_id).costed.totals.get(cost.unit)
        if said == cost.amount:
            raise Refused(
                f"the ledger says already that {cost} were spent on {task_id}",
                rule="a total is said once, until it grows",
                hint=f"flywheel task show {task_id}",
            )
        return NewEvent(TaskKind.SPENT, body)

    return write_down(session, TaskKind.SPENT, body, choose, dry_run=dry_run)
