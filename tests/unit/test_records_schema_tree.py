"""Tests of schema learning."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.records.arrow_values import objects_array
from flywheel_mlflow.records.columns import fields_of, search_texts
from flywheel_mlflow.records.schema_tree import SchemaTree

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.just(0.5) | st.just("t") | st.just([]),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c.d", "c"]), inner, max_size=3),
    max_leaves=6,
)
records = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c.d", "c"]), values, max_size=3), min_size=1, max_size=8)


def learn(rows: list[dict[str, Any]]) -> tuple[FieldType, ...]:
    tree = SchemaTree()
    for start in range(0, len(rows), 3):
        part = SchemaTree()
        fields = fields_of(objects_array(rows[start : start + 3]))
        counts = ((field.path, field.kind, len(field.values) - field.values.null_count) for field in fields)
        part.observe(len(rows[start : start + 3]), counts)
        tree.merge(part)
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
    """Strings at any depth and long whole numbers are handed on for the search in them."""
    rows = [{"a": ["x", {"k": "y"}], "n": 13812345678, "f": 0.5, "m": {"o": "w"}}, {"m": "z", "n": 10**20}]
    joined = [text for column in search_texts(objects_array(rows)) for text in column.to_pylist() if text]
    texts = {line for text in joined for line in text.split("\n") if line}
    assert texts == {"x", "y", "13812345678", "w", "z", str(10**20)}
