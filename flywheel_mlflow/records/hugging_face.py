"""Turns data sets of Hugging Face into files of records, and files of records into such data sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import InputError, RecordError
from flywheel_mlflow.records.parquet import open_parquet
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.sources import DataFile, record_files

if TYPE_CHECKING:
    import pyarrow as pa

#: The record field that a split becomes, and is made of.
SPLIT = "split"
#: What records without a split are called where a name is wanted.
UNSPLIT = "train"
#: Rows written at once: a row can be a picture.
BATCH_ROWS = 256
#: A file of a split is ended after so many bytes in memory.
FILE_BYTES = 512 * 2**20

_SPLIT_NAME = re.compile(r"\w+(\.\w+)*")


def library() -> Any:
    """The library ``datasets``.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module("datasets")
    except ImportError as error:
        raise InputError(
            "data sets of Hugging Face need the library datasets, which is not installed",
            hint="pip install 'flywheel-mlflow[hf]'",
        ) from error


def is_dataset(value: object) -> bool:
    """Whether a value is a data set of Hugging Face, in memory or streamed, with splits or without."""
    return type(value).__module__.partition(".")[0] == "datasets" and hasattr(value, "with_format")


def write_dataset(dataset: Any, folder: Path, *, media: Path | None = None) -> Path:
    """The data set as Parquet below ``folder``, a file or more for each split, its features kept in their schema.

    A split becomes the field ``split`` of its records. Pictures and sounds are written with their bytes; those that the
    data set only names by path are read below ``media``, and nowhere else.

    Raises:
        InputError: a split that contradicts the records' own, or a file outside of ``media``.
        RecordError: rows that do not fit the features.
    """
    splits = dataset if isinstance(dataset, Mapping) else {str(dataset.split) if dataset.split else "": dataset}
    for name, part in splits.items():
        _write_split(part, name if _SPLIT_NAME.fullmatch(name) else "", folder, media)
    return folder


