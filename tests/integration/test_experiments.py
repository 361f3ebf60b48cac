"""Experiments on a real store: started, fed, looked at, decided, asked for by a gate."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from mlflow import MlflowClient
from releases_bench import MANAGER, OTHER, ReleasesBench, releases_blueprint, releases_flywheel
from workbench import bench_on

from flywheel_mlflow.base.errors import Refused, UnknownName
from flywheel_mlflow.experiments.assignment import assign_variant

EXPERIMENT = {
    "id": "rerank",
    "project": "p01",
    "hypothesis": "Reranked answers are taken more often.",
    "control": "a",
    "treatments": ["b"],
    "primary": {"name": "taken", "kind": "rate", "smallest_effect": 0.05, "baseline": 0.3},
}
ASKED = {"id": "proved", "kind": "experiment", "demand": "Reranking was tried on users.", "experiment": "rerank"}


@pytest.fixture
def bench(tmp_path: Path) -> ReleasesBench:
    """A flywheel whose gate to production asks for the experiment."""
    gates = releases_blueprint()["gates"]
    gates[1]["criteria"].append(ASKED)
    flywheel = releases_flywheel(tmp_path / "flywheel", gates=gates, experiments=[EXPERIMENT])
    return ReleasesBench(bench_on(flywheel, f"sqlite:///{tmp_path}/mlflow.db"))


def rows_file(path: Path, first: int, *, better: float = 0.1, count: int = 2_000) -> Path:
    """Outcome rows of users who get the variant that the product assigns."""
    chance = random.Random(first)  # noqa: S311 - no secrets
    with path.open("w", encoding="utf-8") as file:
        for number in range(first, first + count):
            variant = assign_variant("rerank", f"user-{number}", {"a": 0.5, "b": 0.5})
            taken = chance.random() < 0.3 + (better if variant == "b" else 0.0)
            file.write(json.dumps({"unit": f"user-{number}", "variant": variant, "taken": taken}) + "\n")
    return path


def said(bench: ReleasesBench, *arguments: str | Path, code: int = 0) -> str:
    """What a command prints, which ends as it should."""
    ended = bench.command("experiment", *arguments)
    assert ended.code == code, ended.err
    return ended.out + ended.err


def test_an_experiment_from_start_to_release(bench: ReleasesBench, tmp_path: Path) -> None:
    """Recorded batch by batch it is decided on its evidence, and only then the gate that asks for it passes."""
    assert "not started" in said(bench, "list")
    assert "never started" in said(bench, "status", "rerank", code=1)
    said(bench, "start", "rerank")
    assert "runs already" in said(bench, "start", "rerank", code=1)
    assert "rerank: wait" in said(bench, "status", "rerank")
    assert "do not show that b is better" in said(bench, "decide", "rerank", "ship", "--reason", "hope", code=1)
    first = rows_file(tmp_path / "1.jsonl", 0)
    said(bench, "record", "rerank", first)
    assert "recorded before" in said(bench, "record", "rerank", first)
    said(bench, "record", "rerank", rows_file(tmp_path / "2.jsonl", 2_000))
    status = json.loads(said(bench, "status", "rerank", "--json"))
    assert status["analysis"]["advice"] == "ship"
    assert sum(status["analysis"]["rows"].values()) == 4_000

    bench.log(tmp_path, 1)
    bench.assemble(1)
    bench.act(MANAGER, "create", iteration=1)
    assert criterion(bench) == ("INCONCLUSIVE", "rerank runs since")
    said(bench, "decide", "rerank", "ship", "--reason", "it is better")
    assert "no more outcomes" in said(bench, "record", "rerank", rows_file(tmp_path / "3.jsonl", 9_000), code=1)
    assert criterion(bench)[0] == "PASS"
    assert "experiment rerank decided: ship b (the outcomes advised ship)" in bench.command("release", "history").out


def criterion(bench: ReleasesBench) -> tuple[str, str]:
    """The verdict of the criterion about the experiment, and how its reason begins."""
    answer = bench.act(OTHER, "gate", version=1, to="production", dry_run=True)
    found = next(item for item in answer["result"]["criteria"] if item["id"] == "proved")
    return found["verdict"], found["reason"][:17]


def test_outcomes_that_were_changed_are_believed_by_nobody(bench: ReleasesBench, tmp_path: Path) -> None:
    """Sums edited in the artifact store are told, not read; outcomes that went after the decision block the gate."""
    bench.act(MANAGER, "experiment-start", experiment="rerank")
    said(bench, "record", "rerank", rows_file(tmp_path / "1.jsonl", 0, count=4_000))
    bench.log(tmp_path, 1)
    bench.assemble(1)
    bench.act(MANAGER, "create", iteration=1)
    bench.act(MANAGER, "experiment-decide", experiment="rerank", decision="ship", reason="it is better")
    assert criterion(bench)[0] == "PASS"
    client = MlflowClient(bench.bench.uri)
    place = client.get_experiment_by_name(f"{bench.name}/p01")
    assert place is not None
    (run,) = client.search_runs([place.experiment_id], "tags.`flywheel.kind` = 'outcomes'")
    path = Path(run.info.artifact_uri.removeprefix("file://")) / "outcomes.json"
    path.write_text(path.read_text().replace('"mean": 0.', '"mean": 0.9'))
    assert "were changed" in said(bench, "status", "rerank", code=2)
    assert criterion(bench)[0] == "INCONCLUSIVE"
    client.delete_run(run.info.run_id)
    assert criterion(bench)[0] == "BLOCK"


def test_outcomes_of_another_place_do_not_count(bench: ReleasesBench, tmp_path: Path) -> None:
    """Outcomes count from the project's own MLflow experiment alone: a run with the same tags elsewhere is nothing."""
    bench.act(MANAGER, "experiment-start", experiment="rerank")
    said(bench, "record", "rerank", rows_file(tmp_path / "1.jsonl", 0))
    client = MlflowClient(bench.bench.uri)
    place = client.get_experiment_by_name(f"{bench.name}/p01")
    assert place is not None
    (run,) = client.search_runs([place.experiment_id], "tags.`flywheel.kind` = 'outcomes'")
    elsewhere = client.create_experiment("somebody-elses")
    client.create_run(elsewhere, tags=run.data.tags)
    status = json.loads(said(bench, "status", "rerank", "--json"))
    assert [item["run_id"] for item in status["files"]] == [run.info.run_id]


