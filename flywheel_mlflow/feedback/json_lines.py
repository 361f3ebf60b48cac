"""Reads events from JSON lines: whole blocks by Arrow, and what Arrow refuses line by line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, InputError, StorageError
from flywheel_mlflow.feedback.columns import keep, sort_rows
from flywheel_mlflow.feedback.dead_letters import MAX_RAW_CHARACTERS, DeadLetters
from flywheel_mlflow.feedback.events import (
    COLUMNS,
    LINE,
    MAX_EVENT_BYTES,
    FeedbackEvent,
    event_schema,
    events_table,
    parse_event,
)
from flywheel_mlflow.feedback.mapping import ColumnMapping, PassedOver

if TYPE_CHECKING:
    import pyarrow as pa

#: Read and parsed at once; about 20,000 events.
BLOCK_BYTES = 8 * 1024 * 1024
#: Of the first block so much is searched for the columns that the file uses; each absent one costs a pass over it.
_FIRST_BYTES = 1024 * 1024
#: Pieces of a refused block are halved until they have so few lines; then each line is looked at.
FEW_LINES = 32

_FOREIGN = {b"PAR1": "Parquet", b"\x1f\x8b": "gzip", b"PK\x03\x04": "a zip archive", b"\x28\xb5\x2f\xfd": "zstandard"}
_BOM = b"\xef\xbb\xbf"
_OPEN, _CLOSE, _RETURN, _NEWLINE = (ord(char) for char in "{}\r\n")

Places = npt.NDArray[np.int64]


class JsonLines:
    """One file of events, one JSON object a line; ``digest`` is known once it has been read to the end.

    Empty lines are passed over. A line over ``MAX_EVENT_BYTES`` becomes a dead letter without being held in memory.
    """

    def __init__(self, path: Path, mapping: ColumnMapping | None, dead: DeadLetters) -> None:
        self.path = path
        self.digest = ""
        self._mapping = mapping
        self._dead = dead
        self._line = 0  # whole lines read so far
        self._known: frozenset[str] | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The events with their lines, block by block, in the order of the file.

        Raises:
            InputError: the file is of another format.
            StorageError: the system refuses to read it.
        """
        for block in self._blocks():
            ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _NEWLINE)
            starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
            batch = self._piece(block, starts, ends, self._line + 1)
            self._line += len(ends)
            if batch is not None:
                yield batch

    def _blocks(self) -> Iterator[bytes]:
        """Whole lines, each with its newline."""
        sha = hashlib.sha256()
        rest = b""
        skipped = 0  # bytes of an overlong line that are gone already
        first = True
        try:
            with self.path.open("rb") as stream:
                while data := stream.read(BLOCK_BYTES):
                    sha.update(data)
                    if first:
                        data = self._checked(data)
                        first = False
                    end = data.rfind(b"\n") + 1
                    if skipped:
                        end = data.find(b"\n") + 1
                        skipped += end or len(data)
                        if not end:
                            continue
                        self._too_long(rest, skipped - 1)
                        skipped, rest, data = 0, b"", data[end:]
                        end = data.rfind(b"\n") + 1
                    if end:
                        yield b"".join([rest, memoryview(data)[:end]])
                        rest = data[end:]
                    else:
                        rest += data
                    if len(rest) > MAX_EVENT_BYTES:
                        skipped, rest = len(rest), rest[: 4 * MAX_RAW_CHARACTERS]
        except OSError as error:
            raise StorageError(f"cannot read the file: {error.strerror or error}", where=str(self.path)) from error
        self.digest = sha.hexdigest()
        if skipped:
            self._too_long(rest, skipped)
        elif rest:
            yield rest + b"\n"

    def _checked(self, data: bytes) -> bytes:
        for magic, name in _FOREIGN.items():
            if data.startswith(magic):
                raise InputError(f"this is {name}, not JSON lines", where=str(self.path), hint="unpack or rename it")
        return data.removeprefix(_BOM)

    def _too_long(self, raw: bytes, size: int) -> None:
        self._line += 1
        self._dead.add(self._line, f"a line of {size} bytes, at most {MAX_EVENT_BYTES} are read", raw, size=size)

    def _piece(self, block: bytes, starts: Places, ends: Places, line: int) -> pa.RecordBatch | None:
        """The events of some consecutive lines, the first of which has the number ``line``."""
        import pyarrow as pa

        if self._mapping is not None and not self._mapping.is_columnar:
            return self._by_lines(block, starts, ends, np.arange(line, line + len(starts)))
        try:
            return self._by_columns(block, starts, ends, line)
        except pa.ArrowException:
            if len(starts) <= FEW_LINES:
                return self._by_lines(block, starts, ends, np.arange(line, line + len(starts)))
        half = len(starts) // 2
        parts = [
            self._piece(block, starts[:half], ends[:half], line),
            self._piece(block, starts[half:], ends[half:], line + half),
        ]
        return joined([part for part in parts if part is not None])

    def _by_columns(self, block: bytes, starts: Places, ends: Places, line: int) -> pa.RecordBatch:
        """The events Arrow reads; lines it is not sure of are looked at singly.

        Raises:
            pyarrow.ArrowException: something in the piece is no event, or not written as expected.
        """
        table = self._parsed(block, starts, ends)
        if self._mapping is not None:
            table = self._mapping.table(table)
        numbers = np.arange(line, line + len(starts), dtype=np.int64)
        batch, sure = sort_rows(table, numbers)
        good = keep(batch, sure)
        if sure.all():
            return good
        odd = ~sure
        others = self._by_lines(block, starts[odd], ends[odd], numbers[odd])
        return good if others is None else _in_order(joined([good, others]))

    def _parsed(self, block: bytes, starts: Places, ends: Places) -> pa.Table:
        import pyarrow as pa

        data = np.frombuffer(block, dtype=np.uint8)
        last = data[ends - 1]
        last = np.where(last == _RETURN, data[np.maximum(ends - 2, 0)], last)
        # One object a line: then rows and lines count alike, whatever Arrow takes for white space.
        if not ((data[starts] == _OPEN) & (last == _CLOSE) & (ends - starts <= MAX_EVENT_BYTES)).all():
            raise pa.ArrowInvalid("not one object a line")
        piece = pa.py_buffer(block).slice(int(starts[0]), int(ends[-1] - starts[0]))
        if self._mapping is not None:
            table = _foreign_columns(_read(piece, _foreign_schema(self._mapping), "ignore"), self._mapping)
        else:
            table = self._own_columns(piece, block)
        if table.num_rows != len(starts):
            raise pa.ArrowInvalid("rows and lines differ")
        return table

    def _own_columns(self, piece: pa.Buffer, block: bytes) -> pa.Table:
        """Parsed with the columns that the file is known to use: each unused one would cost as much as a used one."""
        import pyarrow as pa

        if self._known is None:
            self._known = _named(block[:_FIRST_BYTES])
        try:
            return _read(piece, _own_schema(self._known), "error")
        except pa.ArrowInvalid:
            if len(self._known) == len(COLUMNS):
                raise
        table = _read(piece, _own_schema(frozenset(COLUMNS)), "error")
        late = _named(block) - self._known
        # None found and yet there: its name is written with escapes, and may be again.
        self._known = self._known | late if late else frozenset(COLUMNS)
        return table

    def _by_lines(self, block: bytes, starts: Places, ends: Places, lines: Places) -> pa.RecordBatch | None:
        """The events among some lines, each looked at by itself; the others become dead letters."""
        events, numbers = [], []
        for start, end, line in zip(starts.tolist(), ends.tolist(), lines.tolist(), strict=True):
            raw = block[start:end]
            if not raw.strip():
                continue
            event = self._event(raw)
            if isinstance(event, PassedOver):
                self._dead.passed_over += 1
            elif isinstance(event, str):
                self._dead.add(line, event, raw)
            else:
                events.append(event)
                numbers.append(line)
        return events_table(events, numbers) if events else None

    def _event(self, raw: bytes) -> FeedbackEvent | str | PassedOver:
        """The event of one line, or why it is none."""
        if len(raw) > MAX_EVENT_BYTES:
            return f"a line of {len(raw)} bytes, at most {MAX_EVENT_BYTES} are read"
        try:
            value = parse_json(raw.decode("utf-8"), name="line")
        except UnicodeDecodeError as error:
            return f"not UTF-8 at byte {error.start + 1}"
        except DocumentError as error:
            return error.faults[0].message
        if not isinstance(value, dict):
            return "not a JSON object"
        row = value if self._mapping is None else self._mapping.row(value, nested=True)
        return row if isinstance(row, PassedOver) else parse_event(row)


