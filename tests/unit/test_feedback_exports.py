"""Tests of the shipped mappings, on exports that the tools' own libraries wrote, and of what mappings may say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import DocumentError, InputError, UnknownName
from flywheel_mlflow.feedback.dead_letters import DeadLetter, DeadLetters
from flywheel_mlflow.feedback.events import events_table, parse_event
from flywheel_mlflow.feedback.identity import content_hashes
from flywheel_mlflow.feedback.mapping import (
    PASSED_OVER,
    ColumnMapping,
    PassedOver,
    read_mapping,
    shipped_mappings,
    with_times,
)
from flywheel_mlflow.feedback.plain_copies import plain_copy
from flywheel_mlflow.feedback.tables import open_events

EXPORTS = Path(__file__).resolve().parent.parent / "fixtures" / "feedback" / "exports"
Read = tuple[list[dict[str, Any]], list[DeadLetter], int]


def read(path: Path, mapping: ColumnMapping, folder: Path) -> Read:
    """The events of an export without what they leave out, the dead letters, and how many rows ask for nothing."""
    plain = plain_copy(path, folder, mapping.encoding, mapping.rows)
    with DeadLetters(folder / "dead") as dead:
        rows = [row for batch in open_events(plain, mapping, dead).batches() for row in batch.to_pylist()]
    said = [{name: value for name, value in row.items() if value is not None and name != "line"} for row in rows]
    return said, dead.first, dead.passed_over


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_label_studio(ending: str, tmp_path: Path) -> None:
    """Words with a correction, a preference as a pair, and an annotation without anything, in both formats."""
    found, dead, passed = read(EXPORTS / f"label_studio.{ending}", read_mapping("label_studio"), tmp_path)
    assert (dead, passed) == ([], 1)
    said, better = found
    assert said == {
        "id": "label_studio/91", "time": datetime(2026, 11, 4, 10, 5, 0, 17134, tzinfo=UTC), "source": "human",
        "text": "It cites page 3; the figure is on page 12", "reporter": "ana@example.org", "trace_id": "tr-1",
        "prompt": "Where is it?", "correction": "Page 12",
    }  # fmt: skip
    assert (better["text"], better["chosen"], better["rejected"]) == ("prefers right", "Page 12", "Page 3")


def test_argilla(tmp_path: Path) -> None:
    """What nobody answered asks for nothing; a record without a time is told, and taken with --observed."""
    mapping = read_mapping("argilla")
    found, dead, passed = read(EXPORTS / "argilla.json", mapping, tmp_path)
    assert [item["id"] for item in found] == ["argilla/r1", "argilla/r2"]
    assert (found[0]["text"], found[0]["correction"], found[0]["trace_id"]) == ("It cites page 3", "Page 12", "tr-1")
    assert (found[1]["chosen"], found[1]["rejected"]) == ("Page 12", "Page 3")
    assert passed == 1
    assert [(item.line, item.reason) for item in dead] == [(3, "time: missing")]
    stated = with_times(mapping, observed="2026-11-05T08:00:00Z")
    found, dead, _ = read(EXPORTS / "argilla.json", stated, tmp_path)
    assert [item["time"].day for item in found] == [4, 4, 5]
    assert not dead


def test_langfuse(tmp_path: Path) -> None:
    """Thumbs down, comments and corrections are events, a thumb up is none; both versions of the API."""
    found, dead, passed = read(EXPORTS / "langfuse.json", read_mapping("langfuse"), tmp_path)
    assert (dead, passed) == ([], 1)
    assert [(item["id"], item["source"], item["text"]) for item in found] == [
        ("langfuse/s1", "application", "user-feedback: 0"),
        ("langfuse/s3", "human", "user-feedback: Right, but it cites page 3"),
        ("langfuse/s4", "human", "output: Page 12"),
        ("langfuse/s5", "evaluation", "grounded: False"),
    ]
    assert [item.get("correction") for item in found] == [None, None, "Page 12", None]
    assert (found[1]["span_id"], found[1]["reporter"], found[0]["trace_id"]) == ("ob-1", "ana", "tr-1")
    (third,), _, _ = read(EXPORTS / "langfuse_v3.jsonl", read_mapping("langfuse"), tmp_path)
    assert (third["correction"], third["trace_id"]) == ("Page 12", "tr-3")


def test_langsmith(tmp_path: Path) -> None:
    """A comment with its correction, a thumb down, and a judge that is content."""
    found, dead, passed = read(EXPORTS / "langsmith.jsonl", read_mapping("langsmith"), tmp_path)
    assert (dead, passed) == ([], 1)
    assert [(item["source"], item["text"]) for item in found] == [
        ("human", "answer: It cites page 3"), ("application", "thumbs: false"),
    ]  # fmt: skip
    assert found[0]["correction"] == "Page 12"


def test_jira(tmp_path: Path) -> None:
    """The CSV export needs the zone of its times; the API tells it. Both give the same events."""
    mapping = read_mapping("jira")
    _, dead, _ = read(EXPORTS / "jira.csv", mapping, tmp_path)
    assert {item.reason.split(":")[1].strip() for item in dead} == {"a time without a zone"}
    table, _, _ = read(EXPORTS / "jira.csv", with_times(mapping, zone="Europe/Berlin"), tmp_path)
    answer, dead, _ = read(EXPORTS / "jira.json", mapping, tmp_path)
    assert not dead
    assert table[0] == answer[0] == {
        "id": "jira/DATA-12", "time": datetime(2026, 11, 4, 15, 25, tzinfo=UTC), "source": "human", "severity": "high",
        "text": "Wrong page cited. The figure is on page 12.", "reporter": "Ana",
    }  # fmt: skip
    assert [("severity" in item, item["text"]) for item in (table[1], answer[1])] == [
        (False, "Search finds nothing")
    ] * 2


def test_every_shipped_mapping_is_tried_here() -> None:
    """A new one needs an export above; a name that is none is told with those there are."""
    assert set(shipped_mappings()) == {"argilla", "jira", "label_studio", "langfuse", "langsmith"}
    with pytest.raises(UnknownName, match="langfus"):
        read_mapping("langfus")
    with pytest.raises(InputError, match="--zone: no such time zone"):
        with_times(read_mapping("jira"), zone="Berlin")
    with pytest.raises(InputError, match="--observed: a day without a time"):
        with_times(read_mapping("jira"), observed="2026-11-04")


def mapping_of(**said: Any) -> ColumnMapping:
    base = {"columns": {"id": "n", "time": "t", "text": "x"}, "constants": {"source": "human"}}
    return ColumnMapping.model_validate(base | said)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"time_format": "%"}, "a pattern such as"),
        ({"time_format": "noon"}, "a pattern such as"),
        ({"preference": {"choice": "c", "answers": {"a": "x"}}}, "answers"),
        (
            {
                "preference": {"choice": "c", "answers": {"a": "x", "b": "y"}},
                "constants": {"source": "human", "chosen": "z"},
            },
            "a preference and a column",
        ),
        ({"columns": {"id": [], "time": "t", "text": "x"}}, "columns"),
        ({"only": {"colour": {"a": ["b"]}}}, "no field colour"),
        ({"observed": "2026-11-04T10:00:00"}, "without a zone"),
    ],
)  # fmt: skip
def test_what_no_mapping_says(said: dict[str, Any], told: str, tmp_path: Path) -> None:
    """Each fault is told before any event is read."""
    (tmp_path / "m.yaml").write_text(json.dumps({"columns": {"id": "n", "time": "t", "text": "x"}} | said))
    with pytest.raises(DocumentError, match=told):
        read_mapping(tmp_path / "m.yaml")


def test_the_first_that_says_something_counts() -> None:
    """Empty texts, lists and objects say nothing; a text of several says nothing where one of them does."""
    mapping = mapping_of(columns={"id": "n", "time": "t", "text": ["{a} {b}", "c.d[1]", "e"]})
    rows: list[tuple[dict[str, Any], Any]] = [
        ({"a": 1.0, "b": True}, "1 true"),
        ({"a": "", "b": "x", "c": {"d": ["no", "yes"]}}, "yes"),
        ({"a": {}, "b": "x", "c": {"d": ["no"]}, "e": [1, {"z": 2}]}, '[1,{"z":2}]'),
        ({"a": [], "e": {}}, None),
    ]
    for row, text in rows:
        found = mapping.row(row, nested=True)
        assert not isinstance(found, PassedOver)
        assert found.get("text") == text


def test_only_what_a_mapping_takes_is_taken() -> None:
    """Every field of a condition must have one of its values, and one condition suffices."""
    mapping = mapping_of(take=[{"a": ["1", "2"], "b": ["*"]}, {"c": ["false"]}], only={"text": {"a": ["1"]}})
    assert mapping.row({"a": 3, "b": "x"}, nested=True) is PASSED_OVER
    assert mapping.row({"a": 1}, nested=True) is PASSED_OVER
    assert mapping.row({"a": 1, "b": "x", "x": "said"}, nested=True) == {"source": "human", "text": "said"}
    assert mapping.row({"c": False, "x": "said"}, nested=True) == {"source": "human"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdntx"), inner, max_size=4),
)


@given(JSON, st.booleans())
@example({"c": [float("inf")]}, False)
def test_no_row_breaks_a_mapping(value: Any, nested: bool) -> None:
    """Whatever a tool writes becomes an event, a reason, or is passed over; nothing is raised."""
    mapping = mapping_of(
        columns={"id": ["{n}/{a.b}", "n"], "time": "t", "text": ["a[0].b", "{c}"], "severity": "d"},
        values={"severity": {"1": "high", "*": None}},
        preference={"choice": ["a.b", "c"], "answers": {"x": "x", "1": "t"}},
        only={"text": {"b": ["*"]}},
        time_format="%d/%m/%y",
    )
    row = mapping.row(value if isinstance(value, dict) else {"a": value, "t": value}, nested=nested)
    if not isinstance(row, PassedOver):
        parse_event(row)


def test_a_pair_is_whole_or_no_pair(tmp_path: Path) -> None:
    """Chosen without rejected is refused, alone and among whole blocks."""
    whole = {"id": "1", "time": "2026-11-04T10:00:00Z", "source": "human", "text": "x", "chosen": "a", "rejected": "b"}
    half = {**whole, "id": "2", "rejected": None}
    assert "between two answers" in str(parse_event({key: value for key, value in half.items() if value}))
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(item) + "\n" for item in (whole, half)))
    with DeadLetters(tmp_path / "dead") as dead:
        rows = [row for batch in open_events(tmp_path / "e.jsonl", None, dead).batches() for row in batch.to_pylist()]
    assert [row["id"] for row in rows] == ["1"]
    assert "between two answers" in dead.first[0].reason


def test_a_correction_is_the_event_it_was_as_a_response() -> None:
    """An earlier version kept a correction as the response: told again in its own field it is no conflict."""
    base = {"id": "1", "time": "2026-11-04T10:00:00Z", "source": "human", "text": "x"}

    def content(**said: str) -> int:
        event = parse_event(base | said)
        assert not isinstance(event, str)
        return int(content_hashes(events_table([event]))[0])

    assert content(correction="42") == content(response="42") != content()
    assert content(response="so", correction="42") != content(response="so")
    assert content(prompt="42") != content(correction="42")


def test_rows_inside_a_document(tmp_path: Path) -> None:
    """A page of answers is read where its rows are; a document without them, or that is none, is told."""
    mapping = mapping_of(rows="data.items")
    row = {"n": 1, "t": "2026-11-04T10:00:00Z", "x": "said"}
    (tmp_path / "a.json").write_text(json.dumps({"data": {"items": [row, 5]}}, indent=2))
    found, dead, _ = read(tmp_path / "a.json", mapping, tmp_path)
    assert [item["id"] for item in found] == ["1"]
    assert [item.reason for item in dead] == ["not a JSON object"]
    for text, told in (("{}", "no list of rows at 'data.items'"), ("{", "JSON")):
        (tmp_path / "b.json").write_text(text)
        with pytest.raises(InputError, match=told):
            read(tmp_path / "b.json", mapping, tmp_path)
