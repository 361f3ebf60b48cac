"""Writes events for people's programs: CSV that no spreadsheet takes for formulas, JSON lines that hold ASCII only."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

#: A cell that begins with one of these may be run as a formula (OWASP, CSV injection), also in full width.
_FORMULA = frozenset(
    "=+-@|%\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}"
    "\N{FULLWIDTH COMMERCIAL AT}\N{MINUS SIGN}"
)
#: Characters of these categories hide, reorder or break text.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: What Excel keeps of a cell; more is cut there without a word, so we cut and say so.
MAX_CELL_CHARACTERS = 32_000


def csv_cell(value: object) -> str:
    """A value as one line of visible text that no spreadsheet runs.

    A cell that could be a formula gets an apostrophe in front, by which spreadsheets know text.
    """
    if value is None:
        return ""
    text = value.isoformat() if isinstance(value, datetime) else value
    text = ";".join(map(str, text)) if isinstance(text, list | tuple) else str(text)
    cut = text[:MAX_CELL_CHARACTERS]
    shown = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in cut)
    shown = " ".join(shown.split()) + (" [cut]" if len(text) > len(cut) else "")
    return f"'{shown}" if shown[:1] in _FORMULA else shown


def to_csv(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[str]:
    """Events as CSV (RFC 4180, every cell quoted), a header first, batch by batch."""
    yield _rows([columns])
    for batch in batches:
        cells = [batch.column(name).to_pylist() for name in columns]
        yield _rows([csv_cell(value) for value in row] for row in zip(*cells, strict=True))


def _rows(rows: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return stream.getvalue()


def to_json_lines(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[str]:
    """Events as JSON lines in ASCII, unknown values left out, batch by batch: the same text to a machine."""
    for batch in batches:
        rows = batch.select(list(columns)).to_pylist()
        yield "".join(json.dumps(_known(row), ensure_ascii=True) + "\n" for row in rows)


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None
    }
