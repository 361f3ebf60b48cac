"""Commands that only read import no MLflow, on a database file and through a server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.embedded import copy_store
from servers.tracking import TrackingServerProcess
from workbench import bench_on, copy_flywheel, flywheel_command, fresh_name, python_process

from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.assembly.assembling import gather, settle
from flywheel_mlflow.operations.assembly.checking import read_sources
from flywheel_mlflow.operations.assembly.explaining import explain_metric

READING = (
    "collect -i 2",
    "explain p05.score",
    "explain mean_stage_score -i 2",
    "explain p05.score --between 1 2",
    "impact foundation_corpus",
    "check -i 2",
    "drift -i 2 --against 1 --dry-run",
    "report -i 2 --dry-run",
    "release list",
    "release show 1",
    "release history",
    "resolve foundation_corpus",
    "risk list",
    "feedback list",
    "task list",
)
#: Runs each line as the command would, in one process; tells after each its exit code and whether MLflow is loaded.
PROGRAM = """
import contextlib, io, json, sys
from flywheel_mlflow.cli import main
head, *lines = sys.argv[1:]
for line in lines:
    sys.argv = ["flywheel", *json.loads(head), *line.split()]
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
    print(json.dumps([line, code, "mlflow" in sys.modules, told.getvalue()[-2000:]]))
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """A flywheel on disk, and the store where its two iterations, a release and feedback are kept."""

    root: Path
    uri: str


@pytest.fixture(scope="module", params=["file", "server"])
def filled(
    request: pytest.FixtureRequest, repository: Path, migrated_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Filled:
    folder = tmp_path_factory.mktemp("filled")
    root = copy_flywheel(repository, folder / "home", fresh_name())
    if request.param == "server":
        server = request.getfixturevalue("sqlite_server")
        assert isinstance(server, TrackingServerProcess)
        uri = server.uri
    else:
        uri = copy_store(migrated_template, folder / "store").uri
    event = {"time": "2026-01-01T00:00:00Z", "source": "user", "type": "wrong_answer", "scope": "record"}
    event |= {"severity": "high", "text": "the citation is wrong", "interface": "retrieval_metrics"}
    events = folder / "events.jsonl"
    events.write_text(
        "".join(json.dumps({"id": f"e{number}", **event}) + "\n" for number in range(3)), encoding="utf-8"
    )
    for line in (
        "assemble -i 1 --log published",
        "assemble -i 2 --log published",
        "release create -i 2",
        f"feedback ingest {events} -i 2",
    ):
        ended = flywheel_command(*line.split(), root=root, uri=uri)
        assert ended.code == 0, (line, ended.err + ended.out)
    return Filled(root, uri)


def test_commands_that_read_import_no_mlflow(filled: Filled, tmp_path: Path) -> None:
    """One process runs all of them, and MLflow is never loaded; nor does any of them fail."""
    head = json.dumps(["--root", str(filled.root), "--tracking-uri", filled.uri])
    process = python_process(PROGRAM, head, *READING, cwd=tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    assert [line for line, *_ in told] == list(READING)
    assert [(line, text) for line, code, _, text in told if code not in (0, 1, 3)] == []
    assert [line for line, _, loaded, _ in told if loaded] == []


def test_an_import_is_seen(filled: Filled, tmp_path: Path) -> None:
    """The measurement itself sees MLflow where a command writes."""
    head = json.dumps(["--root", str(filled.root), "--tracking-uri", filled.uri])
    out, _ = python_process(PROGRAM, head, "init", cwd=tmp_path).communicate(timeout=600)
    line, code, loaded, text = json.loads(out)
    assert (line, code, loaded) == ("init", 0, True), text


def test_numbers_of_projects_need_no_assembly(filled: Filled) -> None:
    """What is told of a project's number is what the whole assembly tells of it, for every number of every project."""
    bench = bench_on(load_flywheel(filled.root), filled.uri)
    flywheel, tracking = bench.flywheel, bench.tracking
    settled = settle(flywheel, gather(flywheel, tracking, 2, compared=False), read_sources(flywheel))
    own = flywheel.assembly_project
    assert own is not None
    names = [name for name in settled.assembly.metrics if not name.startswith(("flywheel.", f"{own.id}.", "stage."))]
    quick = [name for name in names if ".cost." not in name]
    assert len(quick) > 100
    for name in quick:
        assert explain_metric(flywheel, tracking, 2, name) == settled.assembly.metrics.explain(name), name
