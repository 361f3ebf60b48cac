"""What is read without MLflow is what MLflow reads: both are asked, in each way there is, on each kind of database."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import methodcaller
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag, ViewType
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from servers.embedded import EmbeddedStore
from servers.tracking import TrackingServerProcess
from workbench import fresh_name

from flywheel_mlflow.base.errors import FlywheelError, ServerRefused
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.console.light_reads import reader_of
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.doctor import examine
from flywheel_mlflow.tracking import connect
from flywheel_mlflow.tracking.connection import translated
from flywheel_mlflow.tracking.reading.client import LateClient, ReadingClient
from flywheel_mlflow.tracking.reading.databases import open_reader
from flywheel_mlflow.tracking.reading.port import NotUnderstood, Reader
from flywheel_mlflow.tracking.rest.client import RestClient
from flywheel_mlflow.tracking.rest.transport import HttpTransport
from flywheel_mlflow.tracking.versions import SCHEMAS, numbers_of

HOSTILE = "O'Brien % _ \\ ? \N{SNOWMAN}"
RUNS = 9
WAYS = ["file sqlite", "inside sqlite", "rest sqlite", "inside postgresql", "rest postgresql"]


@dataclass(frozen=True, slots=True)
class Both:
    """MLflow's client and a reader of ours on one store, with an experiment and a model that have everything."""

    mlflow: MlflowClient
    ours: Reader
    whole: Any
    experiment: str
    name: str
    runs: tuple[str, ...]

    def answers(self, ask: Callable[[Any], Any]) -> tuple[Any, Any]:
        """What our client and MLflow's make of a question, as plain values."""
        return told(ask, self.whole), told(ask, self.mlflow)


class ByRegistry:
    """MLflow's client, with the questions about models asked as the stores ask them: prompts are models too."""

    def __init__(self, client: MlflowClient) -> None:
        self._client: Any = client

    def __getattr__(self, name: str) -> Any:
        about_models = name in ("get_registered_model", "get_model_version", "get_model_version_by_alias")
        return getattr(self._client._get_registry_client() if about_models else self._client, name)


def told(ask: Callable[[Any], Any], client: Any) -> Any:
    """An answer, or the error it becomes, as plain values."""
    try:
        with translated("there"):
            return plain(ask(client))
    except FlywheelError as error:
        return type(error).__name__, getattr(error, "code", None), error.what.removeprefix("MLflow: ")


def plain(found: Any) -> Any:
    """Everything our stores read of an entity, ours or MLflow's; no value and an empty one are the same over HTTP."""
    if found is None:
        return None
    if isinstance(found, list):
        return [plain(item) for item in found], bool(getattr(found, "token", None))
    if hasattr(found, "info"):
        info = found.info
        return (
            *(
                info.run_id,
                info.experiment_id,
                info.user_id or None,
                info.status,
                info.start_time,
                info.end_time or None,
            ),
            *(info.lifecycle_stage, info.artifact_uri),
            {key: "NaN" if math.isnan(value) else value for key, value in found.data.metrics.items()},
            dict(found.data.params),
            dict(found.data.tags),
            sorted(
                (
                    *(item.dataset.name, item.dataset.digest, item.dataset.source_type, item.dataset.source),
                    *(item.dataset.schema or None, item.dataset.profile or None),
                    sorted((tag.key, tag.value) for tag in item.tags),
                )
                for item in found.inputs.dataset_inputs
            ),
        )
    if hasattr(found, "lifecycle_stage"):
        labels = dict(found.tags)
        return found.experiment_id, found.name, found.artifact_location, found.lifecycle_stage, labels
    labels = dict(getattr(found, "_tags", None) or found.tags)
    if hasattr(found, "current_stage"):
        texts = (found.run_id or None, found.source or None, found.description or None)
        return int(found.version), found.current_stage, *texts, labels
    return labels, {alias: int(version) for alias, version in found.aliases.items()}


