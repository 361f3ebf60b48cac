"""The flywheels of examples/, followed as their READMEs say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from docs_walk import follow_exactly, store_of
from servers.embedded import copy_store
from workbench import flywheel_command

MOST_LINES = 200


@pytest.fixture
def followed(repository: Path, migrated_template: Path, tmp_path: Path) -> Callable[[str], int]:
    """Follows the README of an example in a copy of it, on a store that is migrated; how many commands it has."""

    def follow(example: str) -> int:
        shutil.copytree(repository / "examples" / example, tmp_path, dirs_exist_ok=True)
        copy_store(migrated_template, tmp_path / "mlflow-data")
        return follow_exactly(f"examples/{example}/README.md", repository)

    return follow


def test_digits(followed: Callable[[str], int]) -> None:
    """Two projects from files: better data are told, block until they are explained, and are released then."""
    assert followed("digits")


@pytest.mark.filterwarnings("ignore:.*Any type hint", "ignore:Starting with pandas version")  # of MLflow itself
def test_rag(followed: Callable[[str], int]) -> None:
    """Answers judged by MLflow: what fails becomes a theme, a task, and an improvement that is no chance."""
    assert followed("rag")


def test_monorepo(followed: Callable[[str], int], repository: Path, tmp_path: Path) -> None:
    """The README runs what the recipe runs, and a renamed interface fails as it says."""
    assert followed("monorepo")
    readme = (repository / "examples" / "monorepo" / "README.md").read_text(encoding="utf-8")
    recipe = yaml.safe_load((tmp_path / ".github" / "workflows" / "flywheel.yml").read_text(encoding="utf-8"))
    commands = [step["run"] for step in recipe["jobs"]["turn"]["steps"] if step.get("run", "").startswith("flywheel ")]
    assert len(commands) == 5
    for command in commands:
        iteration = "2" if command.startswith("flywheel drift") else "1"
        assert "\n$ " + command.replace('"$ITERATION"', iteration) + "\n" in readme
    contract = tmp_path / "projects" / "tickets" / "project.yaml"
    contract.write_text(contract.read_text(encoding="utf-8").replace("name: support_tickets", "name: tickets_v2"))
    broken = flywheel_command("validate", root=tmp_path, uri=store_of(tmp_path))
    assert broken.code == 2
    assert broken.err.strip() in readme


@pytest.mark.parametrize("example", ["digits", "rag", "monorepo"])
def test_an_example_is_small(repository: Path, example: str) -> None:
    """YAML and Python together have fewer than 200 lines."""
    files = [
        path for path in (repository / "examples" / example).rglob("*.*") if path.suffix in (".py", ".yaml", ".yml")
    ]
    assert 0 < sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) < MOST_LINES
