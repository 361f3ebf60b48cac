"""Events read from JSON lines, CSV and Parquet, with mappings, and what becomes of lines that are none."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feedback_columns import Row, read, row, write_lines

from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.feedback import json_lines
from flywheel_mlflow.feedback.dead_letters import MAX_RAW_CHARACTERS
from flywheel_mlflow.feedback.events import COLUMNS, MAX_EVENT_BYTES, event_schema
from flywheel_mlflow.feedback.mapping import ColumnMapping, read_mapping

NESTED = b'{"id":"a","x":' + b"[" * 900_000 + b"]" * 900_000 + b"}"
BAD: list[tuple[bytes, str]] = [
    (b'{"id":"a","id":"b","time":"2026-10-01T12:00:00Z","source":"human","text":"x"}', "written twice"),
    (b'{"id":"\xff","time":"2026-10-01T12:00:00Z","source":"human","text":"x"}', "not UTF-8 at byte 8"),
    (b'{"id":"a","time":"2026-10-01T12:00:00Z","source":"human","text":"\\ud800"}', "half a character"),
    (NESTED, "nested too deeply"),
    (b'{"id":"a","text":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}", "nested too deeply"),
    (b'{"id":' + b"9" * 100_000 + b"}", "not JSON: Exceeds the limit"),
    (b'{"id":"a","time":"2026-10-01T12:00:00Z","source":"human","text":NaN}', "NaN is not a number"),
    (b"x" * (MAX_EVENT_BYTES + 1), "at most 2097152 are read"),
    (b'{"id":"a"}{"id":"b"}', "not JSON: Extra data"),
    (b"[1, 2]", "not a JSON object"),
    (b"=cmd|' /C calc'!A0", "not JSON"),
    (b"\x00\x1b[2J", "not JSON"),
]


def test_bad_lines_become_dead_letters_and_good_ones_stay(tmp_path: Path) -> None:
    """Each with its line and reason, between good lines none of which is lost."""
    lines: list[bytes | Row] = []
    for number, (bad, _) in enumerate(BAD):
        lines += [row(2 * number), bad, row(2 * number + 1)]
    events, dead = read(write_lines(tmp_path / "mixed.jsonl", lines))
    assert [item["id"] for item in events] == [f"e{number}" for number in range(2 * len(BAD))]
    assert [letter["line"] for letter in dead] == [3 * number + 2 for number in range(len(BAD))]
    for letter, (bad, reason) in zip(dead, BAD, strict=True):
        assert reason in letter["reason"]
        assert letter["size"] == len(bad)
        assert len(letter["raw"]) <= MAX_RAW_CHARACTERS


def test_a_dead_letter_keeps_what_the_line_said(tmp_path: Path) -> None:
    """As text in ASCII JSON: bytes that are no text are spelled out, nothing in the file can act on a terminal."""
    _, dead = read(write_lines(tmp_path / "bad.jsonl", [b"\xff \x1b[31m \xe2\x80\xae caf\xc3\xa9"]))
    assert dead[0]["raw"] == "\\xff \x1b[31m \u202e café"
    assert (tmp_path / "dead.jsonl").read_text("ascii").rstrip("\n").isprintable()


def test_a_line_of_a_megabyte_is_an_event_and_a_longer_file_is_one_letter(tmp_path: Path) -> None:
    """People paste logs; a line without end is passed over in pieces, and what follows it is read."""
    pasted = row(1, text="long " * 200_000)
    path = write_lines(tmp_path / "long.jsonl", [pasted, b"y" * (20 * 1024 * 1024), row(2), b"z" * (9 * 1024 * 1024)])
    events, dead = read(path)
    assert [item["line"] for item in events] == [1, 3]
    assert len(events[0]["text"]) == 1_000_000
    assert [(letter["line"], letter["size"]) for letter in dead] == [(2, 20 * 1024 * 1024), (4, 9 * 1024 * 1024)]


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_the_size_of_blocks_changes_nothing(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines cut by blocks, Windows line ends, a byte order mark, a last line without end: all are read."""
    path = tmp_path / "e.jsonl"
    lines = [json.dumps(row(number, text="é" * number or "x")) for number in range(9)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines[:5]).encode() + b"\n\nbad\n" + "\n".join(lines[5:]).encode())
    if size < 8:
        path.write_bytes(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))  # the mark must lie in the first block
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", size)
    events, dead = read(path)
    assert [item["id"] for item in events] == [f"e{number}" for number in range(9)]
    assert [item["line"] for item in events] == [1, 2, 3, 4, 5, 8, 9, 10, 11]
    assert [letter["line"] for letter in dead] == [7]


