"""A preview shows few rows, masked, and finds a record by its id."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.records.personal import MASK
from flywheel_mlflow.records.preview import MOST_ROWS, preview_of

ROWS = [{"id": f"r{number}", "content": f"mail{number}@shop.example"} for number in range(20)]


@pytest.fixture(params=["jsonl", "parquet"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """The rows in a file of a format."""
    path = tmp_path / f"data.{request.param}"
    if request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    return path, str(request.param)


def test_the_first_rows_are_masked(data: tuple[Path, str]) -> None:
    """The first five rows, without the addresses in them."""
    found = preview_of(*data)
    assert [row["id"] for row in found.rows] == [f"r{number}" for number in range(MOST_ROWS)]
    assert {row["content"] for row in found.rows} == {MASK}
    assert found.masked == ("email",)


def test_a_record_is_found_by_its_id(data: tuple[Path, str]) -> None:
    """The one that was asked for, wherever it stands; none where there is none."""
    assert preview_of(*data, record="r17").rows == ({"id": "r17", "content": MASK},)
    assert preview_of(*data, record="r99").rows == ()


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    """A file of something else is an error, not an empty preview."""
    path = tmp_path / "data.jsonl"
    path.write_text("[1]\n", encoding="utf-8")
    with pytest.raises(RecordError):
        preview_of(path, "jsonl")
