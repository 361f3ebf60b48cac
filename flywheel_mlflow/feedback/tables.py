"""Reads events from CSV and Parquet, batch by batch."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.base.errors import InputError, StorageError
from flywheel_mlflow.feedback.columns import keep, sort_rows
from flywheel_mlflow.feedback.dead_letters import DeadLetters
from flywheel_mlflow.feedback.events import COLUMNS, LINE, MAX_EVENT_BYTES, FeedbackEvent, events_table, parse_event
from flywheel_mlflow.feedback.json_lines import JsonLines, joined
from flywheel_mlflow.feedback.mapping import ColumnMapping, PassedOver

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows taken at once; with the longest texts that users paste still some megabytes.
BATCH_ROWS = 8192
#: Several records in one cell of a CSV file.
RECORD_SEPARATOR = ";"

#: How Python's reader says that a quoted text went on to the end of the file, or for 131,072 characters.
_ENDLESS = ("unexpected end of data", "field larger than field limit")

Row = dict[str, Any]
Lines = npt.NDArray[np.int64]

_QUOTE = "is a quote not closed?"
#: What helps where a file is not of the format its ending says.
_WRITE_AGAIN = "write it again; the ending says which format is read: .jsonl, .json, .csv, .tsv or .parquet"
#: What separates the columns of a table: the one that makes the header's names known ones.
_SEPARATORS = (",", ";", "\t", "|")


def open_events(path: Path, mapping: ColumnMapping | None, dead: DeadLetters) -> JsonLines | CsvTable | ParquetTable:
    """The reader for a file, by the ending of its name.

    Raises:
        InputError: an ending nobody knows, or no such file.
    """
    kinds: dict[str, Callable[[Path, ColumnMapping | None, DeadLetters], JsonLines | CsvTable | ParquetTable]] = {
        ".jsonl": JsonLines,
        ".ndjson": JsonLines,
        ".json": JsonLines,
        ".csv": CsvTable,
        ".tsv": CsvTable,
        ".parquet": ParquetTable,
    }
    if path.suffix.lower() not in kinds:
        raise InputError(
            f"cannot tell the format of {path.name[:80]!r}", where=str(path), hint=f"name it with {', '.join(kinds)}"
        )
    if not path.is_file():
        raise InputError("no such file" if not path.exists() else "not a file", where=str(path))
    return kinds[path.suffix.lower()](path, mapping, dead)


class CsvTable:
    """A table with a header; an empty cell is unknown, several records stand apart by ``;``.

    Columns are separated by commas, semicolons, tabs or bars, whichever makes the header's names known ones.

    ``digest`` is known once the file has been read to the end. Line numbers are those on which a row ends.
    """

    def __init__(self, path: Path, mapping: ColumnMapping | None, dead: DeadLetters) -> None:
        self.path = path
        self.digest = ""
        self._mapping = mapping
        self._dead = dead

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The events with their lines, in the order of the file.

        Raises:
            InputError: no header, a column twice, a column no event has and no mapping takes, or a quote never closed.
            StorageError: the system refuses to read it.
        """
        try:
            with self.path.open("rb") as stream:
                lines = _HashedLines(stream, self._dead)
                names, reader = self._header(lines)
                waiting: list[list[str]] = []
                numbers: list[int] = []
                for row in self._rows(reader, lines, len(names)):
                    waiting.append(row)
                    numbers.append(lines.number)
                    if len(waiting) == BATCH_ROWS:
                        yield from self._batch(names, waiting, numbers)
                        waiting, numbers = [], []
                if waiting:
                    yield from self._batch(names, waiting, numbers)
                self.digest = lines.digest
        except OSError as error:
            raise StorageError(f"cannot read the file: {error.strerror or error}", where=str(self.path)) from error

    def _header(self, lines: _HashedLines) -> tuple[list[str], Iterator[list[str]]]:
        """The names of the columns, and the reader of the rows below them."""
        first = next(lines, None)
        if first is None:
            raise InputError("an empty file", where=str(self.path), hint="the first line names the columns")
        known = set(COLUMNS) if self._mapping is None else self._mapping.foreign_fields
        split = {separator: _split(first, separator) for separator in _SEPARATORS}
        separator = max(_SEPARATORS, key=lambda item: len(known.intersection(split[item])))
        names = split[separator]
        if not names:
            raise InputError("not CSV: the header cannot be read", where=f"{self.path}, line 1", hint=_QUOTE)
        _check_names(names, self._mapping, str(self.path))
        return names, csv.reader(lines, delimiter=separator, strict=True)

    def _rows(self, reader: Iterator[list[str]], lines: _HashedLines, width: int) -> Iterator[list[str]]:
        """The rows of the right width; the others become dead letters.

        Raises:
            InputError: a quote that is not closed swallows the lines after it.
        """
        while True:
            first = lines.number + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if lines.number > first and str(error).startswith(_ENDLESS):
                    raise InputError(
                        f"a quote that is not closed: what it opens takes in {lines.number - first:,} more lines",
                        where=f"{self.path}, line {first}",
                        hint="close the quote; a quote inside a quoted text is written twice",
                    ) from error
                self._dead.add(lines.number, f"not CSV: {error}", lines.last)
                continue
            if not row:
                continue
            if len(row) != width:
                self._dead.add(lines.number, f"{len(row)} fields, the header names {width}", _as_json(row))
            else:
                yield row

    def _batch(self, names: list[str], rows: list[list[str]], numbers: list[int]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        def singly(position: int) -> FeedbackEvent | str | PassedOver:
            row = _event_row(names, rows[position], self._mapping)
            return row if isinstance(row, PassedOver) else parse_event(row)

        def raw(position: int) -> str:
            return _as_json(rows[position])

        try:
            table = self._columns(names, rows) if _is_columnar(names, self._mapping) else None
        except (UnicodeEncodeError, pa.ArrowException):
            table = None  # a cell that is not UTF-8
        yield from _sorted_out(table, np.array(numbers, dtype=np.int64), singly, raw, self._dead)

    def _columns(self, names: list[str], rows: list[list[str]]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = dict(zip(names, zip(*rows, strict=True), strict=True))
        wanted = {name: name for name in names} if self._mapping is None else self._mapping.plain_columns
        found = {}
        for name, theirs in wanted.items():
            if theirs not in cells:
                continue
            column = pa.array([cell or None for cell in cells[theirs]], pa.string())
            found[name] = pc.split_pattern(column, RECORD_SEPARATOR) if name == "record_ids" else column
        table = pa.table(found)
        return table if self._mapping is None else self._mapping.table(table)


def _split(line: str, separator: str) -> list[str]:
    """The cells of a line, none where it is no line of such a table."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return []


class _HashedLines:
    """The lines of a CSV file as text, hashed and counted on the way; an overlong one is passed over."""

    def __init__(self, stream: BufferedReader, dead: DeadLetters) -> None:
        self._stream = stream
        self._dead = dead
        self._sha = hashlib.sha256()
        self.number = 0
        self.last = b""

    def __iter__(self) -> _HashedLines:
        return self

    def __next__(self) -> str:
        while line := self._stream.readline(MAX_EVENT_BYTES + 1):
            self._sha.update(line)
            self.number += 1
            size = len(line)
            if size <= MAX_EVENT_BYTES or line.endswith(b"\n"):
                self.last = line
                text = line.decode("utf-8", "surrogateescape")
                return text.removeprefix("\ufeff") if self.number == 1 else text
            while rest := self._stream.readline(MAX_EVENT_BYTES):
                self._sha.update(rest)
                size += len(rest)
                if rest.endswith(b"\n"):
                    break
            self._dead.add(self.number, f"a line of {size} bytes, at most {MAX_EVENT_BYTES} are read", line, size=size)
        raise StopIteration

    @property
    def digest(self) -> str:
        """sha256 of what was read, 64 hex digits."""
        return self._sha.hexdigest()


class ParquetTable:
    """A Parquet file with the event's columns, or those a mapping takes; lines count its rows from 1."""

    def __init__(self, path: Path, mapping: ColumnMapping | None, dead: DeadLetters) -> None:
        self.path = path
        self.digest = ""
        self._mapping = mapping
        self._dead = dead

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The events with their rows, in the order of the file.

        Raises:
            InputError: not Parquet, cut off, or with columns no event has and no mapping takes.
            StorageError: the system refuses to read it.
        """
        import pyarrow as pa

        from flywheel_mlflow.records.parquet import open_parquet

        self.digest = _file_digest(self.path)
        row = 0
        try:
            with open_parquet(self.path) as source:
                names = source.schema_arrow.names
                _check_names(names, self._mapping, str(self.path))
                by_columns = self._mapping is not None and self._mapping.is_columnar
                wanted = sorted(self._mapping.foreign_fields & {*names}) if self._mapping and by_columns else names
                for batch in source.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
                    numbers = np.arange(row + 1, row + 1 + batch.num_rows, dtype=np.int64)
                    row += batch.num_rows
                    yield from self._batch(batch, numbers)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0][:200]
            raise InputError(f"cannot be read as Parquet: {reason}", where=str(self.path), hint=_WRITE_AGAIN) from error
        except OSError as error:
            if error.errno is None:  # Arrow's way to say that bytes are damaged
                reason = str(error)[:200]
                raise InputError(
                    f"cannot be read as Parquet: {reason}", where=self._damage(), hint=_WRITE_AGAIN
                ) from error
            raise StorageError(f"cannot read the file: {error.strerror or error}", where=str(self.path)) from error

    def _damage(self) -> str:
        """The file, with the row group that cannot be read where it can be told."""
        import pyarrow as pa

        from flywheel_mlflow.records.parquet import damaged_row_group

        try:
            group = damaged_row_group(self.path)
        except (pa.ArrowException, OSError):
            group = None
        return str(self.path) if group is None else f"{self.path}, row group {group}"

    def _batch(self, batch: pa.RecordBatch, numbers: Lines) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        def singly(position: int) -> FeedbackEvent | str | PassedOver:
            try:
                row = batch.slice(position, 1).to_pylist()[0]
            except (UnicodeDecodeError, ValueError, OverflowError) as error:
                return "not UTF-8" if isinstance(error, UnicodeDecodeError) else f"a value out of range: {error}"
            row = _plain({name: value for name, value in row.items() if value is not None})
            mapped = row if self._mapping is None else self._mapping.row(row, nested=not self._mapping.is_columnar)
            return mapped if isinstance(mapped, PassedOver) else parse_event(mapped)

        def raw(position: int) -> str:
            return str(batch.slice(position, 1).to_pydict())[:10_000] if _decodes(batch, position) else "not UTF-8"

        try:
            table = self._columns(batch) if _is_columnar(batch.schema.names, self._mapping) else None
        except pa.ArrowException:
            table = None
        yield from _sorted_out(table, numbers, singly, raw, self._dead)

    def _columns(self, batch: pa.RecordBatch) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = {name: name for name in batch.schema.names} if self._mapping is None else self._mapping.plain_columns
        found = {}
        for name, theirs in wanted.items():
            if theirs not in batch.schema.names:
                continue
            column = batch.column(theirs)
            if pa.types.is_timestamp(column.type) and column.type.tz is None:
                raise pa.ArrowInvalid("a time without zone")  # looked at singly, each row is told so
            if name == "record_ids":
                column = pc.cast(column, pa.list_(pa.string()))
            elif not (name == "time" and (pa.types.is_timestamp(column.type) or pa.types.is_integer(column.type))):
                column = pc.cast(column, pa.string())
            found[name] = column
        table = pa.table(found)
        return table if self._mapping is None else self._mapping.table(table)


def _sorted_out(
    table: pa.Table | None,
    numbers: Lines,
    singly: Callable[[int], FeedbackEvent | str | PassedOver],
    raw: Callable[[int], str],
    dead: DeadLetters,
) -> Iterator[pa.RecordBatch]:
    """The events of a batch: by columns where they are sure, else row by row; the others become dead letters."""
    import pyarrow as pa

    parts = []
    sure = np.zeros(len(numbers), dtype=bool)
    if table is not None:
        try:
            batch, sure = sort_rows(table, numbers)
        except pa.ArrowException:
            sure = np.zeros(len(numbers), dtype=bool)
        else:
            parts.append(keep(batch, sure))
    events, lines = [], []
    for position in np.flatnonzero(~sure).tolist():
        event = singly(position)
        if isinstance(event, PassedOver):
            dead.passed_over += 1
        elif isinstance(event, str):
            dead.add(int(numbers[position]), event, raw(position))
        else:
            events.append(event)
            lines.append(int(numbers[position]))
    if events:
        parts.append(events_table(events, lines))
    whole = joined([part for part in parts if part.num_rows])
    if whole is not None:
        yield whole.sort_by(LINE) if events else whole


def _check_names(names: Sequence[str], mapping: ColumnMapping | None, where: str) -> None:
    if mapping is not None:
        missing = mapping.missing_for_id(names)
        if missing:
            raise InputError(f"the file has no column {missing!a}", where=where, hint="correct the mapping")
        return
    if len(set(names)) != len(names):
        raise InputError("two columns have the same name", where=where, hint="rename one of them, or use a mapping")
    unknown = sorted(set(names) - set(COLUMNS))
    if unknown:
        shown = ", ".join(ascii(name[:40]) for name in unknown[:5])
        raise InputError(
            f"events have no column {shown}", where=where, hint="say with --mapping FILE which columns to take"
        )


def _is_columnar(names: Sequence[str], mapping: ColumnMapping | None) -> bool:
    """Whether columns can be read as wholes: not where several of one name are taken, as one fills the others' gaps."""
    if mapping is None:
        return True
    twice = {name for name in mapping.foreign_fields if names.count(name) > 1}
    return mapping.is_columnar and not twice


def _event_row(names: list[str], cells: list[str], mapping: ColumnMapping | None) -> Row | PassedOver:
    """One CSV row as the fields of an event, not yet judged."""
    # Turned round, the first of several columns of one name is the last to be written.
    told: Row = {name: cell for name, cell in reversed(list(zip(names, cells, strict=True))) if cell}
    row = told if mapping is None else mapping.row(told, nested=False)
    if not isinstance(row, PassedOver) and "record_ids" in row:
        row["record_ids"] = tuple(str(row["record_ids"]).split(RECORD_SEPARATOR))
    return row


def _plain(row: Row) -> Row:
    """A Parquet row with its times in Python's precision."""
    return {name: value.to_pydatetime() if hasattr(value, "to_pydatetime") else value for name, value in row.items()}


def _decodes(batch: pa.RecordBatch, position: int) -> bool:
    try:
        batch.slice(position, 1).to_pydict()
    except (UnicodeDecodeError, ValueError, OverflowError):
        return False
    return True


def _as_json(cells: list[str]) -> str:
    return json.dumps(cells, ensure_ascii=True)


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"cannot read the file: {error.strerror or error}", where=str(path)) from error
