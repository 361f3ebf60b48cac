"""Tests of times, separators, encodings and arrays as other tools write them."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.feedback import plain_copies
from flywheel_mlflow.feedback.dead_letters import DeadLetters
from flywheel_mlflow.feedback.events import read_time
from flywheel_mlflow.feedback.mapping import ColumnMapping, read_mapping
from flywheel_mlflow.feedback.plain_copies import plain_copy
from flywheel_mlflow.feedback.tables import open_events

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
ROW = "x1{0}2026-10-01T12:00:00Z{0}human{0}falsche Seite, größer"
HEADER = "id{0}time{0}source{0}text"


def read(path: Path, mapping: ColumnMapping | None = None) -> list[dict[str, object]]:
    """The events of a file, in whatever shape it is."""
    plain = plain_copy(path, path.parent, mapping.encoding if mapping else None)
    with DeadLetters(path.parent / "dead") as dead:
        return [row for batch in open_events(plain, mapping, dead).batches() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01T12:00:00.000000001Z",
        "2026-10-01T12:00Z",
        "2026-10-01T14:00:00+0200",
        "2026-10-01T14:00:00+02",
        "2026-10-01 12:00:00 UTC",
        "2026-10-01t12:00:00z",
        "2026-10-01T12:00:00,000Z",
        "2026-10-01T06:30:00-05:30",
    ],
)
def test_times_as_tools_write_them(text: str) -> None:
    """Nanoseconds, no seconds, zones without a colon or by name: all are noon."""
    assert read_time(text) == NOON


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-10-01T12:00:00", "without a zone"),
        ("2026-10-01", "a day without a time"),
        ("2026-02-30T12:00:00Z", "no such time"),
        ("2026-10-01T24:00:00Z", "no such time"),
        ("2026-10-01T12:00:60Z", "leap second"),
        ("2026-10-01T12:00:00+25:00", "more than a day away"),
        ("yesterday", "not a time"),
        (1790000000, "time_format"),
        (True, "not a time"),
        (None, "not a time"),
    ],
)
def test_what_is_no_time_is_refused_for_its_reason(text: object, reason: str) -> None:
    """The reason is the true one: a missing zone is not called a bad format, nor the other way round."""
    with pytest.raises(ValueError, match=reason):
        read_time(text)


@given(
    st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(2999, 12, 30)),  # noqa: DTZ001 - zones follow
    st.integers(-23 * 60, 23 * 60),
)
def test_every_time_of_python_is_read_back(moment: datetime, minutes: int) -> None:
    """What isoformat writes is read as the same moment, whatever its zone and fraction."""
    known = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert read_time(known.isoformat()) == known
    assert read_time(known.isoformat(sep=" ")) == known


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    """Nothing but a reason comes of a text that is no time."""
    with suppress(ValueError):
        assert read_time(text).tzinfo is not None


@pytest.mark.parametrize(
    ("separator", "ending"), [(",", "csv"), (";", "csv"), ("\t", "tsv"), ("\t", "csv"), ("|", "csv")]
)
def test_the_header_says_what_separates_columns(separator: str, ending: str, tmp_path: Path) -> None:
    """Semicolons of a German Excel, tabs and bars are read as commas are, with those characters inside quotes."""
    row = f'x1{separator}2026-10-01T12:00:00Z{separator}human{separator}"a, b; c\td | e"'
    path = tmp_path / f"t.{ending}"
    path.write_text(f"{HEADER.format(separator)}\n{row}\n", encoding="utf-8")
    (event,) = read(path)
    assert (event["text"], event["time"], event["line"]) == ("a, b; c\td | e", NOON, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_need_no_mapping(encoding: str, tmp_path: Path) -> None:
    """What the first bytes say is believed, for tables, lines and arrays."""
    table, lines, array = (tmp_path / name for name in ("t.csv", "t.jsonl", "t.json"))
    said = {"id": "x1", "time": "2026-10-01T12:00:00Z", "source": "human", "text": "größer"}
    table.write_text(f"{HEADER.format(';')}\n{ROW.format(';')}\n", encoding=encoding)
    lines.write_text(json.dumps(said, ensure_ascii=False) + "\n", encoding=encoding)
    array.write_text(json.dumps([said], ensure_ascii=False, indent=2), encoding=encoding)
    assert [[row["text"] for row in read(path)] for path in (table, lines, array)] == [
        ["falsche Seite, größer"], ["größer"], ["größer"],
    ]  # fmt: skip


def test_a_mapping_names_encoding_and_zone(tmp_path: Path) -> None:
    """An old export in cp1252 with local times is read with two lines of mapping; what it states itself stays."""
    (tmp_path / "m.yaml").write_text(
        "columns: {id: id, time: time, text: text}\nconstants: {source: human}\n"
        "encoding: cp1252\ntime_zone: Europe/Berlin\n"
    )
    rows = "id;time;text\n1;2026-10-01 14:00:00;größer\n2;2026-10-01T12:00:00Z;kleiner\n"
    (tmp_path / "t.csv").write_text(rows, encoding="cp1252")
    events = read(tmp_path / "t.csv", read_mapping(tmp_path / "m.yaml"))
    assert [(row["text"], row["time"]) for row in events] == [("größer", NOON), ("kleiner", NOON)]
    assert NOON.astimezone(ZoneInfo("Europe/Berlin")).hour == 14


@pytest.mark.parametrize(
    ("line", "reason"), [("time_zone: Mars/Base", "no such time zone"), ("encoding: morse", "encoding")]
)
def test_an_unknown_zone_or_encoding_is_a_fault_of_the_mapping(line: str, reason: str, tmp_path: Path) -> None:
    """It is told before a file is read."""
    (tmp_path / "m.yaml").write_text(
        f"columns: {{id: id, time: time, text: text}}\nconstants: {{source: human}}\n{line}\n"
    )
    with pytest.raises(DocumentError, match=reason):
        read_mapping(tmp_path / "m.yaml")


def test_text_of_another_encoding_is_told_with_what_helps(tmp_path: Path) -> None:
    """A UTF-16 mark before bytes that are none names the encoding and the key of a mapping."""
    (tmp_path / "t.csv").write_bytes(b"\xff\xfei\x00d\x00;")
    with pytest.raises(InputError, match="not utf-16") as refused:
        read(tmp_path / "t.csv")
    assert "encoding:" in str(refused.value.hint)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(values, max_size=6), st.integers(1, 50), st.sampled_from([None, 0, 2]), st.booleans())
def test_an_array_is_its_elements_as_lines(
    tmp_path_factory: pytest.TempPathFactory, elements: list[object], chunk: int, indent: int | None, ascii_: bool
) -> None:
    """However it is indented and wherever a piece ends, each element is one line that says the same."""
    path = tmp_path_factory.mktemp("array") / "a.json"
    path.write_text(json.dumps(elements, indent=indent, ensure_ascii=ascii_), encoding="utf-8", errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_copies, "CHUNK", chunk)
        lines = plain_copy(path, path.parent).read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == elements


@pytest.mark.parametrize(
    ("text", "reason", "element"),
    [
        ('[{"id": 1}', "cut off", 1),
        ('[{"id": 1},', "cut off", 2),
        ('[{"id": 1} {"id": 2}]', ", is missing", 1),
        ('[{"id": 1}, {"id": }]', "Expecting value", 2),
        ("[", "cut off", 0),
        ("[" * 100_000, "nested too deeply", 1),
    ],
)
def test_a_broken_array_is_refused_with_its_element(text: str, reason: str, element: int, tmp_path: Path) -> None:
    """A file that ends early, a comma that is missing, a value that is none: the element's number is told."""
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=reason) as refused:
        plain_copy(tmp_path / "a.json", tmp_path)
    assert refused.value.where is not None
    assert refused.value.where.endswith(f"element {element}")
