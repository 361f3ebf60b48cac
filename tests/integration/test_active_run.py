"""Inside `project_run` MLflow's own functions log on the project's run; afterwards everything is as before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from servers.embedded import EmbeddedStore
from servers.proxy import CountingProxy
from workbench import TELEMETRY_OFF, Bench, bench_on, changed, copy_flywheel, datasets_of, fresh_name

from flywheel_mlflow import FlywheelError, project_run
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.projects.project_run import ProjectRun

_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")


@pytest.fixture(autouse=True)
def _clean_mlflow() -> Iterator[None]:
    """Whatever a test sets in MLflow's globals ends with it."""
    yield
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.autolog(disable=True, silent=True)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None unsets it
    mlflow.set_registry_uri("")
    mlflow.tracking.fluent._active_experiment_id = None
    mlflow.tracking._model_registry.utils._registry_uri = None
    for name in _VARIABLES:
        os.environ.pop(name, None)


@pytest.fixture
def store_bench(repository: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path) -> Bench:
    """A flywheel of its own on a store of its own."""
    root = copy_flywheel(repository, tmp_path / "home", fresh_name())
    contract = root / "projects" / "p05_rag" / "project.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("unit: queries\n    required: true", "unit: queries"), encoding="utf-8")
    return bench_on(load_flywheel(root), embedded_store().uri)


def _state() -> tuple[object, ...]:
    """What MLflow's users can see of its globals."""
    active = mlflow.active_run()
    return (
        mlflow.get_tracking_uri(),
        mlflow.get_registry_uri(),
        mlflow.tracking.fluent._active_experiment_id,
        active.info.run_id if active else None,
        {name: os.environ.get(name) for name in _VARIABLES},
    )


def _run(bench: Bench, project: str = "p05") -> ProjectRun:
    return project_run(project, 1, root=bench.flywheel.root, tracking_uri=bench.uri)


def _log_and_fail(run: ProjectRun) -> None:
    with run:
        mlflow.log_metric("num_queries", 6)
        raise RuntimeError("oops")


def _log_both(run: ProjectRun) -> None:
    with run:
        run.log_metric("num_queries", 5)
        mlflow.log_metric("num_queries", 6)


def _log_both_params(run: ProjectRun) -> None:
    with run:
        run.log_param("model", "x")
        mlflow.log_param("model", "y")


def _with_paths(bench: Bench, **paths: str) -> Bench:
    """The bench whose contract of p05 reads some KPIs at other paths, on disk as well."""
    flywheel = bench.flywheel
    kpis = tuple(
        kpi.model_copy(update={"path": paths.get(kpi.name, kpi.path)}) for kpi in flywheel.contracts["p05"].kpis
    )
    return bench.with_flywheel(changed(flywheel, "p05", kpis=kpis))


@pytest.mark.filterwarnings("ignore")  # MLflow's tracing and data sets warn of what they use themselves
def test_mlflow_logs_on_the_run(store_bench: Bench, tmp_path: Path) -> None:
    """Metrics, params, tags, files, documents, figures, inputs and traces of MLflow's functions are on our run."""
    import matplotlib.pyplot as plt
    import pandas as pd

    (tmp_path / "note.txt").write_text("hello")
    figure = plt.figure()
    with _run(store_bench) as run:
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == run.run_id
        mlflow.log_metric("num_queries", 50)
        mlflow.log_metric("loss", 2.0, step=0)
        mlflow.log_metric("loss", 1.0, step=1)
        mlflow.log_metric("unlucky", float("nan"))
        mlflow.log_param("model", "x")
        mlflow.set_tag("team", "search")
        mlflow.log_artifact(str(tmp_path / "note.txt"))
        mlflow.log_dict({"a": 1}, "a.json")
        mlflow.log_figure(figure, "figure.png")
        frame = mlflow.data.from_pandas(pd.DataFrame({"a": ["x"]}), name="frame")  # type: ignore[attr-defined]
        mlflow.log_input(frame, context="training")
        with mlflow.start_span("answer") as span:
            span.set_outputs("42")
    plt.close(figure)
    found = store_bench.run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.tags["flywheel.valid"] == "true"
    assert (found.data.metrics["num_queries"], found.data.metrics["loss"]) == (50, 1.0)
    assert [item.value for item in store_bench.client.get_metric_history(run.run_id, "loss")] == [2.0, 1.0]
    assert found.data.params["model"] == "x"
    assert found.data.tags["team"] == "search"
    files = {item.path for item in store_bench.client.list_artifacts(run.run_id)}
    assert {"note.txt", "a.json", "figure.png", "flywheel"} <= files
    assert [item.dataset.name for item in datasets_of(found)] == ["frame"]
    traces = store_bench.client.search_traces(locations=[found.info.experiment_id])
    assert [trace.info.trace_metadata["mlflow.sourceRun"] for trace in traces] == [run.run_id]
    evidence = store_bench.collect().evidence["p05"]
    assert evidence.run_id == run.run_id
    assert evidence.kpis["queries"].value == 50
    assert evidence.evidence_digest == found.data.params["flywheel.evidence_digest"]


