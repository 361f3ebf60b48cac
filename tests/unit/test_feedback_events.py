"""One observation as a strict model, and the same as columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feedback_columns import event, read, row, write_lines
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.names import label_fault
from flywheel_mlflow.feedback.columns import sort_rows
from flywheel_mlflow.feedback.events import COLUMNS, event_schema, events_table, parse_event


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"time": "2026-10-01T12:00:00"}, "time: a time without a zone"),
        ({"time": "2026-02-30T12:00:00Z"}, "time: no such time: day is out of range"),
        ({"time": 1790000000}, "time: a number: say time_format"),
        ({"source": "alien"}, "source: Input should be"),
        ({"severity": "urgent"}, "severity: Input should be"),
        ({"text": ""}, "text: String should have at least 1"),
        ({"text": "half \ud800"}, "text: Input should be a valid string"),
        ({"id": "a\x00b"}, "id: contains control characters"),
        ({"id": "a\u202eb"}, "id: contains control characters"),
        ({"id": 7}, "id: Input should be a valid string"),
        ({"project": "../p01"}, "project: String should match"),
        ({"colour": "red"}, "'colour': unknown field"),
        ({"record_ids": ["x"] * 1001}, "record_ids: Tuple should have at most 1000"),
    ],
)
def test_what_is_no_event_is_told_by_field(said: dict[str, Any], reason: str) -> None:
    """The reason names the field and never quotes the value."""
    assert str(parse_event(row(1) | said)).startswith(reason)


def test_the_reason_shows_a_hostile_key_harmlessly() -> None:
    """A key with escapes or marks that turn text is written as what it is made of."""
    reason = parse_event(row(1) | {"\x1b[31m\u202e": 1})
    assert isinstance(reason, str)
    assert reason.isascii()
    assert reason.isprintable()


def test_columns_and_model_have_the_same_fields() -> None:
    """A field of one that the other lacks would be lost on the way."""
    assert tuple(event_schema().names) == COLUMNS
    full = event(
        3,
        type="data_gap",
        scope="chain",
        severity="low",
        record_ids=["corpus/1", "corpus/2"],
        suggestion="s",
        response="r",
        recommended_action="a",
        time="2026-10-01T14:00:00.5+02:00",
    )
    back = events_table([full]).to_pylist()[0]
    assert back["time"].isoformat() == "2026-10-01T12:00:00.500000+00:00"
    assert back["record_ids"] == ["corpus/1", "corpus/2"]
    assert (back["suggestion"], back["response"]) == ("s", "r")


LABELS = st.one_of(
    st.sampled_from(
        ["e1", "é", "日本", " lead", "a\x00", "a\u202e", "", "x" * 250, "x" * 251, "é" * 130, "\u00a0", "a\u2028"]
    ),
    st.text(max_size=8),
    st.integers(),
    st.none(),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": LABELS,
    "time": st.sampled_from(
        ["2026-10-01T12:00:00Z", "2026-10-01 12:00:00.25+05:30", "2026-10-01", "2026-13-01T12:00:00Z",
         "2024-02-29T00:00:00-23:59", "2026-02-29T00:00:00Z", "1000-01-01T00:00:00Z", 5, None, ""]
    ),
    "source": st.sampled_from(["human", "Human", "platform", "", None, 1]),
    "text": st.one_of(st.text(max_size=12), st.sampled_from(["\ud800", "x\x00y", None, 3])),
    "type": st.sampled_from(["data_gap", "gap", None]),
    "scope": st.sampled_from(["chain", "", None]),
    "severity": st.sampled_from(["high", "HIGH", None]),
    "project": st.sampled_from(["p01", "P01", "p01\n", "", None]),
    "interface": st.sampled_from(["corpus", "1x", None]),
    "record_ids": st.one_of(st.lists(LABELS, max_size=3), st.sampled_from([None, "x", {}])),
    "reporter": LABELS,
    "suggestion": st.one_of(st.text(max_size=3), st.none()),
    "surprise": st.just(1),
}  # fmt: skip
ROWS = st.fixed_dictionaries(
    {name: VALUES[name] for name in ("id", "time", "source", "text")},
    optional={name: strategy for name, strategy in VALUES.items() if name not in ("id", "time", "source", "text")},
)
RAW = st.sampled_from([b"", b"  ", b"{}", b"[]", b"nonsense", b'{"id":', b'{"id":"a"}{"id":"b"}', b"\xff\xfe", b"}{"])
LINES = st.lists(
    st.one_of(
        ROWS.map(lambda item: json.dumps(item).encode()), ROWS.map(lambda item: row(1) | {"id": item["id"]}), RAW
    ),
    max_size=6,
)


@given(lines=LINES)
def test_a_line_is_judged_alike_whatever_stands_beside_it(
    lines: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whole columns and single lines give the same events, dead letters and numbers; no line is lost."""
    folder = tmp_path_factory.mktemp("lines")
    together, dead = read(write_lines(folder / "all.jsonl", lines))
    alone: list[Any] = []
    refused: list[Any] = []
    for number, line in enumerate(lines, start=1):
        events, letters = read(write_lines(folder / "one.jsonl", [line]))
        alone += [item | {"line": number} for item in events]
        refused += [letter | {"line": number} for letter in letters]
    assert together == alone
    assert dead == refused
    blank = sum(isinstance(line, bytes) and not line.strip() for line in lines)
    assert len(together) + len(dead) + blank == len(lines)


@given(labels=st.lists(st.one_of(st.none(), st.text(max_size=4), st.text("aZ!~ ", min_size=249, max_size=251))))
def test_labels_are_sure_alike_whatever_stands_beside_them(labels: list[str | None]) -> None:
    """A column of nothing but visible ASCII is judged by its bytes, others label by label: with the same outcome."""

    def sure(values: list[str | None]) -> list[bool]:
        rows = [row(1, reporter=label) for label in values]
        table = pa.table({name: pa.array([item[name] for item in rows], pa.string()) for name in row(1, reporter="")})
        return [bool(fine) for fine in sort_rows(table, np.arange(len(values)))[1]]

    clean = [label if label is None else label.encode("utf-8", "replace").decode() for label in labels]
    together = sure(clean)
    assert together == [sure([label])[0] for label in clean]
    assert together == [sure([label, "é 1"])[0] for label in clean]
    assert all(label is None or label_fault(label) is None for label, fine in zip(clean, together, strict=True) if fine)


@given(rows=st.lists(ROWS, max_size=4))
def test_the_model_has_the_last_word(rows: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a file brings in is exactly what the model takes."""
    folder: Path = tmp_path_factory.mktemp("model")
    lines = [json.dumps(item).encode() for item in rows]
    events, _ = read(write_lines(folder / "e.jsonl", lines))
    taken = [item for item in rows if not isinstance(parse_event(item), str)]
    assert [item["id"] for item in events] == [item["id"] for item in taken]
