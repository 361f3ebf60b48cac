"""Writes and reads the content sketches of a run as one Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.records.arrays import as_numpy, from_numpy
from flywheel_mlflow.records.word_sketches import COLUMN_TYPES, IDENTITY, WordSketch

_FORMAT = b"flywheel.words"
_FORMAT_VERSION = 1


def word_sketches_to_parquet(sketches: Mapping[str, WordSketch]) -> bytes:
    """The sketches of a run as one Parquet file, a row group for each interface that says anything."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # A row group holds a row at least; the header lists interfaces by name, and so do the groups.
    kept = {name: item for name, item in sorted(sketches.items()) if len(item.columns["hash"])}
    about = {
        name: {"role": item.role, "rows": item.rows, "limit": item.limit, "files": item.files}
        for name, item in kept.items()
    }
    header = {"version": _FORMAT_VERSION, "interfaces": about}
    schema = pa.schema([(name, pa.from_numpy_dtype(kind)) for name, kind in COLUMN_TYPES.items()])
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        schema.with_metadata({_FORMAT: json.dumps(header, sort_keys=True).encode()}),
        compression="zstd",
        use_dictionary=["file", "text", "words"],
        column_encoding={"hash": "DELTA_BINARY_PACKED"},
        write_page_checksum=True,
    ) as writer:
        for sketch in kept.values():
            table = pa.Table.from_arrays([from_numpy(sketch.columns[name]) for name in COLUMN_TYPES], schema=schema)
            writer.write_table(table, row_group_size=len(table))
    return buffer.getvalue()


def word_sketches_from_parquet(source: Path) -> dict[str, Callable[[], WordSketch]]:
    """What reads the sketch of each interface from a file of what :func:`word_sketches_to_parquet` wrote.

    Raises:
        RecordError: it is not such a file; also when a sketch is read.
    """
    import pyarrow as pa

    from flywheel_mlflow.records.parquet import open_parquet

    def faulty(error: Exception) -> RecordError:
        fault = RecordError("not a file of content sketches", hint="log the run again")
        fault.__cause__ = error
        return fault

    try:
        with open_parquet(source) as file:
            header = json.loads(file.schema_arrow.metadata[_FORMAT])
            if header["version"] != _FORMAT_VERSION:
                raise RecordError("content sketches of another version", hint="update flywheel-mlflow")
            interfaces = header["interfaces"]
            if len(interfaces) != file.num_row_groups:
                raise ValueError("interfaces and row groups differ")
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise faulty(error) from error

    def read(index: int, about: Any) -> WordSketch:
        try:
            with open_parquet(source) as file:
                table = file.read_row_group(index)
            if table.schema.types != [pa.from_numpy_dtype(kind) for kind in COLUMN_TYPES.values()]:
                raise ValueError("columns of other types")
            columns = {name: as_numpy(table.column(name).combine_chunks()) for name in COLUMN_TYPES}
            files = tuple(str(name) for name in about["files"])
            nulls = any(table.column(name).null_count for name in COLUMN_TYPES)
            if nulls or int(columns["file"].max(initial=0)) >= len(files):
                raise ValueError("nulls, or a file that is not listed")
            limit = None if about["limit"] is None else int(about["limit"])
            said = columns["words"] != IDENTITY
            columns = {name: values[said] for name, values in columns.items()}
            return WordSketch(about["role"], int(about["rows"]), limit, files, columns)
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise faulty(error) from error

    return {str(name): partial(read, index, about) for index, (name, about) in enumerate(interfaces.items())}
