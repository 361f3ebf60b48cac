"""Measures files by tasks of Ray, on a cluster or on this machine: the only module that imports ray.

Ray's own readers would not do. ``ray.data.read_json`` and ``read_parquet`` guess the types of each block, check no
page, and give blocks that know neither line nor row group, so that no refusal could name its place. So tasks read parts
of files as every engine does; Ray carries them, repeats those of lost workers, and merges the results as a tree.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from secrets import token_hex
from typing import Any, TypeVar, get_args

from flywheel_mlflow import __version__
from flywheel_mlflow.base.errors import ClusterUnreachable, FlywheelError, InputError, StorageError, WorkerLost
from flywheel_mlflow.base.settings import Engine, redacted
from flywheel_mlflow.records.partials import Begins, Result, ResultT
from flywheel_mlflow.records.refusals import TooManyFields
from flywheel_mlflow.records.sharing import Answer, Progress, Sharing, Task, measure_task
from flywheel_mlflow.records.sources import DataFile, HashedFile, OpenedFile, file_digest
from flywheel_mlflow.records.workers import KEEP_MEMORY, count_workers

SharedT = TypeVar("SharedT")
ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")

#: Ray's own setting: the cluster to use.
ADDRESS = "RAY_ADDRESS"
#: Seconds until a cluster that does not answer is given up; Ray itself tries for minutes.
CONNECT_TIMEOUT_S = 5
#: Tasks handed to Ray at once: it needs some for every processor, and what grows with the data stays here.
IN_FLIGHT = 4096
#: Tasks whose end is awaited together, and for how many seconds: each waiting costs in proportion to those in flight.
_AWAITED, _AWAITED_S = 64, 1.0
#: Results merged by one task.
FAN_IN = 8
#: Items of a map in work for each processor.
_AHEAD = 2

#: What a Ray of our own asks for, or other users of this machine could have their programs run as this one; Ray keeps
#: it for the life of the process.
_TOKEN = token_hex(32)
_WITHIN_REACH = "the workers of Ray must reach the data: log them by reference, or put them on a disk all workers share"


@contextmanager
def connected(engine: Engine, *, workers: int | None = None) -> Iterator[RayCluster | None]:
    """Ray while it is used, or None for the engine ``local``.

    A Ray that this process already uses is taken as it is, else the cluster ``RAY_ADDRESS`` names, else one is started
    here and ended at the end: for this machine alone, with as many ``workers`` as the local engine would have.

    Raises:
        InputError: no such engine, or Ray is not installed.
        ClusterUnreachable: the cluster does not answer, or has another Ray or Python.
    """
    if engine not in get_args(Engine):
        raise InputError(f"there is no engine {engine[:40]!r}", hint=f"use one of {', '.join(get_args(Engine))}")
    if engine == "local":
        yield None
        return
    ray = _installed()
    if ray.is_initialized():
        yield RayCluster(ray)
        return
    address = os.environ.get(ADDRESS, "")
    with _joined(ray, address) if address not in ("", "local") else _started(ray, workers or count_workers()):
        yield RayCluster(ray)


def _installed() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError("Ray is not installed", hint="pip install 'flywheel-mlflow[ray]'") from error
    return ray


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with _environment({"RAY_gcs_server_port_wait_time_s": "1"}):  # tries, where Ray's 20 take a quarter of an hour
        try:
            if port.isdecimal():
                socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S).close()
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (OSError, ValueError, RuntimeError) as error:
            raise ClusterUnreachable(
                f"the Ray cluster cannot be used: {redacted(' '.join(str(error).split()))[:300]}",
                where=redacted(address),
                hint=f"correct {ADDRESS}, or unset it to run Ray here; Ray and Python must be those of the cluster",
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _started(ray: Any, workers: int) -> Iterator[None]:
    """A Ray of our own, which listens on 127.0.0.1, asks for a token, and has no dashboard."""
    from ray._private import ray_constants

    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Or Ray writes one into the user's home.
        "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN", _TOKEN),
        # Ray 2.60 warns of a change for machines with graphics cards.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    clusters = ray_constants.ENABLE_RAY_CLUSTER
    # Sockets lie below the folder, and their paths may have 107 bytes: no place for a long TMPDIR.
    scratch = tempfile.TemporaryDirectory(prefix="flywheel-ray-", dir="/tmp", ignore_cleanup_errors=True)
    with scratch as folder, _environment(KEEP_MEMORY | settings):
        try:
            # What Ray does where it knows no clusters, on macOS; else it listens on every address, whatever it is told.
            ray_constants.ENABLE_RAY_CLUSTER = False
            try:
                ray.init(
                    address="local",
                    num_cpus=workers,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="error",
                    _node_ip_address="127.0.0.1",
                    _temp_dir=folder,
                )
            except (OSError, ValueError, RuntimeError) as error:
                raise ClusterUnreachable(
                    f"Ray cannot be started here: {' '.join(str(error).split())[:300]}",
                    hint="leave the engine out to measure with the processors of this machine",
                ) from error
            yield
        finally:
            ray.shutdown()
            ray_constants.ENABLE_RAY_CLUSTER = clusters


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Settings of Ray, which it reads from the environment and hands to its workers; afterwards all is as before."""
    quiet = {"RAY_IGNORE_UNHANDLED_ERRORS": "1"}  # what a worker says is told by us, once
    before = {name: os.environ.get(name) for name in (*settings, *quiet, "RAY_AUTH_MODE")}
    os.environ.update(quiet | settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class RayCluster:
    """A Ray that is connected."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._measure = ray.remote(num_returns=2)(_measured)
        self._merge = ray.remote(_merged)
        self._digest = ray.remote(_digest)
        self._apply = ray.remote(_applied)

    @property
    def workers(self) -> int:
        """How many processors it has now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def measure(
        self, plan: Begins[ResultT], tasks: Sequence[Task], files: Sequence[OpenedFile], progress: Progress | None
    ) -> tuple[ResultT, list[str]]:
        """What is measured of all tasks, merged, and the sha256 of the files they are of.

        The result lies in Ray's memory: it must be used up while Ray is connected.

        Raises:
            Stopped: a part that cannot be measured.
            TooManyFields: all parts together have more fields than a schema may have.
            StorageError: a worker does not reach a file.
            WorkerLost: workers ended by themselves, again and again.
        """
        read_once = {task.part[0] for task in tasks if _is_whole(task)}
        hashing = {number: self._digest.remote(file) for number, file in enumerate(files) if number not in read_once}
        sharing = Sharing(tasks, progress)
        try:
            whole, digests = self._share(plan, sharing)
            result = self._ray.get(whole)
            if isinstance(result, TooManyFields):
                raise result
            digests |= {number: self._ray.get(digest) for number, digest in hashing.items()}
        except self._ray.exceptions.RayError as error:
            raise _translated(error) from error
        finally:
            self._cancel(hashing.values())
        for digest in digests.values():
            if isinstance(digest, FlywheelError):
                raise digest
        return result, [str(digests[number]) for number in range(len(files))]

    def map(
        self, function: Callable[[SharedT, ItemT], AnswerT], shared: SharedT, items: Iterable[ItemT]
    ) -> Iterator[AnswerT]:
        """What a function says of each item and of what is the same for all, in the order of the items.

        Few items are in work at a time, whatever their number.

        Raises:
            WorkerLost: workers ended by themselves, again and again. ClusterUnreachable: they have another version.
            FlywheelError: whatever the function raises.
        """
        held = self._ray.put((function, shared))
        waiting: deque[Any] = deque()
        try:
            for item in items:
                waiting.append(self._apply.remote(__version__, held, item))
                if len(waiting) > _AHEAD * self.workers:
                    yield self._answer(waiting.popleft())
            while waiting:
                yield self._answer(waiting.popleft())
        finally:
            self._cancel(waiting)

    def _answer(self, waiting: Any) -> Any:
        try:
            answer = self._ray.get(waiting)
        except self._ray.exceptions.RayError as error:
            raise _translated(error) from error
        if isinstance(answer, FlywheelError):
            raise answer
        return answer

    def _share(self, plan: Begins[Any], sharing: Sharing) -> tuple[Any, dict[int, str | FlywheelError]]:
        """Where all results are being merged, once every task is settled; the sha256 of files that were read whole."""
        busy: dict[Any, tuple[Task, Any]] = {}
        digests: dict[int, str | FlywheelError] = {}
        levels: list[list[Any]] = [[]]
        try:
            while True:
                while len(busy) < IN_FLIGHT and (task := sharing.take()):
                    answer, result = self._measure.remote(__version__, plan, task)
                    busy[answer] = (task, result)
                if not busy:
                    break
                ready, _ = self._ray.wait(list(busy), num_returns=min(len(busy), _AWAITED), timeout=_AWAITED_S)
                for item in ready:
                    task, result = busy.pop(item)
                    answer, digest = self._ray.get(item)
                    sharing.settle(task, answer)
                    levels[0].append(result)
                    if digest is not None:
                        digests[task.part[0]] = digest
                vain = [item for item, (task, _) in busy.items() if not sharing.matters(task)]
                self._cancel(vain)
                for item in vain:
                    del busy[item]
                self._merge_full(plan, levels)
        finally:
            self._cancel(busy)
        sharing.finish()
        return self._merge.remote(plan, *(result for results in levels for result in results)), digests

    def _merge_full(self, plan: Begins[Any], levels: list[list[Any]]) -> None:
        """Merges what there is enough of on a level of the tree into one result of the next."""
        for level, results in enumerate(levels):
            while len(results) >= FAN_IN:
                if level + 1 == len(levels):
                    levels.append([])
                levels[level + 1].append(self._merge.remote(plan, *results[:FAN_IN]))
                del results[:FAN_IN]

    def _cancel(self, tasks: Iterable[Any]) -> None:
        for task in tasks:
            with suppress(self._ray.exceptions.RayError):
                self._ray.cancel(task)


def _is_whole(task: Task) -> bool:
    """Whether a task reads its file from its first byte to its last, in order."""
    return task.data_format == "jsonl" and task.range == (0, task.file.size)


def _check_version(version: str) -> None:
    if version != __version__:
        raise InputError(
            f"a worker of Ray has flywheel-mlflow {__version__}, this machine {version}",
            hint="install the same version on every node of the cluster",
        )


def _measured(version: str, plan: Begins[Any], task: Task) -> tuple[tuple[Answer, str | None], Result | None]:
    """On a worker: the answer to a task with the sha256 of a file that is read whole, and what was measured."""
    try:
        _check_version(version)
        _check_same(task.file)
    except FlywheelError as error:
        return (error, None), None
    result = plan.begin()
    hashed = HashedFile(task.file) if _is_whole(task) else None
    answer = measure_task(result, replace(task, file=hashed) if hashed else task)
    if isinstance(answer, StorageError):
        answer.hint = _WITHIN_REACH
    return (answer, hashed.digest if hashed else None), result


def _applied(version: str, held: tuple[Callable[[Any, Any], Any], Any], item: Any) -> Any:
    """On a worker: what a function says of an item, or why it says nothing."""
    try:
        _check_version(version)
        function, shared = held
        return function(shared, item)
    except FlywheelError as error:
        return error


def _merged(plan: Begins[Any], *results: Any) -> Any:
    """On a worker: the results as one, or why they are none together."""
    whole = plan.begin()
    try:
        for result in results:
            if isinstance(result, TooManyFields):
                return result
            whole.merge(result)
    except TooManyFields as error:
        return error
    return whole


def _digest(file: OpenedFile) -> str | FlywheelError:
    """On a worker: the sha256 of a file."""
    try:
        _check_same(file)
        return file_digest(file)
    except StorageError as error:
        error.hint = _WITHIN_REACH
        return error
    except FlywheelError as error:
        return error


def _check_same(file: OpenedFile) -> None:
    """Refuses what lies at a file's path on a worker, where it is another file."""
    if not isinstance(file, DataFile):
        return
    try:
        found = file.path.stat()
    except OSError as error:
        what = f"a worker of Ray cannot read the file: {error.strerror or error}"
        raise StorageError(what, where=file.place, hint=_WITHIN_REACH) from error
    if (found.st_size, found.st_mtime_ns) != file.state[:2]:
        raise StorageError("a worker of Ray has another file there", where=file.place, hint=_WITHIN_REACH)


def _translated(error: Exception) -> Exception:
    cause = getattr(error, "cause", None)
    if isinstance(cause, ImportError):
        return ClusterUnreachable(
            f"a worker of Ray cannot load what measures: {cause}",
            hint=f"install flywheel-mlflow {__version__} on every node of the cluster",
        )
    if isinstance(cause, Exception):
        return cause  # a fault of ours
    return WorkerLost(
        f"a worker of Ray was lost while it measured data: {' '.join(str(error).split())[:200]}",
        hint="memory may have run out: give Ray fewer processors of each node, or a node more memory",
    )
