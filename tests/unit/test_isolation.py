"""The claims of tests/conftest.py about every unit test."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


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
