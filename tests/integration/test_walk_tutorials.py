"""docs/tutorials, followed one after the other, as somebody who copies every line."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_walk import follow_exactly

#: In the order in which each goes on from the one before: one flywheel is carried through all of them.
TUTORIALS = (
    "first-flywheel",
    "adopt-a-history",
    "release-and-roll-back",
    "close-a-feedback-loop",
    "ab-experiment",
)


@pytest.mark.slow
def test_every_line_works_and_shows_what_it_says(repository: Path) -> None:
    """From an empty folder: each command ends as its page says, and what a page shows of the output is there."""
    assert {path.stem for path in (repository / "docs" / "tutorials").glob("*.md")} - {"index"} == set(TUTORIALS)
    for name in TUTORIALS:
        assert follow_exactly(f"docs/tutorials/{name}.md", repository)
