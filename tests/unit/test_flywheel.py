"""Tests of loading a whole flywheel."""

from __future__ import annotations

from pathlib import Path

import pytest
from flywheels import blueprint_document, contract_documents, put, write_flywheel

from flywheel_mlflow.base.errors import DocumentError, UnknownName
from flywheel_mlflow.evidence.flywheel import find_root, load_blueprint_only, load_flywheel


def test_every_fault_of_every_file_comes_in_one_go(tmp_path: Path) -> None:
    """Blueprint and contracts, each with its own faults, make one error with file, line and path of all."""
    plan, contracts = blueprint_document(), contract_documents()
    plan["title"] = ""
    contracts["p01"]["nose"] = 1
    contracts["p02"] |= {"owner": "?", "phase": "?"}
    contracts["p03"]["interfaces_in"][0]["name"] = "p03_data"
    write_flywheel(tmp_path, blueprint=plan, contracts=contracts)
    put(tmp_path / "projects" / "p04" / "project.yaml", "a: [")
    (tmp_path / "projects" / "p05" / "project.yaml").mkdir(parents=True)
    with pytest.raises(DocumentError) as caught:
        load_flywheel(tmp_path)
    assert [(fault.file.replace("/project.yaml", ""), fault.path) for fault in caught.value.faults] == [
        ("flywheel.yaml", "title"),
        ("projects/p01", "nose"),
        ("projects/p02", "owner"),
        ("projects/p02", "phase"),
        ("projects/p03", "interfaces_in"),
        ("projects/p03", "interfaces_in[0].name"),
        ("projects/p04", ""),
        ("projects/p05", ""),
    ]
    assert [fault.line > 0 for fault in caught.value.faults] == [True] * 7 + [False]


def test_without_files_the_missing_ones_are_named(tmp_path: Path) -> None:
    """An empty folder says which file is missing; a blueprint may be there before its projects, and notes name them."""
    with pytest.raises(DocumentError, match=r"flywheel\.yaml: no such file"):
        load_flywheel(tmp_path)
    notes = [str(note) for note in load_flywheel(write_flywheel(tmp_path, contracts={})).warnings]
    assert notes[0] == "projects: no project.yaml in any folder below yet: there is nothing to assemble"
    assert any("no project is called 'p03' yet" in note for note in notes)
    assert any("no project belongs to governance yet" in note for note in notes)


def test_the_root_is_found_upward(tmp_path: Path) -> None:
    """Inside a flywheel its root is found; outside, the hint says how to name one."""
    root = write_flywheel(tmp_path / "wheel")
    assert find_root(root / "projects" / "p01") == root
    with pytest.raises(DocumentError, match="--root"):
        find_root(tmp_path)


def test_a_project_has_an_id_and_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both name it, from the root or from where one stands; anything else lists what there is."""
    wheel = load_flywheel(write_flywheel(tmp_path / "wheel"))
    assert wheel.project_of("p02") == "p02"
    assert wheel.project_of("projects/p02") == "p02"
    monkeypatch.chdir(wheel.root / "projects")
    assert wheel.project_of("./p02/") == "p02"
    for stranger in ("p2", "projects", "../../etc", ""):
        with pytest.raises(UnknownName, match="known: "):
            wheel.project_of(stranger)


def test_contracts_come_by_id(tmp_path: Path) -> None:
    """Contracts and folders are sorted by id whatever the folders are called; an unknown id is an error."""
    contracts = {f"z{name}"[::-1]: document for name, document in contract_documents().items()}
    wheel = load_flywheel(write_flywheel(tmp_path, contracts=contracts))
    assert list(wheel.contracts) == list(wheel.folders) == ["p01", "p02", "p03", "p10"]
    assert wheel.contract("p01").id == "p01"
    assert wheel.assembly_project == wheel.contracts["p10"]
    assert wheel.name == "tiny-flywheel"
    with pytest.raises(UnknownName, match="unknown project 'p99'"):
        wheel.contract("p99")


def test_contracts_are_read_when_somebody_asks(tmp_path: Path) -> None:
    """What needs the blueprint alone works beside a broken contract, which is told as soon as one is asked for."""
    contracts = contract_documents()
    whole = load_flywheel(write_flywheel(tmp_path / "good", blueprint=blueprint_document(), contracts=contracts))
    late = load_blueprint_only(whole.root)
    assert (late.name, dict(late.contracts), dict(late.folders)) == (whole.name, whole.contracts, whole.folders)
    assert len(late.contracts) == len(contracts)
    contracts["p01"]["nose"] = 1
    broken = load_blueprint_only(write_flywheel(tmp_path / "bad", blueprint=blueprint_document(), contracts=contracts))
    assert broken.blueprint == whole.blueprint
    with pytest.raises(DocumentError) as caught:
        broken.contract("p01")
    assert [fault.path for fault in caught.value.faults] == ["nose"]


def test_a_broken_blueprint_is_told_at_once(tmp_path: Path) -> None:
    """The blueprint itself is read strictly, contracts or not."""
    write_flywheel(tmp_path, blueprint=blueprint_document() | {"title": ""}, contracts=contract_documents())
    with pytest.raises(DocumentError) as caught:
        load_blueprint_only(tmp_path)
    assert [fault.path for fault in caught.value.faults] == ["title"]
