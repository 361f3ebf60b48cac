"""docs/tour.md, followed from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_walk import follow


def test_every_line_works(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written and commands run in the order of the page, each command ends as the page says."""
    monkeypatch.chdir(tmp_path)
    assert follow("docs/tour.md", repository, tmp_path)
