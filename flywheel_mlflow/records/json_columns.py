"""Parses lines of JSON straight into columns, or declines what columns cannot hold exactly.

Arrow's reader does the work; it is strict about repeated keys and about kinds. What it takes and JSON Lines do not,
what it changes silently, and what makes it read beyond its memory (pyarrow 25: a null before the first value of a list;
a file that begins with null; nesting without end) is declined before or found after. What is declined is read line by
line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flywheel_mlflow.records.columns import EXACT_WHOLE, where_floats
from flywheel_mlflow.records.refusals import MAX_DEPTH

#: Arrow's reader recurses: it takes two thousand levels, not ten thousand. Brackets are counted in groups of bytes.
_MAX_BRACKETS, _GROUP_BYTES = 1000, 64 << 10
_ANY_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_OPENING, _CLOSING, _NEWLINE, _RETURN, _BRACE, _END_BRACE, _COMMA, _SPACE, _N, _U, _L = b"[]\n\r{}, nul"
_BLANKS = np.frombuffer(b" \t\r", np.uint8)

#: Names down to a field; None is the step into a list.
_Path = tuple[str | None, ...]


class ColumnParser:
    """Parses blocks of lines one after the other; it remembers which texts look like times."""

    def __init__(self) -> None:
        # Arrow takes texts such as 2024-05-01 for times, unless it is told that a field holds texts.
        self._texts: set[_Path] = set()

    def parse(self, data: bytes, lines: int) -> Any | None:
        """The records of so many whole lines as an array of objects; None where columns cannot hold them exactly."""
        if not _is_safe(data):
            return None
        try:
            table = self._read(data)
        except (pa.ArrowException, OSError):
            return None
        if table.num_rows != lines or not table.num_columns or any(map(_is_deep, table.schema.types)):
            return None
        array = pa.StructArray.from_arrays(table.combine_chunks().to_batches()[0].columns, names=table.column_names)
        # From 2**53 on a float may stand for a whole number that it cannot hold.
        if where_floats(array, lambda numbers: ~(np.abs(numbers) < EXACT_WHOLE)).any():
            return None
        return array

    def _read(self, data: bytes) -> Any:
        table = _read(data, self._texts)
        times = {path for field in table.schema for path in _times(field.type, (field.name,))}
        if times:
            self._texts |= times
            table = _read(data, self._texts)
        absent = {path for path in self._texts if _is_absent(table, path)}
        if absent:  # told fields come as columns even if no record has them
            self._texts -= absent
            table = _read(data, self._texts)
        table.validate()
        return table


def _read(data: bytes, texts: set[_Path]) -> Any:
    from pyarrow import json

    parsing = json.ParseOptions(explicit_schema=pa.schema(_as_struct(texts))) if texts else None
    reading = json.ReadOptions(use_threads=False, block_size=len(data) + 1)
    return json.read_json(pa.BufferReader(data), read_options=reading, parse_options=parsing)


def _as_struct(paths: set[_Path]) -> Any:
    heads = dict.fromkeys(path[0] for path in sorted(paths, key=str))
    return pa.struct([(head, _type_below({path[1:] for path in paths if path[0] == head})) for head in heads])


def _type_below(rests: set[_Path]) -> Any:
    if () in rests:
        return pa.string()
    if any(rest[0] is None for rest in rests):
        return pa.list_(_type_below({rest[1:] for rest in rests}))
    return _as_struct(rests)


def _times(data_type: Any, path: _Path) -> Iterator[_Path]:
    if pa.types.is_temporal(data_type):
        yield path
    elif pa.types.is_struct(data_type):
        for field in data_type:
            yield from _times(field.type, (*path, field.name))
    elif pa.types.is_list(data_type):
        yield from _times(data_type.value_type, (*path, None))


def _is_absent(table: Any, path: _Path) -> bool:
    column = table.column(path[0])
    for part in path[1:]:
        column = pc.list_flatten(column) if part is None else pc.struct_field(column, part)
    return bool(column.null_count == len(column))


def _is_safe(data: bytes) -> bool:
    """Whether every line begins and ends like an object, no list holds a null, and nothing nests without end."""
    if not data:
        return False
    codes = np.frombuffer(data, np.uint8)
    ends = np.append(np.flatnonzero(codes == _NEWLINE), len(codes))
    begins = np.concatenate(([0], ends[:-1] + 1))
    lasts = ends - 1
    lasts = lasts - (codes[lasts] == _RETURN)
    if np.any(lasts < begins) or np.any(codes[begins] != _BRACE) or np.any(codes[lasts] != _END_BRACE):
        return False
    if _holds_null_in_list(data, codes):
        return False
    return all(_nesting(data[begins[line] : ends[line]]) <= MAX_DEPTH for line in _crowded(codes, begins, ends))


def _holds_null_in_list(data: bytes, codes: npt.NDArray[np.uint8]) -> bool:
    """Whether a null may follow the beginning of a list or a comma; text that looks so counts, too."""
    middle = np.flatnonzero(codes[1:-2] == _U) + 1
    nulls = middle[(codes[middle - 1] == _N) & (codes[middle + 1] == _L) & (codes[middle + 2] == _L)] - 1
    before = codes[nulls - 1]
    before = np.where(before == _SPACE, codes[nulls - 2], before)
    blank = np.isin(before, _BLANKS)
    if np.any((before == _OPENING) | (before == _COMMA)):
        return True
    return any(data[:place].rstrip()[-1:] in (b"[", b",") for place in nulls[blank].tolist())


def _crowded(codes: npt.NDArray[np.uint8], begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> list[int]:
    """The lines with so many brackets, or beside so many, that they could nest without end."""
    opening = (codes == _OPENING) | (codes == _BRACE)
    groups = range(0, len(codes), _GROUP_BYTES)
    counts = np.array([np.count_nonzero(opening[start : start + _GROUP_BYTES]) for start in groups])
    if int(counts.max()) <= _MAX_BRACKETS and int((ends - begins).max()) <= _GROUP_BYTES:
        return []
    crowded = np.append(counts > _MAX_BRACKETS, False)
    near = crowded[begins // _GROUP_BYTES] | crowded[ends // _GROUP_BYTES] | (ends - begins > _GROUP_BYTES)
    return [line for line in np.flatnonzero(near).tolist() if opening[begins[line] : ends[line]].sum() > MAX_DEPTH]


def _nesting(line: bytes) -> int:
    codes = np.frombuffer(_ANY_STRING.sub(b"", line), np.uint8)
    opens = (codes == _OPENING) | (codes == _BRACE)
    closes = (codes == _CLOSING) | (codes == _END_BRACE)
    return int((np.cumsum(opens.astype(np.int64) - closes)).max(initial=0))


def _is_deep(data_type: Any, depth: int = 1) -> bool:
    """Whether values of a field may be nested too deeply: then each is looked at."""
    if depth > MAX_DEPTH:
        return True
    return any(_is_deep(data_type.field(number).type, depth + 1) for number in range(data_type.num_fields))
