"""Parquet pages are held against the checksums their file states, by every reader."""

from __future__ import annotations

import ast
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feedback_columns import read

import flywheel_mlflow
from flywheel_mlflow.base.errors import InputError, RecordError
from flywheel_mlflow.feedback.files import INDEX_FILE, read_index
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import measure
from flywheel_mlflow.records.parquet import damaged_row_group

ROWS = [f"text number {row:05d}" for row in range(3000)]


def damaged(path: Path, row: int, *, dictionary: bool = False, version: str = "1.0", checksum: bool = True) -> Path:
    """A file of three row groups in which one letter of a row was changed after it was written."""
    table = pa.table({"id": ROWS, "message": ROWS})
    pq.write_table(
        table,
        path,
        compression="none",
        row_group_size=1000,
        use_dictionary=dictionary,
        data_page_version=version,
        write_page_checksum=checksum,
        write_statistics=False,
    )
    data = bytearray(path.read_bytes())
    data[data.rindex(ROWS[row].encode()) + 1] ^= 1
    path.write_bytes(data)
    return path


def spec() -> InterfaceOut:
    """An interface of free rows in Parquet."""
    return InterfaceOut.model_validate(
        {"name": "rows", "title": "R", "format": "parquet", "schema": "free", "role": "control"}
    )


@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("row", [3, 1500, 2999])
def test_a_page_that_fails_its_checksum_is_refused(tmp_path: Path, row: int, version: str, dictionary: bool) -> None:
    """Whatever the kind of page, the file and the row group are named, also where a batch spans two groups."""
    path = damaged(tmp_path / "d.parquet", row, dictionary=dictionary, version=version)
    with pytest.raises(RecordError, match="CRC") as caught:
        measure(path, spec())
    assert f"{path}, row group {row // 1000}" in str(caught.value.where)
    assert damaged_row_group(path) == row // 1000


def test_pages_without_a_checksum_are_read(tmp_path: Path) -> None:
    """What a file does not state cannot be held against it."""
    path = damaged(tmp_path / "d.parquet", 3, checksum=False)
    assert measure(path, spec()).version.rows == len(ROWS)
    assert damaged_row_group(path) is None


def test_feedback_in_damaged_parquet_is_refused(tmp_path: Path) -> None:
    """Events come in by the same rule, and the row group is named."""
    path = tmp_path / "events.parquet"
    times = pa.array([0] * len(ROWS), pa.timestamp("us", "UTC"))
    table = pa.table(
        {"id": ROWS, "text": [f"said {row}" for row in ROWS], "time": times, "source": ["human"] * len(ROWS)}
    )
    pq.write_table(table, path, compression="none", row_group_size=1000, use_dictionary=False, write_page_checksum=True)
    assert len(read(path)[0]) == len(ROWS)
    data = bytearray(path.read_bytes())
    data[data.index(b"said text number 02500") + 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="CRC") as caught:
        read(path)
    assert caught.value.where == f"{path}, row group 2"


def test_damaged_feedback_files_are_refused(tmp_path: Path) -> None:
    """The hashes that know an event again are written with checksums."""
    path = tmp_path / INDEX_FILE
    schema = pa.schema([("id", pa.uint64()), ("content", pa.uint64())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False, write_page_checksum=True) as writer:
        writer.write_table(pa.table({"id": range(1000), "content": range(1000)}, schema=schema))
    data = bytearray(path.read_bytes())
    data[4000] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="stored feedback cannot be read"):
        list(read_index(path))


def test_no_module_opens_parquet_another_way() -> None:
    """Only one place opens Parquet for reading: a second one would forget the checksums."""
    readers = {"ParquetFile", "read_table", "ParquetDataset", "read_parquet", "dataset"}
    root = Path(flywheel_mlflow.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in readers
        and isinstance(node.value, ast.Name)
        and node.value.id in ("pq", "pd", "ds", "pandas", "parquet")
    }
    assert found == {"records/parquet.py"}
