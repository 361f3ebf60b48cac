"""A server that decides about data by reference opens no address: people look at the data, then ask it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from releases_bench import INTERFACE, MANAGER, REVIEWER, ReleasesBench, releases_flywheel
from servers.objects import FileServer, running_file_server
from servers.plugin import PluginServer
from servers.tracking import running_tracking_server
from workbench import records, write_records

from flywheel_mlflow.operations.projects.project_run import ProjectRun
from flywheel_mlflow.records.filesystems import LOOPBACK_VARIABLE


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv(LOOPBACK_VARIABLE, "1")
    with running_file_server() as server:
        yield server


@pytest.fixture
def deciding(tmp_path: Path) -> Iterator[PluginServer]:
    """A server without accounts that takes the flywheel's decisions; it could open addresses of this machine."""
    flywheel = releases_flywheel(tmp_path / "flywheel")
    environ = {"FLYWHEEL_ROOT": str(flywheel.root), LOOPBACK_VARIABLE: "1"}
    backend = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with running_tracking_server(tmp_path, backend=backend, app_name="flywheel", environ=environ) as started:
        yield PluginServer(started.uri, flywheel.root, False, started.log)


def test_server_leaves_looking_to_people(deciding: PluginServer, file_server: FileServer, tmp_path: Path) -> None:
    """Asked directly the server says that it cannot tell; the command looks at the data first, then it is done."""
    path = write_records(tmp_path / "data.jsonl", records(6))
    file_server.files["/data.jsonl"] = path.read_bytes()
    bench: ReleasesBench = deciding.bench()
    with ProjectRun(bench.bench.flywheel, "p01", 1, bench.bench.tracking) as run:
        run.log_document({"quality": 0.9})
        run.log_check("ready", True)
        run.log_interface(INTERFACE, f"{file_server.uri}/data.jsonl", by_reference=True)
    bench.assemble(1)
    bench.log(tmp_path, 2)
    bench.assemble(2)
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    for iteration in (1, 2):
        version = deciding.done(MANAGER, "create", iteration=iteration)["version"]
        for to in ("staging", "production"):
            deciding.done(MANAGER, "override", version=version, to=to, reason="a test", until=until, second=REVIEWER)
            deciding.done(REVIEWER, "override-confirm", version=version, reason="a test")
            deciding.done(MANAGER, "promote", version=version, to=to)
    file_server.asked.clear()
    refused = deciding.act(MANAGER, "rollback", reason="worse")
    assert (refused.status_code, "opens no addresses" in refused.text) == (409, True), refused.text
    assert file_server.asked == []

    file_server.files["/data.jsonl"] = path.read_bytes().replace(b"sums", b"SUMS")
    told = bench.command("rollback", "--reason", "worse")
    assert (told.code, "data.jsonl changed" in told.err) == (1, True), told.err
    file_server.instead["/data.jsonl"] = 503
    told = bench.command("rollback", "--reason", "worse")
    assert (told.code, "cannot be reached" in told.err) == (3, True), told.err
    del file_server.instead["/data.jsonl"]
    file_server.files["/data.jsonl"] = path.read_bytes()
    told = bench.command("rollback", "--reason", "worse")
    assert told.code == 0, told.err
    assert bench.snapshot().aliases["production"] == 1
