"""How often a test repeats what it proves by repetition: seldom in each run, often with ``FLYWHEEL_STRESS=1``."""

from __future__ import annotations

import os

# Read before the isolation of the first test clears it.
STRESSED = os.environ.get("FLYWHEEL_STRESS") == "1"


def repetitions(seldom: int, often: int) -> int:
    """One of the two; `make stress` takes the second."""
    return often if STRESSED else seldom
