"""Tests of reading hostile documents."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.documents import (
    MAX_DOCUMENT_BYTES,
    Document,
    dotted,
    is_there,
    load_model,
    parse_json,
    parse_yaml,
    read_text,
    value_at,
)
from flywheel_mlflow.base.errors import DocumentError, Fault, StorageError

YAML_PIECES = ["a", "b", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "!!int ", "!!bool ", "!!timestamp ", "&x "]
YAML_PIECES += ["*x", "'", '"', "\\ud800", "|", "? ", "---\n", "1", ".inf", "2026-01-01", "~", "#", "!!set ", "\t", "%"]
yaml_texts = st.text(max_size=40) | st.lists(st.sampled_from(YAML_PIECES), max_size=14).map("".join)
JSON_PIECES = ['"a"', ":", ",", "{", "}", "[", "]", "1", "-", "NaN", "1e999", '"\\ud800"', "null", "true", " ", "\n"]
json_texts = st.text(max_size=40) | st.lists(st.sampled_from(JSON_PIECES), max_size=14).map("".join)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    items: list[Inner]


def only_fault(read: Callable[[], object]) -> Fault:
    with pytest.raises(DocumentError) as caught:
        read()
    (fault,) = caught.value.faults
    return fault


@given(yaml_texts)
def test_any_text_is_a_yaml_document_or_a_document_error(text: str) -> None:
    """Whatever is accepted is plain, can be digested, and no deeper than our walks reach."""
    try:
        document = parse_yaml(text, name="f")
    except DocumentError:
        return
    assert isinstance(document, Document)
    assert len(digest_of(document.value)) == 64


@given(json_texts)
def test_any_text_is_a_json_value_or_a_document_error(text: str) -> None:
    """Whatever is accepted is what Python's own reader says, and can be digested."""
    try:
        value = parse_json(text, name="f")
    except DocumentError:
        return
    assert value == json.loads(text)
    assert len(digest_of(value)) == 64


@given(st.recursive(st.none() | st.booleans() | st.integers(), lambda inner: st.lists(inner, max_size=3)))
def test_plain_yaml_is_read_as_pyyaml_reads_it(value: Any) -> None:
    """Refusing hostile parts changes nothing about the harmless ones."""
    assert parse_yaml(yaml.safe_dump(value), name="f").value == value


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a", "written twice"),
        ("top:\n  a: 1\n  a: 2\n", 3, "top.a", "written twice"),
        ("x: &big [1]\ny: *big\n", 2, "", "aliases"),
        ("a:\n- b: .nan\n", 2, "a[0].b", "finite"),
        ("a: -.inf", 1, "a", "finite"),
        ("a: !!python/object/apply:os.system [true]", 1, "a", "python/object"),
        ("a:\n  - !!python/object:os.x {}", 2, "a[0]", "python/object"),
        ("!!python/name:os.system x: 1", 1, "", "plain text"),
        ("a: !!python/name:os.system", 1, "a", "not YAML"),
        ("a: !!set {b}", 1, "a", "not allowed"),
        ("a: !!binary aGk=", 1, "a", "in quotes"),
        ("a: 2026-01-01", 1, "a", "date"),
        ("a: !!bool maybe", 1, "a", "does not fit"),
        ("a: !!timestamp never", 1, "a", "does not fit"),
        ("a: !!int ''", 1, "a", "does not fit"),
        ('a: "\\ud800"', 1, "", "invalid Unicode character"),
        ("b: 1\na: \ud800", 2, "", "half a character"),
        ("? [a, b]\n: 1", 1, "", "plain text"),
        ("a: 1\n b: 2", 2, "", "not YAML"),
        ("a: 1\n--- \nb: 2", 2, "", "not YAML"),
        ("a: \x07", 0, "", "not YAML"),
        ("[" * 900_000, 1, "", "too deeply"),
        ("\n".join(" " * level + "a:" for level in range(101)) + " 1", 101, "", "too deeply"),
        ("# " + "x" * 1_000_000, 0, "", "at most 1000000"),
    ],
)
def test_a_yaml_fault_names_line_and_path(text: str, line: int, path: str, message: str) -> None:
    """What is hostile or ambiguous is refused at its place."""
    fault = only_fault(lambda: parse_yaml(text, name="f"))
    assert (fault.file, fault.line, fault.path) == ("f", line, path)
    assert message in fault.message


