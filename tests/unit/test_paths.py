"""Tests of the paths into documents."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.documents import is_there, value_at
from flywheel_mlflow.base.paths import PATH_PATTERN, Parts, metric_names, parse_path, quote_path

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
keys = names | st.sampled_from(["a", "acc,none", "a.b", "", "a/v1/mean", "[0]", "'", '"', "\\", "\n", " "])


@given(st.lists(keys | st.integers(0, 999), min_size=1, max_size=5))
def test_every_name_can_be_reached(parts: list[str | int]) -> None:
    """Whatever a key is called: the path written for it reads back, and leads to its value."""
    path = quote_path(parts)
    assert parse_path(path) == tuple(parts)
    assert re.search(PATH_PATTERN, path, re.DOTALL)
    document: Any = 5
    for part in reversed(parts):
        document = {part: document} if isinstance(part, str) else [None] * part + [document]
    assert value_at(document, path) == 5
    assert not is_there(document, [*parts, "beyond"])


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_an_error(text: str) -> None:
    """A path, read and written again, is the same path; anything else is told as a ValueError."""
    try:
        parts = parse_path(text)
    except ValueError:
        return
    assert parse_path(quote_path(parts)) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("counts.kept", ("counts", "kept")),
        ("a-b_c.0", ("a-b_c", "0")),
        ("answer_correctness/v1/mean", ("answer_correctness/v1/mean",)),
        ("map@0.5", ("map@0", "5")),
        ("ndcg@10:test", ("ndcg@10:test",)),
        ("results.asdiv.acc,none", ("results", "asdiv", "acc,none")),
        ('results.asdiv["acc,none"]', ("results", "asdiv", "acc,none")),
        ("['a.b'].c", ("a.b", "c")),
        ("""['it\\'s "so"']""", ('it\'s "so"',)),
        ('["\\u0041"]', ("A",)),
        ("runs[0][1].x", ("runs", 0, 1, "x")),
        ("[2]", (2,)),
        ("val acc", ("val acc",)),
        ("eval.mean  of 5.x", ("eval", "mean  of 5", "x")),
    ],
)
def test_spellings_by_hand(text: str, parts: Parts) -> None:
    """Plain names as before, names of other tools as they are, quotes of both kinds, places in lists."""
    assert parse_path(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a[",
            "a[]",
            "a[-1]",
            "a[01]",
            "a[x]",
            "a[0",
            'a["b]',
            'a."b"',
            " a",
            "a ",
            "a .b",
            "a. b",
            "a\tb",
            "a\n",
        ),
        *("a[0]b", '["\\ud800"]', '["\\x"]', "x" * 251),
    ],
)
def test_slips_are_told(text: str) -> None:
    """What is no path is an error with a place, never another path."""
    with pytest.raises(ValueError, match=r"character|quoted name"):
        parse_path(text)


def test_a_flat_store_is_asked_for_the_whole_name() -> None:
    """A metric's name may look like a path; quotes are no part of it."""
    assert metric_names("eval/rate") == ("eval/rate",)
    assert metric_names('results["acc,none"]') == ('results["acc,none"]', "results.acc,none")
