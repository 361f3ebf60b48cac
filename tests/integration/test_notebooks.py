"""The notebooks on a real store, in a real kernel: what they draw is what the store holds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from mlflow import MlflowClient
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from releases_bench import MANAGER, REVIEWER, ReleasesBench, releases_on
from servers.embedded import EmbeddedStore, copy_store
from servers.tracking import TrackingServerProcess
from workbench import records, write_records

from flywheel_mlflow import OpenFlywheel, open_flywheel
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.operations.projects.project_run import ProjectRun

NOTEBOOKS = ("compare_iterations", "drift_review", "feedback_loop", "release_review")
PLOTLY = "application/vnd.plotly.v1+json"
HOSTILE = "<a href='http://evil.example'>$x$ %{x}"


def log_turn(found: ReleasesBench, folder: Path, iteration: int, *, quality: float, length: int) -> None:
    """A run of the producer with 200 records whose signal starts at ``length``."""
    rows = records(200)
    for number, row in enumerate(rows):
        row["quality_signals"] = {"length": length + number % 20, "kind": HOSTILE if number % 2 else "plain"}
    run = ProjectRun(found.bench.flywheel, "p01", iteration, found.bench.tracking)
    with run:
        run.log_document({"quality": quality})
        run.log_checks([Check("ready", Outcome.PASSED)])
        run.log_interface("p01_data", write_records(folder / f"data-{iteration}.jsonl", rows))
    found.assemble(iteration)


@pytest.fixture(scope="module")
def standing(migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """Two iterations whose data differ, a release of each; the second has a verdict and an approval."""
    folder = tmp_path_factory.mktemp("notebooks")
    found = releases_on(folder / "flywheel", copy_store(migrated_template, folder / "store").uri)
    log_turn(found, folder, 1, quality=0.7, length=60)
    found.act(MANAGER, "create", iteration=1)
    log_turn(found, folder, 2, quality=0.9, length=75)
    version = found.act(MANAGER, "create", iteration=2)["version"]
    found.act(REVIEWER, "approve", version=version, role="reviewer", reason=HOSTILE)
    found.act(MANAGER, "gate", version=version, to="staging")
    return found


@pytest.fixture
def opened(standing: ReleasesBench) -> OpenFlywheel:
    """The same, as a notebook opens it."""
    return open_flywheel(standing.bench.flywheel.root, standing.bench.uri)


def read(repository: Path, name: str) -> Any:
    """A notebook of this repository."""
    place = repository / "notebooks" / f"{name}.ipynb"
    return nbformat.read(place, as_version=4)  # type: ignore[no-untyped-call]  # nbformat leaves it untyped


def executed(notebook: Any, root: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The notebook run from the first cell to the last, in a kernel of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("FLYWHEEL_ROOT", str(root))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's client warns of its own event loop and transport
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def outputs(notebook: Any) -> Iterator[Any]:
    """Everything the cells gave."""
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def drawn(notebook: Any) -> dict[str, Any]:
    """The figures by the first words of their titles."""
    found = [item["data"][PLOTLY] for item in outputs(notebook) if PLOTLY in item.get("data", {})]
    return {figure["layout"]["title"]["text"].partition(",")[0]: figure for figure in found}


def printed(notebook: Any) -> str:
    """What the cells printed."""
    return "".join(item["text"] for item in outputs(notebook) if item["output_type"] == "stream")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_nothing_of_a_run_is_kept(repository: Path, name: str) -> None:
    """No output, no execution count, no metadata beyond the language: what changes in Git is the text."""
    found = read(repository, name)
    nbformat.validate(found)
    assert set(found.metadata) == {"kernelspec", "language_info"}
    assert set(found.metadata.kernelspec) == {"display_name", "language", "name"}
    assert set(found.metadata.language_info) == {"name"}
    for cell in found.cells:
        assert set(cell.metadata) <= {"tags"}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_says_what_it_is_for_and_what_to_set(repository: Path, name: str) -> None:
    """The first cell is a title and an explanation of every variable of the second, which is tagged as parameters."""
    first, second = read(repository, name).cells[:2]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert second.metadata.tags == ["parameters"]
    for line in second.source.splitlines():
        variable, _, default = line.partition(" = ")
        assert f"* `{variable}`:" in first.source
        assert default == "None"


def test_iterations_are_those_of_the_store(
    repository: Path, standing: ReleasesBench, opened: OpenFlywheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines, stage scores and changed KPIs of the notebook are the numbers on the assemblies' runs."""
    root, uri = standing.bench.flywheel.root, standing.bench.uri
    found = drawn(executed(read(repository, "compare_iterations"), root, uri, monkeypatch))
    stored = opened.metrics()
    lines = {line["name"]: line["y"] for line in found["Numbers over the iterations"]["data"]}
    assert lines["p01.quality"] == [0.7, 0.9]
    stages = {bar["name"]: bar["y"] for bar in found["Stage scores"]["data"]}
    assert stages == {
        f"iteration {turn}": [stored[turn].get(f"stage.{stage}.score") for stage in opened.stage_titles()]
        for turn in (1, 2)
    }
    changed = found["KPIs of iteration 2 that differ from iteration 1"]["data"]
    assert "p01.quality" in [name for trace in changed for name in trace["y"]]


