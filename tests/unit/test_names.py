"""Tests of the grammar of names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.names import (
    IDENTIFIER_PATTERN,
    MAX_LABEL_LENGTH,
    Identifier,
    check_label,
    label_fault,
    unshowable,
)

IDENTIFIERS = TypeAdapter(Identifier)
HOSTILE = ["", "../x", "a/b", "A", "1a", "a b", "a\n", "\na", "a\x00", "a" * 64, "ä", "a-b", "a.b", "٣a", "a٣"]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_but_identifiers_passes(name: str) -> None:
    """A name that could leave its place, or that two systems read differently, is refused with the grammar."""
    with pytest.raises(ValidationError, match=re.escape(IDENTIFIER_PATTERN)):
        IDENTIFIERS.validate_python(name)


@given(st.text(max_size=70))
def test_identifiers_are_exactly_the_grammar(name: str) -> None:
    """Whatever is accepted is plain ASCII of the documented shape."""
    try:
        assert IDENTIFIERS.validate_python(name) == name
    except ValidationError:
        return
    assert name.isascii()
    assert re.fullmatch("[a-z][a-z0-9_]{0,62}", name)


def test_a_label_may_be_long_but_not_longer_than_mlflow_keeps() -> None:
    """250 characters pass, 251 do not, and the message does not repeat all of a long name."""
    assert check_label("check", "x" * MAX_LABEL_LENGTH)
    with pytest.raises(InputError, match="has 300 characters") as caught:
        check_label("check", "x" * 300)
    assert len(caught.value.what) < 200


@pytest.mark.parametrize("char", ["\x00", "\n", "\x1b", "\x7f", "\x9b", "\u2028", "\u202e", "\u2066", "\ud800"])
def test_a_label_shows_what_it_holds(char: str) -> None:
    """Terminal escapes, line breaks, marks that reverse text and halves of characters are refused."""
    assert label_fault(f"a{char}b") == "contains control characters"


@pytest.mark.parametrize("label", ["预训练语料", "Prüfung Nr. 7: <b>", "🚀 shipped", "نص"])
def test_a_label_may_be_in_any_language(label: str) -> None:
    """Markup and other alphabets are only text: whoever shows it escapes it."""
    assert check_label("title", label) == label


@pytest.mark.parametrize("blank", ["", "  ", "\u3000"])
def test_a_label_is_not_blank(blank: str) -> None:
    """Only spaces of any kind are no name."""
    assert label_fault(blank) == "is empty"


def test_what_hides_is_found_wherever_it_stands() -> None:
    """In a text of any length, in order; emoji of several parts and other scripts hide nothing."""
    assert list(unshowable("x" * 999 + "\x1b[31m\u202e")) == ["\x1b", "\u202e"]
    assert list(unshowable("\U0001f469\u200d\U0001f52c \u0645\u0631\u062d\u0628\u0627")) == []