def test_a_field_that_comes_late_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first block has no severity, a later one has, in another spelling of the key too."""
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 200)
    late = b'{"id":"z","time":"2026-10-01T12:00:00Z","source":"human","text":"x","s\\u0065verity":"low"}'
    lines: list[bytes | Row] = [row(1), row(2), row(3), row(4, severity="high"), late]
    events, dead = read(write_lines(tmp_path / "e.jsonl", lines))
    assert [item["severity"] for item in events] == [None, None, None, "high", "low"]
    assert dead == []


def test_fields_that_come_late_join_those_that_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bytes name the id only: each further field is found when it comes, and none is forgotten again."""
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 200)
    monkeypatch.setattr(json_lines, "_FIRST_BYTES", 6)
    said: list[Row] = [{}, {"severity": "high"}, {}, {"scope": "chain"}, {"severity": "low", "scope": "project"}, {}]
    lines: list[bytes | Row] = [row(number, **fields) for number, fields in enumerate(said)]
    events, dead = read(write_lines(tmp_path / "e.jsonl", lines))
    assert [{name: item[name] for name in fields} for item, fields in zip(events, said, strict=True)] == said
    assert dead == []


def test_another_format_is_told(tmp_path: Path) -> None:
    """By its first bytes, by its name, or because it is not there."""
    (tmp_path / "x.jsonl").write_bytes(b"PAR1....")
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    for name, message in [
        ("x.jsonl", "this is Parquet"),
        ("x.xlsx", "cannot tell the format"),
        ("y.csv", "no such file"),
    ]:
        with pytest.raises(InputError, match=message):
            read(tmp_path / name)


FULL: Row = row(
    1,
    project="p01",
    type="data_gap",
    severity="low",
    record_ids=["corpus/1", "corpus/2"],
    suggestion="=1+1",
    response="no",
)


def as_csv(path: Path, rows: list[Row]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(item | {"record_ids": ";".join(item.get("record_ids", ()))} for item in rows)
    return path


def as_parquet(path: Path, rows: list[Row]) -> Path:
    kinds = {field.name: pa.string() if field.name == "time" else field.type for field in event_schema()}
    rows = [{name: item.get(name) for name in COLUMNS} for item in rows]
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items()))), path)
    return path


def test_the_three_formats_say_the_same(tmp_path: Path) -> None:
    """The same events as JSON lines, CSV and Parquet are the same columns."""
    rows = [FULL, row(2, text='line\nbreak, comma "quote" 图表'), row(3)]
    lines, _ = read(write_lines(tmp_path / "e.jsonl", rows))
    table, _ = read(as_parquet(tmp_path / "e.parquet", rows))
    cells, dead = read(as_csv(tmp_path / "e.csv", rows))
    assert table == lines
    assert [item | {"line": None} for item in cells] == [item | {"line": None} for item in lines]
    assert dead == []


def test_csv_keeps_good_rows_beside_bad_ones(tmp_path: Path) -> None:
    """Too many fields, no UTF-8, no time, an open quote at the end: a letter each, with its line."""
    path = tmp_path / "e.csv"
    good = b"e%d,2026-10-01T12:00:00Z,human,fine\n"
    bad = [
        b"a,b\n",
        b"x,2026-10-01T12:00:00Z,human,\xff\n",
        b"y,yesterday,human,t\n",
        b'z,2026-10-01T12:00:00Z,human,"open\n',
    ]
    path.write_bytes(b"id,time,source,text\n" + b"".join(good % number + line for number, line in enumerate(bad)))
    events, dead = read(path)
    assert [item["id"] for item in events] == ["e0", "e1", "e2", "e3"]
    assert [letter["line"] for letter in dead] == [3, 9, 5, 7]
    assert "2 fields, the header names 4" in dead[0]["reason"]
    assert dead[1]["reason"].startswith("not CSV")


@pytest.mark.parametrize(
    "rest", ["x\n" * 200_000, "\n" * 300_000, "f,2026-10-01T12:00:00Z,human,t\n" * 3, "y" * 200_000]
)
def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path: Path, rest: str) -> None:
    """It would take in the lines after it, or leave each of them as a dead letter; the file is refused at once."""
    path = tmp_path / "e.csv"
    good = "e,2026-10-01T12:00:00Z,human,words\n"
    path.write_text("id,time,source,text\n" + good * 2 + 'q,2026-10-01T12:00:00Z,human,"open\n' + rest)
    with pytest.raises(InputError, match="a quote that is not closed") as caught:
        read(path)
    assert caught.value.where == f"{path}, line 4"


def test_a_quoted_text_of_many_lines_is_one_event(tmp_path: Path) -> None:
    """A quote that is closed may take in as many lines as its text has."""
    path = tmp_path / "e.csv"
    text = "\n".join(f"line {number}" for number in range(5000))
    path.write_text(f'id,time,source,text\nq,2026-10-01T12:00:00Z,human,"{text}"\n')
    events, dead = read(path)
    assert ([item["text"] for item in events], dead) == ([text], [])


