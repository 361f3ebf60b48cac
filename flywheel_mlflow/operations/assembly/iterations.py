"""Finds the assembly that counts of each iteration: of the newest ones, and of those before one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.recorded import RecordedAssembly

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: Iterations whose numbers are drawn: a line of more is not read.
MOST_ITERATIONS = 12
#: Assemblies read to find that many iterations: one is seldom assembled more than twice.
MOST_ASSEMBLIES = 2 * MOST_ITERATIONS


def newest_assemblies(tracking: Tracking, *, ended_before: datetime | None = None) -> tuple[RecordedAssembly, ...]:
    """The assembly that counts of each of the newest iterations, now or at a moment; newest iteration first."""
    return counted(tracking.assemblies.listed(most=MOST_ASSEMBLIES, ended_before=ended_before))


def counted(found: Iterable[RecordedAssembly]) -> tuple[RecordedAssembly, ...]:
    """Of each iteration the newest valid assembly, else the newest that contradicts itself; newest iteration first.

    ``found`` is newest first.
    """
    chosen: dict[int, RecordedAssembly] = {}
    for item in found:
        if item.iteration not in chosen or (item.sound and not chosen[item.iteration].sound):
            chosen[item.iteration] = item
    return tuple(chosen[turn] for turn in sorted(chosen, reverse=True))


def assemblies_before(
    tracking: Tracking, recorded: RecordedAssembly, newest: Sequence[RecordedAssembly]
) -> tuple[RecordedAssembly, ...]:
    """The valid assemblies of the iterations before one, oldest first, at least those a page tells.

    ``newest`` are :func:`newest_assemblies`. Where these do not reach so far back, the iterations are those that had
    been assembled before this one was.
    """
    before = _sound_before(newest, recorded.iteration)
    reached = min((item.iteration for item in newest), default=1) <= 1
    if len(before) >= MOST_ITERATIONS - 1 or reached:
        return before
    return _sound_before(newest_assemblies(tracking, ended_before=recorded.ended), recorded.iteration)


def _sound_before(found: Iterable[RecordedAssembly], iteration: int) -> tuple[RecordedAssembly, ...]:
    return tuple(item for item in sorted(found, key=lambda i: i.iteration) if item.iteration < iteration and item.sound)
