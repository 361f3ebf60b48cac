"""Croissant documents, opened by mlcroissant and compared with the data they describe."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from croissant_reading import described_fields, expected, opened, read_croissant

from flywheel_mlflow.base.canonical import digest_of, short_digest
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import DataCard, measure
from flywheel_mlflow.records.croissant import Provenance, measured_files, to_croissant
from flywheel_mlflow.records.data_fields import DataField, learn_data, recorded_fields
from flywheel_mlflow.records.sources import MeasuredFile, file_digest, find_files

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

ROWS: list[dict[str, Any]] = [
    {
        "id": "a0",
        "n": 1,
        "x": None,
        "created_at": "2026-10-01T09:00:00",
        "content": {"messages": [{"role": "user", "tags": ["a"]}, {"role": None, "tags": []}], "n": 1},
        "turns": [{"who": "u", "v": 1.5}, {"who": "b"}],
        "grid": [[1, 2], [3]],
        "deep": {"a": {"b": {"c": ["x"]}}},
        "either": None,
        "split": "train",
        "empty": [],
        "never": None,
        "flag": True,
    },
    {
        "id": "a1",
        "n": 2.5,
        "x": 3,
        "created_at": "2026-10-02T09:30:00",
        "content": {"messages": [], "n": None},
        "turns": None,
        "grid": [],
        "deep": {"a": {"b": {"c": []}}},
        "either": {"k": "v"},
        "split": "test",
        "empty": [],
        "never": None,
        "flag": None,
    },
    {
        "id": "a2",
        "n": 2,
        "x": 4,
        "created_at": None,
        "content": {"messages": [{"role": "u", "tags": ["b", "c"]}]},
        "turns": [],
        "deep": None,
        "split": "held out",
        "empty": [],
        "flag": False,
    },
]


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSONL of these rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def describe(path: Path, data_format: str, **more: Any) -> Path:
    """The document of data at ``path``, written beside them."""
    learnt = learn_data(path, data_format)
    root = path if path.is_dir() else path.parent
    files = [
        MeasuredFile((root / file.name).relative_to(path.parent).as_posix(), file.size, file_digest(file))
        for file in find_files(path, data_format)
    ]
    document = to_croissant(
        "rows",
        digest="ab" * 16,
        data_format=data_format,
        files=files,
        **{"fields": learnt.fields, "splits": learnt.splits} | more,
    )
    target = path.parent / "croissant.json"
    target.write_text(json.dumps(document, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    return target


def assert_reads(document: Path, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The reference reader reads exactly these rows; the names of the fields it reads."""
    fields = described_fields(document, "rows")
    found = read_croissant(document, "rows")
    wanted = [expected(row, fields) for row in rows]
    assert sorted(found, key=lambda row: row["id"]) == sorted(wanted, key=lambda row: row["id"])
    return [field["name"] for field in fields]


def test_records_of_jsonl_are_read_as_they_are(tmp_path: Path) -> None:
    """Nested fields, lists of objects and of lists, dates, nulls and absent fields come back."""
    names = assert_reads(describe(write_lines(tmp_path / "rows.jsonl", ROWS), "jsonl"), ROWS)
    assert names == list(ROWS[0])


def test_odd_names_of_fields_are_read() -> None:
    """Dots, spaces, quotes, an at sign and other scripts in names."""
    source = FIXTURES / "croissant_weird_fields.jsonl"
    path = Path("croissant_weird_fields.jsonl")
    path.write_bytes(source.read_bytes())
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    assert {"@type", "名前", "metadata"} <= set(assert_reads(describe(path.resolve(), "jsonl"), rows))


@pytest.mark.parametrize("key", ["a'b", 'a"b', "a\\b", "a/b", "a#b?c=%20", "$", "[0]", "where", " ", "é\u0301"])
def test_any_key_inside_a_field_is_read(tmp_path: Path, key: str) -> None:
    """Keys that mean something in a path or an address are keys all the same."""
    rows = [{"id": "a", "m": {key: "x", "list": [{key: 1}]}}, {"id": "b", "m": {key: "y", "list": []}}]
    assert_reads(describe(write_lines(tmp_path / "rows.jsonl", rows), "jsonl"), rows)


