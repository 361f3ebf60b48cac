"""Shares the parts of files out among whatever measures them, so that the first fault in the data is the one named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.records.batches import Part
from flywheel_mlflow.records.blocks import Range, blocks_of
from flywheel_mlflow.records.partials import Result
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.refusals import RowFault
from flywheel_mlflow.records.sources import OpenedFile


class Progress(Protocol):
    """What is told how far measuring is."""

    def __call__(self, rows: int, share: float, /) -> None:
        """``rows`` measured so far, which are about this ``share`` of the data, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Task:
    """One part of a file to measure; tasks sort in the order of the data."""

    part: Part
    file: OpenedFile
    data_format: str
    range: Range


#: The rows of a part, or why it cannot be measured.
Answer = int | RowFault | FlywheelError


def measure_task(result: Result, task: Task) -> Answer:
    """Adds the records of a task to a result."""
    try:
        for block in blocks_of(reader_for(task.file, task.data_format), task.range):
            result.observe(task.part, block)
    except (RowFault, FlywheelError) as error:
        return error
    return result.rows_of.get(task.part, 0)


class Stopped(Exception):
    """The first part, in the order of the data, that could not be measured, and why; with the rows of those before."""

    def __init__(self, part: Part, reason: RowFault | FlywheelError, rows_of: dict[Part, int]) -> None:
        super().__init__(part, reason)
        self.part = part
        self.reason = reason
        self.rows_of = rows_of


class Sharing:
    """Hands out tasks in the order of the data, and keeps what became of each."""

    def __init__(self, tasks: Sequence[Task], progress: Progress | None) -> None:
        self._waiting = list(reversed(tasks))
        self._count = len(tasks)
        self._progress = progress
        self._rows_of: dict[Part, int] = {}
        self._fault: tuple[Part, RowFault | FlywheelError] | None = None

    def take(self) -> Task | None:
        """The next task that matters."""
        return self._waiting.pop() if self._waiting and self.matters(self._waiting[-1]) else None

    def matters(self, task: Task) -> bool:
        """Whether a task still does: after a fault nothing does, before it there may be an earlier one."""
        return self._fault is None or task.part < self._fault[0]

    def settle(self, task: Task, answer: Answer) -> None:
        """Keeps the answer to a task that was taken."""
        if isinstance(answer, int):
            self._rows_of[task.part] = answer
        elif self._fault is None or task.part < self._fault[0]:
            self._fault = (task.part, answer)
        if self._progress:
            self._progress(sum(self._rows_of.values()), len(self._rows_of) / self._count)

    def finish(self) -> None:
        """Ends the sharing, once all that was taken is settled.

        Raises:
            Stopped: a part cannot be measured.
        """
        if self._fault is not None:
            raise Stopped(*self._fault, self._rows_of)
