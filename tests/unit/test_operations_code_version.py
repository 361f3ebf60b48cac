"""Tests of the code's version."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flywheel_mlflow.operations.projects.code_version import code_version_of

GIT = shutil.which("git") or ""
needs_git = pytest.mark.skipif(not GIT, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run([GIT, "-C", str(folder), *names, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@needs_git
def test_a_commit_names_the_code_and_changes_show(tmp_path: Path) -> None:
    """The commit of the folder's repository; marked when the folder, and only it, differs from it."""
    project, other = tmp_path / "p01", tmp_path / "p02"
    for folder in (project, other):
        folder.mkdir()
        (folder / "a.py").write_text("1\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    assert code_version_of(project) == ""
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert code_version_of(project) == commit
    (other / "a.py").write_text("2\n", encoding="utf-8")
    assert code_version_of(project) == commit
    (project / "new.py").write_text("2\n", encoding="utf-8")
    assert code_version_of(project) == f"{commit}+changes"


def test_outside_git_the_version_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repository, no such folder and no Git at all: unknown, which is shown as empty, and never an error."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code_version_of(tmp_path) == ""
    assert code_version_of(tmp_path / "nowhere") == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_version_of(tmp_path) == ""
