"""The claims of tests/conftest.py about every unit test."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from trials import PROJECTS, load_module


def test_no_network() -> None:
    """A unit test that opens a connection is stopped, even on this machine."""
    with socket.socket() as connection, pytest.raises(PermissionError, match="mark it `integration`"):
        connection.connect(("127.0.0.1", 9))


def test_no_settings_of_the_caller() -> None:
    """Of all settings of MLflow, Evidently and ours, only those that stop telemetry are set."""
    left = {name for name in os.environ if name.startswith(("MLFLOW_", "EVIDENTLY_", "FLYWHEEL_"))}
    assert left == {"MLFLOW_DISABLE_TELEMETRY"}


def test_own_folder(tmp_path: Path) -> None:
    """A test that writes to its working directory writes to a folder of its own."""
    assert Path.cwd() == tmp_path


def test_a_module_of_a_project_is_loaded_once() -> None:
    """Whoever asks gets the same classes that the modules beside it have imported, whichever tests ran before."""
    file = PROJECTS / "p12_reasoning" / "p12_problems.py"
    problems = load_module(file)
    sampling = load_module(file.with_name("p12_sampling.py"))
    assert load_module(file) is problems
    assert sampling.CodeProblem is problems.CodeProblem
