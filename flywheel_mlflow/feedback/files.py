"""The Parquet files that one ingestion leaves: its events with their routes, and the hashes that know them again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flywheel_mlflow.base.errors import InputError, StorageError
from flywheel_mlflow.feedback.events import read_schema
from flywheel_mlflow.feedback.identity import Hashes
from flywheel_mlflow.feedback.routing import REASON, RULE, TO

if TYPE_CHECKING:
    import pyarrow as pa

EVENTS_FILE = "events.parquet"
INDEX_FILE = "index.parquet"

#: Fields that files of earlier versions lack.
LATER_FIELDS = frozenset({"span_id", "prompt", "correction", "chosen", "rejected"})

#: Columns with few distinct values; a dictionary of texts would only be built to be thrown away.
_FEW_VALUES = ["source", "project", "stage", "type", "scope", "severity", "interface", "reporter", TO, RULE, REASON]
READ_ROWS = 1 << 14


@cache
def stored_schema() -> pa.Schema:
    """The columns of a stored event: the event's own, its line, and where the rules of the day sent it."""
    import pyarrow as pa

    schema = read_schema()
    for name in (TO, RULE, REASON):
        schema = schema.append(pa.field(name, pa.string()))
    return schema


class EventFiles:
    """Writes ``events.parquet`` and ``index.parquet`` below a folder, batch by batch."""

    def __init__(self, folder: Path) -> None:
        self.events = folder / EVENTS_FILE
        self.index = folder / INDEX_FILE
        self._writers: tuple[Any, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers or ():
            writer.close()

    def write(self, events: pa.RecordBatch, ids: Hashes, contents: Hashes) -> None:
        """Add routed events and their hashes.

        Raises:
            StorageError: no room, or a folder that cannot be written.
        """
        import pyarrow as pa

        hashes = pa.RecordBatch.from_arrays([pa.array(ids), pa.array(contents)], schema=_index_schema())
        try:
            if self._writers is None:
                self._writers = self._opened()
            self._writers[0].write_batch(events)
            self._writers[1].write_batch(hashes)
        except OSError as error:
            raise StorageError(
                f"cannot keep the events: {error.strerror or error}",
                where=str(self.events.parent),
                hint="free some space, or set TMPDIR to a larger disk",
            ) from error

    def _opened(self) -> tuple[Any, Any]:
        import pyarrow.parquet as pq

        # Nobody asks for the smallest and largest values: these files are read from end to end.
        events = pq.ParquetWriter(
            self.events,
            stored_schema(),
            compression="zstd",
            compression_level=1,
            use_dictionary=_FEW_VALUES,
            write_statistics=False,
            write_page_checksum=True,
        )
        index = pq.ParquetWriter(
            self.index,
            _index_schema(),
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
        )
        return events, index


@cache
def _index_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("id", pa.uint64()), ("content", pa.uint64())])


def read_events(path: Path) -> Iterator[pa.RecordBatch]:
    """The stored events of one file, batch by batch; a field that an earlier version did not know is null.

    Raises:
        InputError: the file is not one that this product wrote.
    """
    import pyarrow as pa

    schema = stored_schema()
    for batch in _read(path, schema, later=LATER_FIELDS):
        known = batch.schema.names
        columns = [
            batch.column(field.name) if field.name in known else pa.nulls(batch.num_rows, field.type)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def read_index(path: Path) -> Iterator[tuple[Hashes, Hashes]]:
    """The hashes of ids and contents in one file, batch by batch.

    Raises:
        InputError: the file is not one that this product wrote.
    """
    from flywheel_mlflow.records.arrays import as_numpy

    for batch in _read(path, _index_schema()):
        yield as_numpy(batch.column(0)), as_numpy(batch.column(1))


def _read(path: Path, schema: pa.Schema, *, later: frozenset[str] = frozenset()) -> Iterator[pa.RecordBatch]:
    """Batches of a file of this schema; fields named by ``later`` may be missing."""
    import pyarrow as pa

    from flywheel_mlflow.records.parquet import open_parquet

    try:
        with open_parquet(path) as source:
            kept = source.schema_arrow
            expected = [field for field in schema if field.name in kept.names or field.name not in later]
            if not kept.equals(pa.schema(expected)):
                raise InputError("not a file of stored feedback", where=str(path), hint="was the artifact changed?")
            yield from source.iter_batches(READ_ROWS, use_threads=False)
    except pa.ArrowException as error:
        raise InputError(f"stored feedback cannot be read: {str(error)[:200]}", where=str(path)) from error
    except OSError as error:
        # Arrow says with an error without a number that bytes are damaged.
        kind = InputError if error.errno is None else StorageError
        raise kind(f"stored feedback cannot be read: {str(error)[:200]}", where=str(path)) from error