def test_drift_is_that_of_the_store(
    repository: Path, standing: ReleasesBench, opened: OpenFlywheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Effects, p-values, findings and distributions are those of the comparison, computed without writing anything."""
    root, uri = standing.bench.flywheel.root, standing.bench.uri
    client = standing.bench.client
    experiment = client.get_experiment_by_name(standing.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    before = {run.info.run_id: len(client.list_artifacts(run.info.run_id)) for run in runs}
    notebook = executed(read(repository, "drift_review"), root, uri, monkeypatch)
    found, report = drawn(notebook), opened.drift(2, 1)
    effects = {
        name: value
        for trace in found["Effect sizes"]["data"][:-1]
        for name, value in zip(trace["y"], trace["x"], strict=True)
    }
    moved = next(item for item in report.distributions if item.subject == "p01_data/quality_signals.length")
    assert effects[moved.subject] == moved.effect
    title = "p01_data/quality_signals.length: iteration 1 before"
    assert moved.picture is not None
    before_and_now = [tuple(bars["x"]) for bars in found[title]["data"]]
    assert before_and_now == [
        tuple(bar.before for bar in moved.picture.bars),
        tuple(bar.now for bar in moved.picture.bars),
    ]
    assert report.verdict.value in printed(notebook)
    after = {run_id: len(client.list_artifacts(run_id)) for run_id in before}
    assert after == before


def test_a_release_is_that_of_the_ledger(
    repository: Path, standing: ReleasesBench, opened: OpenFlywheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Criteria, approvals, decisions and differences are those of gate, ledger and bundles; reasons stay text."""
    root, uri = standing.bench.flywheel.root, standing.bench.uri
    found = drawn(executed(read(repository, "release_review"), root, uri, monkeypatch))
    result = opened.release(2).verdicts["staging"]
    gate = found[f"Release 2 to staging: {result.verdict.value}"]["data"][0]["cells"]["values"]
    assert gate[1] == [item.id for item in result.criteria]
    assert [text.split()[-1] for text in gate[0]] == [item.verdict.value for item in result.criteria]
    approvals = found["Approvals of release 2"]["data"][0]["cells"]["values"]
    assert approvals[1] == [REVIEWER]
    assert approvals[6] == ["&lt;a href='http://evil.example'&gt;&#36;x&#36; %&#123;x}"]
    numbers = [
        text for trace in found["Decisions: numbers are those of the ledger's events"]["data"] for text in trace["text"]
    ]
    assert sorted(map(int, numbers)) == [item.number for item in opened.story()]
    differing = found["What differs from release 1 to release 2"]["data"][0]["cells"]["values"]
    place = differing[1].index("p01.quality")
    assert (differing[2][place], differing[3][place]) == ("0.7", "0.9")


@pytest.mark.slow
def test_the_loop_from_a_wrong_answer_to_a_better_iteration(
    repository: Path, sqlite_server: TrackingServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real server a living project goes once around: complaints on traces become records of an evaluation dataset
    and a task, the pipeline absorbs it, and both the complaints and the questions that no task holds come out better.
    """
    notebook = read(repository, "feedback_loop")
    folder = tmp_path / "loop"
    folder.mkdir()
    notebook.cells[1].source = f"server = {sqlite_server.uri!r}\nfolder = {str(folder)!r}"
    told = printed(executed(notebook, repository, sqlite_server.uri, monkeypatch))
    assert "complaints answered right: 0% before, 100% now" in told
    found = open_flywheel(folder, sqlite_server.uri)
    assert found.name != "llm-data-flywheel"
    assert found.iterations == (1, 2)
    (task,) = found.tasks().items
    assert (task["project"], task["absorbed in"]) == ("p05", 2)
    (result,) = found.task_results(2).items
    assert result["helped"] == "helped"
    assert result["before"] < result["after"]
    client = MlflowClient(sqlite_server.uri)
    application = client.get_experiment_by_name(f"{found.name}-assistant")
    assert application is not None
    rates = {
        run.info.start_time: run.data.metrics["right_page/mean"]
        for run in client.search_runs([application.experiment_id])
    }
    assert [rates[moment] for moment in sorted(rates)] == [0, 1]
    again = found.write_dataset(task["id"])
    assert again.items[0]["same"] == 3
    events = {event["id"]: event for event in found.feedback(1, to="p05").items}
    traces = client.search_traces(locations=[application.experiment_id], include_spans=False)
    complained = {trace.info.trace_id for trace in traces if trace.info.tags.get("flywheel.project") == "p05"}
    assert len(complained) == 3
    assert complained <= {name.partition("/")[0] for name in events}


def test_an_empty_store_is_told_to_people(
    repository: Path,
    standing: ReleasesBench,
    embedded_store: Callable[[], EmbeddedStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a store without an assembly a notebook stops with what to do, not with a traceback."""
    notebook = read(repository, "compare_iterations")
    with pytest.raises(CellExecutionError):
        executed(notebook, standing.bench.flywheel.root, embedded_store().uri, monkeypatch)
    (error,) = [item for item in outputs(notebook) if item["output_type"] == "error"]
    shown = "\n".join(error["traceback"])
    assert "nothing was assembled yet" in shown
    assert "run `flywheel assemble --iteration 1`" in shown
    assert "Traceback" not in shown
    assert "File " not in shown


def test_an_empty_store_has_neither_iterations_nor_releases(
    standing: ReleasesBench, embedded_store: Callable[[], EmbeddedStore]
) -> None:
    """Every question to a store without anything is answered with what is missing."""
    empty = open_flywheel(standing.bench.flywheel.root, embedded_store().uri)
    for ask, why in (
        (lambda: empty.iterations, "nothing was assembled yet"),
        (empty.story, "no release yet"),
        (lambda: empty.release(1), "no release yet"),
        (lambda: empty.drift(1, 2), "no valid assembly"),
    ):
        with pytest.raises(InputError, match=why):
            ask()


def test_what_is_not_there_is_none_or_named(opened: OpenFlywheel) -> None:
    """A signal nobody profiled is None; the first iteration has none before it, the first release none either."""
    assert opened.signal("p01_data/nothing", 1) is None
    assert opened.signal("nothing/length", 1) is None
    assert opened.release_before(1) is None
    assert opened.release(1).unread == {
        "staging": "its gate was not evaluated yet",
        "production": "its gate was not evaluated yet",
    }
    with pytest.raises(InputError, match="no assembled iteration before 1"):
        opened.before(1)
