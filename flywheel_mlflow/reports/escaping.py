"""Makes hostile text harmless in Markdown or XML: names and reasons come from files other people write."""

from __future__ import annotations

import re
import unicodedata

#: Characters of these Unicode categories can hide, reorder or break text: controls, formats such as
#: bidirectional overrides, surrogates, private use, unassigned, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_INLINE = re.compile(r"([\\`*_\[\]|~#$!{}^])")
_LEADING = re.compile(r"^(\d{0,9})(?=[.)](?:\s|$)|[-+=](?:[-+=\s]|$)|:)")
_AUTOLINK = re.compile(r"(://|\bwww\.)", re.IGNORECASE)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Markdown(str):
    """Text that is Markdown already and passes templates unchanged."""

    __slots__ = ()


def visible(value: object) -> str:
    """``value`` as one line of visible characters, runs of white space as one space."""
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in text)
    return " ".join(text.split())


def markdown_text(value: object) -> Markdown:
    """``value`` as Markdown that shows exactly its visible characters, also inside a table.

    Nothing in it can start markup, end a table cell or a line, or become HTML or a link.
    """
    if isinstance(value, Markdown):
        return value
    text = _INLINE.sub(r"\\\1", visible(value))
    # A backslash inside "://" and "www." keeps GitHub's autolinks from seeing an address.
    text = _AUTOLINK.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", text)
    text = _LEADING.sub(r"\1\\", text)
    return Markdown(text.translate(_HTML))


def markdown_code(value: object) -> Markdown:
    """``value`` as an inline code span; the two characters a span in a table cannot hold are replaced."""
    text = visible(value).replace("`", "'").replace("|", "\N{BROKEN BAR}")
    # Some renderers look for comments before they look for code.
    text = text.replace("<!--", "<! --").replace("-->", "-- >")
    return Markdown(f"`{text}`") if text else Markdown("")


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