def _named(block: bytes) -> frozenset[str]:
    """The columns whose names stand in a block, be it as a value."""
    return frozenset(name for name in COLUMNS if b'"%s"' % name.encode() in block)


def joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch | None:
    """Several batches as one; None for none."""
    import pyarrow as pa

    if len(batches) < 2:
        return batches[0] if batches else None
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _in_order(batch: pa.RecordBatch | None) -> pa.RecordBatch:
    assert batch is not None  # noqa: S101  # it was joined from two
    return batch.sort_by(LINE)


def _read(piece: pa.Buffer, schema: pa.Schema, unexpected: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.json as pj

    return pj.read_json(
        pa.BufferReader(piece),
        read_options=pj.ReadOptions(use_threads=False, block_size=piece.size + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected),
    )


def _own_schema(known: frozenset[str]) -> pa.Schema:
    """The columns as JSON has them: times are text there."""
    import pyarrow as pa

    fields = [field for field in event_schema() if field.name in known]
    return pa.schema([pa.field(field.name, pa.string() if field.name == "time" else field.type) for field in fields])


def _leaf(mapping: ColumnMapping, name: str) -> pa.DataType:
    import pyarrow as pa

    if name == "time" and mapping.time_format != "iso":
        return pa.int64()
    return pa.list_(pa.string()) if name == "record_ids" else pa.string()


def _foreign_schema(mapping: ColumnMapping) -> pa.Schema:
    """The foreign fields that a mapping takes, with the objects around them.

    Raises:
        pyarrow.ArrowInvalid: a field is taken as it is and walked into as well: that only single lines can do.
    """
    import pyarrow as pa

    tree: dict[str, Any] = {}
    for name, path in mapping.plain_columns.items():
        *parents, last = path.split(".")
        place = tree
        for part in parents:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise pa.ArrowInvalid("a field and a field inside it")
        if last in place:
            raise pa.ArrowInvalid("a field taken twice")
        place[last] = _leaf(mapping, name)

    def build(node: dict[str, Any]) -> list[pa.Field]:
        return [
            pa.field(name, pa.struct(build(kind)) if isinstance(kind, dict) else kind) for name, kind in node.items()
        ]

    return pa.schema(build(tree))


def _foreign_columns(table: pa.Table, mapping: ColumnMapping) -> pa.Table:
    """The mapped fields of a parsed piece, by our names; empty texts are unknown, as in :meth:`ColumnMapping.row`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for name, path in mapping.plain_columns.items():
        first, *parts = path.split(".")
        column = table.column(first)
        for part in parts:
            column = pc.struct_field(column, part)
        if pa.types.is_string(column.type):
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        found[name] = column
    return pa.table(found)
