"""Consumers get the data of an interface in one call, without the repository, and exactly those."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import mlflow
import pytest
from releases_bench import INTERFACE, MANAGER, ReleasesBench, releases_on
from servers.spoiling import artifact_file, spoilt_file
from servers.tracking import TrackingServerProcess
from workbench import datasets_of, python_process

import flywheel_mlflow
from flywheel_mlflow import InputError, LoadedInterface, RecordError, Refused, UnknownName
from flywheel_mlflow.promises.interfaces import InterfaceIn
from flywheel_mlflow.records.caching import cached


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, sqlite_server: TrackingServerProcess) -> ReleasesBench:
    """Two iterations; the release of the first is in production."""
    folder = tmp_path_factory.mktemp("released")
    found = releases_on(folder / "flywheel", sqlite_server.uri)
    for iteration in (1, 2):
        found.release(folder, iteration)
    found.through(1, "staging")
    found.override(1, "production")
    found.act(MANAGER, "promote", version=1, to="production")
    return found


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)  # outside any repository


def _load(released: ReleasesBench, **arguments: object) -> LoadedInterface:
    return flywheel_mlflow.load(
        INTERFACE,
        flywheel=released.name,
        tracking_uri=released.bench.uri,
        **arguments,  # type: ignore[arg-type]
    )


def test_data_come_in_one_call(released: ReleasesBench) -> None:
    """A release's or an iteration's data are records, a frame of pandas, a table of Arrow; all of the same rows."""
    loaded = _load(released)
    assert (loaded.version.release, loaded.version.rows) == (1, 6)
    ids = [record["id"] for record in loaded.iter_records()]
    assert ids == [f"r{number}" for number in range(6)]
    assert list(loaded.to_pandas()["id"]) == ids
    assert loaded.to_arrow().column("id").to_pylist() == ids
    assert loaded.to_arrow().column("metadata").to_pylist()[0]["topic"] == "sums"
    assert _load(released, release=2).to_arrow().num_rows == 7
    of_iteration = _load(released, iteration=2)
    assert (of_iteration.version.release, of_iteration.version.iteration) == (None, 2)
    assert of_iteration.version.digest == _load(released, release=2).version.digest


def test_polars_is_asked_for_by_name(released: ReleasesBench) -> None:
    """Without Polars the error names what to install."""
    loaded = _load(released)
    try:
        import_module("polars")
    except ImportError:
        with pytest.raises(ImportError, match="pip install polars"):
            loaded.to_polars()
    else:
        assert loaded.to_polars().height == 6


def test_cache_is_used_and_never_trusted(released: ReleasesBench, sqlite_server: TrackingServerProcess) -> None:
    """Data are fetched once; what was changed in the cache is fetched again; what the server spoilt is refused."""
    first = _load(released)
    place = artifact_file(sqlite_server, *first.version.uri.removeprefix("runs:/").split("/", 1))
    with spoilt_file(place, "a", "b"):
        assert _load(released).path == first.path  # the cache has it
        first.path.write_text("{}\n")
        with pytest.raises(Refused, match="not what was logged"):
            _load(released)
    again = _load(released)
    assert again.path == first.path
    assert len(list(again.iter_records())) == 6


def test_what_is_not_there_is_told(released: ReleasesBench) -> None:
    """No such interface, release or iteration, both at once, and no flywheel at hand: each error says what to do."""
    for arguments, error, words in (
        ({"release": 9}, Refused, "no release 9"),
        ({"iteration": 9}, InputError, "never assembled"),
        ({"iteration": 1, "release": 1}, InputError, "name one of them"),
    ):
        with pytest.raises(error, match=words):
            _load(released, **arguments)
    for more in ({}, {"iteration": 1}):
        with pytest.raises(UnknownName, match="unknown interface"):
            flywheel_mlflow.load("nope", flywheel=released.name, tracking_uri=released.bench.uri, **more)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="--flywheel NAME"):
        flywheel_mlflow.load(INTERFACE, tracking_uri=released.bench.uri)


def test_fields_of_several_kinds_fit_no_table(tmp_path: Path, released: ReleasesBench) -> None:
    """A field that is now a number and now a text is told, and read record by record."""
    version = _load(released).version
    path = tmp_path / "mixed.jsonl"
    path.write_text('{"a": 1}\n{"a": "x", "b": 2}\n')
    mixed = LoadedInterface(version, path)
    with pytest.raises(RecordError, match=r"iter_records"):
        mixed.to_pandas()
    assert [record["a"] for record in mixed.iter_records()] == [1, "x"]


def test_interfaces_are_listed_without_the_repository(released: ReleasesBench, tmp_path: Path) -> None:
    """`flywheel interfaces` lists what the release in production or an iteration offers, as a table and as JSON."""
    found = flywheel_mlflow.interfaces(flywheel=released.name, tracking_uri=released.bench.uri)
    assert [(item.interface, item.release, item.rows) for item in found.interfaces] == [(INTERFACE, 1, 6)]
    assert list(found.to_frame()["interface"]) == [INTERFACE]
    assert str(found).startswith(f"{INTERFACE}: 6 rows")
    assert "licence: CC0-1.0" in str(_load(released))
    by_iteration = flywheel_mlflow.interfaces(iteration=2, flywheel=released.name, tracking_uri=released.bench.uri)
    assert [(item.interface, item.iteration) for item in by_iteration.interfaces] == [(INTERFACE, 2)]
    line = [sys.executable, "-m", "flywheel_mlflow", "--tracking-uri", released.bench.uri, "interfaces"]
    ended = subprocess.run([*line, "--flywheel", released.name, "--json"], capture_output=True, text=True, check=True)
    assert [item["interface"] for item in json.loads(ended.stdout)["interfaces"]] == [INTERFACE]
    ended = subprocess.run([*line, "--flywheel", released.name], capture_output=True, text=True, check=True)
    assert INTERFACE in ended.stdout
    assert "CC0-1.0" in ended.stdout
    lost = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (lost.returncode, "--flywheel NAME" in lost.stderr) == (2, True)


def test_licences_come_from_the_records(released: ReleasesBench) -> None:
    """Where no card speaks for all, a release and an iteration name the licence that every record states."""
    found = flywheel_mlflow.resolve(INTERFACE, flywheel=released.name, tracking_uri=released.bench.uri)
    assert found.licence == "CC0-1.0"
    assert _load(released, iteration=2).version.licence == "CC0-1.0"
    listed = flywheel_mlflow.interfaces(iteration=2, flywheel=released.name, tracking_uri=released.bench.uri)
    assert [item.licence for item in listed.interfaces] == ["CC0-1.0"]


_GET_SOURCE = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
dataset = mlflow.get_run(sys.argv[2]).inputs.dataset_inputs[0].dataset
print(mlflow.data.get_source(dataset).load())
"""


