"""Measures the prose of the documentation: how long paragraphs are, how often an example or a table stands between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
#: History, and decisions in the form of records, are not written for a first reading.
LEFT_OUT = ("docs/decisions/",)

_FENCE = re.compile(r"^ *(```+|~~~+)[^\n]*\n.*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_ITEM = re.compile(r"^ *(?:[*-]|\d+\.) +", re.MULTILINE)

#: What STYLE and readers stumble over, as regular expressions, with what to say instead.
WORDS = {
    r"does no harm twice": "safe to run again",
    r"[Ss]ay yes to a release": "approve a release",
    r"gone back to": "rolled back to",
    r"(?:is|are|be|was|were) answered for": "explained",
    r"if need be": "(leave it out)",
    r"[Rr]eflux rate": "share of feedback acted on",
    r"stands? as (?:candidate|a candidate)": "is a candidate",
    r"(?:a|each|every|this|next|last|earlier|later|same|one) turns? of the flywheel": "iteration",
    r"(?:in|after|before|of|for) (?:a|each|every|this|the next|the last|an earlier|the same|that) turn\b": "iteration",
}
#: Only the status page says what is missing.
YET = re.compile(r"\byet\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Prose:
    """One page: its paragraphs and list items, and how many code blocks and tables stand between them."""

    name: str
    paragraphs: tuple[str, ...]
    blocks: int
    tables: int

    @property
    def lengths(self) -> list[int]:
        """Words of each paragraph."""
        return [len(paragraph.split()) for paragraph in self.paragraphs]

    @property
    def words(self) -> int:
        """Words outside of code, tables and headings."""
        return sum(self.lengths)

    @property
    def median(self) -> float:
        """Words of the middle paragraph."""
        return median(self.lengths)

    @property
    def longest(self) -> str:
        """The paragraph with the most words."""
        return max(self.paragraphs, key=lambda paragraph: len(paragraph.split()))

    @property
    def words_per_example(self) -> float:
        """Words for each code block or table."""
        return self.words / max(self.blocks + self.tables, 1)


def read_prose(name: str, text: str) -> Prose:
    """What a page says outside of code, tables, pictures and headings."""
    blocks = len(_FENCE.findall(text))
    plain = _COMMENT.sub("", _FENCE.sub("\n\n", text))
    found = []
    for block in re.split(r"\n\s*\n", plain):
        lines = [line for line in block.splitlines() if not line.lstrip().startswith(("#", "|", "!["))]
        found += [_LINK.sub(r"\1", part) for part in _ITEM.split("\n".join(lines)) if part.strip()]
    paragraphs = tuple(" ".join(part.split()) for part in found)
    return Prose(name, paragraphs, blocks, len(re.findall(r"^\|[-| :]+\|$", plain, re.MULTILINE)))


def pages() -> Iterator[Prose]:
    """Every page that is written by hand."""
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        name = str(file.relative_to(ROOT))
        if not name.startswith(LEFT_OUT):
            yield read_prose(name, file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for page in sorted(pages(), key=lambda page: -page.median):
        print(  # noqa: T201 - run by hand
            f"{page.name:34} words {page.words:5}  median {page.median:4.0f}  longest {max(page.lengths):4} "
            f" words per example {page.words_per_example:5.0f}"
        )
    every = list(pages())
    words, blocks = sum(page.words for page in every), sum(page.blocks for page in every)
    middle = median(length for page in every for length in page.lengths)
    print(f"all: median {middle}, words for each code block {words / blocks:.0f}")  # noqa: T201
