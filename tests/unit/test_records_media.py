"""Files that records name are followed: each lies in the interface's folder and is what its record says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import content_digest, find_files, measure
from flywheel_mlflow.records.references import compare, fetch, refer

PICTURE = b"\x89PNG drawn"
SPEC = InterfaceOut.model_validate(
    {"name": "shots", "title": "S", "format": "jsonl", "schema": "free", "media": ["metadata.images"]}
)

Images = Any


def _named(**changes: object) -> dict[str, object]:
    sha = hashlib.sha256(PICTURE).hexdigest()
    return {"path": "pictures/1.png", "sha256": sha, "size": len(PICTURE)} | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shots" / "pictures").mkdir(parents=True)
    (tmp_path / "shots" / "pictures" / "1.png").write_bytes(PICTURE)
    (tmp_path / "secret.png").write_bytes(PICTURE)
    return tmp_path / "shots"


def _check(folder: Path, images: Images, spec: InterfaceOut = SPEC) -> Check:
    (folder / "shots.jsonl").write_text(json.dumps({"id": "a", "metadata": {"images": images}}) + "\n")
    (found,) = (check for check in measure(folder, spec).checks if check.name == "shots.media_files")
    return found


@pytest.mark.parametrize("images", ["pictures/1.png", ["pictures/1.png"], _named(), [_named(), _named(size=None)]])
def test_files_that_are_as_they_say_pass(folder: Path, images: Images) -> None:
    """A path, an object with digest and size, and lists of them."""
    found = _check(folder, images)
    assert (found.outcome, "each is there" in found.message) == (Outcome.PASSED, True)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ("pictures/2.png", "no such file"),
        (_named(sha256="0" * 64), "another sha256"),
        (_named(size=3), "another size"),
        (_named(sha256=None, bytes=3), "another size"),
        ("../secret.png", "without '..'"),
        ("pictures/../../secret.png", "without '..'"),
        ("/etc/passwd", "without '..'"),
        ("pictures//1.png", "without '..'"),
        ("https://host/1.png", "without '..'"),
        ("pictures\\1.png", "without '..'"),
        ("pictures/1.png\0", "without '..'"),
        ("pictures", "no such file"),
        ("shots.jsonl", "no such file"),
        ({"sha256": "0"}, "no path"),
        ([7], "no path"),
        (None, "none names a file"),
        ([], "none names a file"),
    ],
)
def test_files_that_are_not_as_they_say_fail(folder: Path, images: Images, words: str) -> None:
    """Missing, changed, outside of the folder, at an address, or nothing at all."""
    found = _check(folder, images)
    assert found.outcome is Outcome.FAILED
    assert words in found.message


def test_files_no_row_names_are_counted(folder: Path) -> None:
    """A file that nothing leads to is no fault, and is told."""
    (folder / "pictures" / "2.png").write_bytes(b"x")
    found = _check(folder, "pictures/1.png")
    assert (found.outcome, found.details["unnamed"]) == (Outcome.PASSED, 1)


def test_pictures_are_part_of_the_version(folder: Path) -> None:
    """Another picture is another version, by the digest that everybody computes of the folder."""
    _check(folder, _named())
    before = measure(folder, SPEC)
    assert before.version.digest == content_digest(folder)
    assert [file.name for file in before.files] == ["pictures/1.png", "shots.jsonl"]
    (folder / "pictures" / "1.png").write_bytes(PICTURE + b"!")
    assert measure(folder, SPEC).version.digest == content_digest(folder) != before.version.digest


@pytest.mark.parametrize(
    "put",
    [
        lambda folder: (folder / "pictures" / "2.png").symlink_to(folder.parent / "secret.png"),
        lambda folder: (folder / "more").symlink_to(folder.parent),
    ],
)
def test_links_out_are_refused(folder: Path, put: Callable[[Path], None]) -> None:
    """Whoever can write into the folder cannot have another file of this machine uploaded."""
    put(folder)
    with pytest.raises(InputError, match="link"):
        _check(folder, "pictures/2.png")


def test_one_file_has_no_pictures_beside_it(folder: Path) -> None:
    """Records in one file cannot ship what they name: the check says what to log."""
    path = folder / "shots.jsonl"
    path.write_text(json.dumps({"id": "a", "metadata": {"images": "pictures/1.png"}}) + "\n")
    (found,) = (check for check in measure(path, SPEC).checks if check.name == "shots.media_files")
    assert (found.outcome, "log its folder" in found.message) == (Outcome.FAILED, True)


def test_without_media_a_picture_is_still_a_stray(folder: Path) -> None:
    """An interface that names no files takes none."""
    (folder / "shots.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(InputError, match="does not end in"):
        find_files(folder, "jsonl")
    (folder / "shots.jsonl").unlink()
    with pytest.raises(InputError, match="does not end in"):
        find_files(folder, "jsonl", media=True)


def test_pictures_by_reference_come_along(folder: Path, tmp_path: Path) -> None:
    """A folder by reference brings the files its records name, and their loss is told."""
    _check(folder, _named())
    found = refer(folder, "jsonl", media=True)
    measured = measure(found.data, SPEC)
    assert all(check.outcome is not Outcome.FAILED for check in measured.checks if "media_files" in check.name)
    manifest = found.manifest("shots", {file.name: file.digest for file in measured.files})
    assert (fetch(manifest, tmp_path / "out") / "pictures" / "1.png").read_bytes() == PICTURE
    (folder / "pictures" / "1.png").unlink()
    assert compare(manifest).gone == ("pictures/1.png",)