def test_a_partitioned_folder_is_one_record_set(tmp_path: Path) -> None:
    """Files of all partitions are read, whatever their folders are called, and nothing that lies beside them."""
    for number, part in enumerate(("lang=en", "lang=[de]", "lang=fr/day=1")):
        write_lines(tmp_path / "rows" / part / "part-0.jsonl", ROWS[number : number + 1])
    document = describe(tmp_path / "rows", "jsonl")
    write_lines(tmp_path / "rows" / "later.jsonl", [{"id": "never described"}])
    assert_reads(document, ROWS)


def arrow_table() -> pa.Table:
    """A table with the types that only Arrow has."""
    rows = [row | {"either": row.get("either")} for row in ROWS]
    for row in rows:
        row["content"] = {"n": None} | row["content"]
    return (
        pa.Table.from_pylist(rows)
        .append_column("small", pa.array([1, None, -3], pa.int8()))
        .append_column("large", pa.array([1, 2**63, 3], pa.uint64()))
        .append_column("price", pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("2.25")]))
        .append_column("day", pa.array([dt.date(2026, 1, 1), None, dt.date(2026, 1, 2)]))
        .append_column(
            "at", pa.array([dt.datetime(2026, 1, 1, 3, tzinfo=dt.UTC), None, None], pa.timestamp("us", "UTC"))
        )
        .append_column("noon", pa.array([dt.time(12), dt.time(12, 30), None]))
        .append_column("kind", pa.array(["a", "b", None]).dictionary_encode())
        .append_column("long text", pa.array(["x", None, "y"], pa.large_string()))
        .append_column("view", pa.array(["x", None, "y"], pa.string_view()))
        .append_column("list view", pa.array([[1], None, []], pa.list_view(pa.int64())))
        .append_column("raw", pa.array([b"\xff", None, b"\x00"]))
        .append_column("took", pa.array([dt.timedelta(1), None, None]))
        .append_column("pairs", pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())))
    )


def test_records_of_parquet_are_read_with_their_types(tmp_path: Path) -> None:
    """Integers of any width, decimals, dates, times and dictionaries come back; bytes and maps are left out by name."""
    table = arrow_table()
    pq.write_table(table, tmp_path / "rows.parquet")
    document = describe(tmp_path / "rows.parquet", "parquet")
    names = assert_reads(document, table.to_pylist())
    assert set(table.column_names) - set(names) == {"raw", "took", "pairs"}
    (rows,) = (item for item in json.loads(document.read_text())["recordSet"] if item["@id"] == "rows")
    assert rows["description"] == "Left out, as they have no single type: raw, took, pairs."
    types = {field["name"]: field.get("dataType") for field in rows["field"]}
    assert (types["small"], types["large"], types["day"]) == ("cr:Int8", "cr:UInt64", "sc:Date")


def test_a_folder_of_parquet_is_one_record_set(tmp_path: Path) -> None:
    """Part files whose columns differ in order and width are read together."""
    parts = [{"id": ["a"], "n": pa.array([1], pa.int32())}, {"n": pa.array([2], pa.int64()), "id": ["b"]}]
    for number, part in enumerate(parts):
        (tmp_path / "rows").mkdir(exist_ok=True)
        pq.write_table(pa.table(part), tmp_path / "rows" / f"part-{number}.parquet")
    assert_reads(describe(tmp_path / "rows", "parquet"), [{"id": "a", "n": 1}, {"id": "b", "n": 2}])


