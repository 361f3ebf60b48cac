"""Makes hostile text harmless in Markdown or XML: names and reasons come from files other people write."""

from __future__ import annotations

import re

from flywheel_mlflow.base.text import visible

_INLINE = re.compile(r"([\\`*_\[\]|~#$!{}^])")
_LEADING = re.compile(r"^(\d{0,9})(?=[.)](?:\s|$)|[-+=](?:[-+=\s]|$)|:)")
_AUTOLINK = re.compile(r"(://|\bwww\.)", re.IGNORECASE)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Markdown(str):
    """Text that is Markdown already and passes templates unchanged."""

    __slots__ = ()


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
