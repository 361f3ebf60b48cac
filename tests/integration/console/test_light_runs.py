"""Runs read by columns are MLflow's own, for every question: both are asked, on each kind of database."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from servers.tracking import TrackingServerProcess
from workbench import fresh_name

from flywheel_mlflow.console.light_runs import LightRuns, light_store

HOSTILE = "O'Brien % _ \\ \N{SNOWMAN}"
RUNS = 9


@dataclass(frozen=True, slots=True)
class Both:
    """MLflow's store and ours on one database, with an experiment that has runs of every sort."""

    mlflow: Any
    ours: Any
    experiment: str
    runs: tuple[str, ...]

    def search(self, store: Any, text: str = "", **more: Any) -> tuple[list[dict[str, Any]], Any]:
        """What a store answers: everything about each run in order, and the token."""
        asked = {"run_view_type": ViewType.ACTIVE_ONLY, "max_results": 100, "order_by": None, "page_token": None} | more
        found = store.search_runs([self.experiment], text, **asked)
        return [told(run) for run in found], found.token


def told(run: Any) -> dict[str, Any]:
    """A run as plain values, with NaN as a word, since it equals nothing."""
    found = run.to_dictionary()
    found["data"]["metrics"] = {
        key: "NaN" if math.isnan(value) else value for key, value in sorted(run.data.metrics.items())
    }
    found["steps"] = sorted((item.key, item.timestamp, item.step) for item in run.data._metric_objs)
    return found  # type: ignore[no-any-return]  # MLflow leaves it untyped


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    server = request.getfixturevalue(f"{request.param}_server")
    assert isinstance(server, TrackingServerProcess)
    store: Any = SqlAlchemyStore(server.backend, str(tmp_path_factory.mktemp("a")))  # type: ignore[no-untyped-call]
    client = MlflowClient(tracking_uri=server.uri)
    experiment = client.create_experiment(fresh_name())
    runs = []
    for number in range(RUNS):
        labels = {"flywheel.kind": "assembly" if number % 2 else "stage", "flywheel.iteration": str(number // 4)}
        run = client.create_run(experiment, start_time=1_000 + number // 2, tags=labels, run_name=f"run {number}")
        run_id = run.info.run_id
        client.log_batch(
            run_id,
            [Metric("a", float(number), 5, 1), Metric("a", number + 0.5, 6, 2), Metric("odd", math.nan, 7, 0)],
            tags=[RunTag("text", HOSTILE if number == 3 else "plain")],
        )
        for name in ("first", "second"):
            client.log_param(run_id, name, f"{HOSTILE} {number}")
        if number == 4:
            data = Dataset("corpus", "d1", "local", "{}", "{}", "{}")
            client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "made")])])
        if number != 2:
            client.set_terminated(run_id, "FAILED" if number == 5 else "FINISHED", end_time=2_000 + number % 3)
        runs.append(run_id)
    client.delete_run(runs[6])
    yield Both(store, light_store(store), experiment, tuple(runs))
    store._dispose_engine()


QUESTIONS = [
    "",
    "tags.`flywheel.kind` = 'assembly'",
    "tags.`flywheel.iteration` = '1' and tags.`flywheel.kind` = 'stage'",
    'tags.`text` = "O\'Brien % _ \\ \N{SNOWMAN}"',
    "tags.`text` = 'PLAIN'",
    "tags.`nothing` = 'x'",
    "attributes.end_time >= 2001",
    "attributes.end_time < 2001 and tags.`flywheel.kind` = 'assembly'",
    "attributes.start_time > 1001 and attributes.start_time <= 1003",
    "attributes.end_time = 2002",
    # Asked in other ways than ours: MLflow answers.
    "tags.`text` != 'plain'",
    "tags.`text` LIKE 'O%'",
    "tags.`text` IS NULL",
    "metrics.a > 3",
    "params.first = 'x'",
    "attributes.status = 'FAILED'",
    "attributes.run_name = 'run 3'",
    "attributes.end_time != 2001",
]
ORDERS: list[list[str] | None] = [
    None,
    ["attributes.end_time DESC"],
    ["attributes.end_time ASC"],
    ["attributes.start_time ASC"],
    ["attributes.start_time DESC", "attributes.end_time DESC"],
    ["metrics.a DESC"],
]


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_search_finds_what_mlflow_finds(both: Both, text: str) -> None:
    """The same runs in the same order with all they hold, active, deleted or both, in each order."""
    assert isinstance(both.ours, LightRuns)
    for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
        for order in ORDERS:
            asked = {"run_view_type": view, "order_by": order}
            assert both.search(both.ours, text, **asked) == both.search(both.mlflow, text, **asked)


