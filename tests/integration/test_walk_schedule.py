"""docs/schedule.md, followed from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_walk import follow

from flywheel_mlflow.operations.projects.starting import new_flywheel


def test_every_line_works(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written and commands run in the order of the page, each command ends as the page says."""
    root, _ = new_flywheel("my-flywheel", (), "minimal", parent=tmp_path, version="0")
    with (root / "flywheel.yaml").open("a", encoding="utf-8") as file:
        file.write("include: [blueprint/schedule.yaml]\n")
    monkeypatch.chdir(root)
    assert follow("docs/schedule.md", repository, root, done=("flywheel init my-flywheel",))