@pytest.fixture(scope="module", params=WAYS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    way, database = request.param.split()
    server = request.getfixturevalue(f"{database}_server")
    assert isinstance(server, TrackingServerProcess)
    uri = server.uri if way == "rest" else server.backend
    client: Any = ByRegistry(MlflowClient(tracking_uri=uri, registry_uri=uri))
    stores: list[Any] = []
    if way == "rest":
        settings = read_settings(Path("/"), {}, tracking_uri=uri)
        reader: Reader = RestClient(HttpTransport(settings), LateClient(settings))
    elif way == "inside":
        stores = [SqlAlchemyStore(uri, str(tmp_path_factory.mktemp("a"))), Registry(uri)]  # type: ignore[no-untyped-call]
        found = reader_of(stores[0], stores[1], uri)
        assert found is not None
        reader = found
    else:
        found = open_reader(read_settings(Path("/"), {}, tracking_uri=uri))
        assert found is not None
        reader = found
    name = fresh_name()
    experiment = client.create_experiment(name, tags={"flywheel.name": name, "odd": HOSTILE})
    runs = fill(client, experiment)
    register(client, name, runs[0])
    yield Both(client, reader, ReadingClient(reader, client), experiment, name, tuple(runs))
    for store in stores:
        store._dispose_engine()


def fill(client: MlflowClient, experiment: str) -> list[str]:
    """Runs of every sort: finished, failed, running, deleted; with inputs in two roles; with values that are odd."""
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
        client.log_metric(run_id, "big", math.inf if number % 2 else -1e-300)
        for name in ("first", "second"):
            client.log_param(run_id, name, f"{HOSTILE} {number}")
        if number in (4, 5):
            for name, role in (("corpus", "made"), ("corpus2", "read")):
                data = Dataset(name, "d1", "local", "{}", None if role == "read" else '{"a": 1}', "{}")
                roles = [InputTag("mlflow.data.context", role), InputTag("flywheel.uri", HOSTILE)]
                client.log_inputs(run_id, [DatasetInput(data, roles)])
        if number != 2:
            client.set_terminated(run_id, "FAILED" if number == 5 else "FINISHED", end_time=2_000 + number % 3)
        runs.append(run_id)
    client.delete_run(runs[6])
    return runs


def register(client: MlflowClient, name: str, run_id: str) -> None:
    """A model with versions, one of them deleted, and a model that somebody marked as a prompt."""
    for model in (name, f"{name}-prompt"):
        client.create_registered_model(model, tags={"flywheel.name": name, "odd": HOSTILE}, description="about")
        for number in range(4):
            labels = {"number": str(number), "odd": HOSTILE}
            client.create_model_version(model, f"runs:/{run_id}/x", run_id=run_id, tags=labels, await_creation_for=0)
        client.delete_model_version(model, "2")
        client.set_registered_model_alias(model, "production", "3")
        client.set_registered_model_alias(model, "staging", "1")
    client.set_model_version_tag(f"{name}-prompt", "1", "mlflow.prompt.is_prompt", "true")
    client.set_registered_model_tag(f"{name}-prompt", "mlflow.prompt.is_prompt", "true")


#: What a reader of columns answers itself.
UNDERSTOOD = [
    "",
    "tags.`flywheel.kind` = 'assembly'",
    "tags.`flywheel.iteration` = '1' and tags.`flywheel.kind` = 'stage'",
    "tags.`text` = 'PLAIN'",
    "tags.`nothing` = 'x'",
    "attributes.end_time >= 2001",
    "attributes.end_time < 2001 and tags.`flywheel.kind` = 'assembly'",
    "attributes.start_time > 1001 and attributes.start_time <= 1003",
    "attributes.end_time = 2002",
    "attributes.status = 'RUNNING' and attributes.start_time < 1005",
    "attributes.status = 'FAILED'",
]
#: What is asked in other ways than ours.
OTHERS = [
    'tags.`text` = "O\'Brien % _ \\ ? \N{SNOWMAN}"',
    "tags.`text` != 'plain'",
    "tags.`text` LIKE 'O%'",
    "tags.`text` IS NULL",
    "metrics.a > 3",
    "params.first = 'x'",
    "attributes.run_name = 'run 3'",
    "attributes.end_time != 2001",
    "tags.`text` = 'a and b'",
]
ORDERS: list[list[str] | None] = [
    None,
    ["attributes.end_time DESC"],
    ["attributes.end_time ASC"],
    ["attributes.start_time ASC"],
    ["attributes.start_time"],
    ["attributes.start_time DESC", "attributes.end_time DESC"],
]


@pytest.mark.parametrize("text", [*UNDERSTOOD, *OTHERS])
def test_a_search_finds_what_mlflow_finds(both: Both, text: str) -> None:
    """The same runs in the same order with all they hold, active, deleted or both, in each order."""
    for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
        for order in [*ORDERS, ["metrics.a DESC"]]:
            ours, mlflows = both.answers(methodcaller("search_runs", [both.experiment], text, view, 100, order))
            assert ours == mlflows


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_our_own_questions_need_no_mlflow(both: Both, text: str) -> None:
    """What the stores ask for is understood, and does not go to MLflow in silence."""
    for order in ORDERS:
        both.ours.search_runs([both.experiment], text, ViewType.ALL, 100, order)
    both.ours.search_experiments(ViewType.ALL, 10, f"tags.`flywheel.name` = '{both.name}'")
    both.ours.search_model_versions(f"name = '{both.name}'", 10)


def test_pages_together_are_the_whole(both: Both) -> None:
    """Every page begins where the one before ended, as MLflow's do."""
    whole = [run.info.run_id for run in both.mlflow.search_runs([both.experiment])]
    for client in (both.whole, both.mlflow):
        found: list[str] = []
        token: str | None = None
        while token or not found:
            page = client.search_runs([both.experiment], max_results=3, page_token=token)
            found += [run.info.run_id for run in page]
            token = page.token
        assert found == whole
    versions: list[int] = []
    token = None
    while token or not versions:
        found_versions = both.ours.search_model_versions(f"name = '{both.name}'", 1, None, token)
        versions += [int(item.version) for item in found_versions]
        token = found_versions.token
    assert sorted(versions) == [1, 3, 4]


def test_a_run_is_what_mlflow_tells(both: Both) -> None:
    """By its id, deleted or not, with the inputs in each role."""
    for run_id in both.runs:
        ours, mlflows = both.answers(methodcaller("get_run", run_id))
        assert ours == mlflows
    assert len(both.ours.get_run(both.runs[4]).inputs.dataset_inputs) == 2


def test_experiments_are_what_mlflow_tells(both: Both) -> None:
    """By name, by the tag of a flywheel, active and deleted; none is none."""
    other = both.mlflow.create_experiment(f"{both.name}/gone", tags={"flywheel.name": both.name})
    both.mlflow.delete_experiment(other)
    for ask in (
        lambda asked: asked.get_experiment_by_name(both.name),
        lambda asked: asked.get_experiment_by_name(f"{both.name}/gone"),
        lambda asked: asked.get_experiment_by_name(HOSTILE),
        lambda asked: asked.search_experiments(filter_string=f"tags.`flywheel.name` = '{both.name}'"),
        lambda asked: asked.search_experiments(
            view_type=ViewType.ALL, filter_string=f"tags.`flywheel.name` = '{both.name}'", max_results=1000
        ),
        lambda asked: asked.search_experiments(view_type=ViewType.ALL, filter_string=f"name LIKE '{both.name}%'"),
        lambda asked: asked.search_experiments(max_results=1),
    ):
        ours, mlflows = both.answers(ask)
        assert ours == mlflows
    ours, _ = both.answers(lambda asked: asked.get_experiment_by_name("nobody made this"))
    assert ours is None
    both.mlflow.restore_experiment(other)
    both.mlflow.set_experiment_tag(other, "flywheel.name", "other")


def test_models_are_what_mlflow_tells(both: Both) -> None:
    """Models, aliases and versions, deleted ones and those of prompts among them; what is refused is refused alike."""
    for name in (both.name, f"{both.name}-prompt", "nobody made this", "a/b", ""):
        for ask in (
            lambda asked, name=name: asked.get_registered_model(name),
            lambda asked, name=name: asked.get_model_version(name, "1"),
            lambda asked, name=name: asked.get_model_version(name, "2"),
            lambda asked, name=name: asked.get_model_version(name, "99"),
            lambda asked, name=name: asked.get_model_version(name, "x"),
            lambda asked, name=name: asked.get_model_version_by_alias(name, "production"),
            lambda asked, name=name: asked.get_model_version_by_alias(name, "nothing"),
            lambda asked, name=name: asked.get_model_version_by_alias(name, "latest"),
            lambda asked, name=name: asked.get_model_version_by_alias(name, "a b"),
        ):
            ours, mlflows = both.answers(ask)
            assert ours == mlflows
    for name in (both.name, f"{both.name}-prompt", "nothing"):
        ours, mlflows = both.answers(methodcaller("search_model_versions", f"name = '{name}'", 1000))
        assert ours == mlflows


def test_nothing_is_remembered(both: Both) -> None:
    """What somebody writes stands in the next answer; what they take away does not."""
    run_id = both.runs[0]
    for value in (f"{datetime.now(UTC).timestamp():.0f}", "later"):
        both.mlflow.set_tag(run_id, "fresh", value)
        assert both.ours.get_run(run_id).data.tags["fresh"] == value
        (found,) = both.ours.search_runs([both.experiment], f"tags.`fresh` = '{value}'")
        assert found.info.run_id == run_id
    both.mlflow.delete_run(run_id)
    assert both.ours.search_runs([both.experiment], "tags.`fresh` = 'later'") == []
    both.mlflow.restore_run(run_id)
    both.mlflow.delete_tag(run_id, "fresh")
    assert both.ours.search_runs([both.experiment], "tags.`fresh` = 'later'") == []
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
        {"experiment_ids": []},
    ],
)
def test_refusals_are_mlflows(both: Both, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What MLflow refuses is refused in its words, and no experiment is not every experiment."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    question = {"experiment_ids": [both.experiment], "filter_string": "", "run_view_type": ViewType.ALL} | asked
    ours, mlflows = both.answers(lambda client: client.search_runs(**question))
    assert ours == mlflows
    assert ours == ([], False) or ours[0] in ("ServerRefused", "ServerUnreachable")


@pytest.mark.parametrize("run_id", ["0" * 32, "x" * 500])
def test_a_run_nobody_made_is_none(both: Both, run_id: str) -> None:
    """MLflow's own words say that there is no such run."""
    ours, mlflows = both.answers(lambda asked: asked.get_run(run_id))
    assert ours == mlflows
    assert ours[0] == ServerRefused.__name__


def test_other_stores_answer_themselves(tmp_path: Path) -> None:
    """A store that may hide runs from some people, or of another kind, is left alone."""

    class Elsewhere(SqlAlchemyStore):
        """A store with rules of its own."""

        def __init__(self) -> None:
            """Nothing is opened."""

    assert reader_of(Elsewhere(), Elsewhere(), "") is None
    assert reader_of(tmp_path, tmp_path, "") is None


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE alembic_version SET version_num = 'another'",
        "DELETE FROM alembic_version",
        "INSERT INTO alembic_version VALUES ('another')",
        "DROP TABLE alembic_version",
        "DROP TABLE webhooks",
        "UPDATE experiments SET workspace = 'other'",
    ],
)
def test_unknown_tables_are_mlflows(embedded_store: Callable[[], EmbeddedStore], spoil: str) -> None:
    """Tables of another version, or with workspaces, are not read by columns: MLflow knows what to say to them."""
    store = embedded_store()
    settings = read_settings(Path("/"), {}, tracking_uri=store.uri)
    assert open_reader(settings) is not None
    with closing(sqlite3.connect(store.uri.removeprefix("sqlite:///"))) as database, database:
        database.execute(spoil)
    assert open_reader(settings) is None