def test_digest_covers_what_mlflow_logged(store_bench: Bench) -> None:
    """A metric that MLflow's functions logged and somebody changed afterwards makes the run count no more."""
    with _run(store_bench) as run:
        mlflow.log_metric("num_queries", 50)
        mlflow.log_metric("whatever", 1)
    store_bench.client.log_metric(run.run_id, "whatever", 2)
    collected = store_bench.collect()
    assert "p05" not in collected.evidence
    assert "was changed after it ended: metric p05.whatever" in collected.skipped[0].reason


def test_every_metric_name_can_be_a_kpi(bench: Bench) -> None:
    """A KPI reads the names that MLflow's evaluation and other tools log: slashes, blanks, commas and dots."""
    there = _with_paths(
        bench, queries="toxicity/v1/mean", citation_accuracy='["val acc"]', retrieval_hit_rate='["a.b"].c'
    )
    run = ProjectRun(there.flywheel, "p05", 1, there.tracking, activates=True)
    with run:
        mlflow.log_metric("toxicity/v1/mean", 0.25)
        mlflow.log_metric("val acc", 0.5)
        mlflow.log_metric("a.b.c", 0.75)
    kpis = there.collect().evidence["p05"].kpis
    assert kpis["queries"].value == 0.25
    assert kpis["citation_accuracy"].value == 0.5
    assert kpis["retrieval_hit_rate"].value == 0.75


def test_everything_is_put_back(store_bench: Bench, embedded_store: Callable[[], EmbeddedStore]) -> None:
    """Leaving puts back tracking and registry URI, experiment, active run and environment, also after an error."""
    before = _state()
    with _run(store_bench):
        pass
    assert _state() == before
    other = embedded_store().uri
    mlflow.set_tracking_uri(other)
    mlflow.set_registry_uri(store_bench.uri)
    mlflow.set_experiment("of the user")
    with mlflow.start_run() as outer:
        before = _state()
        with _run(store_bench) as run:
            mlflow.log_metric("num_queries", 5)
            mlflow.set_experiment("of the user, too")
            mlflow.start_run(nested=True)  # never ended by its author
        assert _state() == before
        failed = _run(store_bench)
        with pytest.raises(RuntimeError, match="oops"):
            _log_and_fail(failed)
        assert _state() == before
        mlflow.log_metric("mine", 1)
    assert mlflow.get_run(outer.info.run_id).data.metrics == {"mine": 1}
    assert store_bench.run(run.run_id).data.metrics["num_queries"] == 5
    assert store_bench.run(failed.run_id).info.status == "FAILED"
    assert store_bench.collect().evidence["p05"].run_id == run.run_id


def test_runs_of_two_projects_nest(store_bench: Bench) -> None:
    """A project's run inside another one's takes its turn, and hands back."""
    with _run(store_bench) as outer:
        with _run(store_bench, "p13") as inner:
            mlflow.log_metric("deep", 1)
        mlflow.log_metric("flat", 1)
    assert "deep" in store_bench.run(inner.run_id).data.metrics
    assert "flat" in store_bench.run(outer.run_id).data.metrics
    assert "deep" not in store_bench.run(outer.run_id).data.metrics


def test_ending_it_by_mlflow_is_no_harm(store_bench: Bench) -> None:
    """Code that calls `mlflow.end_run` inside the block ends nothing for good."""
    with _run(store_bench) as run:
        mlflow.log_metric("num_queries", 5)
        mlflow.end_run()
        run.log_metric("citation_accuracy", 0.5)
    assert mlflow.active_run() is None
    assert store_bench.collect().evidence["p05"].kpis["citation_accuracy"].value == 0.5


