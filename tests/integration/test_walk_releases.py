"""docs/releases.md, followed from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_walk import DATABASE, TURNS, follow
from prepared import copied


def test_every_line_works(turned: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written and commands run in the order of the page, each command ends as the page says."""
    copied(turned, tmp_path, DATABASE)
    monkeypatch.chdir(tmp_path)
    assert follow("docs/releases.md", repository, tmp_path, done=TURNS)
