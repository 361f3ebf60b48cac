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
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from workbench import TELEMETRY_OFF, copy_blueprint, flywheel_command

#: A fenced block with its language and, for a file to write, its title.
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

#: Where a flywheel without a server keeps its runs.
DATABASE = "mlflow-data/mlflow.db"
#: The published figures, the sample projects, and what their tasks changed: what `make run` does, and how
#: docs/releases.md begins.
TURNS = (
    "flywheel assemble --iteration 1 --log published",
    "flywheel assemble --iteration 2 --log pipelines",
    "flywheel task decide projects/decisions.yaml --iteration 2",
    "flywheel assemble --iteration 3 --log pipelines",
)


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


def check_out(repository: Path, folder: Path) -> None:
    """A copy of the flywheel in ``folder``."""
    shutil.copytree(repository / "projects", folder / "projects")
    copy_blueprint(repository, folder)


def store_of(folder: Path) -> str:
    """Where commands that run in ``folder`` keep their runs."""
    return f"sqlite:///{folder / DATABASE}"


def turn_thrice(repository: Path, folder: Path) -> None:
    """The commands of ``TURNS`` in ``folder``, which must be empty; each ends with 0."""
    check_out(repository, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in TURNS:
            code, said = _follow(shlex.split(line), folder, store_of(folder))
            assert code == 0, f"{line}\n{said}"


def follow(document: str, repository: Path, folder: Path, *, done: Sequence[str] = ()) -> int:
    """Follow a page in ``folder``, with a copy of the flywheel and a store of its own; how many commands were run.

    Files are written and commands run in the order of the page; each command must end as the page says, else with 0.

    ``done`` are the commands with which the page begins, where ``folder`` holds already what they do.
    """
    if not done:
        check_out(repository, folder)
    soon = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}"
    left = list(done)
    followed = 0
    for language, title, body in _BLOCK.findall((repository / document).read_text(encoding="utf-8")):
        if title:
            target = folder / title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body, encoding="utf-8")
        elif language == "console":
            for line in body.splitlines():
                if not line.startswith("$ "):
                    continue
                if left:
                    assert line[2:] == left.pop(0)
                    continue
                command, _, promised = line[2:].partition("  # exits with ")
                words = [word.replace("IN_3_DAYS", soon) for word in shlex.split(command)]
                code, said = _follow(words, folder, store_of(folder))
                assert code == int(promised or 0), f"{line}\n{said}"
                followed += 1
    return followed
