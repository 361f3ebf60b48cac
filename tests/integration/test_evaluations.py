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
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import ConsumedInterface, Outcome
from flywheel_mlflow.operations.assembly.contamination import find_overlaps

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

DATA_CONTRACT = """\
schema_version: 1
id: {id}
title: Data
owner: makers
phase: acquisition
layers: [data]
stages: [building]
deliverables: [a_dataset]
interfaces_out:
  - {{name: {interface}, title: Records, format: jsonl, schema: record, role: {role}}}
interfaces_in: []
kpis: [{{name: rows, path: rows, direction: higher, unit: records}}]
checks: {{required: [], min_pass_rate: 1.0}}
costs: {{}}
review: {{human: false, controls: []}}
carry: {{allowed: false}}
"""


def add_contract(root: Path, project: str, text: str) -> None:
    """A project of the flywheel."""
    (root / "projects" / project).mkdir()
    (root / "projects" / project / "project.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def commands(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The commands of a small flywheel with a project whose KPIs are scorers, on a store of its own."""
    home, uri = tmp_path / "demo", embedded_store().uri
    monkeypatch.chdir(tmp_path)
    Commands(tmp_path, uri)("init", "demo")
    add_contract(home, "qa", CONTRACT)
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
        {
            "inputs": {"q": f"question {number} {'x' * 300}"},
            "expectations": {"answer": str(number)},
            "tags": {"license": "CC0-1.0"},
        }
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
    assert kept["traces"].keys() == kept["samples"].keys()
    trace = bench.client.get_trace(next(iter(kept["traces"].values())))
    assert trace.info.experiment_id == bench.client.get_run(run.run_id).info.experiment_id


def test_two_evaluations_on_one_run_are_not_mixed(commands: Commands) -> None:
    """One scorer asked twice on one run leaves one value: its size and outcomes are unknown, not those of both."""
    with project_run("qa", 1, root=commands.root, tracking_uri=commands.uri) as run:
        evaluate(records_between(0, 10), wrong=0)
        evaluate(records_between(10, 20), wrong=5)
    assert run.logged is not None
    assert {item.kpi.name: (item.n, item.value) for item in run.logged.entry.kpis}["right"] == (None, 0.5)


def test_an_evaluation_dataset_is_an_interface(commands: Commands, tmp_path: Path) -> None:
    """Its records become rows whose digest is their content: merged anew they are the same version, changed another.
    Training data that hold one of its questions are found.
    """
    add_contract(commands.root, "asked", DATA_CONTRACT.format(id="asked", interface="qa_eval", role="evaluation"))
    add_contract(commands.root, "taught", DATA_CONTRACT.format(id="taught", interface="lessons", role="training"))
    dataset = dataset_of(commands.uri, 0, 30)
    versions, findings = [], []
    for iteration in (1, 2, 3):
        with project_run("asked", iteration, root=commands.root, tracking_uri=commands.uri) as run:
            versions.append(run.log_interface("qa_eval", dataset))
        assert run.logged is not None
        findings += [check.name for check in run.logged.findings if check.outcome is not Outcome.SKIPPED]
        if iteration == 1:
            dataset.merge_records(records_between(0, 30))
        else:
            dataset.merge_records([{**records_between(3, 4)[0], "expectations": {"answer": "another"}}])
    assert versions[0].digest == versions[1].digest != versions[2].digest
    assert ([version.rows for version in versions], findings) == ([30, 30, 30], [])
    changed = commands.json("impact", "qa_eval", "-i", "3", "--records-since", "2")["records"]["changes"]
    assert [changed[kind] for kind in ("added", "removed", "changed", "same")] == [0, 0, 1, 29]
    assert "1 changed, 29 the same" in commands("impact", "qa_eval", "-i", "3", "--records-since", "1").out
    assert "no version" in commands("impact", "qa_eval", "-i", "4", "--records-since", "1", code=2).err
    question = records_between(4, 5)[0]["inputs"]["q"]
    lesson = {
        "id": "l1",
        "source": {"name": "x", "license": "CC0-1.0"},
        "content": question,
        "metadata": {"topic": "x"},
    }
    lesson |= {"quality_signals": {"length": 1}, "split": "train", "audit_trace": ["made"]}
    path = tmp_path / "lessons.jsonl"
    path.write_text(json.dumps(lesson) + "\n", encoding="utf-8")
    with project_run("taught", 3, root=commands.root, tracking_uri=commands.uri) as run:
        run.log_interface("lessons", path)
    bench = bench_on(load_flywheel(commands.root), commands.uri)
    (overlap,) = find_overlaps(bench.flywheel, bench.tracking, bench.collect(3))
    assert (overlap.training, overlap.evaluation, overlap.shared) == ("lessons", "qa_eval", 1)


def test_the_data_set_an_evaluation_read_is_an_input(commands: Commands) -> None:
    """Where the records judged are those of an evaluation interface that the contract reads, lineage says so, in a run
    and of an adopted one; an evaluation of other records read no version of it.
    """
    add_contract(commands.root, "asked", DATA_CONTRACT.format(id="asked", interface="qa_eval", role="evaluation"))
    contract = commands.root / "projects" / "qa" / "project.yaml"
    contract.write_text(CONTRACT.replace("interfaces_in: []", "interfaces_in: [{name: qa_eval}]"), encoding="utf-8")
    dataset = dataset_of(commands.uri, 0, 10)
    adopted, versions = evaluate(dataset, wrong=1), []
    for iteration in (1, 2, 3):
        if iteration == 3:
            dataset.merge_records(records_between(10, 11))
        with project_run("asked", iteration, root=commands.root, tracking_uri=commands.uri) as run:
            version = run.log_interface("qa_eval", dataset)
        if iteration > 1:
            with project_run("qa", iteration, root=commands.root, tracking_uri=commands.uri):
                evaluate(records_between(0, 10), wrong=1)
        else:
            adopt(commands, adopted, 1)
        versions.append(version.digest)
    expected = (ConsumedInterface("qa_eval", versions[0]),)
    bench = bench_on(load_flywheel(commands.root), commands.uri)
    read = [bench.collect(iteration).evidence["qa"].interfaces_in for iteration in (1, 2, 3)]
    assert read == [expected, expected, ()]
    assert adopt(commands, adopted, 1)["adopted"] == [adopted]
    assert bench.collect(1).evidence["qa"].interfaces_in == expected


def test_an_evaluation_dataset_of_nowhere_is_refused(commands: Commands, tmp_path: Path) -> None:
    """A dataset of another server, and an empty one, are refused with a way on."""
    add_contract(commands.root, "asked", DATA_CONTRACT.format(id="asked", interface="qa_eval", role="evaluation"))
    run = project_run("asked", 1, root=commands.root, tracking_uri=commands.uri)
    elsewhere = dataset_of(f"sqlite:///{tmp_path}/elsewhere.db", 0, 1)
    with pytest.raises(InputError, match=r"no evaluation dataset .* is on this server"), run:
        run.log_interface("qa_eval", elsewhere)
    run = project_run("asked", 1, root=commands.root, tracking_uri=commands.uri)
    with pytest.raises(InputError, match="holds no records"), run:
        run.log_interface("qa_eval", dataset_of(commands.uri, 0, 0))


def complain(uri: str, *, asked: int) -> None:
    """An application's traces: each gets a thumb down, all but the last a correction; one complaint names no trace."""
    from mlflow.entities import AssessmentSource

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("application")
    person = AssessmentSource(source_type="HUMAN", source_id="ana")
    for number in range(asked):
        with mlflow.start_span("answer") as span:
            span.set_inputs({"q": f"question {number} {'x' * 300}"})
            span.set_outputs("no")
        mlflow.flush_trace_async_logging()
        mlflow.set_trace_tag(span.trace_id, "flywheel.project", "qa")
        mlflow.log_feedback(
            trace_id=span.trace_id, name="helpful", value=False, rationale="The answer says no.", source=person
        )
        if number < asked - 1:
            mlflow.log_expectation(trace_id=span.trace_id, name="answer", value=str(number), source=person)


def test_a_complaint_becomes_a_test(commands: Commands, tmp_path: Path) -> None:
    """A theme's traces become records with what people expected, once; an event without a trace is left out with the
    reason. The next evaluation says whether they are mended.
    """
    from mlflow.genai import datasets

    plan = commands.root / "flywheel.yaml"
    route = "- {id: named, match: it names its project, to: project, why: It does., when: [{project: [qa]}]}"
    plan.write_text(f"{plan.read_text(encoding='utf-8')}\nrouting:\n  {route}\n", encoding="utf-8")
    complain(commands.uri, asked=3)
    commands("feedback", "pull-traces", "--experiment", "application", "-i", "1")
    mailed = {"id": "mail-1", "time": "2026-01-01T00:00:00Z", "source": "human", "project": "qa"}
    (tmp_path / "mail.jsonl").write_text(json.dumps(mailed | {"text": "rated helpful: false. The answer says no."}))
    commands("feedback", "ingest", tmp_path / "mail.jsonl", "-i", "1")
    themes = commands.json("feedback", "themes", "-i", "1")["themes"]
    theme = next(item for item in themes if "mail-1" in item["events"])
    assert len(theme["events"]) == 4
    commands("task", "accept", theme["id"], "--category", "growth", "--kpi", "right")
    task = commands.json("task", "list")["tasks"][0]["id"]
    tried = commands.json("task", "write-dataset", task, "--dry-run")
    assert (tried["new"], tried["dataset_id"]) == (3, None)
    assert "is marked with" in commands("task", "case-results", task, "-i", "2", code=2).err
    written = commands.json("task", "write-dataset", task)
    assert (written["dataset"], written["new"]) == ("qa-feedback", 3)
    assert written["left_out"] == {"mail-1": "it names no trace, so what was asked is not known"}
    again = commands.json("task", "write-dataset", task)
    assert (again["new"], again["grown"], again["same"]) == (0, 0, 3)
    mlflow.set_tracking_uri(commands.uri)
    dataset = datasets.get_dataset(dataset_id=written["dataset_id"])
    rows = {row["inputs"]["q"].split()[1]: row for row in dataset.to_df().to_dict("records")}
    assert [rows[number]["expectations"].get("answer") for number in "012"] == ["0", "1", None]
    assert {row["tags"]["flywheel.tasks"] for row in rows.values()} == {task}
    assert {row["tags"]["flywheel.themes"] for row in rows.values()} == {theme["id"]}
    for iteration, wrong in ((1, 10), (2, 1)):
        with project_run("qa", iteration, root=commands.root, tracking_uri=commands.uri):
            evaluate(datasets.get_dataset(dataset_id=written["dataset_id"]), wrong=wrong)
    results = commands.json("task", "case-results", task, "-i", "2")["results"]
    assert [item for item in results if item["kpi"] == "right"] == [
        {"kpi": "right", "records": 3, "judged_before": 2, "before": 0, "judged": 2, "mean": 0.5}
    ]
    assert "0.5 of 2" in commands("task", "case-results", task, "-i", "2").out
