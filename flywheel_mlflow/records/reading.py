"""Reads JSONL and Parquet as batches of records, refusing whatever is not whole.

Faults raise :class:`RecordError` with the file and the line, or row group and row; the value at
fault is never quoted, it may be personal.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from flywheel_mlflow.base.errors import RecordError, StorageError
from flywheel_mlflow.records.parquet import damaged_row_group, open_parquet
from flywheel_mlflow.records.sources import BLOCK_BYTES, OpenedFile, file_digest

Record = dict[str, Any]

#: A record this long is a file in the wrong place or an attack; memory is bounded by it.
MAX_RECORD_BYTES = 16 * 1024 * 1024

#: Rows decoded at once from Parquet: about what one block of JSONL holds.
PARQUET_BATCH_ROWS = 1024

_PARQUET_MAGIC = b"PAR1"
_FOREIGN = {b"PAR1": "Parquet", b"\x1f\x8b": "gzip", b"PK\x03\x04": "a zip archive", b"\x28\xb5\x2f\xfd": "zstandard"}


class Reader(ABC):
    """Reads one file, batch after batch; ``digest`` is known once it has been read to the end."""

    def __init__(self, file: OpenedFile) -> None:
        self.file = file
        self.digest = ""

    @abstractmethod
    def batches(self) -> Iterator[list[Record]]:
        """The file's records in order.

        Raises:
            RecordError: the file is cut, of another format, or holds something that is no record.
            StorageError: the system refuses to read it.
        """

    @abstractmethod
    def place(self, row: int) -> str:
        """Where a row (from 0) of this file is, as a person looks for it."""

    def fail(self, what: str, place: str | None = None, *, hint: str) -> NoReturn:
        """Raises the error of this file."""
        where = self.file.place
        raise RecordError(what, where=f"{where}, {place}" if place else where, hint=hint)


def _refuse_constant(token: str) -> NoReturn:
    raise ValueError(f"{token} is not a number JSON knows")


class JsonLinesReader(Reader):
    """One JSON object a line, UTF-8; the last newline may be missing if its line is whole."""

    #: What stands for NaN and the infinities, given the token; here they are refused.
    constant: Callable[[str], Any] = staticmethod(_refuse_constant)

    def __init__(self, file: OpenedFile) -> None:
        super().__init__(file)
        self._decoder = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=self.constant)

    def place(self, row: int) -> str:
        """``line 12``: every line is a record, so rows and lines count alike."""
        return f"line {row + 1}"

    def batches(self) -> Iterator[list[Record]]:
        """See :meth:`Reader.batches`."""
        sha = hashlib.sha256()
        row = 0
        rest = b""
        left = self.file.size  # no further, or a file that grows would be read for ever
        try:
            with self.file.open() as stream:
                while block := stream.read(min(left, BLOCK_BYTES)):
                    left -= len(block)
                    sha.update(block)
                    if row == 0 and not rest:
                        self._check_magic(block)
                    end = block.rfind(b"\n")
                    if end >= 0:
                        if len(rest) + block.find(b"\n") > MAX_RECORD_BYTES:
                            self._too_long(row)
                        records = self._parse(rest + block[:end], row, last=False)
                        row += len(records)
                        yield records
                        rest = block[end + 1 :]
                    else:
                        rest += block
                    if len(rest) > MAX_RECORD_BYTES:
                        self._too_long(row)
        except OSError as error:
            raise StorageError(f"cannot read the file: {error.strerror or error}", where=self.file.place) from error
        if rest:
            yield self._parse(rest, row, last=True)
        self.digest = sha.hexdigest()

    def _check_magic(self, block: bytes) -> None:
        for magic, name in _FOREIGN.items():
            if block.startswith(magic):
                self.fail(
                    f"this is {name}, not JSONL", hint="unpack it, or correct the interface's format in project.yaml"
                )
        if block.startswith(b"\xef\xbb\xbf"):
            self.fail("the file begins with a byte order mark", "line 1", hint="write it as UTF-8 without BOM")

    def _parse(self, data: bytes, row: int, *, last: bool) -> list[Record]:
        """The records of whole lines; ``last`` when no newline followed, so the line may be cut."""
        try:
            lines = data.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            where = self.place(row + data.count(b"\n", 0, error.start))
            if last and error.end == len(data):
                self._cut(where)
            self.fail("not UTF-8", where, hint="write the file as UTF-8")
        return [self._record(line, row + number, last) for number, line in enumerate(lines)]

    def _record(self, line: str, row: int, last: bool) -> Record:
        try:
            value, end = self._decoder.raw_decode(line.strip(" \t\r"))
            if type(value) is dict and end == len(line):
                return value
            whole = end == len(line.strip(" \t\r"))
        except json.JSONDecodeError as error:
            self._not_json(line, row, last, f"{error.msg}, column {error.colno}")
        except RecursionError:
            self.fail("a record is nested too deeply", self.place(row), hint="flatten it")
        except ValueError as error:
            self.fail(str(error), self.place(row), hint="write unknown values as null, and each key once")
        if not whole:
            self._not_json(line, row, last, "something follows the record")
        if not isinstance(value, dict):
            self.fail(
                f"a record must be an object, this is {_json_type(value)}",
                self.place(row),
                hint="one JSON object a line",
            )
        return value

    def _not_json(self, line: str, row: int, last: bool, reason: str) -> NoReturn:
        if not line.strip():
            self.fail("an empty line", self.place(row), hint="remove it: every line is one record")
        if last:
            self._cut(self.place(row))
        self.fail(f"not JSON: {reason}", self.place(row), hint="one JSON object a line")

    def _cut(self, place: str) -> NoReturn:
        self.fail("the file ends in the middle of a record", place, hint="write or copy the file again, it was cut off")

    def _too_long(self, row: int) -> NoReturn:
        self.fail(
            f"a line of more than {MAX_RECORD_BYTES} bytes",
            self.place(row),
            hint="one JSON object a line, at most 16 MiB",
        )


def _unique_keys(pairs: list[tuple[str, Any]]) -> Record:
    # A repeated key would hide its first value from every check.
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key is written twice in one object")
    return record


def _json_type(value: Any) -> str:
    return {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}.get(type(value), "a number")


class ParquetReader(Reader):
    """Parquet, a few rows at a time: a row group larger than memory is no obstacle."""

    def __init__(self, file: OpenedFile) -> None:
        super().__init__(file)
        self._group_starts: list[int] = [0]

    def place(self, row: int) -> str:
        """``row group 2, row 17``; row groups count from 0 as in Parquet tools, rows in them from 1."""
        group = bisect_right(self._group_starts, row) - 1
        return f"row group {group}, row {row - self._group_starts[group] + 1}"

    def batches(self) -> Iterator[list[Record]]:
        """See :meth:`Reader.batches`."""
        import pyarrow as pa

        self._check_ends()
        self.digest = file_digest(self.file)
        row = 0
        try:
            with open_parquet(self.file.arrow_source()) as source:
                promised = source.metadata.num_rows
                self._index(source.metadata)
                names = source.schema_arrow.names
                if len(set(names)) != len(names):
                    self.fail("two columns have the same name", hint="rename one of them")
                for batch in source.iter_batches(PARQUET_BATCH_ROWS, use_threads=False):
                    records = batch.to_pylist()
                    row += len(records)
                    yield records
        except (pa.ArrowException, UnicodeDecodeError, OSError, ValueError, OverflowError) as error:
            reason = str(error).splitlines()[0][:200] if not isinstance(error, UnicodeDecodeError) else "not UTF-8"
            self.fail(f"cannot be read as Parquet: {reason}", self._damage(row), hint="write or copy the file again")
        if row != promised:
            self.fail(f"{row} rows read, {promised} promised by the footer", hint="write the file again")

    def _damage(self, row: int) -> str:
        """Where reading stopped after ``row`` rows: a batch spans row groups, so the damaged one is looked for."""
        import pyarrow as pa

        first = bisect_right(self._group_starts, row) - 1
        try:
            group = damaged_row_group(self.file.arrow_source(), first)
        except (pa.ArrowException, OSError):
            group = None
        return self.place(row) if group in (None, first) else f"row group {group}"

    def _index(self, metadata: Any) -> None:
        starts = [0]
        for group in range(metadata.num_row_groups - 1):
            starts.append(starts[-1] + metadata.row_group(group).num_rows)
        self._group_starts = starts

    def _check_ends(self) -> None:
        try:
            with self.file.open(seeks=True) as stream:
                head = stream.read(4)
                stream.seek(max(0, self.file.size - 4))
                tail = stream.read(4)
        except OSError as error:
            raise StorageError(f"cannot read the file: {error.strerror or error}", where=self.file.place) from error
        if not head:
            self.fail("the file is empty", hint="write the interface's records, then log again")
        if head != _PARQUET_MAGIC:
            self.fail("this is not Parquet", hint="correct the interface's format in project.yaml, or the file")
        if tail != _PARQUET_MAGIC or self.file.size < 12:
            self.fail("the Parquet footer is missing", hint="write or copy the file again, it was cut off")


def reader_for(file: OpenedFile, data_format: str) -> Reader:
    """The reader of a format, ``jsonl`` or ``parquet``."""
    return ParquetReader(file) if data_format == "parquet" else JsonLinesReader(file)
