"""OpenLineage events over HTTP to a real receiver, and of a whole iteration and a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lineage_receiving import RUNS, assert_valid, receiving, unconfigured
from releases_bench import INTERFACE, MANAGER, ReleasesBench, named, releases_on
from servers.tracking import TrackingServerProcess

import flywheel_mlflow
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.importers import read_checks
from flywheel_mlflow.lineage_events import run_id_of, send_runs


@pytest.fixture(autouse=True)
def _no_configuration(tmp_path: Path) -> Iterator[None]:
    with unconfigured(tmp_path):
        yield


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, sqlite_server: TrackingServerProcess) -> ReleasesBench:
    """A flywheel in which one iteration was logged and nothing was assembled."""
    folder = tmp_path_factory.mktemp("lineage")
    found = releases_on(folder / "flywheel", sqlite_server.uri)
    found.log(folder, 1)
    return found


def test_a_server_gets_every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``on`` the client's own settings say where to: here an address in the environment."""
    with receiving() as receiver:
        monkeypatch.setenv("OPENLINEAGE_URL", receiver.url)
        answer = send_runs(RUNS, flywheel="llm", target="on")
        assert (answer.sent, answer.why) == (2, "")
        assert [event["job"]["name"] for event in receiver.events] == ["p01", "assemble"]
        assert set(receiver.paths) == {"/api/v1/lineage"}
        for event in receiver.events:
            assert_valid(event)


def test_a_configuration_file_is_the_clients_own(tmp_path: Path) -> None:
    """An ``openlineage.yml`` of the working folder is read; a file that was asked for wins over it."""
    with receiving() as receiver:
        transport = {"type": "http", "url": receiver.url, "endpoint": "events", "retry": {"total": 0}}
        Path("openlineage.yml").write_text(json.dumps({"transport": transport}))
        assert send_runs(RUNS, flywheel="llm", target="on").sent == 2
        assert receiver.paths == ["/events", "/events"]
        assert send_runs(RUNS, flywheel="llm", target=str(tmp_path / "events.ndjson")).sent == 2
        assert len(receiver.events) == 2
        receiver.status = 400
        answer = send_runs(RUNS, flywheel="llm", target="on")
        assert (answer.sent, answer.total) == (0, 2)
        assert "400" in answer.why


def test_nobody_at_the_address_is_an_answer_without_credentials() -> None:
    """A server that is gone costs no act; the password in its address is not repeated."""
    with receiving() as receiver:
        gone = receiver.url.replace("http://", "http://user:secret@")
    Path("openlineage.yml").write_text(json.dumps({"transport": {"type": "http", "url": gone, "retry": {"total": 0}}}))
    refused = send_runs(RUNS, flywheel="llm", target="on")
    assert (refused.sent, refused.total) == (0, 2)
    assert refused.why
    assert "secret" not in refused.why


def test_an_iteration_and_its_release_are_told(
    crew: ReleasesBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run, the assembly, the release and its moves; read back they hold the checks that were made."""
    target = tmp_path / "events.ndjson"
    ended = crew.command("assemble", "--iteration", "1", "--openlineage", target)
    assert "2 of 2 OpenLineage events sent" in ended.err
    project, assembly = (json.loads(line) for line in target.read_text().splitlines())
    for event in (project, assembly):
        assert_valid(event)
    (made,), (read,) = project["outputs"], assembly["inputs"]
    assert made["name"] == read["name"] == INTERFACE
    assert project["run"]["facets"]["parent"]["run"]["runId"] == assembly["run"]["runId"]
    assert project["run"]["runId"] == run_id_of(crew.name, "1/p01")
    assert {field["name"] for field in made["facets"]["schema"]["fields"]} >= {"id", "content", "split"}
    checks = {check.name: check.outcome for check in read_checks(target, "openlineage")}
    assert checks["p01.ready"] is Outcome.PASSED
    assert checks[f"{INTERFACE}.unique_ids"] is Outcome.PASSED

    with named(MANAGER):
        wheel = flywheel_mlflow.open_flywheel(crew.bench.flywheel.root, crew.bench.uri)
        wheel.assemble(1, openlineage=str(target))
        version = wheel.create_release(1, openlineage=str(target)).version
        assert version is not None
        crew.pass_gate(version, "staging")
        assert wheel.promote(version, "staging", dry_run=True, openlineage=str(target)).dry_run
        wheel.promote(version, "staging", openlineage=str(target))
    again = [json.loads(line) for line in target.read_text().splitlines()][2:]
    assert again[:2] == [project, assembly]
    released, promoted = again[2:]
    for event in (released, promoted):
        assert_valid(event)
    assert [item["facets"]["version"]["datasetVersion"] for item in released["inputs"]] == [
        made["facets"]["version"]["datasetVersion"]
    ]
    assert promoted["job"]["name"] == "promote"
    assert promoted["outputs"][0]["name"] == "release.staging"

    monkeypatch.setenv("FLYWHEEL_OPENLINEAGE", "on")
    unsent = crew.command("release", "create", "--iteration", "1")
    assert unsent.code == 0
    assert "warning: 0 of 1 OpenLineage events sent: nobody said where to" in unsent.err
    with named(MANAGER), pytest.warns(UserWarning, match="nobody said where to"):
        wheel.create_release(1)
    assert "OpenLineage" not in crew.command("release", "create", "--iteration", "1", "--openlineage", "off").err
