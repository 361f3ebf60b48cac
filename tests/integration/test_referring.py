"""A flywheel whose data stay where they are: logged, released, pulled, loaded, audited and rolled back to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from releases_bench import INTERFACE, MANAGER, ReleasesBench, releases_on
from s3fs import S3FileSystem
from servers.embedded import copy_store
from servers.objects import ObjectStore, running_object_store, s3_settings
from servers.spoiling import spoilt_file
from workbench import changed, datasets_of, flywheel_command, records

import flywheel_mlflow
from flywheel_mlflow import Inconclusive, InputError, Refused
from flywheel_mlflow.operations.projects.project_run import ProjectRun
from flywheel_mlflow.operations.projects.results import log_results
from flywheel_mlflow.promises.contract import Results
from flywheel_mlflow.tracking import Tracking, connect

LINES = "".join(f"{json.dumps(record)}\n" for record in records(6))


@pytest.fixture(scope="module")
def object_store() -> Iterator[ObjectStore]:
    with running_object_store() as store, pytest.MonkeyPatch.context() as environ:
        for name, value in s3_settings(store.uri).items():
            environ.setenv(name, value)
        S3FileSystem.clear_instance_cache()  # it remembers the settings it was made with
        yield store


@pytest.fixture(scope="module")
def released(
    object_store: ObjectStore, migrated_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> ReleasesBench:
    """Release 1 holds data of a bucket and was in production; release 2 holds data of its own and is there now."""
    folder = tmp_path_factory.mktemp("referring")
    bench = releases_on(folder / "flywheel", copy_store(migrated_template, folder / "store").uri)
    _log_reference(bench, object_store.put(a__jsonl=LINES))
    bench.assemble(1)
    bench.act(MANAGER, "create", iteration=1)
    bench.release(folder, 2)
    for version in (1, 2):
        bench.through(version, "staging")
        bench.override(version, "production")
        bench.act(MANAGER, "promote", version=version, to="production")
    return bench


@pytest.fixture(autouse=True)
def _fresh(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bytes that were logged, and an empty cache."""
    object_store.put(a__jsonl=LINES)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _log_reference(bench: ReleasesBench, address: str, iteration: int = 1) -> str:
    with ProjectRun(bench.bench.flywheel, "p01", iteration, bench.bench.tracking) as run:
        run.log_document({"quality": 0.9})
        run.log_check("ready", True)
        version = run.log_interface(INTERFACE, address, by_reference=True)
        assert (version.rows, version.bytes) == (6, len(LINES))
    return run.run_id


def _closed(bench: ReleasesBench) -> Tracking:
    """The same store as a server sees it, which opens no addresses."""
    tracking = bench.bench.tracking
    return connect(tracking.settings, bench.name, opens_addresses=False)


def test_consumers_get_the_bytes_from_where_they_stay(
    released: ReleasesBench, object_store: ObjectStore, tmp_path: Path
) -> None:
    """`resolve` tells the address, `pull` and `load` fetch from there and compare; the run holds no data."""
    found = flywheel_mlflow.resolve(INTERFACE, 1, flywheel=released.name, tracking_uri=released.bench.uri)
    assert found.location == "s3://corpora/folder"
    assert "stays at: s3://corpora/folder" in str(found)
    told = released.command("pull", INTERFACE, "--at", "1", "--out", tmp_path / "out")
    assert told.code == 0, told.err
    assert (tmp_path / "out" / INTERFACE / INTERFACE / "a.jsonl").read_text() == LINES
    loaded = flywheel_mlflow.load(INTERFACE, release=1, flywheel=released.name, tracking_uri=released.bench.uri)
    assert [record["id"] for record in loaded.iter_records()] == [f"r{number}" for number in range(6)]
    run_id = found.uri.removeprefix("runs:/").partition("/")[0]
    files = released.bench.client.list_artifacts(run_id)
    assert [item.path for item in files] == ["flywheel"]

    object_store.put(a__jsonl=LINES.replace("sums", "SUMS"))
    told = released.command("pull", INTERFACE, "--at", "1", "--out", tmp_path / "again")
    assert (told.code, "a.jsonl changed" in told.err) == (1, True), told.err
    assert not list((tmp_path / "again").iterdir())
    object_store.delete("a.jsonl")
    with pytest.raises(Refused, match=r"a\.jsonl gone"):
        flywheel_mlflow.load(
            INTERFACE, release=1, flywheel=released.name, tracking_uri=released.bench.uri, cache=tmp_path / "other"
        )


def test_mlflow_loads_them_too(released: ReleasesBench, tmp_path: Path) -> None:
    """MLflow's own data set of the run leads to the bytes by the manifest."""
    from flywheel_mlflow.tracking.dataset_source import FlywheelDatasetSource

    found = flywheel_mlflow.resolve(INTERFACE, 1, flywheel=released.name, tracking_uri=released.bench.uri)
    run = released.bench.run(found.uri.removeprefix("runs:/").partition("/")[0])
    source = FlywheelDatasetSource.from_dict(json.loads(datasets_of(run)[0].dataset.source))
    mlflow.set_tracking_uri(released.bench.uri)
    try:
        assert (Path(source.load(str(tmp_path / "here"))) / "a.jsonl").read_text() == LINES
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None unsets it


