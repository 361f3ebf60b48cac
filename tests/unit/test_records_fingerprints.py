"""Tests of content fingerprints."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.records.fingerprints import (
    as_hashes,
    content_text,
    hash_text,
    normalise,
    normalised_hashes,
)


def fingerprint(content: Any) -> bytes:
    """What a content is recognised by, put together of the steps that readers of whole columns take one by one."""
    return hash_text(normalise(content_text(content)))


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    """The normal form of a normal form is itself."""
    assert normalise(normalise(text)) == normalise(text)


@given(st.lists(st.text(alphabet="abcXYZ字é１", min_size=1), min_size=1), st.sampled_from([" ", "\n", "\t \u3000"]))
def test_case_width_and_white_space_do_not_count(words: list[str], gap: str) -> None:
    """Copies that differ in case or white space only have the same fingerprint."""
    assert fingerprint(gap.join(words).upper()) == fingerprint(" " + " ".join(words).lower())


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_text_takes_a_faster_way_to_the_same_form(text: str) -> None:
    """The short cut for ASCII gives what the definition says."""
    assert normalise(text) == " ".join(text.lower().split())


@given(st.lists(st.none() | st.text() | st.text(alphabet="aZ \n\tü字")), st.integers(0, 3))
def test_columns_are_fingerprinted_like_single_texts(texts: list[str | None], skip: int) -> None:
    """All texts of a column at once give what each gives alone; a row without text has none."""
    column = pa.array(texts, pa.string()).slice(min(skip, len(texts)))
    expected = [0 if text is None else int(as_hashes(fingerprint(text))[0]) for text in column.to_pylist()]
    assert normalised_hashes(column).tolist() == expected


def test_nested_content_is_fingerprinted_by_value() -> None:
    """The order of an object's keys does not count, its values do."""
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
