"""Tests of schema learning."""

from __future__ import annotations

import json
import random
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import measure
from flywheel_mlflow.records.arrow_values import objects_array
from flywheel_mlflow.records.columns import fields_of, search_texts
from flywheel_mlflow.records.schema_columns import observations
from flywheel_mlflow.records.schema_tree import MAX_FIELDS, MAX_LIST_FIELDS, SchemaTree

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.just(0.5) | st.just("t") | st.just([]),
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "b", "c.d", "c", "a[]"]), inner, max_size=3) | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)
records = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c.d", "c"]), values, max_size=3), min_size=1, max_size=8)


def learn(rows: list[dict[str, Any]]) -> tuple[FieldType, ...]:
    tree = SchemaTree()
    for start in range(0, len(rows), 3):
        part = SchemaTree()
        part.observe(len(rows[start : start + 3]), observations(fields_of(objects_array(rows[start : start + 3]))))
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
        FieldType("l[]", "integer", True),
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


def schema(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Types by path, those of fields that are not everywhere with a question mark."""
    return {item.path: item.type + ("" if item.required else "?") for item in learn(rows)}


def test_fields_of_elements_are_counted_by_element() -> None:
    """What every element has is required, whatever the number of lists; what one of them lacks is not."""
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "tools": ["a", None]}]},
        {"messages": []},
        {"messages": None},
        {"messages": [{"role": "user", "content": None}]},
    ]
    assert schema(rows) == {
        "messages": "list?",
        "messages[]": "object",
        "messages[].content": "string?",
        "messages[].role": "string",
        "messages[].tools": "list?",
        "messages[].tools[]": "string?",
    }


def test_lists_in_lists_have_a_step_each() -> None:
    """Every level of a nested list is a place of its own; one that never held an element is none."""
    assert schema([{"a": [[1], [2, 3]], "b": [[], []]}]) == {
        "a": "list",
        "a[]": "list",
        "a[][]": "integer",
        "b": "list",
        "b[]": "list",
    }


@pytest.mark.parametrize(
    ("lists", "name"),
    [
        ([[0.5, 1, 2]] * 4, "vector[3]"),
        ([[1, 2]] * 4, "vector[2]"),
        ([[1, 2], None, [3, 4]], "vector[2]?"),
        ([[1, 2], [3]], "list"),
        ([[1, 2], []], "list"),
        ([[1, None]] * 4, "list"),
        ([["a", "b"]] * 4, "list"),
        ([[1]] * 4, "list"),
        ([[1, 2, 3]], "list"),
    ],
)
def test_lists_of_as_many_numbers_are_vectors(lists: list[Any], name: str) -> None:
    """Only numbers, two at least, as many in every list of which there are several."""
    assert schema([{"v": item} for item in lists])["v"] == name


def test_keys_that_hold_data_are_a_map_whatever_the_order() -> None:
    """A list with more fields than anybody declares says so, and nothing below; merging in any order gives the same."""
    rows: list[dict[str, Any]] = [{"a": [{f"k{number}": 1}], "b": [{"x": 1}]} for number in range(MAX_LIST_FIELDS + 1)]
    assert schema(rows) == {"a": "list", "a[]": "map", "b": "list", "b[]": "object", "b[].x": "integer"}
    assert learn(rows[::-1]) == learn(rows)
    assert len(learn(rows[:-1])) == MAX_LIST_FIELDS + 5


def test_lists_share_the_bound_of_a_schema() -> None:
    """Where all lists together have too many fields, the largest are called maps, until the others fit."""
    lists = MAX_FIELDS // MAX_LIST_FIELDS + 1
    keys = range(MAX_LIST_FIELDS - 1)
    rows: list[dict[str, Any]] = [
        {f"l{place:02}": [{f"k{key}": 1 for key in keys}] for place in range(lists)} | {"small": [{"x": 1}]}
    ]
    found = schema(rows)
    assert [path for path, kind in found.items() if kind == "map"] == ["l00[]"]
    assert found["small[].x"] == "integer"
    assert sum("[]." in path for path in found) <= MAX_FIELDS


def measured(path: Path, promise: InterfaceOut) -> dict[str, str]:
    """The schema of a file as it is recorded."""
    return {item.path: item.type for item in measure(path, promise).version.fields}


def test_parquet_and_jsonl_of_the_same_data_have_the_same_schema(tmp_path: Path) -> None:
    """Widths, large and fixed lists, dictionaries and views mean what JSON says; so does the digest of the schema."""
    rows = [
        {
            "id": str(number),
            "whole": number,
            "part": number / 2 + 0.25,
            "sure": True,
            "label": "ab"[number % 2],
            "vector": [0.5, float(number) + 0.25],
            "tags": ["x"] * (number + 1),
            "messages": [{"role": "user", "parts": [{"text": "t"}]}] * (number + 1),
        }
        for number in range(4)
    ]
    kinds = {
        "id": pa.large_string(),
        "whole": pa.uint8(),
        "part": pa.float32(),
        "sure": pa.bool_(),
        "label": pa.dictionary(pa.int8(), pa.string()),
        "vector": pa.list_(pa.float32(), 2),
        "tags": pa.large_list(pa.string()),
        "messages": pa.list_(pa.struct({"role": pa.string(), "parts": pa.list_(pa.struct({"text": pa.string()}))})),
    }
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()}
    pq.write_table(pa.table(columns), tmp_path / "data.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "data.jsonl").write_text(lines, encoding="utf-8")
    of_parquet = measure(tmp_path / "data.parquet", free("parquet")).version
    of_lines = measure(tmp_path / "data.jsonl", free("jsonl")).version
    assert of_parquet.fields == of_lines.fields
    assert of_parquet.schema_digest == of_lines.schema_digest
    assert ("vector", "vector[2]") in {(item.path, item.type) for item in of_lines.fields}


def free(data_format: str) -> InterfaceOut:
    return InterfaceOut.model_validate({"name": "x", "title": "X", "format": data_format, "schema": "free"})


def test_what_only_parquet_has_keeps_its_name(tmp_path: Path) -> None:
    """Bytes, times and decimals are no texts; units and widths are folded, a time zone is not."""
    day = datetime(2024, 5, 1)  # noqa: DTZ001 - a local time is what is tested
    columns = {
        "id": pa.array(["a"]),
        "seconds": pa.array([day], pa.timestamp("s")),
        "nanoseconds": pa.array([day], pa.timestamp("ns")),
        "zoned": pa.array([day], pa.timestamp("us", "Europe/Berlin")),
        "day": pa.array([day.date()], pa.date64()),
        "clock": pa.array([day.time()], pa.time32("ms")),
        "span": pa.array([5], pa.duration("ms")),
        "price": pa.array([Decimal("1.50")]),
        "bytes": pa.array([b"x"], pa.large_binary()),
        "fixed": pa.array([b"xy"], pa.binary(2)),
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef"], pa.binary(16))),
        "pages": pa.array([[{"image": b"x"}]]),
    }
    pq.write_table(pa.table(columns), tmp_path / "data.parquet")
    assert measured(tmp_path / "data.parquet", free("parquet")) == {
        "bytes": "binary",
        "clock": "time",
        "day": "date",
        "fixed": "binary",
        "id": "string",
        "nanoseconds": "timestamp",
        "pages": "list",
        "pages[]": "object",
        "pages[].image": "binary",
        "price": "decimal",
        "seconds": "timestamp",
        "span": "duration",
        "uuid": "binary",
        "zoned": "timestamp[zoned]",
    }


def test_texts_come_from_everywhere() -> None:
    """Strings at any depth and long whole numbers are handed on for the search in them."""
    rows = [{"a": ["x", {"k": "y"}], "n": 13812345678, "f": 0.5, "m": {"o": "w"}}, {"m": "z", "n": 10**20}]
    joined = [text for column in search_texts(objects_array(rows)) for text in column.to_pylist() if text]
    texts = {line for text in joined for line in text.split("\n") if line}
    assert texts == {"x", "y", "13812345678", "w", "z", str(10**20)}