def _write_split(part: Any, split: str, folder: Path, media: Path | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, writer, number, written = None, None, 0, 0
    try:
        for batch in part.with_format("arrow").iter(BATCH_ROWS):
            if schema is None:
                schema = _features(part, batch, split).arrow_schema
            table = _with_media(_with_split(batch, split), schema, media)
            if writer is None or written > FILE_BYTES:
                if writer is not None:
                    writer.close()
                writer = pq.ParquetWriter(folder / f"{split or UNSPLIT}-{number:05d}.parquet", schema)
                number, written = number + 1, 0
            writer.write_table(table)
            written += table.nbytes
    except (pa.ArrowException, TypeError, KeyError) as error:
        raise RecordError(
            f"rows of the split {split or UNSPLIT} do not fit their features: {str(error)[:200]}",
            hint="give the data set its features, or cast it",
        ) from error
    finally:
        if writer is not None:
            writer.close()


def _features(part: Any, batch: pa.Table, split: str) -> Any:
    datasets = library()
    features = part.features if part.features is not None else datasets.Features.from_arrow_schema(batch.schema)
    return datasets.Features({**features, SPLIT: datasets.Value("string")}) if split else features


def _with_split(table: pa.Table, split: str) -> pa.Table:
    import pyarrow as pa

    if not split:
        return table
    if SPLIT in table.column_names:
        found = set(table.column(SPLIT).to_pylist())
        if found != {split}:
            raise InputError(
                f"records of the split {split} say {sorted(map(str, found))[:3]} in their field {SPLIT!r}",
                hint=f"rename or correct that field: the splits of a data set become the field {SPLIT!r}",
            )
        return table
    return table.append_column(SPLIT, pa.array([split] * len(table), pa.string()))


def _with_media(table: pa.Table, schema: pa.Schema, media: Path | None) -> pa.Table:
    """The table with the bytes of the files it names."""
    datasets = library()
    features = datasets.Features.from_arrow_schema(schema)
    table = table.select(schema.names).cast(schema)
    named = {path for name in table.column_names for path in _paths(features[name], table.column(name))}
    if not named:
        return table
    for path in named:
        _check_media(path, media)
    return datasets.table.embed_table_storage(table)


def _paths(feature: Any, column: pa.ChunkedArray | pa.Array) -> Iterator[str]:
    """The paths of pictures, sounds and films in a column that has not their bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    datasets = library()
    if isinstance(feature, dict):
        for name, inner in feature.items():
            yield from _paths(inner, pc.struct_field(column, name))
    elif isinstance(feature, datasets.List | datasets.LargeList):
        yield from _paths(feature.feature, pc.list_flatten(column))
    elif hasattr(feature, "embed_storage") and pa.types.is_struct(column.type):
        for value in column.to_pylist() if _lacks_bytes(column) else ():
            if value is not None and value["bytes"] is None and value["path"] is not None:
                yield value["path"]


def _lacks_bytes(column: pa.ChunkedArray | pa.Array) -> bool:
    import pyarrow.compute as pc

    return bool(pc.struct_field(column, "bytes").null_count)


def _check_media(path: str, media: Path | None) -> None:
    """Refuse files that nobody said are the data set's: whoever made it could have any file of this machine logged."""
    shown = f"{Path(path).name[:100]!r}"
    if media is None:
        raise InputError(
            f"the data set names files such as {shown} and does not hold their bytes",
            hint="say in which folder they lie: log_interface(name, dataset, media=FOLDER)",
        )
    if "://" in path or not Path(path).resolve().is_relative_to(media.resolve()) or not Path(path).is_file():
        raise InputError(
            f"the data set names the file {shown}, which does not lie in its folder of media",
            where=str(media),
            hint="copy it there, and build the data set from that folder",
        )


def to_dataset(path: Path, data_format: str, *, streaming: bool) -> Any:
    """The records at a path as a data set: by splits where the records name some, streamed or whole.

    Raises:
        RecordError: a file that cannot be read, or fields whose values are of several kinds (streaming takes those).
    """
    files = list(record_files(path, data_format))
    if data_format == "parquet":
        return _from_parquet(files, streaming=streaming)
    splits = _splits_of(files)
    return _streamed(files, splits) if streaming else _in_memory(files, splits)


def _from_parquet(files: list[DataFile], *, streaming: bool) -> Any:
    datasets = library()
    by_split = split_files(files)
    if by_split is not None:
        paths = {split: [str(file.path) for file in group] for split, group in by_split.items()}
        return datasets.load_dataset("parquet", data_files=paths, streaming=streaming)
    every = [str(file.path) for file in files]
    named: dict[str, set[str | None]] = {}
    for value in {value for file in files for value in _parquet_splits(file)}:
        named.setdefault(split_name(value), set()).add(value)
    if not named:
        return datasets.load_dataset("parquet", data_files={UNSPLIT: every}, streaming=streaming)[UNSPLIT]
    # The filter is Arrow's: the library's own would decode every picture.
    parts = {
        split: datasets.load_dataset(
            "parquet", data_files={split: every}, streaming=streaming, filters=_filter_of(values)
        )[split]
        for split, values in sorted(named.items())
    }
    return (datasets.IterableDatasetDict if streaming else datasets.DatasetDict)(parts)


def _filter_of(values: set[str | None]) -> Any:
    import pyarrow.compute as pc

    told = pc.field(SPLIT).isin([value for value in values if value is not None])
    return told | pc.field(SPLIT).is_null() if None in values else told


def _is_of(split: str, record: Mapping[str, Any]) -> bool:
    return split_name(record.get(SPLIT)) == split


def split_files(files: Iterable[DataFile]) -> dict[str, list[DataFile]] | None:
    """Parquet files by the split of their records; None where one file holds several, or none."""
    found: dict[str, list[DataFile]] = {}
    for file in files:
        splits = _parquet_splits(file)
        if len(splits) != 1:
            return None
        found.setdefault(split_name(splits.pop()), []).append(file)
    return found or None


def split_name(split: object) -> str:
    """A split's name as Hugging Face takes it: letters, digits, underscores and dots."""
    return (re.sub(r"[^\w.]", "_", str(split)).strip(".") or UNSPLIT) if split else UNSPLIT


def _parquet_splits(file: DataFile) -> set[str | None]:
    """The splits that a Parquet file's records name; empty where it has no such column."""
    import pyarrow as pa

    with open_parquet(file.path) as source:
        schema = source.schema_arrow
        if SPLIT not in schema.names or not pa.types.is_string(schema.field(SPLIT).type):
            return set()
        batches = source.iter_batches(columns=[SPLIT])
        return {value for batch in batches for value in batch.column(0).unique().to_pylist()}


def _splits_of(files: Iterable[DataFile]) -> list[str]:
    """The splits that records in JSONL name, sorted; empty where none names one."""
    found = {record.get(SPLIT) for record in _rows(files, None)}
    return sorted({split_name(split) for split in found}) if any(isinstance(split, str) for split in found) else []


def _rows(files: Iterable[DataFile], split: str | None) -> Iterator[dict[str, Any]]:
    """The records in JSONL, of one split or all."""
    for file in files:
        for batch in reader_for(file, "jsonl").batches():
            yield from (record for record in batch if split is None or _is_of(split, record))


def _in_memory(files: list[DataFile], splits: list[str]) -> Any:
    import pyarrow as pa

    datasets = library()
    try:
        made = {split: datasets.Dataset(table_of(_rows(files, split or None))) for split in splits or [""]}
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise RecordError(
            f"the records fit no table: {str(error)[:200]}", hint="read them with to_hf(streaming=True)"
        ) from error
    return datasets.DatasetDict(made) if splits else made[""]


def table_of(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Records as a table of Arrow, a column for each field.

    Raises:
        ArrowException, TypeError, ValueError, OverflowError: a field whose values are of kinds that no column holds.
    """
    import pyarrow as pa

    records = list(rows)
    columns = dict.fromkeys(name for record in records for name in record)
    return pa.table({name: pa.array([record.get(name) for record in records]) for name in columns})


def _streamed(files: list[DataFile], splits: list[str]) -> Any:
    datasets = library()

    def stream(split: str | None) -> Any:
        return datasets.IterableDataset.from_generator(_rows, gen_kwargs={"files": files, "split": split})

    return datasets.IterableDatasetDict({split: stream(split) for split in splits}) if splits else stream(None)
