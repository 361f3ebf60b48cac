"""Tests of schema learning."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.records.schema_tree import SchemaTree

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.just(0.5) | st.just("t") | st.just([]),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c.d", "c"]), inner, max_size=3),
    max_leaves=6,
)
records = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c.d", "c"]), values, max_size=3), min_size=1, max_size=8)


def learn(rows: list[dict[str, Any]]) -> tuple[FieldType, ...]:
    tree = SchemaTree()
    for row in rows:
        tree.observe(row)
    return tree.fields()


def test_types_are_named_and_nested_objects_flattened() -> None:
    """Each place gets a dotted path and a type; whole and other numbers together are numbers."""
    rows = [
        {"s": "x", "i": 1, "n": 1, "b": True, "z": None, "l": [1], "o": {"k": 1}, "m": 1, "h": 1},
        {"s": "y", "i": 2, "n": 0.5, "b": False, "z": None, "l": [], "o": {"k": None}, "m": "1"},
    ]
    assert learn(rows) == (
        FieldType("b", "boolean", True),
        FieldType("h", "integer", False),
        FieldType("i", "integer", True),
        FieldType("l", "list", True),
        FieldType("m", "mixed", True),
        FieldType("n", "number", True),
        FieldType("o", "object", True),
        FieldType("o.k", "integer", False),
        FieldType("s", "string", True),
        FieldType("z", "null", False),
    )


def test_a_dot_in_a_key_is_no_level() -> None:
    """A key with a dot and a nested key stay two fields."""
    assert [field.path for field in learn([{"a.b": 1, "a": {"b": 2}}])] == ["a", "a.b", "a\\.b"]


@given(records, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_keys_does_not_show(rows: list[dict[str, Any]], shuffle: random.Random) -> None:
    """A schema depends on the set of rows only."""
    mixed = [dict(reversed(row.items())) for row in rows]
    shuffle.shuffle(mixed)
    assert learn(mixed) == learn(rows)


@given(records)
def test_paths_are_unique_and_required_ones_are_everywhere(rows: list[dict[str, Any]]) -> None:
    """No path comes twice, and a required top-level field is in every row and not null."""
    fields = learn(rows)
    assert len({field.path for field in fields}) == len(fields)
    for key in ("a", "b"):
        required = any(field.path == key and field.required for field in fields)
        assert required == all(row.get(key) is not None for row in rows)


def test_texts_come_from_everywhere() -> None:
    """Strings at any depth, long whole numbers and new keys are handed on for the search in them."""
    texts = SchemaTree().observe({"a": ["x", {"k": "y"}], "n": 13812345678, "b": b"z", "f": 0.5})
    assert set(texts) == {"a", "n", "b", "f", "x", "k", "y", "13812345678", "z"}