def test_splits_are_a_record_set_of_their_own(tmp_path: Path) -> None:
    """The values of ``split`` are enumerated with what their names mean, and the field points at them."""
    document = describe(write_lines(tmp_path / "rows.jsonl", ROWS), "jsonl")
    found = read_croissant(document, "rows-splits")
    assert found == [
        {"name": "held out", "url": "cr:Split"},
        {"name": "test", "url": "cr:TestSplit"},
        {"name": "train", "url": "cr:TrainingSplit"},
    ]
    (split,) = (field for field in described_fields(document, "rows") if field["name"] == "split")
    assert split["references"] == {"field": {"@id": "rows-splits/name"}}


def test_a_column_of_two_kinds_is_left_out(tmp_path: Path) -> None:
    """Texts in one part file and numbers in another are no single type; a split that is an object is none."""
    (tmp_path / "rows").mkdir()
    for number, value in enumerate(["x", 1]):
        part = {"id": [str(number)], "odd": [value], "split": [{"name": "train"}]}
        pq.write_table(pa.table(part), tmp_path / "rows" / f"part-{number}.parquet")
    learnt = learn_data(tmp_path / "rows", "parquet")
    assert [field.name for field in learnt.fields if not field.is_typed] == ["odd"]
    assert learnt.splits == ()


@pytest.mark.parametrize("values", [[1, 2], [{"a": 1}, "x"], [None, None], [f"s{number}" for number in range(60)]])
def test_what_is_no_name_of_a_split_makes_no_splits(tmp_path: Path, values: list[Any]) -> None:
    """Numbers, objects, nothing, or as many values as a key has."""
    rows = [{"id": str(number), "split": value} for number, value in enumerate(values)]
    assert learn_data(write_lines(tmp_path / "rows.jsonl", rows), "jsonl").splits == ()


def test_fields_without_a_single_type_are_left_out_by_name(tmp_path: Path) -> None:
    """Mixed values, an object that is sometimes a text, and an empty name are no fields; the rest is read."""
    rows: list[dict[str, Any]] = [
        {"id": "a", "mixed": 1, "deep": {"odd": [1, "x"], "ok": 1}, "": 1, "none": {}},
        {"id": "b", "mixed": "x", "deep": {"odd": {}, "ok": 2}, "": 2, "none": {}},
    ]
    document = describe(write_lines(tmp_path / "rows.jsonl", rows), "jsonl")
    assert assert_reads(document, rows) == ["id", "deep"]
    described = json.loads(document.read_text())["recordSet"][0]["description"]
    assert described == "Left out, as they have no single type: mixed, deep.odd, none."


def test_objects_keyed_by_data_have_no_type(tmp_path: Path) -> None:
    """Beyond 2,000 different keys an object is no record with fields."""
    rows = [{"id": str(number), "by_user": {f"u{number}": 1}} for number in range(2100)]
    fields = {field.name: field for field in learn_data(write_lines(tmp_path / "r.jsonl", rows), "jsonl").fields}
    assert not fields["by_user"].is_typed


