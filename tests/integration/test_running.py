"""The processes in which pipelines run."""

from __future__ import annotations

import importlib

import pytest

from flywheel_mlflow.operations.projects.running import PRELOADED, PRELOADED_FOR_DATABASES


@pytest.mark.parametrize("module", PRELOADED + PRELOADED_FOR_DATABASES)
def test_what_pipelines_share_exists(module: str) -> None:
    """Every module that is loaded before they are forked can be: multiprocessing passes over what it cannot import."""
    assert importlib.import_module(module).__name__ == module
