"""Tests of measuring whole files: versions, checks turned red, bad input."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flywheel_mlflow.base.errors import DocumentError, InputError, RecordError
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, FieldType, Outcome
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import DataCard, Measurement, content_digest, measure
from flywheel_mlflow.records import reading as reading_module

Record = dict[str, Any]


def spec(**changes: Any) -> InterfaceOut:
    values = {"name": "corpus", "title": "Corpus", "format": "jsonl", "group_key": "metadata.page", **changes}
    return InterfaceOut.model_validate(values)


def record(number: int = 0, **changes: Any) -> Record:
    base: Record = {
        "id": f"doc-{number:09d}",
        "source": {"url": "https://corpus.example/a"},
        "content": f"text number {number}",
        "metadata": {"lang": "en", "license": "CC-BY-4.0", "page": f"page-{number}"},
        "quality_signals": {"score": number / 10, "kept": True, "bucket": "high"},
        "split": "train",
        "audit_trace": {"at": "2024-05-01T12:00:00.123456Z", "sha256": hashlib.sha256(b"x").hexdigest()},
    }
    return {key: value for key, value in (base | changes).items() if value is not ...}


def write(path: Path, records: list[Record]) -> Path:
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in records), encoding="utf-8")
    return path


def check(measured: Measurement, name: str) -> Check:
    return next(item for item in measured.checks if item.name == f"corpus.{name}")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "corpus.jsonl", [record(number) for number in range(20)])


def test_good_records_pass_every_check(good: Path) -> None:
    """Records that hold what they must turn no check red, and none is skipped."""
    measured = measure(good, spec())
    assert [item.name for item in measured.checks if item.outcome is not Outcome.PASSED] == []
    assert [item.name for item in measured.checks] == [
        "corpus.required_fields",
        "corpus.unique_ids",
        "corpus.exact_duplicates",
        "corpus.split_leakage",
        "corpus.raw_personal_data",
        "corpus.licence_and_source",
    ]


FAULTS: list[tuple[str, Record]] = [
    ("required_fields", {"audit_trace": ...}),
    ("required_fields", {"metadata": None}),
    ("required_fields", {"content": ...}),
    ("required_fields", {"split": ...}),
    ("unique_ids", {"id": "doc-000000003"}),
    ("exact_duplicates", {"content": "  TEXT\tnumber 3 "}),
    ("split_leakage", {"split": "test", "metadata": {"license": "MIT", "page": "page-3"}}),
    ("split_leakage", {"metadata": {"license": "MIT"}}),
    ("split_leakage", {"split": None}),
    ("raw_personal_data", {"content": "write to jane.doe@mail.example now"}),
    ("raw_personal_data", {"audit_trace": {"by": {"contacts": ["+44 20 7946 0958"]}}}),
    ("raw_personal_data", {"metadata": {"license": "MIT", "page": "p", "owner": 13812345678}}),
    ("licence_and_source", {"source": ""}),
    ("licence_and_source", {"source": {"url": " "}}),
    ("licence_and_source", {"metadata": {"page": "page-99"}}),
]


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_each_check_turns_red_under_its_fault_and_names_the_line(good: Path, name: str, fault: Record) -> None:
    """One faulty record among good ones fails the check it belongs to, with its place."""
    write(good, [*(record(number) for number in range(20)), record(99, **fault)])
    found = check(measure(good, spec()), name)
    assert found.outcome is Outcome.FAILED
    assert found.details["failing"] == 1
    if fault.get("split", 1) is not None and "metadata" not in fault and fault.get("split", 1) is not ...:
        assert found.details["examples"][0]["place"] == "corpus.jsonl, line 21"


def test_a_field_of_the_contract_is_required_too(good: Path) -> None:
    """Fields the contract lists count like those of the schema, dotted paths included."""
    assert check(measure(good, spec(fields=["metadata.lang"])), "required_fields").outcome is Outcome.PASSED
    found = check(measure(good, spec(fields=["metadata.author"])), "required_fields")
    assert found.details["missing"] == {"metadata.author": 20}


def test_personal_data_is_reported_by_path_and_kind_only(good: Path) -> None:
    """A finding never repeats the personal value, not even when it is the record's id."""
    mail = "jane.doe@mail.example"
    write(good, [record(0, id=mail, content=[{"role": "user", "text": f"I am {mail}"}])])
    measured = measure(good, spec())
    found = check(measured, "raw_personal_data")
    assert {"path": "content[0].text", "kind": "email"} in found.details["examples"][0]["hits"]
    assert mail not in repr(measured.checks)


