"""Which version of the code a project ran, as Git knows it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

GIT_TIMEOUT_S = 5


def code_version_of(folder: Path) -> str:
    """The Git commit of ``folder`` with ``+changes`` when it differs from it; empty outside Git."""
    git = shutil.which("git")
    if git is None:
        return ""
    commit = _git(git, folder, "rev-parse", "HEAD")
    if not commit:
        return ""
    changes = _git(git, folder, "status", "--porcelain", "--", ".")
    return f"{commit}+changes" if changes else commit


def _git(git: str, folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [git, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # the version of the code is unknown, and unknown is shown as empty
    return done.stdout.strip() if done.returncode == 0 else ""