@pytest.mark.filterwarnings("ignore::ImportWarning", "ignore::DeprecationWarning")  # of MLflow's import hooks
def test_autologging_lands_on_it(store_bench: Bench) -> None:
    """A library's autologging writes on the project's run."""
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(silent=True, log_models=False, log_datasets=False)
    with _run(store_bench) as run:
        LogisticRegression(C=0.5).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    found = store_bench.run(run.run_id)
    assert found.data.params["C"] == "0.5"
    assert found.data.metrics["training_accuracy_score"] == 1.0
    assert run.logged is not None
    assert store_bench.collect().evidence["p05"].run_id == run.run_id


@pytest.mark.filterwarnings("ignore:.*Any type hint", "ignore:Starting with pandas version")  # of MLflow itself
def test_evaluation_lands_on_it(store_bench: Bench) -> None:
    """`mlflow.genai.evaluate` writes its scores on the project's run."""
    from mlflow.entities import Feedback
    from mlflow.genai import scorer

    @scorer
    def exact(outputs: str, expectations: dict[str, str]) -> Feedback:
        return Feedback(value=outputs == expectations["expected_response"])

    data = [
        {"inputs": {"q": "1"}, "outputs": "1", "expectations": {"expected_response": "1"}},
        {"inputs": {"q": "2"}, "outputs": "1", "expectations": {"expected_response": "2"}},
    ]
    with _run(store_bench) as run:
        mlflow.genai.evaluate(data=data, scorers=[exact])
    assert store_bench.run(run.run_id).data.metrics["exact/mean"] == 0.5
    assert store_bench.collect().evidence["p05"].run_id == run.run_id


def test_tracing_switched_off_stays_off(store_bench: Bench) -> None:
    """Who disabled tracing finds it disabled inside and after."""
    mlflow.tracing.disable()
    try:
        with _run(store_bench) as run, mlflow.start_span("quiet"):
            pass
        with mlflow.start_span("quiet still"):
            pass
    finally:
        mlflow.tracing.enable()
    found = store_bench.run(run.run_id)
    assert store_bench.client.search_traces(locations=[found.info.experiment_id]) == []


def test_two_values_for_one_name_are_refused(store_bench: Bench) -> None:
    """A value given to the run and another one logged through MLflow under the same name: nothing says which counts."""
    run = _run(store_bench)
    with pytest.raises(InputError, match="logged through MLflow"):
        _log_both(run)
    assert store_bench.run(run.run_id).info.status == "FAILED"
    with pytest.raises(InputError, match=r"checks\.passed"), _run(store_bench):
        mlflow.log_metric("checks.passed", 99, step=3)
    with pytest.raises(InputError, match="the param model"):
        _log_both_params(_run(store_bench))
    assert store_bench.collect().evidence == {}


def test_tags_written_over_are_written_again(store_bench: Bench) -> None:
    """A run whose identity was overwritten through MLflow is still its project's."""
    with _run(store_bench) as run:
        mlflow.set_tags({"flywheel.iteration": "7", "flywheel.project": "p06", "flywheel.valid": "true"})
    assert store_bench.collect().evidence["p05"].run_id == run.run_id


def test_names_of_mlflow_work_on_the_run(store_bench: Bench, tmp_path: Path) -> None:
    """`log_metric`, `log_param`, `set_tag`, `log_artifact` and their kind are methods of the run too."""
    import matplotlib.pyplot as plt

    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "b.txt").write_text("b")
    figure = plt.figure()
    with _run(store_bench) as run:
        run.log_metric("num_queries", 50)
        for step, loss in enumerate((3.0, 1.0, 2.0)):
            run.log_metric("loss", loss, step=step)
        run.log_metrics({"citation_accuracy": 0.5}, step=2)
        run.log_param("model", "x")
        run.set_tag("team", "search")
        run.log_artifact(folder / "b.txt", "texts")
        run.log_artifacts(folder)
        run.log_dict([1, 2], "list.json")
        run.log_text("t", "t.txt")
        run.log_figure(figure, "figures/f.png")
    plt.close(figure)
    found = store_bench.run(run.run_id)
    assert found.data.metrics["loss"] == 2.0
    assert (found.data.params["model"], found.data.tags["team"]) == ("x", "search")
    files = {item.path for item in store_bench.client.list_artifacts(run.run_id)}
    assert {"texts", "b.txt", "list.json", "t.txt", "figures"} <= files
    kpis = store_bench.collect().evidence["p05"].kpis
    assert (kpis["queries"].value, kpis["citation_accuracy"].value) == (50, 0.5)