def test_the_finding_says_what_was_looked_for(good: Path) -> None:
    """Nothing found is never said without the kinds that were looked for and those that were not."""
    found = check(measure(good, spec()), "raw_personal_data")
    assert "no personal data or secrets found; looked for: e-mail addresses, phone numbers" in found.message
    assert "not looked for: names, postal addresses" in found.message
    assert {"email", "us_ssn", "github_token"} <= set(found.details["looked_for"])


CONTACT = {"field": "metadata.contact", "reason": "authors asked to be named", "kinds": ["email"]}


def test_a_field_is_exempt_with_its_reason_and_counted(good: Path) -> None:
    """What a contract exempts does not fail the check; the result says what was exempt, why, and how much lay there."""
    people = {"license": "MIT", "page": "page-1", "contact": {"mails": ["jane.doe@mail.example", "ann@mail.example"]}}
    write(good, [*(record(number) for number in range(20)), record(99, metadata=people)])
    assert check(measure(good, spec()), "raw_personal_data").outcome is Outcome.FAILED
    found = check(measure(good, spec(personal_data_exempt=[CONTACT])), "raw_personal_data")
    assert found.outcome is Outcome.PASSED
    assert found.details["exempt"] == (
        {"field": "metadata.contact", "reason": "authors asked to be named", "kinds": {"email": 2}, "rows": 1},
    )
    assert "exempt by contract: metadata.contact (1 rows with hits)" in found.message


@pytest.mark.parametrize(
    "metadata",
    [
        {"contact": "+44 20 7946 0958"},  # another kind
        {"contacts": "jane.doe@mail.example"},  # another field
        {"contact": "jane.doe@mail.example", "more": "jane.doe@mail.example"},  # not only there
    ],
)
def test_an_exemption_covers_its_field_and_kinds_alone(good: Path, metadata: Record) -> None:
    """Other fields and other kinds are found as ever."""
    more = record(99, metadata={"license": "MIT", "page": "page-1", **metadata})
    write(good, [*(record(number) for number in range(20)), more])
    found = check(measure(good, spec(personal_data_exempt=[CONTACT])), "raw_personal_data")
    assert (found.outcome, found.details["failing"]) == (Outcome.FAILED, 1)


def test_without_a_group_key_leakage_is_skipped_not_passed(good: Path) -> None:
    """A contract that declares no group key gets a skipped finding with the reason."""
    found = check(measure(good, spec(group_key=None)), "split_leakage")
    assert (found.outcome, found.message) == (Outcome.SKIPPED, "the contract declares no group_key")


def test_a_split_field_full_of_data_is_an_error(good: Path) -> None:
    """More splits than any data set has means that leakage cannot be judged."""
    write(good, [record(number, split=f"s{number}") for number in range(1001)])
    assert check(measure(good, spec()), "split_leakage").outcome is Outcome.ERROR


def test_a_card_supplies_the_licence(good: Path) -> None:
    """The licence may stand on the data card that lies beside the file."""
    write(good, [record(0, metadata={"page": "a"})])
    assert check(measure(good, spec()), "licence_and_source").outcome is Outcome.FAILED
    good.with_name("corpus.card.json").write_text('{"source": "a crawl", "licence": "MIT"}')
    measured = measure(good, spec())
    assert measured.card == DataCard(source="a crawl", licence="MIT")
    assert check(measured, "licence_and_source").outcome is Outcome.PASSED