def test_audit_and_rollback_tell_gone_from_changed_from_unknown(
    released: ReleasesBench, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed and gone data block with their names; a bucket that does not answer is inconclusive, never a pass."""
    assert released.findings(full=True) == {}
    object_store.put(a__jsonl=LINES.replace("sums", "SUMS"))
    assert "a.jsonl changed" in released.findings(full=True)["data-changed"][0]
    refused = released.command("rollback", "--reason", "look", "--full")
    assert (refused.code, "a.jsonl changed" in refused.err) == (1, True), refused.err
    object_store.delete("a.jsonl")
    assert "a.jsonl gone" in released.findings(full=True)["data-gone"][0]
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        S3FileSystem.clear_instance_cache()
        found = released.findings(full=True)
        assert set(found) == {"not_looked_at"}
        assert "cannot be reached" in found["not_looked_at"][0]
        audited = released.command("audit", "--full")
        assert (audited.code, "open-sesame" in audited.out + audited.err) == (3, False)
        undecided = released.command("rollback", "--reason", "look")
        assert (undecided.code, "cannot tell whether" in undecided.err) == (3, True), undecided.err
    S3FileSystem.clear_instance_cache()
    object_store.put(a__jsonl=LINES)
    assert released.findings(full=True) == {}
    done = released.command("rollback", "--reason", "the bytes are back", "--dry-run", "--json")
    assert (done.code, json.loads(done.out)["version"]) == (0, 1)


def test_server_opens_no_address(released: ReleasesBench, object_store: ObjectStore) -> None:
    """Where addresses are not opened, data by reference are neither fetched nor taken for whole: people look first."""
    inside = replace(released.session(), tracking=_closed(released))
    from flywheel_mlflow.operations.projects.loading import load_interface
    from flywheel_mlflow.operations.releases.moving import rollback
    from flywheel_mlflow.operations.releases.pinned_data import references_of

    with pytest.raises(Inconclusive, match="opens no addresses"):
        load_interface(inside.tracking, INTERFACE, release=1)
    with pytest.raises(Inconclusive, match="opens no addresses"):
        rollback(inside, "worse", dry_run=True)
    looked_at = references_of(released.session(), None)
    assert rollback(inside, "worse", looked_at=looked_at, dry_run=True).version == 1
    with pytest.raises(Inconclusive):
        rollback(inside, "worse", looked_at=[f"{INTERFACE} {'0' * 32}"], dry_run=True)
    object_store.delete("a.jsonl")
    with pytest.raises(Refused, match=r"a\.jsonl gone"):
        references_of(released.session(), None)


def test_manifest_that_was_changed_leads_nowhere(released: ReleasesBench) -> None:
    """A manifest rewritten on the server is found out before anything is opened, by consumers and by the audit."""
    found = flywheel_mlflow.resolve(INTERFACE, 1, flywheel=released.name, tracking_uri=released.bench.uri)
    assert found.address is not None
    place = Path(found.address.removeprefix("file://"))
    with spoilt_file(place, "s3://corpora", "s3://elsewhere"):
        with pytest.raises(Refused, match="manifest"):
            flywheel_mlflow.load(INTERFACE, release=1, flywheel=released.name, tracking_uri=released.bench.uri)
        assert "not what was logged" in released.findings(full=True)["data-changed"][0]


def test_result_files_name_addresses(released: ReleasesBench, object_store: ObjectStore, tmp_path: Path) -> None:
    """`flywheel log` takes the address in the contract, or in a file that the pipeline wrote, with its card beside."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "metrics.json").write_text('{"quality": 0.9}')
    (folder / f"{INTERFACE}.reference.json").write_text('{"address": "s3://corpora/folder"}')
    (folder / f"{INTERFACE}.card.json").write_text('{"source": "a bucket", "licence": "CC0-1.0"}')
    flywheel = released.bench.flywheel
    for iteration, place in ((3, f"{INTERFACE}.reference.json"), (4, "s3://corpora/folder/")):
        results = Results.model_validate({"interfaces": {INTERFACE: place}})
        logged = log_results(
            changed(flywheel, "p01", results=results), "p01", iteration, released.bench.tracking, results=folder
        )
        (item,) = datasets_of(released.bench.run(logged.run_id))
        assert "/flywheel/references/" in json.loads(item.dataset.source)["uri"]
    for text in ('{"address": "file:///etc/passwd"}', '{"address": "https://me:pw@host/x"}', '{"path": "/x"}', "[]"):
        (folder / f"{INTERFACE}.reference.json").write_text(text)
        results = Results.model_validate({"interfaces": {INTERFACE: f"{INTERFACE}.reference.json"}})
        with pytest.raises(InputError) as caught:
            log_results(changed(flywheel, "p01", results=results), "p01", 5, released.bench.tracking, results=folder)
        assert "me:pw" not in str(caught.value)


def test_address_is_given_on_purpose(released: ReleasesBench) -> None:
    """An address without `by_reference`, and one with a secret, leave no run that counts and no secret anywhere."""
    for place, by_reference in (("s3://corpora/folder", False), ("s3://ID:open-sesame@corpora/folder", True)):
        run = ProjectRun(released.bench.flywheel, "p01", 6, released.bench.tracking)
        with pytest.raises(InputError, match=r"by_reference=True|credentials"), run:
            run.log_interface(INTERFACE, place, by_reference=by_reference)
        assert "open-sesame" not in json.dumps(released.bench.run(run.run_id).to_dictionary())
    told = flywheel_command("validate", root=released.bench.flywheel.root, uri=released.bench.uri)
    assert told.code == 0