def test_data_sets_of_mlflow_are_told_from_interfaces(store_bench: Bench) -> None:
    """`run.log_input` is about interfaces; what is no name is told where it belongs."""
    with _run(store_bench) as run, pytest.raises(InputError, match=r"mlflow\.log_input"):
        run.log_input(object())  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run, _: run.log_metric("checks.mine", 1), "kept for the flywheel"),
        (lambda run, _: run.log_metric("cost.mine", 1, step=2), "kept for the flywheel"),
        (lambda run, _: run.log_metric("x", float("nan"), step=2), "x is nan"),
        (lambda run, _: run.log_metrics({"../x": 1}, step=2), "not a valid name"),
        (lambda run, _: run.set_tag("flywheel.valid", "true"), "kept for the flywheel"),
        (lambda run, _: run.log_param("a" * 300, 1), "is too long|characters"),
        (lambda run, _: run.log_dict({}, "flywheel/evidence.json"), "kept for the flywheel"),
        (lambda run, _: run.log_text("x", "./interfaces/x.jsonl"), "kept for the flywheel"),
        (lambda run, folder: run.log_artifact(folder / "gone.txt"), "no such file"),
        (lambda run, folder: run.log_artifact(folder / "flywheel"), "kept for the flywheel"),
        (lambda run, folder: run.log_artifacts(folder), "kept for the flywheel"),
    ],
)
def test_refusals_are_those_of_the_other_names(
    store_bench: Bench, tmp_path: Path, call: Callable[[ProjectRun, Path], None], words: str
) -> None:
    """Reserved names and places, and numbers that are none, are refused under MLflow's names as well."""
    (tmp_path / "flywheel").mkdir()
    with store_bench.open("p05") as run, pytest.raises(InputError, match=words):
        call(run, tmp_path)


def test_a_refused_activation_fails_the_run(store_bench: Bench, request_counter: CountingProxy) -> None:
    """A run that cannot be made active is marked failed, and MLflow's state is as before."""
    del request_counter
    before = _state()
    os.environ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"] = "perhaps"
    try:
        run = _run(store_bench)
        with pytest.raises((FlywheelError, MlflowException, ValueError)), run:
            pass
    finally:
        del os.environ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"]
    assert _state() == before
    assert store_bench.run(run.run_id).info.status == "FAILED"


_UNDER_MLFLOW_RUN = """
import sys, mlflow, flywheel_mlflow
root, uri = sys.argv[1:]
with flywheel_mlflow.project_run("p05", 1, root=root) as run:
    mlflow.log_metric("num_queries", 50)
print(run.run_id, mlflow.active_run())
"""


def test_under_mlflow_run_it_is_the_prepared_run(store_bench: Bench) -> None:
    """With the environment that `mlflow run` sets, MLflow's functions log on the run it made."""
    experiment = store_bench.experiment("p05")
    prepared = store_bench.client.create_run(experiment).info.run_id
    ended = subprocess.run(
        [sys.executable, "-c", _UNDER_MLFLOW_RUN, str(store_bench.flywheel.root), store_bench.uri],
        env=os.environ
        | TELEMETRY_OFF
        | {"MLFLOW_TRACKING_URI": store_bench.uri, "MLFLOW_RUN_ID": prepared, "MLFLOW_EXPERIMENT_ID": experiment},
        capture_output=True,
        text=True,
        check=True,
        cwd=store_bench.flywheel.root,
    )
    assert ended.stdout.split() == [prepared, "None"]
    assert store_bench.run(prepared).data.metrics["num_queries"] == 50
    assert store_bench.collect().evidence["p05"].run_id == prepared


def test_folder_comes_from_the_environment(store_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`FLYWHEEL_ROOT` names the flywheel for `project_run` as it does for the commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLYWHEEL_ROOT", str(store_bench.flywheel.root))
    with project_run("p05", 1, tracking_uri=store_bench.uri) as run:
        pass
    assert store_bench.run(run.run_id).data.tags["flywheel.name"] == store_bench.name
