"""Sorts rows that surely are events, judged by whole columns, from those that need a closer look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.base.names import IDENTIFIER_PATTERN, MAX_LABEL_LENGTH
from flywheel_mlflow.feedback.events import (
    COLUMNS,
    FREE_TEXTS,
    MAX_EVENT_BYTES,
    MAX_RECORD_IDS,
    REQUIRED,
    TIME_PATTERN,
    event_schema,
    read_schema,
)
from flywheel_mlflow.promises.routes import GAP_TYPES, SCOPES, SEVERITIES, SOURCES

if TYPE_CHECKING:
    import pyarrow as pa

_WORDS = {"source": SOURCES, "type": GAP_TYPES, "scope": SCOPES, "severity": SEVERITIES}
_IDENTIFIERS = ("project", "stage", "interface")
_LABELS = ("id", "trace_id", "run_id", "interface_version", "reporter", "span_id")

#: Labels that are surely fine, in RE2's spelling: they begin with something seen, and hold no control character, no
#: line separator and no mark that turns the direction of text (names.py is the exact rule).
_SURE_LABEL = r"^[\p{L}\p{N}\p{P}\p{S}][^\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{202a}-\x{202e}\x{2066}-\x{2069}]*$"
#: Most labels are ASCII, which RE2 decides in half the time.
_ASCII_LABEL = r"^[!-~][ -~]*$"

Mask = npt.NDArray[np.bool_]


def sort_rows(table: pa.Table, lines: npt.NDArray[np.int64]) -> tuple[pa.RecordBatch, Mask]:
    """The rows of ``table`` as columns of events, and which of them surely are events.

    ``table`` has any of the event's columns as strings (``time`` may be a timestamp with zone already); a missing one
    is null. That a row is not sure is no verdict: ``events.parse_event`` has the last word.

    Raises:
        pyarrow.ArrowInvalid: a column that cannot be told at all, such as a 30th of February; look at the rows singly.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import valid

    rows = table.num_rows
    sure = np.ones(rows, dtype=bool)
    arrays = []
    given = frozenset(table.column_names)
    for field in event_schema():
        if field.name not in given:
            sure &= field.name not in REQUIRED
            arrays.append(pa.nulls(rows, field.type))
            continue
        column = _one_chunk(table.column(field.name))
        column.validate(full=True)  # strings that are not UTF-8
        if field.name == "time" and not pa.types.is_timestamp(column.type):
            good = pc.match_substring_regex(column, TIME_PATTERN)
            column = pc.if_else(good, column, pa.scalar(None, pa.string()))
        column = pc.cast(column, field.type)
        if field.name == "record_ids":
            column = _without_empty_lists(column)
        if field.name in REQUIRED:
            sure &= valid(column)
        if column.null_count < rows:
            sure &= _sure(field.name, column)
        arrays.append(column)
    both = [valid(arrays[COLUMNS.index(name)]) for name in ("chosen", "rejected")]
    sure &= both[0] == both[1]
    arrays.append(pa.array(lines, pa.int64()))
    # Rows that are not sure may have nulls where an event has none: the caller drops them.
    nullable = pa.schema([pa.field(field.name, field.type) for field in read_schema()])
    return pa.RecordBatch.from_arrays(arrays, schema=nullable), sure


def keep(batch: pa.RecordBatch, mask: Mask) -> pa.RecordBatch:
    """The rows of ``batch`` where ``mask`` is true, as events with their lines."""
    import pyarrow as pa

    kept = batch if mask.all() else batch.filter(pa.array(mask))
    return pa.RecordBatch.from_arrays(kept.columns, schema=read_schema())


def _sure(name: str, column: pa.Array) -> Mask:
    """Which values of one column are surely what the event's field demands; null is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy

    if name in _WORDS:
        return as_numpy(pc.is_in(column, pa.array([*_WORDS[name], None], pa.string())))
    if name in _IDENTIFIERS:
        return _filled(pc.match_substring_regex(column, IDENTIFIER_PATTERN))
    if name in _LABELS:
        return _sure_labels(column)
    if name in FREE_TEXTS:
        size = pc.binary_length(column)
        return _filled(pc.and_(pc.greater(size, 0), pc.less_equal(size, MAX_EVENT_BYTES)))
    if name == "record_ids":
        return _sure_lists(column)
    return np.ones(len(column), dtype=bool)


def _sure_labels(column: pa.Array) -> Mask:
    import pyarrow.compute as pc

    size = pc.binary_length(column)
    short: Mask = _filled(pc.and_(pc.greater(size, 0), pc.less_equal(size, MAX_LABEL_LENGTH)))
    if _holds_only_visible(column):
        return short
    fine = _filled(pc.match_substring_regex(column, _ASCII_LABEL))
    if not fine.all():
        fine = _filled(pc.match_substring_regex(column, _SURE_LABEL))
    result: Mask = short & fine
    return result


def _holds_only_visible(column: pa.Array) -> bool:
    """Whether no byte of a column is anything but visible ASCII, as in most columns of labels: no need to look at each.

    A slice is judged with its surroundings.
    """
    data = np.frombuffer(column.buffers()[2] or b"", dtype=np.uint8)
    return bool(data.min(initial=0xFF) >= ord("!") and data.max(initial=0) <= ord("~"))


def _sure_lists(column: pa.Array) -> Mask:
    """Which lists are short and hold labels only."""
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy, valid

    sure = _filled(pc.less_equal(pc.list_value_length(column), MAX_RECORD_IDS))
    values = pc.list_flatten(column)
    if len(values):
        fine = _sure_labels(values) & valid(values)
        sure[as_numpy(pc.list_parent_indices(column))[~fine]] = False
    return sure


def _without_empty_lists(column: pa.Array) -> pa.Array:
    """No records and records left out are the same, and have one spelling: null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy, from_numpy, valid

    empty = as_numpy(pc.equal(pc.list_value_length(column), 0).fill_null(False))
    if not empty.any():
        return column
    offsets = from_numpy(as_numpy(column.offsets), np.append(~empty & valid(column), True))
    return pa.ListArray.from_arrays(offsets, column.values)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _filled(column: pa.Array) -> Mask:
    """A column of truth values, where null counts as true."""
    from flywheel_mlflow.records.arrays import as_numpy

    return as_numpy(column, True)
