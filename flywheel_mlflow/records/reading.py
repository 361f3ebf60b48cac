"""Reads JSONL and Parquet as batches of records, refusing whatever is not whole.

Faults raise :class:`RecordError` with the file and the line, or row group and row; the value at
fault is never quoted, it may be personal.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn

from flywheel_mlflow.base.errors import RecordError, StorageError
from flywheel_mlflow.records.parquet import damaged_row_group, open_parquet
from flywheel_mlflow.records.refusals import RowFault
from flywheel_mlflow.records.sources import BLOCK_BYTES, OpenedFile

Record = dict[str, Any]

#: A record this long is a file in the wrong place or an attack; memory is bounded by it.
MAX_RECORD_BYTES = 16 * 1024 * 1024

#: Rows decoded at once from Parquet, whatever their size.
MIN_BATCH_ROWS, MAX_BATCH_ROWS = 64, 16384

_PARQUET_MAGIC = b"PAR1"
_FOREIGN = {b"PAR1": "Parquet", b"\x1f\x8b": "gzip", b"PK\x03\x04": "a zip archive", b"\x28\xb5\x2f\xfd": "zstandard"}


class Reader(ABC):
    """Reads one file, batch after batch."""

    def __init__(self, file: OpenedFile) -> None:
        self.file = file

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


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of a file without the last newline; ``may_be_cut`` when none followed."""

    data: bytes
    row: int
    count: int
    may_be_cut: bool


def _unique_keys(pairs: list[tuple[str, Any]]) -> Record:
    # A repeated key would hide its first value from every check.
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key is written twice in one object")
    return record


def _refuse_constant(token: str) -> NoReturn:
    raise ValueError(f"{token} is not a number JSON knows")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)


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
        try:
            for lines in self.lines(0, self.file.size):
                texts = enumerate(split(lines), start=lines.row)
                yield [_record(line, row, lines.may_be_cut, self._decoder) for row, line in texts]
        except RowFault as fault:
            self.fail(fault.what, self.place(fault.row), hint=fault.hint)

    def lines(self, start: int, stop: int, block_bytes: int = BLOCK_BYTES) -> Iterator[Lines]:
        """The lines that begin at the byte ``start`` or later and before the byte ``stop``, rows counted from 0.

        Raises:
            RowFault: a line that is too long.
            RecordError: the file is of another format.
            StorageError: the system refuses to read it.
        """
        row, rest = 0, b""
        cut = stop < self.file.size
        left = stop - start  # no further, or a file that grows would be read for ever
        try:
            with self.file.open(seeks=start > 0 or cut) as stream:
                if start:
                    stream.seek(start - 1)  # where a line ends, the next begins here
                    left -= len(stream.readline(MAX_RECORD_BYTES + 1)) - 1
                while block := stream.read(min(max(left, 0), block_bytes)):
                    if not start and not row and not rest:
                        self._check_magic(block)
                    left -= len(block)
                    end = block.rfind(b"\n")
                    if end >= 0:
                        if len(rest) + block.find(b"\n") > MAX_RECORD_BYTES:
                            _refuse_length(row)
                        data = b"".join((rest, memoryview(block)[:end]))
                        count = data.count(b"\n") + 1
                        yield Lines(data, row, count, may_be_cut=False)
                        row += count
                        rest = block[end + 1 :]
                    else:
                        rest += block
                    if len(rest) > MAX_RECORD_BYTES:
                        _refuse_length(row)
                if rest and cut:
                    rest += stream.readline(MAX_RECORD_BYTES + 2)
        except OSError as error:
            raise StorageError(f"cannot read the file: {error.strerror or error}", where=self.file.place) from error
        if rest:
            whole = rest.removesuffix(b"\n")
            if len(whole) > MAX_RECORD_BYTES:
                _refuse_length(row)
            yield Lines(whole, row, 1, may_be_cut=not rest.endswith(b"\n"))

    def _check_magic(self, block: bytes) -> None:
        for magic, name in _FOREIGN.items():
            if block.startswith(magic):
                self.fail(
                    f"this is {name}, not JSONL", hint="unpack it, or correct the interface's format in project.yaml"
                )
        if block.startswith(b"\xef\xbb\xbf"):
            self.fail("the file begins with a byte order mark", "line 1", hint="write it as UTF-8 without BOM")


def split(lines: Lines) -> list[str]:
    """The lines as text.

    Raises:
        RowFault: one is not UTF-8.
    """
    try:
        return lines.data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        row = lines.row + lines.data.count(b"\n", 0, error.start)
        if lines.may_be_cut and error.end == len(lines.data):
            raise _cut(row) from error
        raise RowFault("not UTF-8", row, hint="write the file as UTF-8") from error


def parse(lines: Lines) -> tuple[list[Record], RowFault | None]:
    """The records up to the first line that is none, and why that is none."""
    records: list[Record] = []
    fault: RowFault | None = None
    try:
        texts = split(lines)
    except RowFault as error:
        fault = error
        good = lines.data.split(b"\n")[: error.row - lines.row]
        texts = [text.decode("utf-8") for text in good]
    for number, text in enumerate(texts, start=lines.row):
        try:
            records.append(_record(text, number, lines.may_be_cut))
        except RowFault as error:
            return records, error
    return records, fault


def parse_line(line: bytes) -> Record:
    """The record of a line that is known to hold one."""
    return _record(line.decode("utf-8"), 0, may_be_cut=False)