def _licensed(licence: Any) -> Record:
    return record(metadata={"license": licence, "page": "p"})


@pytest.mark.parametrize(
    ("licences", "stated"),
    [
        (["MIT", "MIT "], ("MIT",)),
        (["MIT", "CC0-1.0"], ("CC0-1.0", "MIT")),
        (["MIT", ""], ()),
        (["MIT", None], ()),
        (["MIT", "x" * 101], ()),
        (["MIT", "\u202eTIM"], ()),
        ([{"spdx": "MIT"}], ('{"spdx":"MIT"}',)),
        ([f"L{number}" for number in range(21)], ()),
    ],
)
def test_licences_are_those_every_record_states(tmp_path: Path, licences: list[Any], stated: tuple[str, ...]) -> None:
    """One licence or the list of them; none where a record states none, or nothing that can be shown."""
    rows = [_licensed(licence) | {"id": str(number)} for number, licence in enumerate(licences)]
    assert measure(write(tmp_path / "corpus.jsonl", rows), spec(group_key=None)).licences == stated


def test_a_faulty_card_is_refused_with_all_faults(good: Path) -> None:
    """Every fault of a card is told at once."""
    good.with_name("card.json").write_text('{"sauce": "x", "filters": [{"rule": "short"}]}')
    with pytest.raises(DocumentError) as caught:
        measure(good, spec())
    assert len(caught.value.faults) >= 5


def test_free_rows_need_no_record_fields(tmp_path: Path) -> None:
    """Rows of a free schema are profiled by their numbers; what they lack is skipped or a warning."""
    path = write(tmp_path / "rows.jsonl", [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25, "note": "x"}])
    measured = measure(path, spec(schema="free", group_key=None))
    outcomes = {item.name.split(".")[1]: item.outcome for item in measured.checks}
    assert outcomes["required_fields"] is outcomes["unique_ids"] is Outcome.SKIPPED
    assert check(measured, "licence_and_source").severity is CheckSeverity.WARNING
    assert measured.profile is not None
    assert [signal.name for signal in measured.profile.signals] == ["loss", "step"]


def test_the_version_says_what_the_data_are(good: Path) -> None:
    """Rows, bytes, digest and schema are those of the file."""
    version = measure(good, spec()).version
    assert (version.rows, version.bytes) == (20, good.stat().st_size)
    assert version.digest == hashlib.sha256(good.read_bytes()).hexdigest() == content_digest(good)
    assert FieldType("metadata.lang", "string", True) in version.fields
    assert FieldType("quality_signals.score", "number", True) in version.fields


def test_parquet_and_jsonl_of_the_same_records_measure_alike(good: Path, tmp_path: Path) -> None:
    """Format is layout: schema, profile, records and findings do not depend on it."""
    rows = [json.loads(line) for line in good.read_text().splitlines()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "corpus.parquet", row_group_size=7)
    lines, columns = measure(good, spec()), measure(tmp_path / "corpus.parquet", spec(format="parquet"))
    assert lines.version.schema_digest == columns.version.schema_digest
    assert lines.profile == columns.profile
    assert lines.checks == columns.checks
    assert lines.version.records_digest == columns.version.records_digest


