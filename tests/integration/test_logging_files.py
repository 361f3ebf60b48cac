"""What lies in a results folder is logged; what a link or an odd name in it leads to is not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from workbench import Ended, copy_flywheel, flywheel_command, fresh_name, records, write_records


@pytest.fixture
def log(
    repository: Path, tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]
) -> tuple[Path, Callable[[], Ended]]:
    """A results folder of p04 with data, and `flywheel log` of it."""
    root = copy_flywheel(repository, tmp_path / "home", fresh_name())
    home = next((root / "projects").glob("p04*"))
    contract = home / "project.yaml"
    words = "teaching_corpus: teaching_corpus.jsonl"
    assert words in contract.read_text(encoding="utf-8")
    contract.write_text(
        contract.read_text(encoding="utf-8").replace(words, "teaching_corpus: data/teaching_corpus.jsonl")
    )
    results = home / "results"
    shutil.copytree(home / "published", results)
    (results / "data").mkdir()
    write_records(results / "data" / "teaching_corpus.jsonl", records(5))
    uri = embedded_store().uri
    return results, lambda: flywheel_command("log", home, "-i", "1", "--results", results, "--json", root=root, uri=uri)


def outside(tmp_path: Path, name: str, text: str) -> Path:
    """A file of this machine that no project made."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_results_folder_is_logged(log: tuple[Path, Callable[[], Ended]]) -> None:
    """Without links everything is taken."""
    ended = log[1]()
    assert ended.code in (0, 1), ended.err
    assert ended.json["run_id"]


@pytest.mark.parametrize(
    "place",
    ["data/teaching_corpus.jsonl", "p4_metrics.json", "p4_test_results.json", "teaching_corpus.card.json"],
)
def test_a_link_out_of_the_results_folder_is_refused(
    log: tuple[Path, Callable[[], Ended]], tmp_path: Path, place: str
) -> None:
    """Data, metrics, checks or a card: a file elsewhere is neither read nor uploaded, and the link is named."""
    results, run = log
    link = results / place
    secret = outside(tmp_path, "secret", link.read_text(encoding="utf-8") if link.exists() else json.dumps({"a": 1}))
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    ended = run()
    assert (ended.code, "a link" in ended.err, link.name in ended.err) == (2, True, True), ended.err


def test_a_linked_folder_of_data_is_refused(log: tuple[Path, Callable[[], Ended]], tmp_path: Path) -> None:
    """A folder on the way to the data is no way out either."""
    results, run = log
    shutil.move(results / "data", tmp_path / "elsewhere")
    (results / "data").symlink_to(tmp_path / "elsewhere")
    ended = run()
    assert (ended.code, "leads out of the results folder" in ended.err) == (2, True), ended.err


def test_a_name_that_is_not_utf8_ends_as_a_message(log: tuple[Path, Callable[[], Ended]]) -> None:
    """A directory of data with such a name is refused with the name spelled out, not with a crash."""
    results, run = log
    data = results / "data" / "teaching_corpus.jsonl"
    rows = data.read_bytes()
    data.unlink()
    data.mkdir()
    (data / os.fsdecode(b"part-\xff.jsonl")).write_bytes(rows)
    ended = run()
    assert (ended.code, "not UTF-8" in ended.err, "part-\\xff.jsonl" in ended.err) == (2, True, True), ended.err