def test_mlflow_finds_our_source_by_its_entry_point(released: ReleasesBench, repository: Path, tmp_path: Path) -> None:
    """`mlflow.data.get_source(dataset).load()` of an installed package gives the verified data."""
    declared = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["entry-points"]
    site = tmp_path / "site" / "flywheel_sources-1.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: flywheel-sources\nVersion: 1\n")
    lines = [f"{name} = {place}" for name, place in declared["mlflow.dataset_source"].items()]
    (site / "entry_points.txt").write_text("\n".join(["[mlflow.dataset_source]", *lines]) + "\n")
    run_id = _load(released).version.uri.removeprefix("runs:/").split("/")[0]
    code = f"import sys; sys.path.insert(0, {str(site.parent)!r})\n{_GET_SOURCE}"
    process = python_process(
        code, released.bench.uri, run_id, cwd=tmp_path, env={"XDG_CACHE_HOME": str(tmp_path / "cache")}
    )
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert len(Path(out.strip()).read_text().splitlines()) == 6


def test_consumed_interface_can_be_loaded_from_its_run(released: ReleasesBench, tmp_path: Path) -> None:
    """The data set of a run that read an interface leads to the data, though another run made them."""
    from flywheel_mlflow.tracking.dataset_source import FlywheelDatasetSource

    flywheel = released.bench.flywheel
    maker = flywheel.contracts["p01"]
    outputs = (maker.interfaces_out[0].model_copy(update={"name": "other", "required": False}),)
    reader = maker.model_copy(
        update={"id": "p02", "interfaces_out": outputs, "interfaces_in": (InterfaceIn(name=INTERFACE),)}
    )
    there = released.bench.with_flywheel(
        replace(
            flywheel,
            contracts={**flywheel.contracts, "p02": reader},
            folders={**flywheel.folders, "p02": flywheel.folders["p01"]},
        )
    )
    with there.open("p02", 2) as run:
        run.log_input(INTERFACE)
        run.log_metric("quality", 1)
    (item,) = datasets_of(released.bench.run(run.run_id))
    source = FlywheelDatasetSource.from_dict(json.loads(item.dataset.source))
    mlflow.set_tracking_uri(released.bench.uri)
    try:
        path = Path(source.load(str(tmp_path / "here")))
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None unsets it
    assert len(path.read_text().splitlines()) == 7
    with pytest.raises(InputError, match="does not say where"):
        FlywheelDatasetSource.from_dict({"uri": ""}).load()


def test_hostile_digest_is_no_path(tmp_path: Path) -> None:
    """What a server calls a digest never leads out of the cache."""
    with pytest.raises(InputError, match="no digest of ours"):
        cached("x", "../../etc", lambda folder: folder)
    assert not (tmp_path / "cache").exists()
