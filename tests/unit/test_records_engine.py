"""Tests of the engine: merging in any order, columns beside single records, refusals, worker processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.canonical import canonical_json, digest_of
from flywheel_mlflow.base.errors import RecordError, WorkerLost
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import Measurement, blocks, engine, measure
from flywheel_mlflow.records.blocks import blocks_of, parts_of
from flywheel_mlflow.records.content.profile import content_to_parquet
from flywheel_mlflow.records.content.sampled import sampled_content, sampled_rows
from flywheel_mlflow.records.json_columns import ColumnParser
from flywheel_mlflow.records.partials import PartialResult, Plan, places
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.record_digest import PRIME
from flywheel_mlflow.records.sources import find_files

Record = dict[str, Any]

keys = st.sampled_from(
    ["a", "b", "c.d", "e\\", "[]", "id", "content", "payload", "license", "split", "quality_signals", "é"]
)
texts = st.text(max_size=6) | st.sampled_from(
    ["", "2024-05-01", "2024-05-01T12:00:00Z", "me@mail.example", "null", "[null]", "A  b\n", "13812345678", "ﬁ"]
)
numbers = st.sampled_from([0, 1, -1, 2**53, 2**63, 10**30, 0.0, -0.0, 1.0, 0.5, 1e-7, 1e16, 1e300, 5e-324])
scalars = st.none() | st.booleans() | numbers | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
records = st.lists(st.dictionaries(keys, values, max_size=4), min_size=1, max_size=10)


def spec(**changes: Any) -> InterfaceOut:
    base = {"name": "corpus", "title": "C", "format": "jsonl", "schema": "free", "group_key": "a", "fields": ["b"]}
    return InterfaceOut.model_validate(base | changes)


def write(path: Path, rows: list[Record]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answers(measured: Measurement) -> str:
    """Everything a measurement says, as canonical JSON."""
    profile = measured.profile.to_json() if measured.profile else ""
    content = content_to_parquet(measured.content).hex() if measured.content else ""
    said = [measured.version, measured.files, measured.checks, measured.licences]
    return canonical_json(said) + profile + content


def outcome(path: Path, promise: InterfaceOut, **options: Any) -> str:
    """What measuring says of the data, or why it refuses them."""
    try:
        return answers(measure(path, promise, **options))
    except RecordError as error:
        return str(error)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine") / "data.jsonl"


@given(records, st.randoms(use_true_random=False), st.sampled_from([1, 60, 10_000]))
def test_any_split_and_any_order_of_merging_give_the_same_bytes(
    scratch: Path, rows: list[Record], draw: random.Random, part_bytes: int
) -> None:
    """However the data are cut into parts and blocks, and results merged, all that is said of them is the same."""
    path, promise = write(scratch, rows), spec(personal_data_exempt=[{"field": "a", "reason": "it is public"}])
    (file,) = find_files(path, "jsonl")
    plan = Plan("corpus", "free", ("b",), "a", exempt=promise.personal_data_exempt)
    reader = reader_for(file, "jsonl")
    partials = []
    for part in parts_of(reader, part_bytes):
        partials.append(PartialResult(plan))
        for block in blocks_of(reader, part):
            partials[-1].observe((0, part[0]), block)
    while len(partials) > 1:
        draw.shuffle(partials)
        partials[-2].merge(partials.pop())
    (merged,) = partials
    place_of = places(merged.rows_of, [reader])
    whole = measure(path, promise)
    assert merged.tree.fields() == whole.version.fields
    assert merged.digest.result() == whole.version.records_digest
    profile, hashes = merged.profile.result(), merged.duplicates.hashes()
    assert profile.to_json() == whole.profile.to_json()  # type: ignore[union-attr]
    content, _ = sampled_content(promise, profile, sampled_rows(merged.profile.sampled(), hashes, place_of))
    assert content is not None
    assert whole.content is not None
    assert content_to_parquet(content) == content_to_parquet(whole.content)
    assert canonical_json([check.result(place_of) for check in merged.checks]) == canonical_json(whole.checks)
    straight = engine.measure_files(plan, [file], "jsonl", workers=1).result
    assert merged.duplicates.hashes().tolist() == straight.duplicates.hashes().tolist()


@given(records, st.booleans(), st.sampled_from(["free", "record"]))
def test_columns_say_what_single_records_say(scratch: Path, rows: list[Record], compact: bool, schema: str) -> None:
    """Lines that Arrow reads and lines that Python reads give the same answers and the same refusals."""
    rows = [row | {"id": number} for number, row in enumerate(rows)] if compact else rows
    promise = spec(schema=schema)
    fast = outcome(write(scratch, rows), promise)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ColumnParser, "parse", lambda *_: None)
        slow = outcome(scratch, promise)
    assert fast == slow


@given(records, st.lists(st.tuples(st.integers(0, 400), st.sampled_from('{}[],:" \n\\n0e.-tfnu\t')), max_size=4))
def test_broken_lines_are_refused_alike(scratch: Path, rows: list[Record], edits: list[tuple[int, str]]) -> None:
    """Whatever is done to a file, columns accept nothing that the reader of single lines would refuse."""
    text = write(scratch, rows).read_text(encoding="utf-8")
    for place, character in edits:
        at = place % (len(text) + 1)
        text = text[:at] + character + text[at + place % 2 :]
    scratch.write_text(text, encoding="utf-8")
    fast = outcome(scratch, spec())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ColumnParser, "parse", lambda *_: None)
        assert fast == outcome(scratch, spec())


nested = st.recursive(
    st.integers(0, 9) | st.sampled_from(["x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, min_size=1, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(keys, nested, min_size=1, max_size=3), min_size=1, max_size=5), st.data())
def test_a_key_written_twice_is_refused_at_its_line(scratch: Path, rows: list[Record], data: st.DataObject) -> None:
    """In whatever object at whatever depth a key is repeated, with whatever value, the line is named."""
    lines = [json.dumps(row) for row in rows]
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    places = [at for at in range(len(line)) if line[at] == "{" and line[at + 1] == '"' and _is_outside(line, at)]
    place = data.draw(st.sampled_from(places))
    _, end = json.JSONDecoder().raw_decode(line, place + 1)
    again = f"{line[place + 1 : end]}: {data.draw(st.sampled_from(['null', '1', '{}', '[]', '0.5', 'true']))}, "
    lines[number] = line[: place + 1] + again + line[place + 1 :]
    scratch.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RecordError, match="written twice") as caught:
        measure(scratch, spec())
    assert caught.value.where == f"{scratch}, line {number + 1}"


def _is_outside(line: str, place: int) -> bool:
    """Whether a place of a line of JSON lies outside its strings."""
    return line[:place].replace("\\\\", "").replace('\\"', "").count('"') % 2 == 0


HOSTILE = [
    b"null\n",
    b"{}null\n",
    b'{"a":[null,1]}\n{"a":[2]}\n',
    b'{"a":[null,"x","y"]}\n',
    b'{"a":[ \t null, {"b": 1}]}\n',
    b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}\n",
    b'{"a":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001 + b"\n",
    b'{"a":' + (b'["]]",') * 20_000 + b"1" + b"]" * 20_000 + b"}\n",
    b'{"a":1}\n{"b":\n{"c":1}}\n',
    b'{"a":1}{"b":1}\n{"c":{"d":1}\n}\n',
]


@pytest.mark.parametrize("data", HOSTILE)
def test_what_harms_the_reader_of_columns_never_reaches_it(tmp_path: Path, data: bytes) -> None:
    """Data on which Arrow's reader crashes or invents values are measured or refused as if it did not exist."""
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(data)
    fast = outcome(path, spec())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ColumnParser, "parse", lambda *_: None)
        assert fast == outcome(path, spec())


