"""A project's run on a real server: what it holds, in which order it is written, and how it fails."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow.entities import ViewType
from servers.proxy import CountingProxy, Exchange
from workbench import Bench, bench_on, datasets_of, python_process, records, renamed, write_records

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import ConsumedInterface
from flywheel_mlflow.operations.projects.project_run import ProjectRun


def _names(exchanges: tuple[Exchange, ...]) -> list[str]:
    return ["/".join(exchange.path.rsplit("/", 2)[-2:]) for exchange in exchanges]


def _fill(run: ProjectRun, folder: Path) -> None:
    """30 metrics, 15 params, 20 tags, 3 interfaces, all checks the contract requires."""
    run.log_document({"verification_pass_rate": 0.99, "synthesized_count": 88, "num_books": 2})
    run.log_metrics({f"extra.m{number:02d}": float(number) for number in range(30 - 4)})
    run.log_params({f"param{number:02d}": number for number in range(15)})
    run.set_tags({f"team.tag{number:02d}": "x" * number for number in range(20)})
    for name in run.contract.checks.required:
        run.log_check(name, True)
    for name, rows in (("teaching_corpus", records(6)), ("verified_code_examples", records(4, start=100))):
        run.log_interface(name, write_records(folder / f"{name}.jsonl", rows))


def _privacy_controls(bench: Bench, folder: Path) -> None:
    path = folder / "controls.json"
    path.write_text('{"rules": []}')
    bench.log("p09", interfaces={"privacy_controls": path})


def test_run_holds_what_the_design_says(bench: Bench, tmp_path: Path) -> None:
    """Tags, metrics, parameters, datasets with contexts and the note are on the run as docs/concepts.md says."""
    _privacy_controls(bench, tmp_path)
    with bench.open("p04") as run:
        _fill(run, tmp_path)
        read = run.log_input("privacy_controls")
    found = bench.run(run.run_id)
    contract = bench.flywheel.contracts["p04"]
    expected = {
        "flywheel.schema": "1",
        "flywheel.name": bench.name,
        "flywheel.kind": "project",
        "flywheel.iteration": "1",
        "flywheel.project": "p04",
        "flywheel.phase": contract.phase,
        "flywheel.owner": contract.owner,
        "flywheel.contract": contract.digest,
        "flywheel.interfaces_out": "teaching_corpus,verified_code_examples",
        "flywheel.valid": "true",
        "flywheel.evidence": "measured",
        "team.tag19": "x" * 19,
    }
    assert {key: found.data.tags.get(key) for key in expected} == expected
    assert found.info.status == "FINISHED"
    experiment = bench.client.get_experiment(found.info.experiment_id)
    assert experiment.name == f"{bench.name}/p04"
    assert (experiment.tags["flywheel.name"], experiment.tags["flywheel.project"]) == (bench.name, "p04")
    assert found.data.metrics["verification_pass_rate"] == 0.99
    assert found.data.metrics["verification_pass_rate.n"] == 88
    assert found.data.metrics["checks.failed"] == 0
    assert found.data.params["param14"] == "14"
    datasets = {
        (item.dataset.name, item.dataset.digest, tag.value)
        for item in datasets_of(found)
        for tag in item.tags
        if tag.key == "mlflow.data.context"
    }
    made = run._gathering.interfaces
    assert datasets == {
        *((name, version.digest, "interface_out") for name, version in made.items()),
        ("privacy_controls", read.digest, "interface_in"),
    }
    assert all(len(digest) == 32 for _, digest, _ in datasets)
    assert contract.title in found.data.tags["mlflow.note.content"]


def test_artifacts_hold_data_and_evidence(bench: Bench, tmp_path: Path) -> None:
    """The run's artifacts are the interface data as they were, profile, sketches, checks, metrics and evidence."""
    with bench.open("p04") as run:
        _fill(run, tmp_path)
    folder = Path(bench.client.download_artifacts(run.run_id, "", str(tmp_path)))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    names = ("teaching_corpus", "verified_code_examples")
    wanted = {"flywheel/metrics.json", "flywheel/checks.json", "flywheel/evidence.json"}
    wanted |= {"flywheel/words.parquet", "flywheel/ids.parquet"}
    for name in names:
        wanted |= {f"interfaces/{name}/{name}.jsonl", f"flywheel/profiles/{name}.json"}
        wanted |= {f"flywheel/cards/{name}.licences.json", f"flywheel/files/{name}.json"}
        wanted |= {f"flywheel/content/{name}.parquet"}
        stored = folder / "interfaces" / name / f"{name}.jsonl"
        assert stored.read_bytes() == (tmp_path / f"{name}.jsonl").read_bytes()
    assert found >= wanted
    assert found - wanted - {path.name for path in tmp_path.iterdir()} == set()
    evidence = json.loads((folder / "flywheel/evidence.json").read_text())
    assert evidence["project_id"] == "p04"


