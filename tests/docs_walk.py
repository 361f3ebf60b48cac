"""Follows a document from top to bottom, as somebody who copies every line.

Each document has a test file of its own, since the tests' workers share out whole files.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from workbench import TELEMETRY_OFF, copy_blueprint, flywheel_command

#: A fenced block with its language and, for a file to write, its title.
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def _follow(words: list[str], home: Path, uri: str) -> tuple[int, str]:
    """One line: ``NAME=VALUE`` before the command sets the environment, as in a shell."""
    environment: dict[str, str] = {}
    while "=" in words[0]:
        name, _, environment[name] = words.pop(0).partition("=")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return _run(words, home, uri)


def _run(words: list[str], home: Path, uri: str) -> tuple[int, str]:
    if words[0] == "flywheel":
        ended = flywheel_command(*words[1:], root=home, uri=uri)
        return ended.code, ended.out + ended.err
    environment = os.environ | TELEMETRY_OFF | {"MLFLOW_TRACKING_URI": uri}
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def follow(document: str, repository: Path, folder: Path) -> int:
    """Follow a page in ``folder``, with a copy of the flywheel and a store of its own; how many commands were run.

    Files are written and commands run in the order of the page; each command must end as the page says, else with 0.
    """
    shutil.copytree(repository / "projects", folder / "projects")
    copy_blueprint(repository, folder)
    uri = f"sqlite:///{folder}/mlflow-data/mlflow.db"
    soon = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}"
    followed = 0
    for language, title, body in _BLOCK.findall((repository / document).read_text(encoding="utf-8")):
        if title:
            target = folder / title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body, encoding="utf-8")
        elif language == "console":
            for line in body.splitlines():
                if line.startswith("$ "):
                    command, _, promised = line[2:].partition("  # exits with ")
                    words = [word.replace("IN_3_DAYS", soon) for word in shlex.split(command)]
                    code, said = _follow(words, folder, uri)
                    assert code == int(promised or 0), f"{line}\n{said}"
                    followed += 1
    return followed
