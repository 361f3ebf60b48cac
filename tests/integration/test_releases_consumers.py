"""What consumers and the registry page see: exact data in two requests, stages that follow, a whole way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from croissant_reading import described_fields, expected, opened, read_croissant
from releases_bench import INTERFACE, MANAGER, ReleasesBench, reconnected, releases_on
from servers.proxy import CountingProxy, Meddler
from servers.spoiling import artifact_file, spoilt_file
from servers.tracking import TrackingServerProcess

import flywheel_mlflow

#: The greeting, by which a server with the plugin is known, is one of them.
MOST_OF_A_MOVE = 12


class WithoutStages(Meddler):
    """A server that no longer knows the model registry's stages, as MLflow says it will be one day."""

    def before(self, method: str, path: str) -> tuple[int, bytes] | None:  # noqa: ARG002 - as Meddler has it
        """What MLflow answers to a path it does not have."""
        if not path.endswith("/transition-stage"):
            return None
        return 404, json.dumps({"error_code": "ENDPOINT_NOT_FOUND", "message": "no such endpoint"}).encode()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, tracking_server: TrackingServerProcess) -> ReleasesBench:
    """Three releases that all were in production, the last one is; data and bundles differ."""
    folder = tmp_path_factory.mktemp("standing")
    found = releases_on(folder / "flywheel", tracking_server.uri)
    for iteration in (1, 2, 3):
        found.release(folder, iteration)
        found.through(iteration, "staging")
        found.override(iteration, "production")
        found.act(MANAGER, "promote", version=iteration, to="production")
    return found


@pytest.fixture
def counted(standing: ReleasesBench) -> Iterator[tuple[CountingProxy, Callable[[], ReleasesBench]]]:
    """A counter of requests, and the flywheel connected through it as by a process that has just started."""
    with CountingProxy(standing.bench.uri).running() as proxy:
        yield proxy, lambda: reconnected(standing, proxy.url)


def _stages(found: ReleasesBench) -> list[str]:
    return [view.stage for view in found.bench.tracking.releases.versions()]


def _forth(found: ReleasesBench) -> None:
    """Release 3 into production again; each time needs a permission of its own."""
    found.override(3, "production")
    found.act(MANAGER, "promote", version=3, to="production")


def test_requests(standing: ReleasesBench, counted: tuple[CountingProxy, Callable[[], ReleasesBench]]) -> None:
    """`resolve` takes two requests, promote and rollback at most twelve besides artifacts, greeting included."""
    counter, connect = counted
    flywheel_mlflow.resolve(INTERFACE, flywheel=standing.name, tracking_uri=counter.url)
    assert len(counter.exchanges) == 2
    for act, arguments in (
        ("rollback", {"reason": "count"}),
        ("promote", {"version": 3, "to": "production"}),
    ):
        if act == "promote":
            standing.override(3, "production")
        counter.reset()
        connect().act(MANAGER, act, **arguments)
        taken = [exchange.path for exchange in counter.tracking_exchanges]
        assert len(taken) <= MOST_OF_A_MOVE, taken


def test_resolve(standing: ReleasesBench, tmp_path: Path) -> None:
    """An interface is the exact data of one release, by Python as by the command, whose own files are not needed."""
    for version in (1, 2, 3):
        found = flywheel_mlflow.resolve(INTERFACE, version, flywheel=standing.name, tracking_uri=standing.bench.uri)
        assert (found.release, found.rows, found.iteration) == (version, 5 + version, version)
    by_name = flywheel_mlflow.resolve(INTERFACE, flywheel=standing.name, tracking_uri=standing.bench.uri)
    told = standing.command("resolve", INTERFACE, "--flywheel", standing.name, "--json").json
    assert (told["uri"], told["digest"]) == (by_name.uri, by_name.digest)
    pulled = standing.command("pull", INTERFACE, "--at", "1", "--out", tmp_path, "--json").json
    assert len(Path(pulled["path"]).read_text().splitlines()) == 6
    found_again = read_croissant(tmp_path / INTERFACE / "croissant.json", INTERFACE)
    assert len(found_again) == 6
    bare = standing.command("pull", INTERFACE, "--at", "2", "--out", tmp_path / "bare", "--no-croissant")
    assert (bare.code, (tmp_path / "bare" / INTERFACE / "croissant.json").exists()) == (0, False)
    again = standing.command("pull", INTERFACE, "--at", "1", "--out", tmp_path)
    assert (again.code, "choose another --out" in again.err) == (2, True)


