"""Shows text as what it is: one line of visible characters, of no more room than a place has."""

from __future__ import annotations

import unicodedata

#: Characters of these Unicode categories can hide, reorder or break text: controls, formats such as
#: bidirectional overrides, surrogates, private use, unassigned, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(value: object) -> str:
    """``value`` as one line of visible characters, runs of white space as one space."""
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in text)
    return " ".join(text.split())


def fit(value: object, cells: int) -> str:
    """``value`` cut to ``cells`` columns of text, wide East Asian characters counted as two."""
    text = visible(value)
    if (len(text) if text.isascii() else sum(map(_cells, text))) <= cells:
        return text
    kept, used = "", 1  # One for the ellipsis.
    for char in text:
        used += _cells(char)
        if used > cells:
            break
        kept += char
    return kept.rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _cells(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