def test_a_parquet_finding_names_row_group_and_row(tmp_path: Path) -> None:
    """A place in Parquet is a row group and a row in it."""
    rows = [record(number) for number in range(9)] + [record(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet", row_group_size=4)
    found = check(measure(tmp_path / "c.parquet", spec(format="parquet")), "unique_ids")
    assert found.details["examples"] == (
        {"place": "c.parquet, row group 2, row 2", "same_as": "c.parquet, row group 0, row 4"},
    )


def test_a_directory_counts_its_data_files_only(tmp_path: Path) -> None:
    """Hidden files, writers' marks and the card are not data; names are part of the digest, order is not."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    write(folder / "b.jsonl", [record(1)])
    write(folder / "sub" / "a.jsonl", [record(2), record(1)])
    before = measure(folder, spec())
    (folder / "_SUCCESS").write_text("")
    (folder / ".crc").write_text("x")
    (folder / "card.json").write_text('{"source": "s", "licence": "MIT"}')
    after = measure(folder, spec())
    assert before.version == after.version
    assert before.version.digest == content_digest(folder)
    assert check(after, "unique_ids").details["examples"] == (
        {"place": "sub/a.jsonl, line 2", "same_as": "b.jsonl, line 1"},
    )
    (folder / "b.jsonl").rename(folder / "c.jsonl")
    assert measure(folder, spec()).version.digest != before.version.digest


def test_opaque_data_get_a_digest_and_nothing_else(tmp_path: Path) -> None:
    """Nothing is claimed of data that are not looked into: their rows are unknown, not 0."""
    (tmp_path / "index.bin").write_bytes(b"\x00\x01")
    measured = measure(tmp_path, spec(format="opaque", schema="opaque", group_key=None))
    assert measured.version.rows is None
    assert measured.profile is None
    assert measured.checks == ()
    assert measured.version.bytes == 2


def test_progress_counts_rows(good: Path) -> None:
    """The callback gets the rows so far with their share of the data, and ends with all of them."""
    seen: list[tuple[int, float]] = []
    measure(good, spec(), progress=lambda *told: seen.append(told))
    assert seen == sorted(seen)
    assert seen[-1] == (20, 1.0)


def test_a_cut_file_never_measures_more_than_its_whole_lines(tmp_path: Path) -> None:
    """Cut at every byte, a file either is refused or counts exactly the records that are whole."""
    whole = "".join(
        json.dumps(record(number, content="字é"), ensure_ascii=False) + "\n" for number in range(2)
    ).encode()
    path = tmp_path / "cut.jsonl"
    ends = [index for index, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        if size in ends or size - 1 in ends:
            assert measure(path, spec()).version.rows == sum(end <= size for end in ends)
        else:
            with pytest.raises(RecordError):
                measure(path, spec())


def test_a_cut_parquet_file_is_refused_at_every_length(tmp_path: Path) -> None:
    """No beginning of a Parquet file measures as valid."""
    pq.write_table(pa.table({"id": ["a", "b"], "n": [1, 2]}), tmp_path / "whole.parquet")
    data = (tmp_path / "whole.parquet").read_bytes()
    path = tmp_path / "cut.parquet"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(RecordError):
            measure(path, spec(format="parquet", schema="free", group_key=None))


GOOD_LINE = json.dumps(record(1)).encode() + b"\n"

BAD_LINES: list[tuple[bytes, str]] = [
    (GOOD_LINE + b"[1, 2]\n", "must be an object, this is a list"),
    (GOOD_LINE + b"null\n", "this is null"),
    (GOOD_LINE + json.dumps(record(2, id=...)).encode() + b"\n", "a record without id"),
    (GOOD_LINE + json.dumps(record(2, id=None)).encode() + b"\n", "a record without id"),
    (GOOD_LINE + json.dumps(record(2, id="")).encode() + b"\n", "an empty id"),
    (GOOD_LINE + json.dumps(record(2, id=["a"])).encode() + b"\n", "neither a text nor a whole number"),
    (GOOD_LINE + b'{"id": "\xff"}\n' + GOOD_LINE, "not UTF-8"),
    (GOOD_LINE + b'{"id": "a", "x": NaN}\n', "NaN is not a number"),
    (GOOD_LINE + b'{"id": "a", "x": -Infinity}\n', "-Infinity is not a number"),
    (GOOD_LINE + b'{"id": "a", "x": 1e999}\n', "NaN or infinite"),
    (GOOD_LINE + b'{"id": "a", "x": [1e999]}\n', "NaN or infinite"),
    (GOOD_LINE + b'{"id": "a", "x": 1' + b"0" * 400 + b"}\n", "bits"),
    (GOOD_LINE + b'{"id": "a", "x": 1' + b"0" * 5000 + b"}\n", "limit"),
    (GOOD_LINE + b'{"id": "a", "id": "b"}\n', "written twice"),
    (GOOD_LINE + b'{"id": "a"} {"id": "b"}\n', "something follows"),
    (GOOD_LINE + b'{"id": a}\n', "not JSON"),
    (GOOD_LINE + b'{"id": "\\ud800"}\n', "surrogate"),
    (GOOD_LINE + b'{"id": "a", "\\ud800": 1}\n', "surrogate"),
    (GOOD_LINE + b'{"id": "a", "x": ' + b'{"x": ' * 40 + b"1" + b"}" * 41 + b"\n", "nested"),
    (GOOD_LINE + b'{"id": "a", "x": ' + b"[" * 40 + b"]" * 40 + b"}\n", "nested"),
    (GOOD_LINE + b"[" * 100_000 + b"\n", "nested"),
    (GOOD_LINE + json.dumps({"id": "a"} | {f"k{n}": n for n in range(2001)}).encode() + b"\n", "different fields"),
    (GOOD_LINE + b"\n" + GOOD_LINE, "an empty line"),
]


@pytest.mark.parametrize(("data", "words"), BAD_LINES)
def test_a_bad_line_is_refused_with_file_and_line(tmp_path: Path, data: bytes, words: str) -> None:
    """What is no record stops the measuring with a message that names the place and what to do."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(data)
    with pytest.raises(RecordError) as caught:
        measure(path, spec())
    assert words in caught.value.what
    assert caught.value.where == f"{path}, line 2"
    assert caught.value.hint


def test_an_overlong_line_is_refused_before_it_fills_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the limit is refused, with a newline after it or without."""
    monkeypatch.setattr(reading_module, "MAX_RECORD_BYTES", 3 << 20)
    path = tmp_path / "long.jsonl"
    for end in (b"", b'"}\n'):
        path.write_bytes(GOOD_LINE + b'{"id": "' + b"x" * (4 << 20) + end)
        with pytest.raises(RecordError, match="a line of more than") as caught:
            measure(path, spec())
        assert caught.value.where == f"{path}, line 2"


def test_line_endings_of_windows_are_taken(tmp_path: Path) -> None:
    """A carriage return before the newline is white space."""
    path = tmp_path / "dos.jsonl"
    path.write_bytes(GOOD_LINE.replace(b"\n", b"\r\n"))
    assert measure(path, spec()).version.rows == 1


def _parquet(path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), path)


WRONG_FILES: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("empty jsonl", lambda path: path.write_bytes(b""), "jsonl", "no record"),
    ("empty parquet", lambda path: path.write_bytes(b""), "parquet", "empty"),
    (
        "parquet without rows",
        lambda path: pq.write_table(pa.table({"id": pa.array([], pa.string())}), path),
        "parquet",
        "no record",
    ),
    ("parquet as jsonl", _parquet, "jsonl", "this is Parquet"),
    ("gzip as jsonl", lambda path: path.write_bytes(b"\x1f\x8b\x08"), "jsonl", "this is gzip"),
    ("byte order mark", lambda path: path.write_bytes(b"\xef\xbb\xbf" + GOOD_LINE), "jsonl", "byte order mark"),
    ("jsonl as parquet", lambda path: path.write_bytes(GOOD_LINE), "parquet", "not Parquet"),
    ("nothing there", Path.exists, "jsonl", "no such file"),
    ("a pipe", os.mkfifo, "jsonl", "neither a file nor a directory"),
    ("an empty directory", lambda path: path.mkdir(), "jsonl", "no data file"),
]


@pytest.mark.parametrize(
    ("make", "data_format", "words"), [case[1:] for case in WRONG_FILES], ids=[c[0] for c in WRONG_FILES]
)
def test_a_wrong_file_is_refused(tmp_path: Path, make: Callable[[Path], object], data_format: str, words: str) -> None:
    """What is not the promised kind of file is bad input, told by path."""
    path = tmp_path / "data"
    make(path)
    with pytest.raises(InputError) as caught:
        measure(path, spec(format=data_format))
    assert words in caught.value.what
    assert str(path) in (caught.value.where or "")


def test_a_parquet_number_that_is_nan_is_refused(tmp_path: Path) -> None:
    """NaN is no unknown value in Parquet either; the row is named."""
    pq.write_table(pa.table({"id": ["a", "b"], "x": [1.0, float("nan")]}), tmp_path / "c.parquet")
    with pytest.raises(RecordError, match="NaN") as caught:
        measure(tmp_path / "c.parquet", spec(format="parquet", schema="free", group_key=None))
    assert "row group 0, row 2" in str(caught.value.where)


def test_links_do_not_lead_out_of_a_directory(tmp_path: Path) -> None:
    """A link to a file elsewhere, or to any directory, is refused; one inside is followed."""
    outside = write(tmp_path / "secret.jsonl", [record(0)])
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.jsonl").symlink_to(outside)
    with pytest.raises(InputError, match="leads out"):
        measure(folder, spec())
    (folder / "a.jsonl").unlink()
    (folder / "loop").symlink_to(folder)
    with pytest.raises(InputError, match="link to a directory"):
        measure(folder, spec())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """The path that was given is no link: whoever writes a results folder would choose what is uploaded."""
    outside = write(tmp_path / "secret.jsonl", [record(0)])
    inner = tmp_path / "folder"
    inner.mkdir()
    write(inner / "a.jsonl", [record(0)])
    for number, target in enumerate((outside, inner, tmp_path / "nothing")):
        link = tmp_path / f"link{number}.jsonl"
        link.symlink_to(target)
        with pytest.raises(InputError, match="a link, which is not followed") as caught:
            measure(link, spec())
        assert caught.value.where == str(link)


@pytest.mark.parametrize("name", [".hidden.jsonl", "_SUCCESS", ".git/config", "_temporary/part"])
def test_entries_that_are_no_data_lead_nowhere_either(tmp_path: Path, name: str) -> None:
    """A directory is uploaded whole, so a link among what is passed over as data is refused too, and so is a pipe."""
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder / "a.jsonl", [record(0)])
    entry = folder / name
    entry.parent.mkdir(exist_ok=True)
    entry.write_text("a mark")
    assert measure(folder, spec()).version.rows == 1
    entry.unlink()
    entry.symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="leads out"):
        measure(folder, spec())
    entry.unlink()
    os.mkfifo(entry)
    with pytest.raises(InputError, match="not a regular file"):
        measure(folder, spec())


@pytest.mark.parametrize("changes", [{}, {"format": "opaque", "schema": "opaque", "group_key": None}])
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    """It cannot be kept or printed; the reason shows it with its bytes spelled out."""
    name = os.fsdecode(b"caf\xe9.jsonl")
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder / "a.jsonl", [record(0)])
    for path in (tmp_path / name, folder / name):
        write(path, [record(1)])
    for path in (tmp_path / name, folder):
        with pytest.raises(InputError, match="not UTF-8") as caught:
            measure(path, spec(**changes))
        assert "caf\\xe9.jsonl" in str(caught.value.where)
        assert str(caught.value).encode("utf-8")


def test_a_file_of_another_kind_in_a_directory_is_refused(tmp_path: Path) -> None:
    """A stray file is told by name, not parsed as records or passed over."""
    write(tmp_path / "a.jsonl", [record(0)])
    (tmp_path / "README.md").write_text("hello")
    with pytest.raises(InputError, match="does not end in") as caught:
        measure(tmp_path, spec())
    assert "README.md" in str(caught.value.where)


def test_a_file_that_grows_meanwhile_is_refused(good: Path) -> None:
    """A digest of half the bytes and rows of the other half must not become a version."""

    def grow(rows: int, share: float) -> None:
        with good.open("ab") as stream:
            stream.write(GOOD_LINE)

    with pytest.raises(InputError, match="changed while"):
        measure(good, spec(), progress=grow)


def test_types_that_only_parquet_has_are_measured(tmp_path: Path) -> None:
    """Times, bytes and decimals have types of their own; maps, dictionaries, other widths are what they stand for."""
    moment = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    columns = {
        "at": ("timestamp[zoned]", pa.array([moment, None], pa.timestamp("us", "UTC"))),
        "nanoseconds": ("timestamp", pa.array([1, 2], pa.timestamp("ns"))),
        "day": ("date", pa.array([moment.date()] * 2)),
        "price": ("decimal", pa.array([Decimal("1.10"), Decimal("2.5")], pa.decimal128(9, 2))),
        "raw": ("binary", pa.array([b"me@mail.example", b"\xff"])),
        "code": ("string", pa.array(["a", "b"]).dictionary_encode()),
        "view": ("string", pa.array(["a", None], pa.string_view())),
        "half": ("number", pa.array([0.5, 1.5], pa.float16())),
        "wide": ("integer", pa.array([1, 2**64 - 1], pa.uint64())),
        "pair": ("vector[2]", pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2))),
        "long": ("list", pa.array([["x"], []], pa.large_list(pa.dictionary(pa.int8(), pa.string())))),
        "map": ("list", pa.array([[("k", moment)], []], pa.map_(pa.string(), pa.timestamp("ms", "UTC")))),
    }
    path = tmp_path / "types.parquet"
    pq.write_table(pa.table({name: column for name, (_, column) in columns.items()}), path)
    measured = measure(path, spec(format="parquet", schema="free", group_key="day", fields=["view"]))
    assert {field.path: field.type for field in measured.version.fields if "[]" not in field.path} == {
        name: kind for name, (kind, _) in columns.items()
    }
    assert check(measured, "raw_personal_data").details["fields"] == {"raw": 1}
    assert check(measured, "required_fields").details["missing"] == {"view": 1}
    assert measured.profile is not None
    price, wide = measured.profile.signal("price"), measured.profile.signal("wide")
    assert price is not None
    assert wide is not None
    assert (price.mean, wide.maximum) == (1.8, 2.0**64)


def test_a_field_in_a_list_can_be_demanded_of_every_record(tmp_path: Path) -> None:
    """Every element must have it; an empty list lacks nothing, a missing one does."""
    good = [{"role": "user", "text": "a"}, {"role": "tool", "text": "b"}]
    contents = [{"messages": good}, {"messages": []}, {"messages": [*good, {"text": "c"}]}, {"messages": None}, "text"]
    rows = [record(number, content=content) for number, content in enumerate(contents)]
    found = check(measure(write(tmp_path / "c.jsonl", rows), spec(fields=["content.messages.role"])), "required_fields")
    assert [example["place"] for example in found.details["examples"]] == [
        f"c.jsonl, line {line}" for line in (3, 4, 5)
    ]


def test_elements_themselves_can_be_demanded(tmp_path: Path) -> None:
    """``tags[]`` asks that no element is null; an empty list has none."""
    rows = [record(number, tags=tags) for number, tags in enumerate((["a"], [], ["a", None], "a"))]
    found = check(measure(write(tmp_path / "c.jsonl", rows), spec(fields=["tags[]"])), "required_fields")
    assert [example["place"] for example in found.details["examples"]] == ["c.jsonl, line 3", "c.jsonl, line 4"]
