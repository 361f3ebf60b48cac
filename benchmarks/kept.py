"""Keeps what a benchmark measured as JSON; `python tests/docs_benchmarks.py` writes docs/benchmarks.md from it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("results")


def keep_result(name: str, measured: Mapping[str, Any]) -> Path:
    """Write ``results/NAME.json``: the figures, and on what they were measured."""
    conditions = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps({"conditions": conditions, **measured}, indent=1) + "\n", encoding="utf-8")
    return path


def read_result(name: str) -> dict[str, Any]:
    """What the benchmark kept when it ran last."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found
