"""Measures files part by part: in this process, shared among worker processes, or by a cluster."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from flywheel_mlflow.base.errors import RecordError, StorageError
from flywheel_mlflow.records.blocks import PART_BYTES, blocks_of, parts_of
from flywheel_mlflow.records.checks import PlaceOf
from flywheel_mlflow.records.partials import Begins, ResultT, places, row_in_file
from flywheel_mlflow.records.read_once import HashedParquet
from flywheel_mlflow.records.reading import Reader, reader_for
from flywheel_mlflow.records.refusals import RowFault, TooManyFields
from flywheel_mlflow.records.sharing import Progress, Stopped, Task
from flywheel_mlflow.records.sources import BLOCK_BYTES, DataFile, HashedFile, OpenedFile
from flywheel_mlflow.records.workers import count_workers, measure_by_workers

if TYPE_CHECKING:
    from flywheel_mlflow.records.ray_engine import RayCluster

AnyT = TypeVar("AnyT")

#: Below this many bytes starting workers costs more than they save.
SHARED_FROM_BYTES = 128 << 20
#: Files cut into parts at once: where they lie elsewhere, that is waiting for the network.
_CUTTERS = 16


@dataclass(frozen=True, slots=True)
class FilesMeasured(Generic[ResultT]):
    """What was measured of files, what names the place of a row in them, and the sha256 of each as 64 hex digits."""

    result: ResultT
    place_of: PlaceOf
    digests: tuple[str, ...]


def measure_files(
    plan: Begins[ResultT],
    files: Sequence[OpenedFile],
    data_format: str,
    *,
    progress: Progress | None = None,
    workers: int | None = None,
    cluster: RayCluster | None = None,
    part_bytes: int = PART_BYTES,
) -> FilesMeasured[ResultT]:
    """What a plan says is to be measured of the files' records, whoever shared them, and the files' digests.

    Raises:
        RecordError: data that are cut, not of the promised format, or no records; the first fault in their order.
        StorageError: the system refuses to read.
        WorkerLost: a worker process ended by itself.
    """
    sources = list(files) if cluster else [_read_once(file, data_format) for file in files]
    readers = [reader_for(file, data_format) for file in sources]
    count = cluster.workers if cluster else _workers_for(files, workers)
    tasks, broken = _tasks(readers, data_format, part_bytes, count)
    twice = [file for file in sources if not isinstance(file, Hashed)]
    with hashing(() if cluster else twice) as hashes:
        result, digests = None, None
        if cluster:
            shared = _shared(lambda: cluster.measure(plan, tasks, files, progress), readers)
            result, digests = shared or (None, None)
        elif count > 1 and len(tasks) > 1:
            result = _shared(lambda: measure_by_workers(plan, tasks, min(count, len(tasks)), progress), readers)
        if result is None:
            result = _measure_here(plan, readers, tasks, progress)
        if broken is not None:
            raise broken
        if digests is None:
            waited = iter(hashes())
            digests = [file.digest if isinstance(file, Hashed) else next(waited) for file in sources]
    return FilesMeasured(result, places(result.rows_of, readers), tuple(digests))


#: Files elsewhere, whose sha256 is taken while they are read.
Hashed = HashedFile | HashedParquet


def _read_once(file: OpenedFile, data_format: str) -> OpenedFile:
    """A file that lies elsewhere is read once."""
    if isinstance(file, DataFile):
        return file
    return HashedParquet(file) if data_format == "parquet" else HashedFile(file)


def _workers_for(files: Sequence[OpenedFile], workers: int | None) -> int:
    if not all(isinstance(file, DataFile) for file in files):  # workers open files of this machine
        return 1
    if workers is not None:
        return workers
    return count_workers() if sum(file.size for file in files) >= SHARED_FROM_BYTES and os.name == "posix" else 1


def _tasks(
    readers: Sequence[Reader], data_format: str, part_bytes: int, workers: int
) -> tuple[list[Task], RecordError | StorageError | None]:
    """The parts of all files up to the first that cannot be cut into parts, and why that cannot."""
    tasks: list[Task] = []
    with ThreadPoolExecutor(_CUTTERS) as pool:
        try:
            for number, parts in enumerate(pool.map(lambda reader: parts_of(reader, part_bytes, workers), readers)):
                file = readers[number].file
                tasks += [Task((number, part[0]), file, data_format, part) for part in parts]
        except (RecordError, StorageError) as error:
            return tasks, error
    return tasks, None


def _measure_here(
    plan: Begins[ResultT], readers: Sequence[Reader], tasks: Sequence[Task], progress: Progress | None
) -> ResultT:
    result = plan.begin()
    rows = 0
    for done, task in enumerate(tasks):
        reader = readers[task.part[0]]
        try:
            for block in blocks_of(reader, task.range):
                result.observe(task.part, block)
                rows += len(block.array)
                if progress:
                    progress(rows, done / len(tasks))
        except RowFault as fault:
            _refuse(fault, reader, row_in_file(result.rows_of, (task.part, fault.row))[1])
    return result


def _shared(measure: Callable[[], AnyT], readers: Sequence[Reader]) -> AnyT | None:
    """What workers measure together; None where only reading in order finds what is at fault."""
    try:
        return measure()
    except TooManyFields:
        return None
    except Stopped as stopped:
        if isinstance(stopped.reason, TooManyFields):
            return None
        if isinstance(stopped.reason, RowFault):
            file, row = row_in_file(stopped.rows_of, (stopped.part, stopped.reason.row))
            _refuse(stopped.reason, readers[file], row)
        raise stopped.reason from None


def _refuse(fault: RowFault, reader: Reader, row: int) -> NoReturn:
    reader.fail(fault.what, reader.place(row), hint=fault.hint)


@contextmanager
def hashing(files: Sequence[OpenedFile]) -> Iterator[Callable[[], list[str]]]:
    """Hashes files beside whatever is done inside; gives what waits for the sha256 of each, as 64 hex digits.

    The digest is of one file from its first byte to its last, so it cannot be shared among workers, but it leaves
    Python's lock alone.
    """
    stop = threading.Event()
    digests: list[str] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            digests.extend(_sha256(file, stop) for file in files)
        except StorageError as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="sha256", daemon=True)
    thread.start()

    def wait() -> list[str]:
        thread.join()
        if errors:
            raise errors[0]
        return digests

    try:
        yield wait
    finally:
        stop.set()
        thread.join()


def _sha256(file: OpenedFile, stop: threading.Event) -> str:
    digest = hashlib.sha256()
    left = file.size  # no further, or a file that grows would be read for ever
    try:
        with file.open() as stream:
            while not stop.is_set() and (block := stream.read(min(left, BLOCK_BYTES))):
                digest.update(block)
                left -= len(block)
    except OSError as error:
        raise StorageError(f"cannot read the file: {error.strerror or error}", where=file.place) from error
    return digest.hexdigest()
