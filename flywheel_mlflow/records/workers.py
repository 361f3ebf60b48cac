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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from flywheel_mlflow.base.errors import InputError, WorkerLost
from flywheel_mlflow.records.partials import Begins, ResultT
from flywheel_mlflow.records.sharing import Progress, Sharing, Task, measure_task

#: The setting that says how many processes measure large data.
WORKERS = "FLYWHEEL_WORKERS"
#: Without these glibc gives the memory of each block back to the system and asks for it again: a tenth of all time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(128 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}


def count_workers() -> int:
    """How many processes measure large data: what the setting says, else one for each processor.

    Raises:
        InputError: the setting is no such number.
    """
    given = os.environ.get(WORKERS, "")
    if given:
        if not given.isdecimal() or int(given) < 1:
            raise InputError(f"{WORKERS} is {given[:20]!r}", hint="set it to a number of processes, or not at all")
        return int(given)
    # What this process may use, not what the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure_by_workers(
    plan: Begins[ResultT], tasks: Sequence[Task], workers: int, progress: Progress | None
) -> ResultT:
    """What is measured of all tasks, merged.

    Raises:
        Stopped: a part that cannot be measured.
        TooManyFields: all parts together have more fields than a schema may have.
        WorkerLost: a worker ended by itself.
    """
    try:
        with _started(plan, workers) as connections:
            _share(tasks, connections, progress)
            result = plan.begin()
            for connection in connections:
                connection.send(None)
                result.merge(connection.recv())
    except (EOFError, ConnectionError) as error:
        raise WorkerLost(
            "a worker process ended while it measured data",
            hint=f"memory may have run out: set {WORKERS}=1 to measure in one process",
        ) from error
    return result


def _share(tasks: Sequence[Task], connections: Sequence[Connection], progress: Progress | None) -> None:
    """Hands out the tasks as workers become free, until all are measured.

    Raises:
        Stopped: a part that cannot be measured.
    """
    sharing = Sharing(tasks, progress)
    busy: dict[Connection, Task] = {}

    def hand_out(connection: Connection) -> None:
        if task := sharing.take():
            busy[connection] = task
            connection.send(task)

    for connection in connections:
        hand_out(connection)
    while busy:
        ready = wait(list(busy))
        for connection in [item for item in busy if item in ready]:
            sharing.settle(busy.pop(connection), connection.recv())
            hand_out(connection)
    sharing.finish()


@contextmanager
def _started(plan: Begins[Any], workers: int) -> Iterator[list[Connection]]:
    processes: list[subprocess.Popen[bytes]] = []
    connections: list[Connection] = []
    environment = KEEP_MEMORY | os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
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
        result = connection.recv().begin()
        while (task := connection.recv()) is not None:
            connection.send(measure_task(result, task))
        connection.send(result)
    except (EOFError, ConnectionError):
        return  # nobody waits for it any more


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
