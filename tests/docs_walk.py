"""Follows a document from top to bottom, as somebody who copies every line.

Each document has a test file of its own, since the tests' workers share out whole files.
"""

from __future__ import annotations

import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
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


def follow_exactly(document: str, repository: Path) -> int:
    """Follow a page in the working folder, and hold what it shows against what is said; the commands run.

    As :func:`follow`, with ``cd``. Lines of a console block that are no command stand in the command's output, in this
    order: ``…`` is anything, and a line ``...`` leaves lines out. Frames of tables and widths do not count.
    Scripts run in this process: imports cost more than what they do.
    """
    followed = 0
    for language, title, body in _BLOCK.findall((repository / document).read_text(encoding="utf-8")):
        home = Path.cwd()
        if title:
            _write(home / title, body)
        elif language == "console":
            for line, shown in _commands(body):
                command, _, promised = line.partition("  # exits with ")
                code, said = _follow_here(shlex.split(command))
                assert code == int(promised or 0), f"{document}: {line}\n{said}"
                missing = next(_not_said(shown, said), None)
                assert missing is None, f"{document}: {line}\nshows: {missing}\nbut says:\n{said}"
                followed += 1
    return followed


def _write(target: Path, body: str) -> None:
    """The file as the page has it; after a line ``# ... as before`` what follows is appended to the file there is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    head, added, rest = body.partition("# ... as before\n")
    target.write_text(target.read_text(encoding="utf-8") + rest if added and not head else body, encoding="utf-8")


def _commands(body: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that are shown of its output."""
    for part in ("\n" + body).split("\n$ ")[1:]:
        line, *shown = part.splitlines()
        yield line, [text for text in shown if text.strip() not in ("", "...")]


def _not_said(shown: Iterable[str], said: str) -> Iterator[str]:
    """The lines that are not said, or not in this order."""
    left = iter([_plain(line) for line in said.splitlines()])
    for line in shown:
        pattern = re.compile(".*".join(map(re.escape, re.split(" ?… ?", _plain(line)))))
        if not any(pattern.fullmatch(candidate) for candidate in left):
            yield line


def _plain(line: str) -> str:
    return " ".join(re.sub("[│┃]", " ", line).split())


def _follow_here(words: list[str]) -> tuple[int, str]:
    """One command in the working folder, whose runs are kept below it."""
    home = Path.cwd()
    if words[0] == "cd":
        os.chdir(home / words[1])  # the test's own working folder is set back by its fixture
        return 0, ""
    with pytest.MonkeyPatch.context() as patch:
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            patch.setenv(name, value)
        if words[0] == "flywheel":
            ended = flywheel_command(*words[1:], root=home, uri=store_of(home))
            return ended.code, ended.out + ended.err
        assert words[0] == "python", words
        patch.setenv("MLFLOW_TRACKING_URI", store_of(home))
        patch.setattr(sys, "argv", words[1:])
        said = io.StringIO()
        with redirect_stdout(said):
            runpy.run_path(words[1], run_name="__main__")
        return 0, said.getvalue()
