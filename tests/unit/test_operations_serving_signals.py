"""Signals that end `flywheel ui`, without a server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flywheel_mlflow.operations import serving

PROGRAM = """
import signal, sys
from flywheel_mlflow.operations import serving

number = signal.Signals(int(sys.argv[1]))
signal.signal(number, serving._interrupt)
try:
    exec("signal.raise_signal(number)")
except serving._Interrupted:
    print("told to end")
"""


@pytest.mark.parametrize("number", serving._ENDING)
def test_a_signal_ends_with_success_wherever_it_arrives(number: int) -> None:
    """Also amid code compiled from text, where Python would end by SIGINT after a KeyboardInterrupt that was caught."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(number)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "told to end\n"), done.stderr
