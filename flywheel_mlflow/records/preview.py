"""Reads a few records of a data file, with personal data and secrets masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from flywheel_mlflow.records.personal import mask_personal_data
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.sources import record_files

#: Records of a preview: enough to see the shape, too few to read the data.
MOST_ROWS = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """The first records of a file, or the one that was asked for; ``masked`` are the kinds of what was masked."""

    rows: tuple[dict[str, Any], ...]
    masked: tuple[str, ...]


def preview_of(path: Path, data_format: str, *, record: str | None = None) -> Preview:
    """The first records of a file, or the one whose ``id`` is ``record``, if it is there.

    Raises:
        RecordError: the file cannot be read as records. StorageError: the system refuses to read it.
    """
    found = _records(path, data_format)
    chosen = islice(found, MOST_ROWS) if record is None else islice((row for row in found if _is(row, record)), 1)
    masked: set[str] = set()
    return Preview(tuple(mask_personal_data(row, masked) for row in chosen), tuple(sorted(masked)))


def _records(path: Path, data_format: str) -> Iterator[dict[str, Any]]:
    for file in record_files(path, data_format):
        for batch in reader_for(file, data_format).batches():
            yield from batch


def _is(row: dict[str, Any], record: str) -> bool:
    return str(row.get("id")) == record