def test_opaque_data_are_files_without_records(tmp_path: Path) -> None:
    """The document opens, and knows the file by its digest alone."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"\x00\x01")
    document = describe(path, "opaque")
    described = json.loads(document.read_text())
    assert "recordSet" not in described
    assert described["distribution"][0]["encodingFormat"] == "application/octet-stream"


def test_the_card_the_contract_and_the_release_say_the_rest(tmp_path: Path) -> None:
    """With all of them mlcroissant misses nothing, and what people must know is where its readers look."""
    card = DataCard.model_validate(
        {
            "source": "https://commoncrawl.org/",
            "licence": "CC-BY-4.0",
            "description": "Pages in English.",
            "filters": [{"rule": "short lines", "constant": 5, "rows_in": 10, "rows_out": 4, "reason": "menus"}],
            "hazards": ["English only"],
        }
    )
    origin = Provenance("p01", "data_team", "llm", "Corpus", "training", 3, 2, "2026-11-30")
    document = describe(write_lines(tmp_path / "rows.jsonl", ROWS), "jsonl", card=card, origin=origin)
    metadata = opened(document).metadata
    assert not metadata.ctx.issues.warnings
    assert (metadata.version, metadata.license, metadata.url) == (
        f"2.0.0+{'ab' * 16}",
        ["CC-BY-4.0"],
        "https://commoncrawl.org/",
    )
    assert metadata.data_collection == "https://commoncrawl.org/"
    assert metadata.data_preprocessing_protocol == ["short lines (5): 10 rows in, 4 out. menus"]
    assert metadata.data_limitations == ["English only"]
    assert metadata.data_use_cases == ["Training data of a flywheel."]
    assert metadata.cite_as == f"rows, made by p01 of the flywheel llm, iteration 3, release 2, version {'ab' * 16}"
    assert metadata.ctx.is_v1_1()


def test_without_card_and_contract_nothing_is_made_up(tmp_path: Path) -> None:
    """What nobody stated is absent, and mlcroissant names what it misses."""
    document = describe(write_lines(tmp_path / "rows.jsonl", ROWS), "jsonl")
    described = json.loads(document.read_text())
    absent = {"license", "creator", "citeAs", "datePublished", "isBasedOn", "rai:dataCollection", "rai:dataUseCases"}
    assert not absent & set(described)
    assert "license" in opened(document).metadata.ctx.issues.report()


def test_a_recorded_schema_gives_the_fields_it_knows(tmp_path: Path) -> None:
    """From the schema of a version: nested fields with dots in their names, lists, and no type for mixed values."""
    path = write_lines(tmp_path / "rows.jsonl", [{"id": "a", "m": {"a.b": {"c\\d": 1}}, "list": [1], "mixed": 1}])
    with path.open("a") as stream:
        stream.write('{"id": "b", "m": {"a.b": {"c\\\\d": 2}}, "list": [2], "mixed": {"x": 1}}\n')
    spec = InterfaceOut.model_validate({"name": "rows", "title": "Rows", "format": "jsonl", "schema": "free"})
    assert recorded_fields(measure(path, spec).version.fields) == (
        DataField("id", "sc:Text"),
        DataField("list", "sc:Integer", dimensions=1),
        DataField("m", children=(DataField("a.b", children=(DataField("c\\d", "sc:Integer"),)),)),
        DataField("mixed"),
    )
    assert recorded_fields([FieldType("list", "list", True)]) == (DataField("list"),)


def test_lists_of_a_recorded_schema_are_read(tmp_path: Path) -> None:
    """What a version recorded describes lists of values, of objects and of lists, as the reader takes them."""
    # A schema calls dates of JSON texts; the reader makes dates of those whose field is called so.
    rows = [{key: value for key, value in row.items() if key != "created_at"} for row in ROWS]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    spec = InterfaceOut.model_validate({"name": "rows", "title": "Rows", "format": "jsonl", "schema": "free"})
    names = assert_reads(describe(path, "jsonl", fields=recorded_fields(measure(path, spec).version.fields)), rows)
    assert set(rows[0]) - set(names) == {"empty", "never"}


def test_a_list_of_files_counts_only_if_it_is_that_of_the_version() -> None:
    """A file's own digest, or that of all names and digests; another list, or none, is not believed."""
    files = [{"name": "a.jsonl", "size": 1, "digest": "a" * 64}, {"name": "b.jsonl", "size": 2, "digest": "b" * 64}]
    both = short_digest(digest_of([[item["name"], item["digest"]] for item in files]))
    assert measured_files(json.dumps(files), both) == tuple(MeasuredFile(**item) for item in files)  # type: ignore[arg-type]
    assert measured_files(json.dumps(files[:1]), "a" * 32) is not None
    assert measured_files(json.dumps(files[:1]), both) is None
    assert measured_files("[]", short_digest(digest_of([]))) is None
    with pytest.raises(DocumentError):
        measured_files('[{"name": 1}]', both)
