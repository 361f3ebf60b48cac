"""The documentation reads at the first reading: short paragraphs, examples beside them, plain words."""

from __future__ import annotations

import re
from statistics import median

import pytest
from docs_prose import WORDS, YET, Prose, pages

STATUS = "docs/status.md"
#: Words of the middle paragraph and of the longest one; words for each code block or table.
MEDIAN, LONGEST, WORDS_PER_EXAMPLE = 28, 55, 150
#: Pages that were not rewritten, each with about what it has now: these numbers only go down.
LONGER = {
    "docs/benchmarks.md": (30, 120, 190),
    "docs/console.md": (28, 55, 340),
    STATUS: (33, 110, 10_000),
}
#: Shorter pages need no example of their own.
SHORT = 200

PAGES = [pytest.param(page, id=page.name) for page in pages()]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_at_the_first_reading(page: Prose) -> None:
    """The middle paragraph is short, the longest is no wall, and examples stand close together."""
    middle, longest, example = LONGER.get(page.name, (MEDIAN, LONGEST, WORDS_PER_EXAMPLE))
    assert page.median <= middle
    assert max(page.lengths) <= longest, page.longest
    assert page.words < SHORT or page.words_per_example <= example


def test_the_whole_reads_like_good_documentation() -> None:
    """Over all pages the middle paragraph has at most 24 words, and a code block stands in every 150."""
    every = list(pages())
    assert median(length for page in every for length in page.lengths) <= 24
    assert sum(page.words for page in every) / sum(page.blocks for page in every) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_words_are_plain(page: Prose) -> None:
    """No page uses a wording that readers stumble over."""
    text = "\n".join(page.paragraphs)
    assert page.name in LONGER or {found: plain for found, plain in WORDS.items() if re.search(found, text)} == {}


@pytest.mark.parametrize("page", PAGES)
def test_what_is_missing_stands_on_the_status_page(page: Prose) -> None:
    """No other page says "yet": what is missing has one home, and a reader of another page meets what is there."""
    assert page.name == STATUS or [text for text in page.paragraphs if YET.search(text)] == []
