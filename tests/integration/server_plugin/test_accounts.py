"""Accounts as docs/server.md says they are made, and what people with too few permissions are told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from servers.plugin import ADMIN, AUTH_SETTINGS, PluginServer, signed_in

from flywheel_mlflow.base.errors import ServerRefused

PERSON = "mara"
SECRET = "a password of hers"


def blocks(repository: Path, language: str) -> list[str]:
    """The blocks of docs/server.md in a language."""
    text = (repository / "docs" / "server.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(lines: str, script: Path) -> None:
    """Run lines of the document as a program."""
    script.write_text(lines, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_settings_are_those_of_the_document(repository: Path) -> None:
    """Servers with accounts are tested with the file that docs/server.md shows."""
    assert blocks(repository, "ini") == [AUTH_SETTINGS.format(folder="/srv", password="...")]


def test_an_account_is_made_and_granted(
    repository: Path, accounts: PluginServer, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document's lines make an account that may log to one project; without them it is told what it lacks."""
    with signed_in(ADMIN):
        name = accounts.bench().name
        (lines,) = (item for item in blocks(repository, "python") if "create_user" in item)
        lines = lines.replace("http://127.0.0.1:5000", accounts.uri).replace("llm-data-flywheel", name)
        first, grant = lines.split("\n\ngrant(")
        run(first, work / "create.py")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", PERSON)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    bench = accounts.bench()
    with pytest.raises(ServerRefused) as refused:
        bench.log(work, 90)
    assert "writing EDIT on the experiment" in str(refused.value.hint)
    with signed_in(ADMIN):
        without = "\n".join(line for line in first.splitlines() if "create_user" not in line)
        run(f"{without}\n\ngrant({grant}", work / "grant.py")
    assert bench.log(work / "again", 90)
