"""Tests of canonical JSON and digests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from flywheels import contract
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.canonical import canonical_json, digest_of, document_json, plain, short_digest

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: Any


@given(values)
def test_canonical_json_is_json_and_loses_nothing(value: Any) -> None:
    """Both spellings read back as the value, and the compact one holds no line break."""
    assert json.loads(canonical_json(value)) == value
    assert json.loads(document_json(value)) == value
    assert "\n" not in canonical_json(value)
    assert document_json(value).endswith("\n")


@given(st.dictionaries(words, scalars), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_show(value: dict[str, Any], shuffle: Any) -> None:
    """Equal mappings have equal digests, whatever order their keys came in."""
    items = list(value.items())
    shuffle.shuffle(items)
    assert digest_of(dict(items)) == digest_of(value)


def test_every_kind_of_value_of_ours_has_one_spelling() -> None:
    """Dataclasses, enumerations, models, sets, tuples and times become plain values."""
    when = datetime(2026, 3, 1, tzinfo=UTC)
    assert plain(Pair(Level.HIGH, {Colour.RED})) == {"left": 3, "right": ["red"]}
    assert plain((when, frozenset({2, 1}))) == ["2026-03-01T00:00:00+00:00", [1, 2]]
    assert plain(contract("p01"))["interfaces_out"][0]["schema"] == "record"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_cannot_hold_is_refused(value: float) -> None:
    """NaN and infinities raise wherever they hide."""
    with pytest.raises(ValueError, match="cannot be written"):
        canonical_json({"a": [Pair(1, value)]})


def test_a_type_without_a_spelling_is_refused() -> None:
    """Nothing is written as the text of an object's address."""
    with pytest.raises(TypeError, match="no canonical form for object"):
        digest_of([object()])


def test_a_short_digest_fits_mlflow() -> None:
    """MLflow keeps at most 36 characters of a dataset digest."""
    digest = digest_of({})
    assert len(digest) == 64
    assert digest.startswith(short_digest(digest))
    assert len(short_digest(digest)) == 32
