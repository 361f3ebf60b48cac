"""Ray: the same answers as the local engine on every set, the same refusals, and what is told when Ray fails."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feedback_columns import batch, router, row
from servers.objects import ObjectStore, running_object_store, s3_settings
from workbench import Bench, Commands, python_process, records, write_records

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import ClusterUnreachable, InputError, RecordError, StorageError, WorkerLost
from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.feedback.decisions import RoutingDecision
from flywheel_mlflow.feedback.events import read_schema
from flywheel_mlflow.feedback.routed import routed_now
from flywheel_mlflow.operations.assembly.assembling import assemble_iteration, gather
from flywheel_mlflow.operations.assembly.drifting import drift_iteration
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import Measurement, compare_words, find_files, measure
from flywheel_mlflow.records.engine import FilesMeasured, measure_files
from flywheel_mlflow.records.partials import PartialResult, Plan
from flywheel_mlflow.records.ray_engine import RayCluster, connected
from flywheel_mlflow.records.references import refer
from flywheel_mlflow.records.sources import OpenedFile

# Read before the isolation of the first test clears it.
REQUIRED = bool(os.environ.get("FLYWHEEL_REQUIRE_RAY"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None and not REQUIRED,
        reason="Ray is not installed (extra `ray`); FLYWHEEL_REQUIRE_RAY=1 forbids to skip",
    ),
    # What Ray causes by itself.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def object_store() -> Iterator[ObjectStore]:
    """An S3 that this process and the workers of Ray find by their environment."""
    with running_object_store() as store, pytest.MonkeyPatch.context() as environ:
        for name, value in s3_settings(store.uri).items():
            environ.setenv(name, value)
        yield store


@pytest.fixture(scope="module", autouse=True)
def cluster(object_store: ObjectStore) -> Iterator[RayCluster]:
    """One Ray of this machine, started as the product starts it, for all tests."""
    with connected("ray", workers=2) as started:
        assert started is not None
        yield started


def spec(data_format: str = "jsonl", **more: Any) -> InterfaceOut:
    base = {"name": "corpus", "title": "C", "format": data_format, "group_key": "metadata.page"}
    return InterfaceOut.model_validate(base | more)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    return write_records(path, rows)


def answers(measured: FilesMeasured[PartialResult]) -> str:
    """Everything that is said of data, as canonical JSON."""
    result = measured.result
    checks = [check.result(measured.place_of) for check in result.checks]
    said = [result.tree.fields(), result.digest.result(), checks, result.origin.licences, measured.digests]
    return canonical_json([*said, result.duplicates.hashes().tolist()]) + result.profile.result().to_json()


def everything(measured: Measurement) -> str:
    profile = measured.profile.to_json() if measured.profile else ""
    said = [measured.version, measured.files, measured.checks, measured.licences]
    return canonical_json(said) + profile


ENGINES: tuple[Engine, Engine] = ("local", "ray")
PLAN = Plan("corpus", "record", ("content",), "metadata.page")


def both(cluster: RayCluster, files: Sequence[OpenedFile], data_format: str) -> list[str]:
    """What the local engine and Ray say of files cut into some twenty parts, or why they refuse them."""
    said = []
    part_bytes = sum(file.size for file in files) // 20
    for engine in (None, cluster):
        try:
            measured = measure_files(PLAN, files, data_format, workers=1, cluster=engine, part_bytes=part_bytes)
            said.append(answers(measured))
        except RecordError as error:
            said.append(str(error))
    return said


def whole(folder: Path) -> str:
    """Two files of lines with findings: repeated ids and contents, personal data, records without a field."""
    rows = records(150)
    rows[40]["id"] = rows[3]["id"]
    rows[90]["content"] = "write to someone@mail.example"
    del rows[120]["metadata"]
    lines(folder / "b.jsonl", rows[:70])
    lines(folder / "a.jsonl", rows[70:])
    return "jsonl"


def columns(folder: Path) -> str:
    """Parquet in row groups of ten."""
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(records(140)), folder / "a.parquet", row_group_size=10)
    return "parquet"


def mixed(folder: Path) -> str:
    """Lines whose fields change their kind, which columns cannot hold."""
    rows = records(120)
    for number in range(0, 120, 7):
        rows[number]["metadata"] = {"page": number, "more": [None, {"n": 2**70}, 1.0]}
    lines(folder / "a.jsonl", rows)
    return "jsonl"


def faulty(folder: Path) -> str:
    """Faults in rows that are known: two records without id and a line that is cut, in the second of two files."""
    rows = records(200)
    rows[150]["id"] = rows[110]["id"] = None
    lines(folder / "a.jsonl", rows[:60])
    path = lines(folder / "b.jsonl", rows[60:])
    path.write_text(path.read_text().rstrip()[:-3])
    return "jsonl"


def torn(folder: Path) -> str:
    """A Parquet file whose page is damaged, after one that is not, before one that is cut."""
    columns(folder)
    content = (folder / "a.parquet").read_bytes()
    table = pa.Table.from_pylist(records(100))
    pq.write_table(table, folder / "b.parquet", row_group_size=10, write_page_checksum=True, compression="none")
    damaged = bytearray((folder / "b.parquet").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (folder / "b.parquet").write_bytes(bytes(damaged))
    (folder / "c.parquet").write_bytes(content[:-20])
    return "parquet"


def wide(folder: Path) -> str:
    """Few fields in each part, too many in all of them."""
    lines(folder / "a.jsonl", [record | {f"k{number}": 1} for number, record in enumerate(records(2100))])
    return "jsonl"


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (whole, ""),
        (columns, ""),
        (mixed, ""),
        (faulty, "b.jsonl, line 51"),
        (torn, "b.parquet, row group"),
        (wide, "a.jsonl, line "),
    ],
)
def test_ray_says_what_the_local_engine_says(
    cluster: RayCluster, tmp_path: Path, make: Callable[[Path], str], place: str
) -> None:
    """Version, profile, findings and sketches are the same to the byte; a refusal names the same place."""
    data_format = make(tmp_path / "data")
    here, there = both(cluster, find_files(tmp_path / "data", data_format), data_format)
    assert here == there
    assert (f"where: {tmp_path / 'data'}/{place}" in there) == bool(place)


def test_measure_takes_ray_as_its_engine(tmp_path: Path) -> None:
    """`measure(..., engine="ray")` gives the whole measurement, and tells how far it is."""
    data_format = whole(tmp_path / "data")
    told: list[tuple[int, float]] = []
    there = measure(tmp_path / "data", spec(data_format), engine="ray", progress=lambda *far: told.append(far))
    assert everything(there) == everything(measure(tmp_path / "data", spec(data_format)))
    assert told[-1] == (150, 1.0)
    with pytest.raises(InputError, match="no engine 'dask'"):
        measure(tmp_path / "data", spec(data_format), engine="dask")  # type: ignore[arg-type]


@pytest.mark.parametrize("data_format", ["jsonl", "parquet"])
def test_workers_read_references_where_they_lie(
    cluster: RayCluster, object_store: ObjectStore, tmp_path: Path, data_format: str
) -> None:
    """Parts of objects in a bucket are read by the workers, and measure as their copies on this machine do."""
    rows = records(150)
    path = tmp_path / f"data.{data_format}"
    if data_format == "jsonl":
        write_records(path, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=20)
    object_store.client.upload_file(str(path), "corpora", f"ray/data.{data_format}")
    away = refer(f"s3://corpora/ray/data.{data_format}", data_format).data.files
    _, there = both(cluster, away, data_format)
    here, _ = both(cluster, find_files(path, data_format), data_format)
    assert there == here


def test_data_that_workers_do_not_reach_are_told(cluster: RayCluster, tmp_path: Path) -> None:
    """A path that leads a worker to nothing, or to another file, is an error that says what to do."""
    files = find_files(lines(tmp_path / "data" / "a.jsonl", records(50)), "jsonl")
    (tmp_path / "data" / "a.jsonl").write_text("{}\n")
    with pytest.raises(StorageError, match="another file there") as caught:
        measure_files(PLAN, files, "jsonl", cluster=cluster)
    assert "disk all workers share" in str(caught.value)
    (tmp_path / "data" / "a.jsonl").unlink()
    with pytest.raises(StorageError, match="a worker of Ray cannot read the file: No such file"):
        measure_files(PLAN, files, "jsonl", cluster=cluster)


@dataclass(frozen=True)
class Dying:
    """A plan that kills the worker which begins it, as often as there are marks left in a folder."""

    marks: Path
    home: int

    def begin(self) -> PartialResult:
        mark = next(self.marks.glob("mark-*"), None)
        if mark is not None and os.getpid() != self.home and _taken(mark):
            os.kill(os.getpid(), signal.SIGKILL)
        return PLAN.begin()


def _taken(mark: Path) -> bool:
    """Take a mark away: no, when another worker was faster."""
    try:
        mark.unlink()
    except FileNotFoundError:
        return False
    return True


def test_a_lost_worker_is_replaced_and_many_are_told(cluster: RayCluster, tmp_path: Path) -> None:
    """What a killed worker did is done again and nothing shows; where workers die each time, the error says so."""
    import ray

    # Workers do not find the tests' modules.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]
    files = find_files(lines(tmp_path / "data" / "a.jsonl", records(100)), "jsonl")
    here, _ = both(cluster, files, "jsonl")
    (tmp_path / "mark-0").touch()
    there = measure_files(Dying(tmp_path, os.getpid()), files, "jsonl", cluster=cluster, part_bytes=20_000)
    assert answers(there) == here
    assert not list(tmp_path.glob("mark-*"))
    for number in range(100):
        (tmp_path / f"mark-{number}").touch()
    with pytest.raises(WorkerLost, match="a worker of Ray was lost") as caught:
        measure_files(Dying(tmp_path, os.getpid()), files, "jsonl", cluster=cluster)
    assert caught.value.exit_code == 4


def test_our_ray_is_for_this_machine_alone(cluster: RayCluster) -> None:
    """Every process that we start for Ray listens on 127.0.0.1 and nowhere else."""
    addresses = {address for pid in _descendants(os.getpid()) for address in _listening(pid)}
    assert addresses
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}


def _descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(found for child in children for found in _descendants(child))]


def _listening(pid: int) -> Iterator[str]:
    """The addresses on which a process listens, as the kernel writes them."""
    try:
        held = {str(item.readlink()) for item in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return  # it ended meanwhile
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in held:
                yield words[1].rpartition(":")[0]


def test_a_cluster_out_of_reach_is_told() -> None:
    """An address at which no cluster answers, or that is none, ends with an error for people at once."""
    import ray

    from flywheel_mlflow.records.ray_engine import _joined

    for address in ("127.0.0.1:9", "no address"):
        with pytest.raises(ClusterUnreachable, match="cannot be used") as caught, _joined(ray, address):
            pass
        assert "RAY_ADDRESS" in str(caught.value)
        assert caught.value.exit_code == 4


JOIN = """
import sys
from pathlib import Path
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import measure

