"""Tests of starting a project."""

from __future__ import annotations

from pathlib import Path

import pytest
from flywheels import put, write_flywheel

from flywheel_mlflow.base.errors import InputError, StorageError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.projects.starting import init_project
from flywheel_mlflow.promises.contract import load_contract


def test_the_new_contract_holds_at_once(tmp_path: Path) -> None:
    """It is valid as it is written, and names teams, layers and stages that exist."""
    root = write_flywheel(tmp_path)
    path = init_project(root / "projects" / "p11_recipe", root)
    wheel = load_flywheel(root)
    assert wheel.contracts["p11"].owner == "builders"
    text = path.read_text(encoding="utf-8")
    assert "of: sources, governance" in text
    assert "of: first, last" in text
    assert not any(word in text for word in ("PROJECT_ID", "TEAM", "LAYER", "STAGE"))


@pytest.mark.parametrize("broken", [True, False])
def test_a_contract_can_be_started_without_a_blueprint(tmp_path: Path, broken: bool) -> None:
    """Where there is none, or one with faults, placeholders stand for the names; the contract still parses."""
    if broken:
        put(tmp_path / "flywheel.yaml", "a: [")
    init_project(tmp_path / "Legal SFT!", tmp_path if broken else None)
    found = load_contract(tmp_path / "Legal SFT!")
    assert (found.id, found.owner) == ("legal_sft", "a_team")


@pytest.mark.parametrize(
    ("name", "project_id"), [("p07_agent", "p07"), ("p7", "p7"), ("Mini-C4", "mini_c4"), ("x" * 56, "x" * 56)]
)
def test_the_folder_names_the_project(tmp_path: Path, name: str, project_id: str) -> None:
    """pNN_words becomes pNN, anything else its own spelling as an identifier; the result is always valid."""
    init_project(tmp_path / name, None)
    assert load_contract(tmp_path / name).id == project_id


@pytest.mark.parametrize("name", ["123", "___", "语料", "x" * 57, "x" * 300, "flywheel", "Stage", "9lives"])
def test_a_folder_that_names_no_project_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written, and the hint says what a name needs."""
    with pytest.raises(InputError, match="no project id can be made") as caught:
        init_project(tmp_path / name, None)
    assert "start it with a letter" in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_a_contract_is_never_overwritten(tmp_path: Path) -> None:
    """The one that is there stays as it is."""
    put(tmp_path / "p01" / "project.yaml", "mine")
    with pytest.raises(InputError, match="there is a contract already"):
        init_project(tmp_path / "p01", None)
    assert (tmp_path / "p01" / "project.yaml").read_text(encoding="utf-8") == "mine"


def test_a_file_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    """A folder that cannot be made is told by name."""
    (tmp_path / "p01").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot write the contract"):
        init_project(tmp_path / "p01", None)
