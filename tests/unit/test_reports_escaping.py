"""Hostile text shows as text."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flywheel_mlflow.base.text import visible
from flywheel_mlflow.reports.escaping import markdown_code, markdown_text

SPECIALS = r"\`*_[]|~#$!{}^"


@given(st.text())
def test_text_cannot_leave_its_cell(text: str) -> None:
    """No text contains a line break, an unescaped pipe or a character that opens HTML."""
    shown = markdown_text(text)
    assert not re.search(r"[<>\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", shown)
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", shown)


@given(st.text(alphabet=SPECIALS + "ab <>&1.-:/"))
def test_nothing_is_lost(text: str) -> None:
    """Taking the escapes away gives back exactly what can be seen of the text."""
    plain = re.sub(r"\\(.)", r"\1", markdown_text(text))
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        plain = plain.replace(entity, char)
    assert plain == visible(text)


@given(st.text(alphabet=SPECIALS + "ab <>&1.-+=:/()\"'\n\t"))
def test_a_renderer_shows_the_text_itself(text: str) -> None:
    """A Markdown renderer makes of any text one paragraph that shows exactly its visible characters."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    rendered = renderer.render(f"{markdown_text(text)}\n").strip()
    inner = rendered.removeprefix("<p>").removesuffix("</p>")
    assert "<" not in inner
    assert html.unescape(inner) == visible(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", r"a \| b"),
        ("one\ntwo\r\n# three", r"one two \# three"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("![x](http://evil.example/p.png)", r"\!\[x\](http:/\/evil.example/p.png)"),
        ("www.evil.example", r"www\.evil.example"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("---", r"\---"),
        ("0.9240", "0.9240"),
        ("-0.5", "-0.5"),
        ("a\u202eb\x00c\x1bd", "a b c d"),
    ],
)
def test_known_attacks(text: str, shown: str) -> None:
    """Tables, headings, lists, links, images and HTML cannot be started, and numbers stay as they are."""
    assert markdown_text(text) == shown


def test_what_is_markdown_already_is_left_alone() -> None:
    """Escaping twice is escaping once."""
    once = markdown_text("a | b")
    assert markdown_text(once) == once


@given(st.text())
def test_code_spans_end_where_they_should(text: str) -> None:
    """A code span holds no backtick, pipe, line break or comment mark of its own."""
    span = markdown_code(text)
    assert span == "" or (span[0] == span[-1] == "`" and "`" not in span[1:-1])
    assert not re.search(r"[|\n\r\x00]|<!--|-->", span)