def test_valid_is_written_last(counted_bench: Bench, request_counter: CountingProxy, tmp_path: Path) -> None:
    """The mark of validity is the last request of all, after the artifacts and after the run ended."""
    with counted_bench.open("p04") as run:
        _fill(run, tmp_path)
    asked = _names(request_counter.exchanges)
    assert asked[-2:] == ["runs/update", "runs/set-tag"]
    assert sum(name == "runs/set-tag" for name in asked) == 1
    assert max(index for index, item in enumerate(request_counter.exchanges) if item.is_artifact) < len(asked) - 2


def test_run_costs_at_most_six_requests(counted_bench: Bench, request_counter: CountingProxy, tmp_path: Path) -> None:
    """30 metrics, 15 params, 20 tags and 3 interfaces cost at most six requests besides the artifacts."""
    _privacy_controls(counted_bench, tmp_path)
    counted_bench.log("p04")  # makes the project's experiment, with the views of its page
    version = counted_bench.collect().evidence["p09"].interfaces_out["privacy_controls"]
    request_counter.reset()
    with counted_bench.open("p04") as run:
        _fill(run, tmp_path)
        # `log_input` searches for the version, which is reading; the write is what is counted.
        run._gathering.add_input(ConsumedInterface("privacy_controls", version.digest))
    found = counted_bench.run(run.run_id)
    asked = _names(request_counter.tracking_exchanges[:-1])
    assert len(found.data.metrics) >= 30
    assert len(found.data.params) == 15 + 1  # the digest of what collecting reads
    assert len(datasets_of(found)) == 3
    assert len(asked) <= 6, asked


def test_exception_marks_the_run_failed(bench: Bench) -> None:
    """An exception inside the block ends the run as FAILED, with the reason on its page, and it is not collected."""
    with pytest.raises(ZeroDivisionError), bench.open("p05") as run:
        run.log_metrics({"queries": 1 / 0})
    found = bench.run(run.run_id)
    assert found.info.status == "FAILED"
    assert "ZeroDivisionError: division by zero" in found.data.tags["flywheel.error"]
    assert "ZeroDivisionError: division by zero" in found.data.tags["mlflow.note.content"]
    assert found.data.tags["flywheel.valid"] == "false"
    collected = bench.collect()
    assert "p05" not in collected.evidence
    assert [item.reason for item in collected.skipped] == ["ended failed: ZeroDivisionError: division by zero"]


@pytest.mark.parametrize("text", ["nul \0 byte", "lone \ud800 surrogate", "`code` <script>", "x" * 10_000, ""])
def test_any_exception_text_reaches_the_page(bench: Bench, text: str) -> None:
    """Whatever an exception says, even what a database cannot store, the run is marked FAILED."""
    with pytest.raises(RuntimeError), bench.open("p05") as run:
        raise RuntimeError(text)
    found = bench.run(run.run_id)
    assert found.info.status == "FAILED"
    assert found.data.tags["flywheel.error"].startswith("RuntimeError")


def test_late_error_fails_the_run_too(bench: Bench) -> None:
    """A contract that does not hold at the end of the block, a required KPI unknown, fails the run."""
    with pytest.raises(InputError, match="queries is required"), bench.open("p05") as run:
        run.log_metrics({"citation_accuracy": 1.0})
    assert bench.run(run.run_id).info.status == "FAILED"


def test_interrupt_fails_the_run(bench: Bench) -> None:
    """Ctrl-C inside the block is an end like any other: FAILED, and not collected."""
    with pytest.raises(KeyboardInterrupt), bench.open("p05") as run:
        raise KeyboardInterrupt
    assert bench.run(run.run_id).info.status == "FAILED"


