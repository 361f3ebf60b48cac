"""Reads parts of files as blocks of columns; the parts are what workers share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pyarrow as pa

from flywheel_mlflow.records.arrow_values import objects_array, simple_array
from flywheel_mlflow.records.batches import Block
from flywheel_mlflow.records.columns import has_infinite
from flywheel_mlflow.records.json_columns import ColumnParser
from flywheel_mlflow.records.reading import (
    JsonLinesReader,
    Lines,
    ParquetReader,
    Reader,
    Record,
    batch_rows,
    parse,
    parse_line,
)
from flywheel_mlflow.records.refusals import MAX_DEPTH, first_fault
from flywheel_mlflow.records.sources import HashedFile

#: Bytes measured at once: large enough that calls cost little, small beside the memory limit.
BLOCK_BYTES = 4 << 20
#: Bytes that are tried once more when a block holds something that columns cannot.
PIECE_BYTES = 256 << 10
#: Bytes of a part: workers share parts, so there must be several for each.
PART_BYTES = 32 << 20

#: Pieces of a row group that has more than one worker: each decodes all pieces before its own.
MAX_CUTS = 4

#: In bytes of a JSON Lines file, to whose lines the end of the last belongs, or in rows of a Parquet file.
Range = tuple[int, int]


def parts_of(reader: Reader, part_bytes: int = PART_BYTES, workers: int = 1) -> list[Range]:
    """Cuts a file into parts of about so many bytes, for so many workers: of lines those that begin there.

    Parquet is cut between row groups. Where there are fewer large ones than workers, each is cut as well.

    Raises:
        RecordError: the file is cut, or no Parquet.
        StorageError: the system refuses to read it.
    """
    if isinstance(reader, ParquetReader):
        return list(_row_parts(reader.row_groups(), part_bytes, workers))
    size = reader.file.size
    if isinstance(reader.file, HashedFile):  # it is read once, from its beginning
        return [(0, size)]
    starts = range(0, max(size, 1), part_bytes)
    return list(zip(starts, [*starts[1:], size], strict=True))


def _row_parts(groups: list[tuple[int, int]], part_bytes: int, workers: int) -> Iterator[Range]:
    large = 2 * part_bytes
    cuts = min(MAX_CUTS, -(-workers // max(len(groups), 1)))
    start, row, held = 0, 0, 0
    for number, (rows, size) in enumerate(groups, start=1):
        if size >= large and row > start:
            yield start, row
            start, held = row, 0
        if size >= large and cuts > 1:
            # At the ends of batches, so that damage is found where the reader of the whole group finds it.
            batch = batch_rows([(rows, size)], BLOCK_BYTES)
            inside = sorted({row + rows * cut // cuts // batch * batch for cut in range(1, cuts)} - {row})
            yield from zip([start, *inside], inside, strict=False)
            start = inside[-1] if inside else start
        row += rows
        held += size
        if held >= part_bytes or number == len(groups):
            yield start, row
            start, held = row, 0
    if not groups:
        yield 0, 0


def blocks_of(reader: Reader, part: Range) -> Iterator[Block]:
    """The records of a part, block after block, rows counted from 0.

    Raises:
        RowFault: a record that cannot be measured, after the blocks before it.
        RecordError: the file is cut, or not of the promised format.
        StorageError: the system refuses to read it.
    """
    if isinstance(reader, ParquetReader):
        yield from _parquet_blocks(reader, part)
    elif isinstance(reader, JsonLinesReader):
        parser = ColumnParser()
        for lines in reader.lines(*part, BLOCK_BYTES):
            yield from _line_blocks(lines, parser)


def _line_blocks(lines: Lines, parser: ColumnParser) -> Iterator[Block]:
    block = _columns_of(lines, parser)
    if block is not None:
        yield block
        return
    for piece in _pieces(lines):
        block = _columns_of(piece, parser) if piece is not lines else None
        if block is not None:
            yield block
        else:
            yield from _parsed_blocks(piece)


def _pieces(lines: Lines) -> Iterator[Lines]:
    """The same lines in smaller blocks, so that one odd line makes few others slow."""
    if len(lines.data) <= PIECE_BYTES or lines.count == 1:
        yield lines
        return
    start, row, last = 0, lines.row, len(lines.data)
    while start <= last:
        end = lines.data.find(b"\n", min(start + PIECE_BYTES, last))
        end = last if end < 0 else end
        data = lines.data[start:end]
        piece = Lines(data, row, data.count(b"\n") + 1, lines.may_be_cut and end == last)
        yield piece
        start, row = end + 1, row + piece.count


class _LinesOf:
    """Single records of a block of lines, read by Python when one is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines, cut once."""
        return self._data.split(b"\n")

    def record(self, position: int) -> Record:
        """The record of a line."""
        return parse_line(self.lines[position])

    @cached_property
    def _has_null(self) -> bool:
        return b"null" in self._data

    def may_hold_null(self, position: int) -> bool:
        """Whether a field that is null may have been written in a line."""
        return self._has_null and b"null" in self.lines[position]


def _columns_of(lines: Lines, parser: ColumnParser) -> Block | None:
    try:
        if not lines.data.isascii():
            lines.data.decode("utf-8")  # Arrow's reader does not look
    except UnicodeDecodeError:
        return None
    array = parser.parse(lines.data, lines.count)
    if array is None:
        return None
    cut = _LinesOf(lines.data)
    return Block(array, lines.row, cut.record, keeps_nulls=False, keeps_numbers=False, wrote_null=cut.may_hold_null)


def _parsed_blocks(lines: Lines) -> Iterator[Block]:
    """The records as Python reads them, put into columns that hold mixed kinds."""
    records, fault = parse(lines)
    earlier = first_fault(records, lines.row)
    if earlier is not None:
        records, fault = records[: earlier.row - lines.row], earlier
    if records:
        array = objects_array(records)
        yield Block(array, lines.row, records.__getitem__, keeps_nulls=False, keeps_numbers=True, wrote_null=_always)
    if fault is not None:
        raise fault


def _always(_: int) -> bool:
    return True


def _parquet_blocks(reader: ParquetReader, part: Range) -> Iterator[Block]:
    row = 0
    try:
        for batch in reader.arrow_batches(*part, BLOCK_BYTES):
            yield from _batch_blocks(batch, row)
            row += batch.num_rows
    except (pa.ArrowException, UnicodeDecodeError, OSError, ValueError, OverflowError) as error:
        reader.fail_reading(error, part[0] + row)


def _batch_blocks(batch: Any, row: int) -> Iterator[Block]:
    if batch.num_columns == 0:
        yield Block(objects_array([{}] * batch.num_rows), row, lambda _: {}, keeps_nulls=True, keeps_numbers=True)
        return
    array = batch.to_struct_array()
    array.validate(full=True)  # texts that are not UTF-8

    def record(position: int) -> Record:
        return batch.slice(position, 1).to_pylist()[0]  # type: ignore[no-any-return]

    count, fault = len(array), None
    if _nesting(array.type) > MAX_DEPTH or has_infinite(simple_array(array)).any():
        fault = first_fault(map(record, range(count)), row)
        count = count if fault is None else fault.row - row
    if count:
        yield Block(simple_array(array.slice(0, count)), row, record, keeps_nulls=True, keeps_numbers=True)
    if fault is not None:
        raise fault


def _nesting(data_type: Any) -> int:
    return 1 + max((_nesting(data_type.field(number).type) for number in range(data_type.num_fields)), default=0)
