"""Lays files of records out as a dataset repository of the Hugging Face Hub: data by split, media beside them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.records.hugging_face import SPLIT, UNSPLIT, split_files, split_name
from flywheel_mlflow.records.parquet import open_parquet
from flywheel_mlflow.records.sources import DataFile, find_files, is_records

DATA = "data"
#: More splits than that are no splits but a field of that name.
MAX_SPLITS = 100


def write_repository(path: Path, data_format: str, folder: Path) -> dict[str, tuple[str, int]]:
    """The records at a path below ``folder``; of each split the pattern of its files, and how many records they hold.

    Parquet keeps its schema, and with it the features of a data set; JSONL keeps its lines. What records name lies at
    the same place relative to the folder as it did to the interface.

    Raises:
        InputError: more than 100 splits, or a file whose place here is taken by ours.
    """
    found = find_files(path, "opaque")
    files = [file for file in found if is_records(file.name)]
    (folder / DATA).mkdir()
    for file in found:
        if not is_records(file.name):
            _copy_beside(file, folder)
    if data_format == "jsonl":
        rows = _split_lines(files, folder / DATA)
        return {split: (f"{DATA}/{split}.jsonl", count) for split, count in sorted(rows.items())}
    by_split = split_files(files)
    rows = _copy_by_split(by_split, folder / DATA) if by_split else _split_tables(files, folder / DATA)
    return {split: (f"{DATA}/{split}-*.parquet", count) for split, count in sorted(rows.items())}


def _copy_beside(file: DataFile, folder: Path) -> None:
    target = folder / file.name
    if target.parts[len(folder.parts)] in (DATA, "README.md"):
        raise InputError(
            f"the file {file.name} would lie where the data go", hint="use `flywheel pull` without --format"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file.path, target)


def _split_lines(files: Iterable[DataFile], folder: Path) -> Counter[str]:
    rows: Counter[str] = Counter()
    open_files: dict[str, IO[bytes]] = {}
    with ExitStack() as stack:
        for file in files:
            with file.open() as lines:
                for line in lines:
                    split = split_name(json.loads(line).get(SPLIT))
                    if split not in open_files:
                        _check_count(open_files)
                        open_files[split] = stack.enter_context((folder / f"{split}.jsonl").open("wb"))
                    open_files[split].write(line if line.endswith(b"\n") else line + b"\n")
                    rows[split] += 1
    return rows


def _copy_by_split(by_split: dict[str, list[DataFile]], folder: Path) -> Counter[str]:
    rows: Counter[str] = Counter()
    for split, files in by_split.items():
        for number, file in enumerate(files):
            shutil.copyfile(file.path, folder / f"{split}-{number:05d}.parquet")
            with open_parquet(file.path) as source:
                rows[split] += source.metadata.num_rows
    return rows


def _split_tables(files: Iterable[DataFile], folder: Path) -> Counter[str]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows: Counter[str] = Counter()
    for number, file in enumerate(files):
        writers: dict[str, Any] = {}
        with ExitStack() as stack, open_parquet(file.path) as source:
            named = SPLIT in source.schema_arrow.names
            for batch in source.iter_batches():
                values = batch.column(SPLIT).to_pylist() if named else [UNSPLIT] * len(batch)
                names = pa.array([split_name(value) for value in values])
                for split in names.unique().to_pylist():
                    if split not in writers:
                        _check_count(writers)
                        target = folder / f"{split}-{number:05d}.parquet"
                        writers[split] = stack.enter_context(pq.ParquetWriter(target, source.schema_arrow))
                    part = batch.filter(pc.equal(names, split))
                    writers[split].write_batch(part)
                    rows[split] += len(part)
    return rows


def _check_count(open_files: dict[str, Any]) -> None:
    if len(open_files) >= MAX_SPLITS:
        raise InputError(
            f"the records name more than {MAX_SPLITS} splits", hint=f"keep another field than {SPLIT!r} for that"
        )