_DYING = """
import os, signal, sys
from pathlib import Path
from workbench import bench_on, renamed
from flywheel_mlflow.evidence.flywheel import load_flywheel
bench = bench_on(renamed(load_flywheel(Path(sys.argv[1])), sys.argv[2]), sys.argv[3])
with bench.open("p05") as run:
    run.log_metrics({"queries": 8})
    print(run.run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_process_leaves_a_run_nobody_counts(bench: Bench, repository: Path, tmp_path: Path) -> None:
    """A process killed inside the block leaves a run that collecting lists as skipped, with the reason."""
    process = python_process(_DYING, str(repository), bench.name, bench.uri, cwd=tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL, err
    collected = bench.collect()
    assert "p05" not in collected.evidence
    assert [(item.run_id, item.reason) for item in collected.skipped] == [
        (out.strip(), "still running, or its process died")
    ]


def test_second_attempt_supersedes(bench: Bench) -> None:
    """Of two valid runs of a project in one iteration the newer counts, and the older is listed as superseded."""
    first, second = bench.log("p05"), bench.log("p05")
    collected = bench.collect()
    assert collected.evidence["p05"].run_id == second.run_id
    assert [(item.run_id, item.reason) for item in collected.skipped] == [
        (first.run_id, "superseded by a newer valid run")
    ]


def test_good_run_stays_when_a_later_one_fails(bench: Bench) -> None:
    """A failed attempt after a valid run does not take its place."""
    good = bench.log("p05")
    with pytest.raises(RuntimeError), bench.open("p05"):
        raise RuntimeError("the second attempt")
    collected = bench.collect()
    assert collected.evidence["p05"].run_id == good.run_id
    assert [item.reason for item in collected.skipped] == ["ended failed: RuntimeError: the second attempt"]


def test_one_new_dataset_logged_by_eight_threads(bench: Bench, tmp_path: Path) -> None:
    """Eight runs that log the same new interface versions at once all become valid."""
    paths = {name: write_records(tmp_path / f"{name}.jsonl", records(3)) for name in ("teaching_corpus",)}
    paths["verified_code_examples"] = write_records(tmp_path / "code.jsonl", records(3, start=50))
    bench.experiment("p04")
    with ThreadPoolExecutor(8) as pool:
        logged = list(pool.map(lambda _: bench.log("p04", interfaces=paths), range(8)))
    assert len({item.run_id for item in logged}) == 8
    states = Counter(bench.run(item.run_id).data.tags.get("flywheel.valid") for item in logged)
    assert states == {"true": 8}
    assert Counter(item.reason for item in bench.collect().skipped) == {"superseded by a newer valid run": 7}


def test_eight_threads_share_a_new_experiment(bench: Bench) -> None:
    """The first runs of a project may start together: one makes the experiment, and all of them log into it."""
    with ThreadPoolExecutor(8) as pool:
        logged = list(pool.map(lambda _: bench.log("p05"), range(8)))
    assert {bench.run(item.run_id).info.experiment_id for item in logged} == {bench.experiment("p05")}


_RACING = """
import sys
from pathlib import Path
from workbench import bench_on, renamed
from flywheel_mlflow.evidence.flywheel import load_flywheel
flywheel = renamed(load_flywheel(Path(sys.argv[1])), "racing")
print("ready", flush=True)
sys.stdin.readline()
bench = bench_on(flywheel, sys.argv[2])
print(bench.log(sys.argv[3]).run_id, flush=True)
"""


@pytest.mark.slow
def test_two_processes_open_a_fresh_store(repository: Path, tmp_path: Path) -> None:
    """Two processes that open an embedded store nobody opened before, at once, both log into it."""
    uri = f"sqlite:///{tmp_path / 'fresh' / 'mlflow.db'}"
    projects = ("p05", "p06")
    running = [_waiting(repository, uri, project, tmp_path) for project in projects]
    ended = [process.communicate("go\n", timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    collected = bench_on(renamed(load_flywheel(repository), "racing"), uri).collect()
    assert set(collected.evidence) == set(projects)


def _waiting(repository: Path, uri: str, project: str, cwd: Path) -> subprocess.Popen[str]:
    process = python_process(_RACING, str(repository), uri, project, cwd=cwd)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_deleted_runs_are_not_seen(bench: Bench) -> None:
    """A run deleted in MLflow is neither evidence nor listed."""
    logged = bench.log("p05")
    bench.client.delete_run(logged.run_id)
    collected = bench.collect()
    assert "p05" not in collected.evidence
    assert collected.skipped == ()
    assert bench.client.search_runs([bench.experiment("p05")], run_view_type=ViewType.DELETED_ONLY)
