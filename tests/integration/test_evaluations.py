"""Evaluations by `mlflow.genai.evaluate` are evidence: sizes, outcomes by record, the data set, one version or two."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from servers.embedded import EmbeddedStore
from workbench import Commands, bench_on

from flywheel_mlflow import project_run
from flywheel_mlflow.evidence.flywheel import load_flywheel

CONTRACT = """\
schema_version: 1
id: qa
title: Answers
owner: makers
phase: acquisition
layers: [data]
stages: [building]
deliverables: [a_dataset]
interfaces_out: []
interfaces_in: []
kpis:
  - {name: right, path: right/mean, direction: higher, unit: ratio}
  - {name: words, path: words/mean, direction: lower, unit: words}
  - {name: polite, path: polite/mean, direction: higher, unit: ratio}
checks: {required: [], min_pass_rate: 1.0}
costs: {}
review: {human: false, controls: []}
carry: {allowed: false}
"""


@pytest.fixture
def commands(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The commands of a small flywheel with a project whose KPIs are scorers, on a store of its own."""
    home, uri = tmp_path / "demo", embedded_store().uri
    monkeypatch.chdir(tmp_path)
    Commands(tmp_path, uri)("init", "demo")
    (home / "projects" / "qa").mkdir()
    (home / "projects" / "qa" / "project.yaml").write_text(CONTRACT, encoding="utf-8")
    return Commands(home, uri)


@pytest.fixture(autouse=True)
def _quiet_mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One worker: several at once lose writes on SQLite. What is set in MLflow's globals ends with the test."""
    monkeypatch.setenv("MLFLOW_GENAI_EVAL_MAX_WORKERS", "1")
    yield
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None unsets it
    mlflow.tracking.fluent._active_experiment_id = None
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"):
        os.environ.pop(name, None)


def records_between(start: int, end: int) -> list[dict[str, Any]]:
    """Questions longer than what MLflow keeps of a trace's inputs in its metadata."""
    return [
        {"inputs": {"q": f"question {number} {'x' * 300}"}, "expectations": {"answer": str(number)}}
        for number in range(start, end)
    ]


def evaluate(data: Any, *, wrong: int) -> str:
    """The id of a run with three scorers, of which one fails on each tenth answer and is silent about another."""
    from mlflow.genai import scorer

    @scorer
    def right(outputs: str, expectations: dict[str, str]) -> bool:
        return outputs == expectations["answer"]

    @scorer
    def words(outputs: str) -> float:
        return float(len(outputs))

    @scorer
    def polite(outputs: str) -> str | None:
        if outputs.endswith("9"):
            raise ValueError("no judge")
        return None if outputs.endswith("8") else "yes"

    def answer(q: str) -> str:
        number = int(q.split()[1])
        return "no" if number % 10 < wrong else str(number)

    return str(mlflow.genai.evaluate(data=data, predict_fn=answer, scorers=[right, words, polite]).run_id)


def dataset_of(uri: str, start: int, end: int) -> Any:
    """The evaluation dataset `qa` with these records merged in."""
    from mlflow.genai import datasets

    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("evaluations").experiment_id
    known = [item for item in datasets.search_datasets(experiment_ids=[experiment]) if item.name == "qa"]
    found = known[0] if known else datasets.create_dataset(name="qa", experiment_id=[experiment])
    found.merge_records(records_between(start, end))
    return datasets.get_dataset(dataset_id=found.dataset_id)


def adopt(commands: Commands, run_id: str, iteration: int) -> Any:
    """Adopt a run of the experiment `evaluations`."""
    words = ("--filter", f"attributes.run_id = '{run_id}'", "--project", "qa", "-i", str(iteration))
    return commands.json("adopt", "--experiment", "evaluations", *words)


pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's evaluation warns of what it uses itself


def test_adopted_evaluations_are_compared_question_by_question(commands: Commands) -> None:
    """Two adopted evaluations of one data set: sizes, outcomes by record, and a paired verdict; a third of another
    version is paired where the two meet, and says so.
    """
    first = evaluate(dataset_of(commands.uri, 0, 40), wrong=0)
    second = evaluate(dataset_of(commands.uri, 0, 40), wrong=4)
    third = evaluate(dataset_of(commands.uri, 40, 60), wrong=4)
    adopted = adopt(commands, first, 1)
    assert adopted["evaluated"] == [
        f"{first}: right: 40 answers to 40 records of qa",
        f"{first}: words: 40 answers to 40 records of qa",
        f"{first}: polite: 32 answers to 40 records of qa, the scorer failed on 4, no outcome for 4",
    ]
    adopt(commands, second, 2)
    adopt(commands, third, 3)
    bench = bench_on(load_flywheel(commands.root), commands.uri)
    kpis = bench.collect(1).evidence["qa"].kpis
    assert {name: (value.n, value.value) for name, value in kpis.items()} == {
        "right": (40, 1),
        "words": (40, 1.75),
        "polite": (32, 1),
    }
    assert (kpis["right"].stderr, kpis["words"].stderr is not None) == (None, True)
    kept = json.loads(Path(bench.client.download_artifacts(first, "flywheel/evaluation.json")).read_text())
    assert kept["datasets"][0]["name"] == "qa"
    assert kept["judged"]["records"] == 40
    for number in ("1", "2", "3"):
        commands("assemble", "-i", number)
    found = {item["subject"]: item for item in commands.json("drift", "-i", "2", "--against", "1", code=1)["kpis"]}
    assert found["qa.right"]["verdict"] == "regressed"
    assert "40 samples judged by both runs, 16 lost, 0 won" in found["qa.right"]["text"]
    assert "version" not in found["qa.right"]["text"]
    found = {item["subject"]: item for item in commands.json("drift", "-i", "3", "--against", "2")["kpis"]}
    text = found["qa.words"]["text"]
    assert "another version of qa: 20 only now and 0 only in the reference are not compared" in text
    assert adopt(commands, first, 1)["adopted"] == [first]  # again changes nothing
    assert bench.collect(1).evidence["qa"].kpis == kpis


def test_an_evaluation_inside_a_run_is_its_evidence(commands: Commands) -> None:
    """Inside `project_run` the scorers' KPIs have sizes and outcomes; a scorer that failed is a warning."""
    with project_run("qa", 1, root=commands.root, tracking_uri=commands.uri) as run:
        evaluate(records_between(0, 30), wrong=1)
    assert run.logged is not None
    assert {item.kpi.name: (item.n, item.value) for item in run.logged.entry.kpis} == {
        "right": (30, 0.9),
        "words": (30, 1.7),
        "polite": (24, 1),
    }
    assert [(check.name, check.severity.value, check.message) for check in run.logged.findings] == [
        ("evaluation by polite", "warning", "24 answers judged: the scorer failed on 3, no outcome for 3")
    ]
    bench = bench_on(load_flywheel(commands.root), commands.uri)
    kept = json.loads(Path(bench.client.download_artifacts(run.run_id, "flywheel/samples/right.json")).read_text())
    assert sum(kept["samples"].values()) == 27
    assert len(kept["samples"]) == kept["judged"]["records"] == 30


def test_two_evaluations_on_one_run_are_not_mixed(commands: Commands) -> None:
    """One scorer asked twice on one run leaves one value: its size and outcomes are unknown, not those of both."""
    with project_run("qa", 1, root=commands.root, tracking_uri=commands.uri) as run:
        evaluate(records_between(0, 10), wrong=0)
        evaluate(records_between(10, 20), wrong=5)
    assert run.logged is not None
    assert {item.kpi.name: (item.n, item.value) for item in run.logged.entry.kpis}["right"] == (None, 0.5)
