"""The few forms of Markdown that generated pages use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def page(title: str, *parts: str) -> str:
    """A page with its heading; parts that are empty are left out."""
    return "\n\n".join([f"# {title}", *(part.strip() for part in parts if part.strip())]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty where there are no rows."""
    lines = [f"| {' | '.join(cell(item) for item in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines])


def cell(text: str) -> str:
    """Text that stays in its cell; what looks like HTML or ends a cell is shown as it is, inside of code anyway."""

    def outside(found: re.Match[str]) -> str:
        return found[1] or {"<": "&lt;", "|": "\\|", "\\": "\\\\"}[found[0]]

    return re.sub(r"(`+[^`]*`+)|[<|\\]", outside, " ".join(text.split()))


def code(text: str) -> str:
    """Inline code."""
    return f"`{text}`"


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: reStructuredText's double back quotes become single ones."""
    return (docstring or "").replace("``", "`").strip()
