"""Tests of starting a flywheel and a project."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import yaml
from flywheels import put, write_flywheel

from flywheel_mlflow.base.errors import InputError, StorageError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.projects.pipeline import load_pipeline
from flywheel_mlflow.operations.projects.starting import Template, init_project, new_flywheel, next_step
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


def made(parent: Path, *projects: str, name: str = "my-flywheel", template: Template = "minimal") -> Path:
    return new_flywheel(name, projects, template, parent=parent, version="1.2.3")[0]


@pytest.mark.parametrize(
    ("template", "projects", "reads"),
    [
        ("minimal", (), {"corpus": [], "eval": []}),
        ("minimal", ("a", "p07_agent"), {"a": [], "p07": []}),
        ("llm", (), {"corpus": [], "sft": ["corpus_data"], "eval": ["sft_data"]}),
        ("llm", ("web", "code", "chat", "exam"), {"web": [], "code": ["web_data"], "chat": ["code_data"]}),
    ],
)
def test_a_new_flywheel_holds_at_once(
    tmp_path: Path, template: Template, projects: tuple[str, ...], reads: dict[str, list[str]]
) -> None:
    """Without faults and without notes; its blueprint has under 40 lines, each project a pipeline that can be read."""
    wheel = load_flywheel(made(tmp_path, *projects, template=template))
    assert (wheel.name, wheel.blueprint.title, wheel.warnings) == ("my-flywheel", "My flywheel", ())
    found = {name: [item.name for item in contract.interfaces_in] for name, contract in wheel.contracts.items()}
    assert found == {**found, **reads}
    assert len(found) == len(projects or reads)
    assert len((wheel.root / "flywheel.yaml").read_text(encoding="utf-8").splitlines()) < 40
    for path in wheel.root.rglob("*"):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert max(map(len, text.splitlines()), default=0) <= 120, path
        assert not any(word in text for word in ("PROJECT_", "FLYWHEEL_", "TEAM", "LAYER", "STAGE", "MADE", "INPUT"))
    for folder in wheel.folders.values():  # at last: what is loaded leaves a compiled copy
        assert "half_lost" in load_pipeline(folder / "pipeline.py").faults


def test_a_pipeline_need_not_name_faults(tmp_path: Path) -> None:
    """``build`` is enough; without it, or with faults that are no names, the file is refused."""
    file = tmp_path / "pipeline.py"
    file.write_text("def build(work):\n    pass\n", encoding="utf-8")
    assert load_pipeline(file).faults == {}
    for text in ("FAULTS = {}\n", "FAULTS = ['late']\ndef build(work):\n    pass\n"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"a pipeline defines build\(work\)"):
            load_pipeline(file)


def test_the_roles_of_a_chain_keep_training_and_evaluation_apart(tmp_path: Path) -> None:
    """The last project of the template llm makes what is measured on, all before it what is trained on."""
    contracts = load_flywheel(made(tmp_path, template="llm")).contracts
    roles = {name: contract.interfaces_out[0].role for name, contract in contracts.items()}
    assert roles == {"corpus": "training", "sft": "training", "eval": "evaluation"}


def test_the_recipes_install_this_version_and_keep_the_store_out_of_git(tmp_path: Path) -> None:
    """Both recipes are YAML with validate, assemble, check with JUnit, and drift; git ignores the store."""
    root = made(tmp_path)
    github = yaml.safe_load((root / ".github/workflows/flywheel.yml").read_text(encoding="utf-8"))
    gitlab = yaml.safe_load((root / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    steps = [str(step.get("run", "")) for step in github["jobs"]["turn"]["steps"]]
    for lines in (steps, gitlab["turn"]["script"]):
        told = "\n".join(lines)
        asked = [told.index(f"flywheel {word} ") for word in ("assemble", "check", "drift")]
        assert [told.index("flywheel-mlflow==1.2.3"), told.index("flywheel validate"), *asked] == sorted(
            [told.index("flywheel-mlflow==1.2.3"), told.index("flywheel validate"), *asked]
        )
        assert "--junit reports/checks.xml" in told
    assert "mlflow-data/" in (root / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    "name",
    ["", "a", "../x", "a/b", "/x", "a b", "A", "9lives", "-x", ".", "..", "~", "x\n", "über", "x" * 64, "a_b"],
)
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written, here or elsewhere."""
    (tmp_path / "here").mkdir()
    with pytest.raises(InputError, match="cannot be called"):
        made(tmp_path / "here", name=name)
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize(
    "projects",
    [
        *[(name,) for name in ("", "../x", "a b", "A", "9", "_", "ü", "x" * 57, "a-b", "a\n")],
        *[(name,) for name in ("flywheel", "stage", "ledger", "feedback", "producer", "project")],
        ("a", "a"),
        ("p07_one", "p07_two"),
    ],
)
def test_a_project_that_cannot_be_one_is_refused(tmp_path: Path, projects: tuple[str, ...]) -> None:
    """Foreign characters, reserved words and two projects of one id: nothing is written."""
    with pytest.raises(InputError, match=r"cannot be called|no project id|two projects"):
        made(tmp_path, *projects)
    assert list(tmp_path.iterdir()) == []


def test_only_an_empty_folder_is_taken(tmp_path: Path) -> None:
    """One with anything in it, a file and a link stay as they are; an empty folder becomes the flywheel."""
    put(tmp_path / "full" / "mine.txt", "mine")
    put(tmp_path / "file", "mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name in ("full", "file", "link", "nowhere"):
        with pytest.raises(InputError, match="there already"):
            made(tmp_path, name=name)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    assert (made(tmp_path, name="empty") / "flywheel.yaml").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full", "link", "nowhere"]


def test_what_cannot_be_written_whole_leaves_nothing(tmp_path: Path) -> None:
    """A disk that refuses a file in the middle, or a parent that is no folder: told, and nothing stays behind."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(StorageError):
            made(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    put(tmp_path / "file", "mine")
    with pytest.raises(StorageError):
        made(tmp_path / "file")


def test_the_next_step_says_what_is_in_the_way(tmp_path: Path) -> None:
    """Beside a flywheel, outside its projects, in one with faults, and where all is well."""
    root = write_flywheel(tmp_path / "wheel")
    inside, outside = init_project(root / "projects" / "p11", root), init_project(root / "p12", root)
    assert "validate" in next_step(inside, root)
    assert str(root / "projects") in next_step(outside, root)
    assert "flywheel init NAME" in next_step(outside, None)
    put(root / "flywheel.yaml", "a: [")
    assert "has faults" in next_step(inside, root)