def test_pages_together_are_the_whole(both: Both) -> None:
    """Every page begins where the one before ended, as MLflow's do."""
    whole, _ = both.search(both.mlflow)
    for store in (both.ours, both.mlflow):
        found, token = both.search(store, max_results=3)
        while token:
            more, token = both.search(store, max_results=3, page_token=token)
            found += more
        assert found == whole


def test_a_run_is_what_mlflow_tells(both: Both) -> None:
    """By its id, deleted or not, with inputs that are read when somebody asks for them."""
    for run_id in both.runs:
        assert told(both.ours.get_run(run_id)) == told(both.mlflow.get_run(run_id))
    (data,) = both.ours.get_run(both.runs[4]).inputs.dataset_inputs
    assert (data.dataset.name, data.tags[0].value) == ("corpus", "made")


def test_nothing_is_remembered(both: Both) -> None:
    """What somebody writes stands in the next answer; what they take away does not."""
    run_id = both.runs[0]
    for value in (f"{datetime.now(UTC)}", "later"):
        both.mlflow.set_tag(run_id, RunTag("fresh", value))
        assert both.ours.get_run(run_id).data.tags["fresh"] == value
        assert [run["info"]["run_id"] for run in both.search(both.ours, f"tags.fresh = '{value}'")[0]] == [run_id]
    both.mlflow.delete_run(run_id)
    assert both.search(both.ours, "tags.fresh = 'later'") == ([], None)
    both.mlflow.restore_run(run_id)
    both.mlflow.delete_tag(run_id, "fresh")
    assert both.search(both.ours, "tags.fresh = 'later'") == ([], None)
    assert "fresh" not in both.ours.get_run(run_id).data.tags


@pytest.mark.parametrize(
    "asked",
    [
        {"max_results": 0},
        {"max_results": 1_000_000},
        {"filter_string": "nonsense"},
        {"filter_string": "tags.`a` = 'b' or tags.`c` = 'd'"},
        {"order_by": ["nonsense"]},
        {"order_by": ["attributes.end_time", "attributes.end_time DESC"]},
        {"page_token": "nonsense"},
        {"experiment_ids": ["x"]},
    ],
)
def test_refusals_are_mlflows(both: Both, asked: dict[str, Any]) -> None:
    """What MLflow refuses is refused in its words."""
    whole = {
        "experiment_ids": [both.experiment],
        "filter_string": "",
        "run_view_type": ViewType.ALL,
        "max_results": 10,
        "order_by": None,
        "page_token": None,
    }
    answers = []
    for store in (both.ours, both.mlflow):
        with pytest.raises(MlflowException) as caught:
            store.search_runs(**(whole | asked))
        answers.append((caught.value.error_code, str(caught.value)))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("run_id", ["0" * 32, "", "x" * 500])
def test_a_run_nobody_made_is_none(both: Both, run_id: str) -> None:
    """MLflow's own words say that there is no such run."""
    with pytest.raises(MlflowException, match="not found") as caught:
        both.ours.get_run(run_id)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_search_in_no_experiment_finds_nothing(both: Both) -> None:
    """As with MLflow, no experiment is not every experiment."""
    for store in (both.ours, both.mlflow):
        assert list(store.search_runs([], "", ViewType.ALL)) == []


def test_other_stores_answer_themselves(tmp_path: Path) -> None:
    """A store that may hide runs from some people, or of an untried database, is left alone."""

    class Elsewhere(SqlAlchemyStore):
        """A store with rules of its own."""

        def __init__(self) -> None:
            self.db_type = "sqlite"

    elsewhere = Elsewhere()
    assert light_store(elsewhere) is elsewhere
    other = SqlAlchemyStore.__new__(SqlAlchemyStore)
    other.db_type = "mysql"
    assert light_store(other) is other
    assert light_store(tmp_path) is tmp_path
