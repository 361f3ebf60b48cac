"""Worker processes that measure parts of files, started anew and ended with the process that started them.

They are started as programs of their own: the user's script, which may have no guard against being imported again, is
not run a second time, and no thread or lock is copied. Each talks over a socket pair; when this process ends in
whatever way, the socket closes and the worker ends after the part it is at.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from flywheel_mlflow.base.errors import FlywheelError, WorkerLost
from flywheel_mlflow.records.batches import Part
from flywheel_mlflow.records.blocks import Range, blocks_of
from flywheel_mlflow.records.partials import PartialResult, Plan
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.refusals import RowFault
from flywheel_mlflow.records.sources import DataFile

#: Without these glibc gives the memory of each block back to the system and asks for it again: a tenth of all time.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(128 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}


@dataclass(frozen=True, slots=True)
class Task:
    """One part of a file to measure; tasks sort in the order of the data."""

    part: Part
    file: DataFile
    data_format: str
    range: Range


class Stopped(Exception):
    """The first part, in the order of the data, that could not be measured, and why; with the rows of those before."""

    def __init__(self, part: Part, reason: RowFault | FlywheelError, rows_of: dict[Part, int]) -> None:
        super().__init__(part, reason)
        self.part = part
        self.reason = reason
        self.rows_of = rows_of


def measure_by_workers(
    plan: Plan, tasks: Sequence[Task], workers: int, progress: Callable[[int], None] | None
) -> PartialResult:
    """What is measured of all tasks, merged.

    Raises:
        Stopped: a part that cannot be measured.
        TooManyFields: all parts together have more fields than a schema may have.
        WorkerLost: a worker ended by itself.
    """
    try:
        with _started(plan, workers) as connections:
            _share(tasks, connections, progress)
            result = PartialResult(plan)
            for connection in connections:
                connection.send(None)
                result.merge(connection.recv())
    except (EOFError, ConnectionError) as error:
        raise WorkerLost(
            "a worker process ended while it measured data",
            hint="memory may have run out: set FLYWHEEL_WORKERS=1 to measure in one process",
        ) from error
    return result


def _share(tasks: Sequence[Task], connections: Sequence[Connection], progress: Callable[[int], None] | None) -> None:
    """Hands out the tasks as workers become free, until all are measured.

    Raises:
        Stopped: a part that cannot be measured.
    """
    rows_of: dict[Part, int] = {}
    fault: tuple[Part, RowFault | FlywheelError] | None = None
    waiting = list(reversed(tasks))
    busy: dict[Connection, Task] = {}

    def hand_out(connection: Connection) -> None:
        # What lies after a fault changes nothing any more; what lies before it may have an earlier one.
        if waiting and (fault is None or waiting[-1].part < fault[0]):
            busy[connection] = waiting.pop()
            connection.send(busy[connection])

    for connection in connections:
        hand_out(connection)
    while busy:
        ready = wait(list(busy))
        for connection in [item for item in busy if item in ready]:
            task = busy.pop(connection)
            answer = connection.recv()
            if isinstance(answer, int):
                rows_of[task.part] = answer
            elif fault is None or task.part < fault[0]:
                fault = (task.part, answer)
            hand_out(connection)
            if progress:
                progress(sum(rows_of.values()))
    if fault is not None:
        raise Stopped(*fault, rows_of)


@contextmanager
def _started(plan: Plan, workers: int) -> Iterator[list[Connection]]:
    processes: list[subprocess.Popen[bytes]] = []
    connections: list[Connection] = []
    environment = _KEEP_MEMORY | os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        for _ in range(workers):
            ours, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
                processes.append(
                    subprocess.Popen(
                        command,
                        pass_fds=[theirs.fileno()],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        env=environment,
                    )
                )
            connections.append(Connection(ours.detach()))
            connections[-1].send(plan)
        yield connections
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.kill()
            process.wait()


def serve(connection: Connection) -> None:
    """Measures the tasks that come; sends the rows of each or why it cannot be measured, at the end the result."""
    # Ctrl-C reaches the whole group of processes: the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = PartialResult(connection.recv())
        while (task := connection.recv()) is not None:
            connection.send(_measured(result, task))
        connection.send(result)
    except (EOFError, ConnectionError):
        return  # nobody waits for it any more


def _measured(result: PartialResult, task: Task) -> int | RowFault | FlywheelError:
    try:
        for block in blocks_of(reader_for(task.file, task.data_format), task.range):
            result.observe(task.part, block)
    except (RowFault, FlywheelError) as error:
        return error
    return result.rows_of.get(task.part, 0)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