def test_one_odd_line_leaves_the_others_in_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field of another kind in one line makes a small piece of the block slow, not the block."""
    monkeypatch.setattr(blocks, "PIECE_BYTES", 1000)
    rows: list[Record] = [{"id": number, "a": "text"} for number in range(500)]
    rows[300]["a"] = 3
    (file,) = find_files(write(tmp_path / "d.jsonl", rows), "jsonl")
    found = list(blocks_of(reader_for(file, "jsonl"), (0, file.size)))
    assert sum(len(block.array) for block in found) == 500
    slow = [block for block in found if block.keeps_numbers]
    assert len(slow) == 1
    assert slow[0].record(300 - slow[0].row) == rows[300]


def _rows(count: int) -> list[Record]:
    return [
        {"id": f"r{n}", "content": f"text {n % 90}", "quality_signals": {"s": n / 7}, "split": "t", "a": f"g{n % 5}"}
        for n in range(count)
    ]


def test_the_digest_of_records_is_the_same_however_they_are_kept(tmp_path: Path) -> None:
    """Order, files and format do not show in it; a value, a record more or a record twice do."""
    rows = [row | {"n": number, "x": None, "o": {"p": 1.0, "q": ["ü"]}} for number, row in enumerate(_rows(20))]
    base = measure(write(tmp_path / "a.jsonl", rows), spec()).version
    folder = tmp_path / "parts"
    folder.mkdir()
    write(folder / "2.jsonl", rows[:5][::-1])
    write(folder / "1.jsonl", [{key: value for key, value in row.items() if key != "x"} for row in rows[5:]])
    split = measure(folder, spec()).version
    pq.write_table(pa.Table.from_pylist(rows[::-1]), tmp_path / "a.parquet", row_group_size=3)
    columns = measure(tmp_path / "a.parquet", spec(format="parquet")).version
    assert base.records_digest == split.records_digest == columns.records_digest
    assert len({base.digest, split.digest, columns.digest}) == 3
    changed = [rows[0] | {"n": 99}, *rows[1:]]
    for other in (changed, [*rows, rows[0]], rows[1:]):
        assert measure(write(tmp_path / "b.jsonl", other), spec()).version.records_digest != base.records_digest


@given(records)
def test_the_digest_of_records_is_what_its_definition_says(scratch: Path, rows: list[Record]) -> None:
    """It is the sum of the sha256 of each record's canonical JSON modulo a prime, with the count."""
    from hashlib import sha256

    def canonical(value: Any, *, inside: bool) -> Any:
        if isinstance(value, dict):
            kept = {key: canonical(item, inside=True) for key, item in value.items()}
            return {key: item for key, item in kept.items() if item is not None and item != {}} if inside else kept
        if isinstance(value, list):
            return [canonical(item, inside=True) for item in value]
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value

    total = 0
    for row in rows:
        text = json.dumps(canonical(row, inside=True), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        total += int.from_bytes(sha256(text.encode()).digest(), "big")
    expected = digest_of([len(rows), f"{total % PRIME:064x}"])
    assert measure(write(scratch, rows), spec()).version.records_digest == expected


@pytest.mark.parametrize("data_format", ["jsonl", "parquet"])
def test_workers_give_the_same_answers_as_one_process(tmp_path: Path, data_format: str) -> None:
    """Shared among two processes, in many parts, two files measure as in one process, places included."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, rows in (("a", _rows(700)), ("b", _rows(650))):
        write(folder / f"{name}.jsonl", rows)
        if data_format == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet", row_group_size=50)
            (folder / f"{name}.jsonl").unlink()
    files, plan = find_files(folder, data_format), Plan("corpus", "record", (), "a")
    alone = engine.measure_files(plan, files, data_format, workers=1)
    seen: list[tuple[int, float]] = []
    shared = engine.measure_files(
        plan, files, data_format, workers=2, part_bytes=2000, progress=lambda *told: seen.append(told)
    )
    one, one_place, two, place = alone.result, alone.place_of, shared.result, shared.place_of
    assert alone.digests == shared.digests
    assert len(two.rows_of) > 10
    assert seen == sorted(seen)
    assert seen[-1] == (1350, 1.0)
    assert one.tree.fields() == two.tree.fields()
    assert one.digest.result() == two.digest.result()
    assert one.profile.result().to_json() == two.profile.result().to_json()
    findings = canonical_json([check.result(place) for check in two.checks])
    assert canonical_json([check.result(one_place) for check in one.checks]) == findings
    assert "line 91" in findings or "row group 1, row 41" in findings


@pytest.mark.parametrize(("fault", "groups"), [("", [100, 3000, 0]), ("id", [3000]), ("page", [3000])])
def test_a_large_row_group_is_shared_too(tmp_path: Path, fault: str, groups: list[int]) -> None:
    """Where row groups are fewer than workers they are cut: the same answers, and the same place of a fault."""
    rows = [row | {"content": f"{row['content']} {'long ' * 1000}"} for row in _rows(sum(groups))]
    if fault == "id":
        rows[2500]["id"] = None
    whole = pa.Table.from_pylist(rows)
    plain = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    with pq.ParquetWriter(tmp_path / "d.parquet", whole.schema, **plain) as writer:
        for start, count in zip([0, *accumulate(groups)], groups, strict=False):
            writer.write_table(whole.slice(start, count), row_group_size=count or 1)
    if fault == "page":
        content = (tmp_path / "d.parquet").read_bytes()
        place = content.rindex(b"text 80")  # in a page of texts of the last large group
        (tmp_path / "d.parquet").write_bytes(content[:place] + b"#" + content[place + 1 :])
    files, plan = find_files(tmp_path / "d.parquet", "parquet"), Plan("corpus", "record", (), "a")
    assert len(parts_of(reader_for(files[0], "parquet"), 1 << 20, 2)) >= 2
    said = []
    for workers in (1, 2):
        try:
            found = engine.measure_files(plan, files, "parquet", workers=workers, part_bytes=1 << 20)
            checks = canonical_json([check.result(found.place_of) for check in found.result.checks])
            said.append(checks + found.result.digest.result() + found.result.profile.result().to_json())
        except RecordError as error:
            said.append(str(error))
    assert said[0] == said[1]
    assert ("row group" in said[0] and "where" in said[0]) == bool(fault)


@pytest.mark.parametrize("faulty", [[3], [299], [150, 10], [298, 299]])
def test_workers_name_the_first_fault_in_the_order_of_the_data(tmp_path: Path, faulty: list[int]) -> None:
    """Whichever worker meets a fault first, the line named is that of the first, as one process names it."""
    rows = _rows(300)
    for row in faulty:
        rows[row]["id"] = None
    files = find_files(write(tmp_path / "d.jsonl", rows), "jsonl")
    with pytest.raises(RecordError, match="a record without id") as caught:
        engine.measure_files(Plan("corpus", "record"), files, "jsonl", workers=2, part_bytes=1000)
    assert str(caught.value.where).endswith(f"d.jsonl, line {min(faulty) + 1}")


def test_too_many_fields_are_found_across_workers(tmp_path: Path) -> None:
    """Each part may have few fields and all together too many: the record that crosses the limit is named."""
    rows = [{f"k{number}": 1} for number in range(2100)]
    files = find_files(write(tmp_path / "d.jsonl", rows), "jsonl")
    with pytest.raises(RecordError, match="different fields") as caught:
        engine.measure_files(Plan("corpus", "free"), files, "jsonl", workers=2, part_bytes=5000)
    assert str(caught.value.where).endswith("line 2001")


def test_a_worker_that_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends by itself, as when memory runs out, ends the measuring with what to try."""
    files = find_files(write(tmp_path / "d.jsonl", _rows(300)), "jsonl")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorkerLost, match="worker process ended"):
        engine.measure_files(Plan("corpus", "record"), files, "jsonl", workers=2, part_bytes=1000)


SCRIPT = """
import os, sys
from pathlib import Path
from flywheel_mlflow.records import engine
from flywheel_mlflow.records.partials import Plan
from flywheel_mlflow.records.sources import find_files

print("once", flush=True)  # no guard: a worker that imported this script would print it again
engine.measure_files(
    Plan("corpus", "record"), find_files(Path(sys.argv[1]), "jsonl"), "jsonl", workers=2, part_bytes=1000,
    progress=lambda rows, share: print("rows", rows, flush=True),
)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL, None])
def test_no_worker_outlives_the_process_that_started_it(tmp_path: Path, end: signal.Signals | None) -> None:
    """Interrupted, killed or finished, nothing stays behind, and a script without a guard is run once."""
    data = write(tmp_path / "d.jsonl", _rows(40 if end is None else 20_000))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    with subprocess.Popen([sys.executable, script, data], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "once\n"
        process.stdout.readline()
        children = _children(process.pid)
        if end is not None:
            assert len(children) == 2
            process.send_signal(end)
        assert "once" not in process.stdout.read()
    deadline = time.monotonic() + 60
    while any(map(_is_alive, children)):
        assert time.monotonic() < deadline
        os.sched_yield()


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(child) for child in found.read_text().split()]


def _is_alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
