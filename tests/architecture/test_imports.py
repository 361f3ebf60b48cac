"""What a command costs before it does anything: its imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("mlflow", "pandas", "evidently", "pyarrow", "numpy", "jinja2")


def loaded_by(module: str) -> set[str]:
    """The top-level packages a fresh interpreter has loaded after importing ``module``."""
    program = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["flywheel_mlflow", "flywheel_mlflow.cli"])
def test_import_is_light(module: str) -> None:
    """Importing the package, or its command line, loads none of the packages that take seconds."""
    assert loaded_by(module) & set(HEAVY) == set()


def test_heavy_import_is_seen() -> None:
    """The measurement itself sees a heavy package when one is loaded."""
    assert "pyarrow" in loaded_by("pyarrow")