def _record(line: str, row: int, may_be_cut: bool, decoder: json.JSONDecoder = _DECODER) -> Record:
    try:
        value, end = decoder.raw_decode(line.strip(" \t\r"))
        if type(value) is dict and end == len(line):
            return value
        whole = end == len(line.strip(" \t\r"))
    except json.JSONDecodeError as error:
        raise _not_json(line, row, may_be_cut, f"{error.msg}, column {error.colno}") from error
    except RecursionError as error:
        raise RowFault("a record is nested too deeply", row, hint="flatten it") from error
    except ValueError as error:
        raise RowFault(str(error), row, hint="write unknown values as null, and each key once") from error
    if not whole:
        raise _not_json(line, row, may_be_cut, "something follows the record")
    if not isinstance(value, dict):
        raise RowFault(f"a record must be an object, this is {_json_type(value)}", row, hint="one JSON object a line")
    return value


def _not_json(line: str, row: int, may_be_cut: bool, reason: str) -> RowFault:
    if not line.strip():
        return RowFault("an empty line", row, hint="remove it: every line is one record")
    return _cut(row) if may_be_cut else RowFault(f"not JSON: {reason}", row, hint="one JSON object a line")


def _cut(row: int) -> RowFault:
    return RowFault("the file ends in the middle of a record", row, hint="write or copy the file again, it was cut off")


def _refuse_length(row: int) -> NoReturn:
    raise RowFault(f"a line of more than {MAX_RECORD_BYTES} bytes", row, hint="one JSON object a line, at most 16 MiB")


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

        row = 0
        try:
            for batch in self.arrow_batches(0, sum(rows for rows, _ in self.row_groups())):
                yield batch.to_pylist()
                row += batch.num_rows
        except (pa.ArrowException, UnicodeDecodeError, OSError, ValueError, OverflowError) as error:
            self.fail_reading(error, row)

    def row_groups(self) -> list[tuple[int, int]]:
        """Rows and bytes (uncompressed) of each row group.

        Raises:
            RecordError: the file is cut, no Parquet, or has two columns of one name.
            StorageError: the system refuses to read it.
        """
        import pyarrow as pa

        self._check_ends()
        try:
            with open_parquet(self.file.arrow_source()) as source:
                metadata = source.metadata
                groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
                found = [(group.num_rows, group.total_byte_size) for group in groups]
                if any(_has_twins(kind) for kind in (source.schema_arrow, *source.schema_arrow.types)):
                    self.fail("two columns have the same name", hint="rename one of them")
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            self.fail_reading(error, 0)
        self._group_starts = [0, *accumulate(rows for rows, _ in found)]
        return found

    def arrow_batches(self, start: int, stop: int, batch_bytes: int = BLOCK_BYTES) -> Iterator[Any]:
        """The records from the row ``start`` up to the row ``stop``, in batches of about so many bytes.

        What lies before them in their row group is decoded as well: Parquet is read from the beginning of a group.

        Raises:
            ArrowException, OSError: a page that cannot be read; see :meth:`fail_reading`.
            RecordError: the file is cut, or holds fewer rows than it says.
        """
        groups = self.row_groups()
        first, last = bisect_right(self._group_starts, start) - 1, bisect_left(self._group_starts, stop)
        row, end = self._group_starts[first], self._group_starts[last]
        rows = batch_rows(groups[first:last], batch_bytes)
        with open_parquet(self.file.arrow_source()) as source:
            for batch in source.iter_batches(rows, row_groups=list(range(first, last)), use_threads=False):
                row += batch.num_rows
                if row > start:
                    skipped = max(0, start - row + batch.num_rows)
                    yield batch.slice(skipped, min(batch.num_rows, stop - row + batch.num_rows) - skipped)
                if row >= stop and stop < end:
                    return
        if row != end:
            before = self._group_starts[first]
            self.fail(f"{row - before} rows read, {end - before} promised by the footer", hint="write the file again")

    def fail_reading(self, error: Exception, row: int) -> NoReturn:
        """Raises the error of this file for what its reader said when so many rows had been read."""
        reason = str(error).splitlines()[0][:200] if not isinstance(error, UnicodeDecodeError) else "not UTF-8"
        self.fail(f"cannot be read as Parquet: {reason}", self._damage(row), hint="write or copy the file again")

    def _damage(self, row: int) -> str:
        """Where reading stopped after ``row`` rows: a batch spans row groups, so the damaged one is looked for."""
        import pyarrow as pa

        first = min(bisect_right(self._group_starts, row), max(len(self._group_starts) - 1, 1)) - 1
        try:
            group = damaged_row_group(self.file.arrow_source(), first)
        except (pa.ArrowException, OSError):
            group = None
        return self.place(row) if group in (None, first) else f"row group {group}"

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


def batch_rows(groups: Sequence[tuple[int, int]], batch_bytes: int) -> int:
    """How many rows are about so many bytes, given the rows and bytes of row groups."""
    rows, size = sum(rows for rows, _ in groups), sum(size for _, size in groups)
    return max(MIN_BATCH_ROWS, min(MAX_BATCH_ROWS, batch_bytes * rows // max(size, 1)))


def _has_twins(kind: Any) -> bool:
    """Whether two fields of a schema or type, at any depth, have the same name."""
    import pyarrow as pa

    if isinstance(kind, pa.Schema) or pa.types.is_struct(kind):
        names = [field.name for field in kind]
        return len(set(names)) < len(names) or any(_has_twins(field.type) for field in kind)
    return any(_has_twins(kind.field(number).type) for number in range(kind.num_fields))


def reader_for(file: OpenedFile, data_format: str) -> Reader:
    """The reader of a format, ``jsonl`` or ``parquet``."""
    return ParquetReader(file) if data_format == "parquet" else JsonLinesReader(file)
