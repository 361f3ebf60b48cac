"""Tells which iteration is to be worked on now: one that is not finished, the next one, or none yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.periods import Cadence, period_of


@dataclass(frozen=True, slots=True)
class NextIteration:
    """An iteration, None where none is due, and why."""

    number: int | None
    why: str


def next_iteration(assemblies: Iterable[RecordedAssembly], every: Cadence | None, now: datetime) -> NextIteration:
    """What `flywheel run` works on at ``now`` (UTC) when nobody names an iteration.

    An iteration that is not finished goes on; with a cadence only until its period is over, since the next one is then
    due. With a cadence the next iteration begins once in each period, without one at every call.
    """
    known = tuple(assemblies)
    newest = max((item.iteration for item in known), default=None)
    if newest is None:
        return NextIteration(1, "nothing was assembled yet")
    runs = [item for item in known if item.iteration == newest]
    finished = next((item.finished for item in runs if item.finished), None)
    if every is None:
        if finished is None:
            return NextIteration(newest, f"iteration {newest} is not finished")
        return NextIteration(newest + 1, f"iteration {newest} is finished")
    current = period_of(every, now)
    begun = finished.begun if finished else min((item.ended for item in runs if item.ended), default=now)
    if begun < current.start:
        return NextIteration(newest + 1, f"due for {current.name}")
    if finished is None:
        return NextIteration(newest, f"iteration {newest} is not finished")
    return NextIteration(
        None, f"iteration {newest} began on {begun:%Y-%m-%d}; the next is due from {current.end:%Y-%m-%d}"
    )
