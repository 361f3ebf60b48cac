"""A turn of the flywheel and a release's whole way, from Python alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from releases_bench import INTERFACE, MANAGER, REVIEWER, ReleasesBench, named, releases_on
from servers.tracking import TrackingServerProcess
from workbench import records, write_records

import flywheel_mlflow
from flywheel_mlflow import InputError, OpenFlywheel, Refused, UnknownName


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory, sqlite_server: TrackingServerProcess) -> ReleasesBench:
    """A flywheel in which two iterations were logged and nothing was assembled."""
    folder = tmp_path_factory.mktemp("crew")
    found = releases_on(folder / "flywheel", sqlite_server.uri)
    for iteration in (1, 2):
        found.log(folder, iteration)
    return found


def _opened(crew: ReleasesBench, who: str) -> OpenFlywheel:
    with named(who):
        return flywheel_mlflow.open_flywheel(crew.bench.flywheel.root, crew.bench.uri)


def test_a_turn_of_the_flywheel(crew: ReleasesBench, tmp_path: Path) -> None:
    """Log, collect, assemble, compare, explain, check: each result prints and is a frame."""
    wheel = _opened(crew, MANAGER)
    assert list(wheel.collect(1).to_frame()["project"]) == ["p01"]
    with wheel.project_run("p01", 1) as run:
        run.log_metric("quality", 0.9)
        run.log_check("ready", True)
        run.log_interface(INTERFACE, write_records(tmp_path / "data.jsonl", records(6)))
    assert "consumable: yes" in str(run.logged)
    assert run.logged is not None
    assert list(run.logged.to_frame()["value"]) == [0.9]
    with pytest.raises(InputError, match="no results of p01"):
        wheel.log("p01", 1)
    done = [wheel.assemble(turn) for turn in (1, 2)]
    assert [item.contradictions for item in done] == [(), ()]
    assert "p01: consumable" in str(done[0])
    assert bool(done[0].to_frame().set_index("project").loc["p01", "consumable"])
    assert wheel.assemble(2).unchanged
    assert wheel.iterations == (1, 2)

    compared = wheel.drift(2)
    assert compared.reference.iteration == 1
    assert str(compared).startswith(compared.verdict.value)
    assert len(compared.to_frame()) == len(compared.findings)
    explained = wheel.explain("p01.quality")
    assert explained.tree[0]["value"] == 0.9
    assert "p01.quality = 0.9" in str(explained)
    assert wheel.explain("p01.score").to_frame()["depth"].max() > 0
    assert str(wheel.suspects("p01.quality", 1, 2)).startswith("p01.quality: 0.9 in 1, 0.9 in 2")
    assert wheel.check(2).to_frame()["outcome"].eq("passed").all()
    with pytest.raises(UnknownName, match="unknown"):
        wheel.explain("p01.nothing")


def test_a_release_to_production_and_back(crew: ReleasesBench, tmp_path: Path) -> None:
    """Release, judge, decide, move, take back, audit, verify, export: each result prints and is a frame."""
    wheel = _opened(crew, MANAGER)
    for turn in (1, 2):
        wheel.assemble(turn)
    rehearsed = wheel.create_release(1, dry_run=True)
    assert (rehearsed.version, rehearsed.event) == (None, None)
    made = [wheel.create_release(turn) for turn in (1, 2)]
    assert [item.version for item in made] == [1, 2]
    assert list(made[0].to_frame()["interface"]) == [INTERFACE]
    judged = wheel.gate(1, "staging", dry_run=True)
    assert (judged.event, judged.run_id) == (None, None)
    assert set(judged.to_frame()["verdict"]) <= {"PASS", "BLOCK", "INCONCLUSIVE"}
    assert str(judged).startswith(f"gate of release 1 to staging: {judged.verdict}")
    with pytest.raises(Refused):
        wheel.promote(1, "production")

    for version in (1, 2):
        crew.through(version, "staging")
        crew.override(version, "production")
        moved = wheel.promote(version, "production")
        assert (moved.version, moved.to) == (version, "production")
        assert f"production is now release {version}" in str(moved)
    assert wheel.rollback("look", dry_run=True).dry_run
    assert wheel.rollback("it lies").version == 1
    assert wheel.reconcile(dry_run=True).mended == ()
    told = wheel.audit()
    assert told.verdict in ("PASS", "INCONCLUSIVE", "BLOCK")
    assert len(told.to_frame()) == len(told.findings)
    assert wheel.verify(1).to_frame()["name"].size > 0
    files = wheel.export(1, tmp_path / "export", croissant=True)
    assert f"data/{INTERFACE}/croissant.json" in files
    assert len(wheel.verify_export(tmp_path / "export").items) > 0
    assert [item["version"] for item in wheel.releases().items] == [2, 1]
    pinned = wheel.resolve(INTERFACE)
    assert (pinned.release, pinned.licence) == (1, wheel.load(INTERFACE, iteration=1).version.licence)
    assert wheel.pull(INTERFACE, tmp_path / "pulled").exists()
    assert wheel.interfaces().interfaces[0].release == 1


def test_decisions_are_told(crew: ReleasesBench) -> None:
    """A decision says as what it was written and what it says; a dry run writes nothing."""
    wheel = _opened(crew, MANAGER)
    if 1 not in wheel.assembled:
        wheel.assemble(1)
    version = wheel.create_release(1).version
    assert version is not None
    reviewer = _opened(crew, REVIEWER)
    rehearsed = reviewer.approve(version, "reviewer", "it is good", dry_run=True)
    assert rehearsed.event is None
    assert "approve: would be written" in str(rehearsed)
    approved = reviewer.approve(version, "reviewer", "it is good")
    assert approved.event is not None
    assert approved.to_frame()["role"].tolist() == ["reviewer"]
