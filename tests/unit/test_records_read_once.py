"""Tests of reading Parquet elsewhere once, whatever order its reader wants its bytes in."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import measure, read_once
from flywheel_mlflow.records.read_once import HashedParquet
from flywheel_mlflow.records.sources import Data

SPEC = InterfaceOut.model_validate({"name": "t", "title": "T", "format": "parquet", "schema": "free"})


class Elsewhere:
    """A file that counts the bytes that are read of it; what reads it once need not seek."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.name, self.place = data, len(data), "t.parquet", "elsewhere"
        self.read = 0

    def open(self, *, seeks: bool = False) -> BinaryIO:
        return cast("BinaryIO", _Counting(self, seeks=seeks))

    def arrow_source(self) -> Any:
        return self.open(seeks=True)

    def check_unchanged(self) -> None:
        """It stays as it is."""


class _Counting(io.RawIOBase):
    def __init__(self, file: Elsewhere, *, seeks: bool) -> None:
        super().__init__()
        self._file, self._bytes, self._seeks = file, io.BytesIO(file.data), seeks

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seeks

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert self._seeks
        return self._bytes.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        # As the network: fewer bytes than were asked for.
        block = self._bytes.read(min(size, 100_000)) if size >= 0 else self._bytes.read()
        self._file.read += len(block)
        return block


@pytest.fixture(params=[True, False], ids=["room enough", "hardly any room"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether what was passed on the way can be kept."""
    monkeypatch.setattr(read_once, "BLOCK_BYTES", 16 << 10)
    if not request.param:
        monkeypatch.setattr(read_once, "MOST_KEPT", 64 << 10)
        monkeypatch.setattr(read_once, "AHEAD", 32 << 10)
    return bool(request.param)


def table(rows: int) -> pa.Table:
    draw = random.Random(1)  # noqa: S311 - sample data
    texts = [
        " ".join(draw.choices(["some", "words", "of", "any", "kind"], k=30)) + str(draw.random()) for _ in range(rows)
    ]
    return pa.Table.from_pylist([{"id": f"r{n}", "content": text, "n": n} for n, text in enumerate(texts)])


@pytest.mark.parametrize("rows", [1, 50, 8000])
def test_parquet_is_read_once_and_measured_as_ever(tmp_path: Path, rows: int, room: bool) -> None:
    """Version, profile and digest are those of the same file here, and hardly a byte is read twice."""
    pq.write_table(table(rows), tmp_path / "t.parquet", row_group_size=2000)
    here = measure(tmp_path / "t.parquet", SPEC)
    file = Elsewhere((tmp_path / "t.parquet").read_bytes())
    found = measure(Data((file,), single=True, place="elsewhere"), SPEC)
    assert (found.version, found.profile, found.files) == (here.version, here.profile, here.files)
    assert file.read <= (1 if room else 2) * file.size + 2 * read_once.TAIL_BYTES


@given(
    st.binary(max_size=3000), st.lists(st.tuples(st.integers(0, 3200), st.integers(0, 1500)), max_size=20), st.data()
)
def test_any_order_gives_the_bytes_of_the_file(data: bytes, reads: list[tuple[int, int]], draw: st.DataObject) -> None:
    """Whatever is asked for, in any order and twice, is what stands there, and the digest is that of the whole."""
    kept = draw.draw(st.sampled_from([100, 500, 10_000]))
    before = read_once.MOST_KEPT, read_once.AHEAD, read_once.BLOCK_BYTES, read_once.TAIL_BYTES
    read_once.MOST_KEPT, read_once.AHEAD, read_once.BLOCK_BYTES, read_once.TAIL_BYTES = kept, kept, 100, 150
    try:
        file = HashedParquet(Elsewhere(data))
        for start, size in reads:
            stream = file.open(seeks=True)
            stream.seek(start)
            assert stream.read(size) == data[start : start + size]
        assert file.digest == hashlib.sha256(data).hexdigest()
        assert file.digest == hashlib.sha256(data).hexdigest()
    finally:
        read_once.MOST_KEPT, read_once.AHEAD, read_once.BLOCK_BYTES, read_once.TAIL_BYTES = before


def test_damage_is_found_where_it_is(tmp_path: Path, room: bool) -> None:
    """A page that fails its checksum is refused with the row group, as here."""
    pq.write_table(table(3000), tmp_path / "t.parquet", row_group_size=1000, write_page_checksum=True)
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(RecordError) as here:
        measure(tmp_path / "t.parquet", SPEC)
    with pytest.raises(RecordError) as there:
        measure(Data((Elsewhere(bytes(data)),), single=True, place="elsewhere"), SPEC)
    assert there.value.what == here.value.what
    assert str(there.value.where).partition(",")[2] == str(here.value.where).partition(",")[2]


def test_a_file_that_ends_early_has_another_digest() -> None:
    """A stream that stops before its time is not taken for the whole."""
    file = Elsewhere(b"x" * 200_000)
    hashed = HashedParquet(file)
    file.data = file.data[:150_000]
    assert hashed.digest == hashlib.sha256(file.data).hexdigest()
