"""What releases rest on, deleted in MLflow: found while it can be restored, and with a way out that works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from releases_bench import INTERFACE, MANAGER, REVIEWER, ReleasesBench, releases_on
from servers.embedded import EmbeddedStore

from flywheel_mlflow.base.errors import Refused
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.operations.doctor import examine


@pytest.fixture
def alone(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> ReleasesBench:
    """Release 1, the only one, in production."""
    found = releases_on(tmp_path / "flywheel", embedded_store().uri)
    found.release(tmp_path, 1)
    found.through(1, "staging", "production")
    assert found.findings(full=True) == {}
    return found


def pinned_run(found: ReleasesBench) -> str:
    """The run that holds the data of the release in production."""
    uri = str(found.command("resolve", INTERFACE, "--json").json["uri"])
    return uri.removeprefix("runs:/").partition("/")[0]


def trash_diagnosis(found: ReleasesBench) -> tuple[Verdict, str]:
    """What the doctor says about what production rests on."""
    settings = read_settings(found.bench.flywheel.root, {}, tracking_uri=found.bench.uri)
    (item,) = [item for item in examine(found.session(), settings) if item.name == "trash"]
    return item.verdict, item.text


@pytest.mark.parametrize("what", ["data", "bundle", "verdict"])
def test_a_run_in_the_trash_is_told_before_it_is_too_late(alone: ReleasesBench, what: str) -> None:
    """The run behind production's data, bundle or verdict: `deleted`, with the command that brings it back."""
    release = alone.snapshot().state.release(1)
    gate = release.last_gate("production")
    assert gate is not None
    run_id = {"data": pinned_run(alone), "bundle": release.run_id, "verdict": gate.run_id}[what]
    alone.bench.client.delete_run(run_id)
    assert run_id in " ".join(alone.findings()["deleted"])
    verdict, told = trash_diagnosis(alone)
    assert (verdict, run_id in told) == (Verdict.BLOCK, True)
    alone.bench.client.restore_run(run_id)
    assert alone.findings() == {}
    assert trash_diagnosis(alone)[0] is Verdict.PASS


def test_a_deleted_experiment_is_told(alone: ReleasesBench) -> None:
    """Deleting the experiment of a project takes its runs along."""
    experiment = alone.bench.client.get_experiment_by_name(f"{alone.name}/p01")
    assert experiment is not None
    alone.bench.client.delete_experiment(experiment.experiment_id)
    told = " ".join(alone.findings()["deleted"])
    assert f"the experiment {alone.name}/p01" in told


@pytest.mark.parametrize("stages", [("staging", "production"), ("staging",), ()])
def test_a_deleted_version_is_registered_again(
    tmp_path: Path, embedded_store: Callable[[], EmbeddedStore], stages: tuple[str, ...]
) -> None:
    """The only release, its model version deleted: every refusal leads to `reconcile`, and that leads on."""
    found = releases_on(tmp_path / "flywheel", embedded_store().uri)
    found.release(tmp_path, 1)
    found.through(1, *stages)
    found.bench.client.delete_model_version(found.name, "1")
    assert "version-deleted" in found.findings()
    with pytest.raises(Refused, match="model version was deleted") as caught:
        found.act(MANAGER, "create", iteration=1)
    assert "flywheel reconcile" in str(caught.value.hint)
    assert "would register release 1" in found.act(REVIEWER, "reconcile", dry_run=True)["mended"][0]
    assert "again as release 2" in found.act(REVIEWER, "reconcile")["mended"][0]
    assert found.findings(full=True) == {}
    assert found.snapshot().aliases == dict.fromkeys(stages, 2)
    state = found.snapshot().state
    assert (state.release(2).stands_for, state.release(2).bundle) == (1, state.release(1).bundle)
    if "production" in stages:
        assert found.command("resolve", INTERFACE, "--json").json["release"] == 2
    else:
        found.through(2, *[to for to in ("staging", "production") if to not in stages])
        assert found.snapshot().state.current["production"] == 2
    assert found.act(MANAGER, "reconcile")["mended"] == []


def test_a_restored_release_is_a_place_to_go_back_to(tmp_path: Path, alone: ReleasesBench) -> None:
    """It was in production under another number: a later release can be rolled back to it."""
    alone.bench.client.delete_model_version(alone.name, "1")
    alone.act(MANAGER, "reconcile")
    assert alone.release(tmp_path, 2) == 3
    alone.through(3, "staging", "production")
    alone.act(MANAGER, "rollback", reason="the old one was better")
    assert alone.snapshot().aliases["production"] == 2
    assert alone.findings(full=True) == {}


def test_a_lost_release_without_its_bundle_is_made_again(alone: ReleasesBench, tmp_path: Path) -> None:
    """Nothing is left to register from: `reconcile` says how to make it again, and that works."""
    release = alone.snapshot().state.release(1)
    alone.bench.client.delete_model_version(alone.name, "1")
    artifacts = Path(alone.bench.client.get_run(release.run_id).info.artifact_uri.removeprefix("file://"))
    (artifacts / release.place / "manifest.json").unlink()
    told = alone.act(MANAGER, "reconcile")["mended"][0]
    assert "flywheel assemble --iteration 1 --force" in told
    ended = alone.command("assemble", "--iteration", "1", "--force", "--no-drift")
    assert ended.code == 0, ended.err
    assert alone.act(MANAGER, "create", iteration=1)["version"] == 2