def test_a_changed_declaration_changes_nothing(bench: ReleasesBench, tmp_path: Path) -> None:
    """A round is judged as it was declared when it was started, and says so where flywheel.yaml says otherwise now."""
    bench.act(MANAGER, "experiment-start", experiment="rerank")
    said(bench, "record", "rerank", rows_file(tmp_path / "1.jsonl", 0))
    path = bench.bench.flywheel.root / "flywheel.yaml"
    path.write_text(path.read_text().replace("smallest_effect: 0.05", "smallest_effect: 0.5"))
    assert "declares it otherwise now" in said(bench, "status", "rerank")


def test_what_nobody_declared_is_refused(bench: ReleasesBench) -> None:
    """Unknown experiments, decisions and variants are refused by name, and a dry run writes nothing."""
    with pytest.raises(UnknownName):
        bench.act(MANAGER, "experiment-start", experiment="other")
    bench.act(MANAGER, "experiment-start", experiment="rerank", dry_run=True)
    with pytest.raises(Refused):
        bench.act(MANAGER, "experiment-decide", experiment="rerank", decision="keep", reason="why not")
    bench.act(MANAGER, "experiment-start", experiment="rerank")
    with pytest.raises(UnknownName):
        bench.act(MANAGER, "experiment-decide", experiment="rerank", decision="perhaps", reason="why not")
    with pytest.raises(UnknownName):
        bench.act(MANAGER, "experiment-decide", experiment="rerank", decision="ship", variant="a", reason="why not")
    bench.act(MANAGER, "experiment-decide", experiment="rerank", decision="stop", reason="nobody came")
    assert "experiment rerank decided: stop" in bench.command("release", "history").out
    bench.act(MANAGER, "experiment-start", experiment="rerank")
