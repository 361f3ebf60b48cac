"""Tests of writing files whole."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from flywheel_mlflow.base.errors import StorageError
from flywheel_mlflow.base.writing import write_files


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_texts_are_written_as_they_are(tmp_path: Path) -> None:
    """Folders are made, line breaks and other alphabets kept, earlier files replaced, nothing left over."""
    write_files({"a/b/c.txt": "old"}, tmp_path)
    write_files({"a/b/c.txt": "语\r\n\n", "d": ""}, tmp_path)
    assert (tmp_path / "a/b/c.txt").read_bytes() == "语\r\n\n".encode()
    assert everything(tmp_path) == ["a", "a/b", "a/b/c.txt", "d"]


@pytest.mark.parametrize("name", ["taken", "file/below", "x" * 300])
def test_what_is_in_the_way_stays_and_nothing_is_half_written(tmp_path: Path, name: str) -> None:
    """A folder or file in the way, and a name no system takes, are storage errors that leave no trace."""
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(StorageError) as caught:
        write_files({name: "text"}, tmp_path)
    assert caught.value.where == str(tmp_path)
    assert everything(tmp_path) == ["file", "taken", "taken/inside"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """When the system takes only part of a text, the file that was there is still there, whole."""
    write_files({"a": "old"}, tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StorageError, match="File too large"):
            write_files({"a": "x" * 100_000}, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert everything(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text(encoding="utf-8") == "old"


def test_text_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Half a character is a defect of the caller; the file is not begun."""
    with pytest.raises(UnicodeEncodeError):
        write_files({"a": "x\ud800"}, tmp_path)
    assert everything(tmp_path) == []