def test_export_with_data(standing: ReleasesBench, tmp_path: Path) -> None:
    """`--croissant` adds the data, with a document that says which release it is; verify holds as before."""
    told = standing.command("release", "export", "2", "--out", tmp_path / "export", "--croissant", "--json").json
    document = tmp_path / "export" / "data" / INTERFACE / "croissant.json"
    assert document.relative_to(tmp_path / "export").as_posix() in told["files"]
    view = standing.bench.tracking.releases.version(2)
    assert view is not None
    pin = view.pins[INTERFACE]
    metadata = opened(document).metadata
    assert metadata.version == f"2.0.0+{pin.digest}"
    assert "iteration 2, release 2" in metadata.cite_as
    (data,) = (path for path in document.parent.rglob("*.jsonl"))
    written = [json.loads(line) for line in data.read_text().splitlines()]
    fields = described_fields(document, INTERFACE)
    assert read_croissant(document, INTERFACE) == [expected(row, fields) for row in written]
    assert standing.command("verify", tmp_path / "export").code == 0


def test_stages_follow(standing: ReleasesBench) -> None:
    """Where the server has stages, the registry page shows one release in Production, and where the others are."""
    assert _stages(standing) == ["Archived", "Archived", "Production"]
    standing.act(MANAGER, "rollback", reason="look", to=1)
    assert _stages(standing) == ["Production", "Archived", "Staging"]
    _forth(standing)
    assert _stages(standing) == ["Archived", "Archived", "Production"]


def test_no_stages(standing: ReleasesBench) -> None:
    """Where the server has none, moves work and say so, and neither audit nor reconcile asks for what cannot be."""
    with CountingProxy(standing.bench.uri, WithoutStages()).running() as proxy:
        without = reconnected(standing, proxy.url)
        moved = without.act(MANAGER, "rollback", reason="look", to=2)
        assert "no model-registry stages" in moved["notes"][0]
        assert without.snapshot().aliases["production"] == 2
        assert "stage-set" not in without.findings()
        assert without.act(MANAGER, "reconcile", dry_run=True)["mended"] == []
        assert without.act(MANAGER, "reconcile")["mended"] == []
    _forth(standing)
    assert "stage-set" not in standing.findings()


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone"])
@pytest.mark.parametrize("what", ["data", "bundle"])
def test_rollback(standing: ReleasesBench, tracking_server: TrackingServerProcess, what: str, gone: bool) -> None:
    """A release whose data or bundle is gone or changed is not gone back to: the next older good one is offered by
    name, and that command works.
    """
    release = standing.snapshot().state.release(2)
    pin = flywheel_mlflow.resolve(INTERFACE, 2, flywheel=standing.name, tracking_uri=standing.bench.uri)
    run_id, _, place = pin.uri.removeprefix("runs:/").partition("/")
    path = artifact_file(tracking_server, run_id, place)
    if what == "bundle":
        path = artifact_file(tracking_server, release.run_id, f"{release.place}/registry.json")
    with ExitStack() as spoiling:
        spoiling.enter_context(spoilt_file(path, "a", None if gone else "b"))
        events = len(standing.snapshot().ledger.events)
        assert standing.command("rollback", "--reason", "look", "--to", "2", "--dry-run").code == 1
        refused = standing.command("rollback", "--reason", "look", "--to", "2")
        assert (refused.code, "cannot roll back to" in refused.err) == (1, True), refused.err
        assert len(standing.snapshot().ledger.events) == events
        offered = next(line for line in refused.err.splitlines() if "try:" in line).split("flywheel ")[1]
        assert offered == "rollback --to 1 --reason '...'"
        taken = standing.command("rollback", "--to", "1", "--reason", "look")
        assert taken.code == 0, taken.err
        assert standing.snapshot().aliases["production"] == 1
    _forth(standing)


def test_nothing_whole(standing: ReleasesBench, tracking_server: TrackingServerProcess) -> None:
    """When no other release is whole, that is said, and production stays."""
    with ExitStack() as spoiling:
        for version in (1, 2):
            release = standing.snapshot().state.release(version)
            path = artifact_file(tracking_server, release.run_id, f"{release.place}/registry.json")
            spoiling.enter_context(spoilt_file(path, "a", None))
        refused = standing.command("rollback", "--reason", "look", "--to", "2")
        assert (refused.code, "no other release is whole" in refused.err) == (1, True), refused.err
    assert standing.snapshot().aliases["production"] == 3