promise = InterfaceOut(name="corpus", title="C", format="jsonl", group_key="metadata.page")
print(measure(Path(sys.argv[1]), promise, engine="ray").version.records_digest)
"""


def test_a_cluster_is_joined_and_left_as_it_was(cluster: RayCluster, tmp_path: Path) -> None:
    """`RAY_ADDRESS` names the cluster that measures; it goes on when the process that used it has ended."""
    import ray

    path = lines(tmp_path / "data" / "a.jsonl", records(50))
    address = ray.get_runtime_context().gcs_address
    # The second is Ray's word for a cluster of 127.0.0.1, which is what the tests may start.
    settings = {"RAY_ADDRESS": address, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    with python_process(JOIN, str(path), cwd=tmp_path, env=settings) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert (out.strip(), err) == (measure(path, spec()).version.records_digest, "")
    assert measure(path, spec(), engine="ray").version.rows == 50


def test_commands_measure_by_ray(local_bench: Bench, tmp_path: Path) -> None:
    """`log`, `log_interface` and `drift --full` write and find by Ray what they do by the local engine."""
    versions = []
    for iteration, length in ((1, 60), (2, 75), (3, 75)):
        rows = records(60)
        for number, record in enumerate(rows):
            record["quality_signals"] = {"length": length + number % 20}
        with local_bench.open("p04", iteration) as run:
            run.log_document({"verification_pass_rate": 1.0, "synthesized_count": 60, "num_books": 2})
            path = write_records(tmp_path / "data.jsonl", rows)
            versions.append(run.log_interface("teaching_corpus", path, engine="local" if iteration == 2 else "ray"))
        assemble_iteration(local_bench.flywheel, local_bench.tracking, iteration, sources={"a/__init__.py": ""})
    assert replace(versions[1], uri="") == replace(versions[2], uri="")
    reports = [
        drift_iteration(
            local_bench.flywheel, local_bench.tracking, 2, against=1, full=True, engine=engine, dry_run=True
        ).report
        for engine in ENGINES
    ]
    assert reports[0].to_json() == reports[1].to_json()
    assert any(item.subject.startswith("teaching_corpus") for item in reports[0].findings)
    command = Commands(local_bench.flywheel.root, local_bench.uri)
    assert command.json("log", "p01", "--iteration", "1", "--published", "--engine", "ray")["project_id"] == "p01"
    with pytest.raises(InputError, match="a comparison of samples reads none"):
        drift_iteration(local_bench.flywheel, local_bench.tracking, 2, against=1, engine="ray")


RULES = router(
    {"id": "chart", "to": "p05", "when": [{"any_words": ["chart", "图表", "gráfico"]}]},
    {"id": "law", "to": "p02", "when": [{"any_words": ["law"], "severity": ["high"]}]},
    {"id": "corpus", "to": "p01", "when": [{"built_on": ["corpus"], "no_words": ["spelling"]}]},
    {"id": "maker", "to": "producer"},
)
TEXTS = ["a chart", "这张图表", "GRÁFICO", "the law", "spelling", "thanks", "=1+1 \x1b[31m"]


def table(rows: int) -> pa.Table:
    """Events of every kind, some of whose columns are empty in whole blocks."""
    events = [
        row(
            number,
            text=TEXTS[number % len(TEXTS)],
            **({"severity": "high"} if number % 3 == 0 else {}),
            **({"interface": "answers"} if number % 11 == 0 else {}),
            **({"record_ids": ["index/1", "corpus/2"]} if number > rows // 2 else {}),
        )
        for number in range(rows)
    ]
    return pa.Table.from_batches([batch(*events)])


def test_ray_routes_as_the_local_engine_does(tmp_path: Path) -> None:
    """The same function over blocks of a Parquet file gives every row the same project, rule and reason."""
    import ray

    events = table(3000)
    pq.write_table(events, tmp_path / "events.parquet", row_group_size=500)
    dataset = ray.data.read_parquet(str(tmp_path / "events.parquet"), override_num_blocks=2)
    routed = dataset.map_batches(RULES.route, batch_format="pyarrow", batch_size=256)
    there = sorted(routed.take_all(), key=lambda item: item["line"])
    here = RULES.route(events).to_pylist()
    assert [(item["id"], item["to"], item["rule"], item["reason"]) for item in there] == [
        (item["id"], item["to"], item["rule"], item["reason"]) for item in here
    ]
    assert {item["rule"] for item in here} == {"chart", "law", "corpus", "maker", None}


def test_stored_events_are_routed_by_ray_as_here(cluster: RayCluster) -> None:
    """Batches come back in their order, with what people decided and what the rules said before."""
    read = read_schema()
    decided = {"e5": RoutingDecision("e5", "p02", "they own it", "ana", datetime(2026, 11, 30, tzinfo=UTC))}
    stored = []
    for events in table(3000).to_batches(max_chunksize=256):
        nothing = pa.nulls(len(events), pa.string())
        columns = {
            name: events.column(name) if name in events.schema.names else pa.nulls(len(events), read.field(name).type)
            for name in read.names
        }
        stored.append(pa.RecordBatch.from_pydict(columns | {"to": nothing, "rule": nothing}))
    here = list(routed_now(stored, RULES, decided))
    assert list(routed_now(stored, RULES, decided, cluster)) == here
    assert len(here) == 12


def test_evaluation_data_are_found_by_ray_as_here(cluster: RayCluster, tmp_path: Path) -> None:
    """Every pair of interfaces has the same numbers and places, in the same order."""
    rows = records(400)
    sketches: dict[str, dict[str, Any]] = {"training": {}, "evaluation": {}}
    for number in range(5):
        parts = {"training": rows[40 * number :][:80], "evaluation": rows[60 * number :][:9]}
        for role, part in parts.items():
            measured = measure(lines(tmp_path / f"{role}{number}" / "data.jsonl", part), spec(role=role)).words
            assert measured is not None
            sketches[role][f"{role}{number}"] = partial(lambda item: item, measured)
    here = list(compare_words(sketches["training"], sketches["evaluation"]))
    assert list(compare_words(sketches["training"], sketches["evaluation"], cluster)) == here
    assert sum(item.contained > 0 for item in here) > 3


def test_commands_assemble_and_route_by_ray(local_bench: Bench, tmp_path: Path) -> None:
    """`assemble` and `feedback route` by Ray give what they give here."""
    data = {
        "teaching_corpus": lines(tmp_path / "teaching_corpus.jsonl", records(5)),
        "verified_code_examples": lines(tmp_path / "code.jsonl", records(5, start=900)),
    }
    local_bench.log("p04", interfaces=data)
    tested = lines(tmp_path / "retrieval_metrics.jsonl", records(2) + records(3, start=500))
    local_bench.log("p05", interfaces={"retrieval_metrics": tested})
    gathered = [gather(local_bench.flywheel, local_bench.tracking, 1, engine=engine) for engine in ENGINES]
    assert gathered[0].overlaps == gathered[1].overlaps
    assert any(item.shared for item in gathered[0].overlaps)
    command = Commands(local_bench.flywheel.root, local_bench.uri)
    command.json("log", "p01", "--iteration", "1", "--published")
    written = [command.json("assemble", "--iteration", "1", "--engine", engine)["run_id"] for engine in ENGINES]
    assert written[0] == written[1]
    event = '{"id": "e%d", "time": "2026-11-30T12:00:00Z", "source": "app", "text": "%s"}\n'
    (tmp_path / "events.jsonl").write_text("".join(event % (number, TEXTS[number % 6]) for number in range(50)))
    command.json("feedback", "ingest", str(tmp_path / "events.jsonl"), "--iteration", "1")
    routed = [command.json("feedback", "route", "--iteration", "1", "--engine", engine) for engine in ENGINES]
    assert routed[0]["to"] == routed[1]["to"]


def test_what_a_worker_refuses_is_refused_here(cluster: RayCluster) -> None:
    """Answers come in order until the one that is an error of ours."""

    def refuses(_: None, item: int) -> int:
        if item == 3:
            raise InputError("three is refused")
        return item

    answers_so_far = cluster.map(refuses, None, range(5))
    assert [next(answers_so_far) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="three is refused"):
        next(answers_so_far)