def test_what_only_mlflow_opens(
    embedded_store: Callable[[], EmbeddedStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is missing, empty or no database, an address with options, and workspaces are left to MLflow."""
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("no database\n" * 100)
    uri = embedded_store().uri
    for place in (*(f"sqlite:///{tmp_path}/{name}.db" for name in ("none", "empty", "text")), f"{uri}?timeout=1"):
        assert open_reader(read_settings(tmp_path, {}, tracking_uri=place)) is None
    assert not (tmp_path / "none.db").exists()
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    assert open_reader(read_settings(tmp_path, {}, tracking_uri=uri)) is None


def test_the_tables_are_those_of_this_mlflow(embedded_store: Callable[[], EmbeddedStore]) -> None:
    """The MLflow that is installed makes tables that are known: an upgrade fails here first."""
    with closing(sqlite3.connect(embedded_store().uri.removeprefix("sqlite:///"))) as database:
        ((version,),) = database.execute("SELECT version_num FROM alembic_version")
    assert numbers_of(SCHEMAS[version]) == numbers_of(mlflow.__version__)[:2]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_tables_of_every_version_are_read_and_told(
    schema: str, shipped: Flywheel, embedded_store: Callable[[], EmbeddedStore]
) -> None:
    """Reading goes on whichever MLflow made the tables; the doctor says whose they are when it is another one."""
    uri = embedded_store().uri
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", [schema])
    settings = read_settings(Path("/"), {}, tracking_uri=uri)
    session = Session(shipped, connect(settings, shipped.name), Identity("ann"))
    told = [item for item in examine(session, settings) if item.name == "store" and "its tables" in item.text]
    made, installed = numbers_of(SCHEMAS[schema]), numbers_of(mlflow.__version__)[:2]
    assert [item.verdict for item in told] == (
        [] if made == installed else [Verdict.BLOCK if made > installed else Verdict.PASS]
    )
    assert all(f"those of MLflow {SCHEMAS[schema]}" in item.text for item in told)


def test_other_tables_are_not_written(embedded_store: Callable[[], EmbeddedStore]) -> None:
    """What MLflow says to tables of another version names no command that would not help."""
    uri = embedded_store().uri
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'another'")
    with pytest.raises(ServerRefused, match="not those of the MLflow that is installed") as refused:
        connect(read_settings(Path("/"), {}, tracking_uri=uri), "fw")
    assert "flywheel doctor" in str(refused.value.hint)


def test_a_database_that_fails_is_mlflows(embedded_store: Callable[[], EmbeddedStore]) -> None:
    """Tables that vanish while they are read are MLflow's to complain about."""
    store = embedded_store()
    reader = open_reader(read_settings(Path("/"), {}, tracking_uri=store.uri))
    assert reader is not None
    with closing(sqlite3.connect(store.uri.removeprefix("sqlite:///"))) as database, database:
        database.execute("DROP TABLE experiment_tags")
    with pytest.raises(NotUnderstood):
        reader.search_experiments()


def test_reading_cannot_write(embedded_store: Callable[[], EmbeddedStore]) -> None:
    """The connection that reads is opened for reading alone."""
    reader = open_reader(read_settings(Path("/"), {}, tracking_uri=embedded_store().uri))
    assert reader is not None
    with pytest.raises(NotUnderstood), reader._session() as rows:
        rows("DELETE FROM experiments", ())


def test_writing_is_mlflows(embedded_store: Callable[[], EmbeddedStore]) -> None:
    """What is written through the same client is in its next answer."""
    client: Any = connect(read_settings(Path("/"), {}, tracking_uri=embedded_store().uri), "fw")._client
    assert isinstance(client, ReadingClient)
    experiment = client.create_experiment("here", tags={"a": "b"})
    found = client.get_experiment_by_name("here")
    assert found is not None
    assert (found.experiment_id, found.tags) == (experiment, {"a": "b"})