def test_all_faults_of_a_yaml_text_come_together() -> None:
    """Reading does not stop at the first fault."""
    with pytest.raises(DocumentError) as caught:
        parse_yaml("a: .nan\na: 2\nb: 2026-01-01\n", name="f")
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [(1, "a"), (2, "a"), (3, "b")]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{"a": 1, "a": 2}', 0, "'a' is written twice"),
        ('{"a": [NaN]}', 0, "NaN is not a number"),
        ('{"a": -Infinity}', 0, "-Infinity is not a number"),
        ("[1e999]", 0, "too large"),
        ("1" * 5000, 0, "not JSON"),
        ('{"a": 1,\n"b" 2}', 2, "column 5"),
        ('{"a": "b', 1, "Unterminated"),
        ("", 1, "not JSON"),
        ("[" * 100_000, 0, "too deeply"),
        ("[" * 101 + "]" * 101, 0, "too deeply"),
        ('{"a": ["\\ud800"]}', 0, "half a character"),
        ('{"\\udfff": 1}', 0, "half a character"),
        ("\ufeff{}", 1, "BOM"),
    ],
)
def test_a_json_fault_names_what_is_wrong(text: str, line: int, message: str) -> None:
    """Repeated keys, numbers that are none, cuts and depth are faults, not values."""
    fault = only_fault(lambda: parse_json(text, name="f"))
    assert fault.line == line
    assert message in fault.message


def test_a_hundred_levels_are_enough() -> None:
    """The limit of depth is where it is said to be."""
    assert parse_json("[" * 100 + "]" * 100, name="f")
    assert parse_json('"\\ud83d\\ude80"', name="f") == "🚀"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"a: \xff", "not UTF-8 at byte 3"), (b"x" * (17 * 1024 * 1024), "at most 16777216")],
)
def test_a_file_that_cannot_be_text_is_a_fault(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Missing, not UTF-8 and too large are told by name, before anything is parsed."""
    path = tmp_path / "f.yaml"
    if content is not None:
        path.write_bytes(content)
    assert message in only_fault(lambda: read_text(path)).message


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    """A folder, a pipe or an endless device is not a file."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        assert only_fault(lambda path=path: read_text(path)).message == "not a file"  # type: ignore[misc]
    assert read_text_size(tmp_path, MAX_DOCUMENT_BYTES) == MAX_DOCUMENT_BYTES


def read_text_size(folder: Path, size: int) -> int:
    (folder / "full").write_bytes(b" " * size)
    return len(read_text(folder / "full"))


def test_a_name_no_system_can_open_is_a_storage_error(tmp_path: Path) -> None:
    """What the system refuses is not the document's fault."""
    with pytest.raises(StorageError, match="File name too long"):
        read_text(tmp_path / ("x" * 300))


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "just text", "3"])
def test_a_document_must_be_a_mapping(tmp_path: Path, text: str) -> None:
    """Empty files and lists at the top are faults of line 1."""
    (tmp_path / "f").write_text(text, encoding="utf-8")
    assert only_fault(lambda: load_model(tmp_path / "f", Outer, name="f")) == Fault(
        "f", 1, "", "the document must be a mapping of keys to values"
    )


def test_a_model_reports_all_its_faults_with_lines(tmp_path: Path) -> None:
    """Unknown and missing keys and wrong types come together, each with line and dotted path."""
    (tmp_path / "f").write_text("items:\n  - size: 1\n  - size: big\n    colour: red\n", encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        load_model(tmp_path / "f", Outer, name="shown")
    found = [(fault.file, fault.line, fault.path, fault.message.split(",")[0]) for fault in caught.value.faults]
    assert found == [
        ("shown", 1, "name", "missing"),
        ("shown", 3, "items[1].size", "Input should be a valid integer"),
        ("shown", 4, "items[1].colour", "unknown key"),
    ]


def test_a_line_is_found_for_every_place() -> None:
    """A place without a line of its own has that of the nearest one around it."""
    document = parse_yaml("a:\n  b:\n    - 1\n    - 2\n", name="f")
    assert document.line_of(("a", "b", 1)) == 4
    assert document.line_of(("a", "b", 1, "nowhere")) == 4
    assert document.line_of(("x", "y")) == 1
    assert dotted(("a", "b", 1, "c")) == "a.b[1].c"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", 0),
        ("a", {"b": 0, "c": None}),
        ("a.c", None),
        ("a.x", None),
        ("a.b.c", None),
        ("list[1].x", 5),
        ("list[2]", None),
        ("a[0]", None),
        ('["d.e"]', 7),
    ],
)
def test_a_missing_part_of_a_path_is_none(path: str, value: object) -> None:
    """Zero is a value, and nothing but mappings and lists is walked into."""
    document = {"a": {"b": 0, "c": None}, "list": [1, {"x": 5}], "d.e": 7}
    assert value_at(document, path) == value
    assert is_there(document, path) == (value is not None or path == "a.c")
