"""The local engine: measures files part by part, in this process or shared among worker processes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from flywheel_mlflow.base.errors import InputError, RecordError, StorageError
from flywheel_mlflow.records.batches import Part
from flywheel_mlflow.records.blocks import PART_BYTES, blocks_of, parts_of
from flywheel_mlflow.records.checks import PlaceOf
from flywheel_mlflow.records.partials import PartialResult, Plan
from flywheel_mlflow.records.reading import Reader, reader_for
from flywheel_mlflow.records.refusals import RowFault, TooManyFields
from flywheel_mlflow.records.sources import BLOCK_BYTES, DataFile, OpenedFile
from flywheel_mlflow.records.workers import Stopped, Task, measure_by_workers

Progress = Callable[[int], None]

#: Below this many bytes starting workers costs more than they save.
SHARED_FROM_BYTES = 128 << 20
#: The setting that says how many processes measure large data.
WORKERS = "FLYWHEEL_WORKERS"


def measure_files(
    plan: Plan,
    files: Sequence[OpenedFile],
    data_format: str,
    *,
    progress: Progress | None = None,
    workers: int | None = None,
    part_bytes: int = PART_BYTES,
) -> tuple[PartialResult, PlaceOf]:
    """Everything measured of the files' records, however many workers shared them, and what names a row's place.

    Raises:
        RecordError: data that are cut, not of the promised format, or no records; the first fault in their order.
        StorageError: the system refuses to read.
        WorkerLost: a worker process ended by itself.
    """
    readers = [reader_for(file, data_format) for file in files]
    local = [file for file in files if isinstance(file, DataFile)]  # workers open files of this machine
    count = (workers or _workers_for(sum(file.size for file in files))) if len(local) == len(files) else 1
    result = _measure_shared(plan, readers, local, data_format, count, progress, part_bytes) if count > 1 else None
    if result is None:
        result = _measure_here(plan, readers, progress, part_bytes)
    return result, result.places(readers)


def _workers_for(size: int) -> int:
    if size < SHARED_FROM_BYTES or os.name != "posix":
        return 1
    given = os.environ.get(WORKERS, "")
    if given:
        if not given.isdecimal() or int(given) < 1:
            raise InputError(f"{WORKERS} is {given[:20]!r}", hint="set it to a number of processes, or not at all")
        return int(given)
    # What this process may use, not what the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _measure_here(plan: Plan, readers: Sequence[Reader], progress: Progress | None, part_bytes: int) -> PartialResult:
    result = PartialResult(plan)
    for number, reader in enumerate(readers):
        for part in parts_of(reader, part_bytes):
            key = (number, part[0])
            try:
                for block in blocks_of(reader, part):
                    result.observe(key, block)
                    if progress:
                        progress(result.rows)
            except RowFault as fault:
                _refuse(fault, reader, result.row_in_file((key, fault.row))[1])
    return result


def _measure_shared(
    plan: Plan,
    readers: Sequence[Reader],
    files: Sequence[DataFile],
    data_format: str,
    workers: int,
    progress: Progress | None,
    part_bytes: int,
) -> PartialResult | None:
    """The same by workers; None where only reading in order finds what is at fault."""
    try:
        parts = [(number, part) for number, reader in enumerate(readers) for part in parts_of(reader, part_bytes)]
    except (RecordError, StorageError):
        return None  # a file before it may have a fault of its own
    tasks = [Task((number, part[0]), files[number], data_format, part) for number, part in parts]
    if len(tasks) < 2:
        return None
    try:
        return measure_by_workers(plan, tasks, min(workers, len(tasks)), progress)
    except TooManyFields:
        return None
    except Stopped as stopped:
        if isinstance(stopped.reason, TooManyFields):
            return None
        if isinstance(stopped.reason, RowFault):
            before = sum(rows for part, rows in stopped.rows_of.items() if _same_file_before(part, stopped.part))
            _refuse(stopped.reason, readers[stopped.part[0]], before + stopped.reason.row)
        raise stopped.reason from None


def _same_file_before(part: Part, other: Part) -> bool:
    return part[0] == other[0] and part[1] < other[1]


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