def test_csv_and_parquet_columns_nobody_knows_are_refused(tmp_path: Path) -> None:
    """The file is told to come with a mapping; its name of the column is shown harmlessly."""
    path = tmp_path / "e.csv"
    path.write_text("id,time,source,text,\x1b[31m\n")
    with pytest.raises(InputError) as caught:
        read(path)
    assert "events have no column '\\x1b[31m'" in str(caught.value)
    path.write_text("id,id\n")
    with pytest.raises(InputError, match="the same name"):
        read(path)
    path.write_text("")
    with pytest.raises(InputError, match="an empty file"):
        read(path)
    broken = tmp_path / "e.parquet"
    broken.write_bytes(b"PAR1nonsensePAR1")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read(broken)


def test_parquet_times_need_a_zone(tmp_path: Path) -> None:
    """A time without one is a dead letter; with one, in whatever unit, it is taken."""
    moment = datetime(2026, 10, 1, 12, tzinfo=UTC)
    base = {"id": ["a"], "source": ["human"], "text": ["x"]}
    pq.write_table(
        pa.table(base | {"time": pa.array([moment], pa.timestamp("ns", "Europe/Berlin"))}), tmp_path / "z.parquet"
    )
    assert read(tmp_path / "z.parquet")[0][0]["time"] == moment
    naive = pa.array([moment.replace(tzinfo=None)], pa.timestamp("us"))
    pq.write_table(pa.table(base | {"time": naive}), tmp_path / "n.parquet")
    events, dead = read(tmp_path / "n.parquet")
    assert events == []
    assert "a time without a zone" in dead[0]["reason"]


FOREIGN = ColumnMapping.model_validate(
    {
        "columns": {"id": "ticket", "time": "when", "text": "body.comment", "severity": "prio", "project": "about"},
        "values": {"severity": {"P1": "high", "P2": "medium"}},
        "constants": {"source": "application"},
        "time_format": "epoch_s",
    }
)


def foreign(**said: Any) -> bytes:
    base = {"ticket": "T1", "when": 1790856000, "body": {"comment": "slow", "other": 1}, "prio": "P1", "more": [1]}
    return json.dumps(base | said).encode()


def test_a_mapping_reads_a_foreign_shape(tmp_path: Path) -> None:
    """Nested fields, epochs, other words for the same, numbers as ids; empty texts are unknown."""
    lines = [foreign(), foreign(ticket=7, prio="P2", about=""), foreign(ticket="T3", prio=None), foreign(prio="P9"),
             foreign(when=10**15), foreign(body="flat")]  # fmt: skip
    events, dead = read(write_lines(tmp_path / "f.jsonl", lines), FOREIGN)
    assert [(item["id"], item["severity"], item["source"]) for item in events] == [
        ("T1", "high", "application"),
        ("7", "medium", "application"),
        ("T3", None, "application"),
    ]
    assert events[0]["time"] == datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert [letter["line"] for letter in dead] == [4, 5, 6]


def test_a_mapping_judges_lines_alike_together_and_alone(tmp_path: Path) -> None:
    """Rows that Arrow reads and rows that need a closer look give the same, whatever stands beside them."""
    lines = [
        foreign(),
        foreign(ticket="T2", about=""),
        foreign(ticket=True),
        foreign(prio=""),
        b"{}",
        foreign(when="1790856000"),
    ]
    together, dead = read(write_lines(tmp_path / "f.jsonl", lines), FOREIGN)
    alone = [read(write_lines(tmp_path / "o.jsonl", [line]), FOREIGN) for line in lines]
    assert [item | {"line": 1} for item in together] == [item for events, _ in alone for item in events]
    assert [item["reason"] for item in dead] == [item["reason"] for _, letters in alone for item in letters]


def test_a_mapping_reads_tables(tmp_path: Path) -> None:
    """CSV and Parquet with columns of other names, whose other columns are left."""
    mapping = ColumnMapping.model_validate(
        {
            "columns": {"id": "nr", "time": "when", "text": "a.b"},
            "constants": {"source": "human"},
            "time_format": "epoch_ms",
        }
    )
    (tmp_path / "f.csv").write_text("nr,when,a.b,more\n1,1790856000000,hello,x\n2,soon,hello,x\n")
    events, dead = read(tmp_path / "f.csv", mapping)
    assert [(item["id"], item["text"]) for item in events] == [("1", "hello")]
    assert len(dead) == 1
    pq.write_table(
        pa.table({"nr": [1], "when": [1790856000000], "a.b": ["hello"], "more": [1]}), tmp_path / "f.parquet"
    )
    assert [item | {"line": 2} for item in read(tmp_path / "f.parquet", mapping)[0]] == events


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: {id: a, time: b, text: c}", "cannot do without source"),
        ("columns: {id: a, time: b, text: c, source: d, colour: e}", "events have no field colour"),
        ("columns: {time: b, text: c}\nconstants: {source: human, id: x}", "a column for its id"),
        ("columns: {id: a, time: b, text: c, source: d}\nconstants: {source: human}", "a column and a constant"),
        ("columns: {id: a, time: b, text: c, source: d}\nvalues: {time: {a: b}}", "as they are"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(text: str, message: str, tmp_path: Path) -> None:
    """All faults are told with the file's name before any event is read."""
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(DocumentError, match=message):
        read_mapping(tmp_path / "m.yaml")
