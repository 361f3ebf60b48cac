"""What is nobody's release goes on as on a plain server: the same requests to both, compared answer by answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from guard_attacks import AJAX, AJAX3, API, API3, FILES, governed_facts, target_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from releases_bench import ReleasesBench
from servers.plugin import PluginServer
from servers.tracking import TrackingServerProcess, running_tracking_server
from stress import repetitions
from workbench import fresh_name

#: What no two servers have alike: ids, times, places, names that MLflow makes up.
_OWN = re.compile(r"[0-9a-f]{32}|(?:m|tr|d|w|ls|rq|iss)-[0-9a-f]{6,32}|\b\d{13}\b|(?<=id=)\d+|(?<=ids: )\d+")
_MADE_UP = (
    "artifact_location",
    "artifact_uri",
    "run_name",
    "experiment_id",
    "experiment_ids",
    "digest",
    "mlflow.artifactLocation",
)


class Caller:
    """Sends the same requests to two servers, with ids of their own in them."""

    def __init__(self, *roots: str) -> None:
        self._roots = roots
        self._names: list[dict[str, str]] = [{} for _ in roots]

    def __call__(self, method: str, path: str, *, keep: str = "", into: str = "", **more: Any) -> list[Any]:
        """The answers, made comparable; ``keep`` is the field whose value is known as ``into`` from now on."""
        answers = []
        for root, names in zip(self._roots, self._names, strict=True):
            given_ = {key: _filled(value, names) for key, value in more.items()}
            answer = requests.request(method, root + _filled(path, names), timeout=60, **given_)
            if keep:
                names[into] = str(_find(answer.json(), keep))
            answers.append((answer.status_code, _alike(answer)))
        return answers


def _filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, known in names.items():
            value = value.replace(f"<{name}>", known)
        return value
    if isinstance(value, dict):
        return {key: _filled(item, names) for key, item in value.items()}
    return [_filled(item, names) for item in value] if isinstance(value, list) else value


def _find(document: Any, key: str) -> Any:
    if isinstance(document, dict):
        if key in document:
            return document[key]
        document = list(document.values())
    for item in document if isinstance(document, list) else []:
        found = _find(item, key)
        if found is not None:
            return found
    return None


def _alike(answer: requests.Response) -> Any:
    if not answer.text or not answer.headers.get("content-type", "").startswith("application/json"):
        return _OWN.sub("ID", answer.text)
    return _plain(answer.json())


def _plain(document: Any, key: str = "") -> Any:
    if isinstance(document, dict):
        return {name: _plain(item, name) for name, item in document.items()}
    if isinstance(document, list):
        return [_plain(item, key) for item in document]
    if key in _MADE_UP or key.endswith(("_time", "_timestamp", "_ms", "_id", "_at", "uri")):
        return type(document).__name__
    return _OWN.sub("ID", document) if isinstance(document, str) else document


Request = tuple[str, str, dict[str, Any]]


def post(path: str, /, **body: Any) -> Request:
    """A request with a JSON body."""
    return "POST", path, {"json": body}


def story(name: str) -> Iterator[Request]:
    """Requests of MLflow's REST, registry, webhooks, traces, datasets, artifacts and UI, good ones and wrong ones."""
    yield from about_runs(name)
    yield from about_models(name)
    yield from about_others(name)


def about_runs(name: str) -> Iterator[Request]:
    """Experiments, runs, logged models and their files."""
    yield "POST", f"{API}/experiments/create", {"json": {"name": name}, "keep": "experiment_id", "into": "e"}
    yield post(f"{API}/experiments/create", name=name)
    yield post(f"{API}/experiments/create")
    yield post(f"{API}/experiments/set-experiment-tag", experiment_id="<e>", key="k", value="v")
    yield post(f"{API}/experiments/update", experiment_id="<e>", new_name=f"{name} again")
    yield post(f"{AJAX}/experiments/search", max_results=5, filter=f"name = '{name} again'")
    yield "GET", f"{API}/experiments/get", {"params": {"experiment_id": "0<e>"}}
    yield (
        "POST",
        f"{API}/runs/create",
        {"json": {"experiment_id": "<e>", "run_name": "r"}, "keep": "run_id", "into": "r"},
    )
    yield post(f"{API}/runs/create", experiment_id="999999")
    yield post(f"{API}/runs/log-parameter", run_id="<r>", key="event.000000", value="{}")
    yield post(f"{API}/runs/log-parameter", run_id="<r>", key="event.000000", value="other")
    yield post(f"{API}/runs/log-metric", run_id="<r>", key="m", value=1.5, timestamp=1, step=2)
    yield post(f"{API}/runs/log-metric", run_id="x", key="m", value=1.5, timestamp=1, step=2)
    yield post(
        f"{API}/runs/log-batch",
        run_id="<r>",
        params=[{"key": "p", "value": "q"}],
        tags=[{"key": "flywheel.kind", "value": "x"}],
    )
    yield post(f"{API}/runs/set-tag", run_id="<r>", key="mlflow.note.content", value="n")
    yield post(f"{API}/runs/delete-tag", run_id="<r>", key="nothing")
    yield post(
        f"{API}/runs/log-inputs",
        run_id="<r>",
        datasets=[{"dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}}],
    )
    yield post(f"{API}/runs/update", run_id="<r>", status="FINISHED", end_time=5)
    yield "GET", f"{API}/runs/get", {"params": {"run_id": "<r>"}}
    yield post(f"{API}/runs/search", experiment_ids=["<e>"])
    yield (
        "POST",
        f"{API}/logged-models",
        {"json": {"experiment_id": "<e>", "name": "m", "source_run_id": "<r>"}, "keep": "model_id", "into": "m"},
    )
    yield "PATCH", f"{API}/logged-models/<m>/tags", {"json": {"tags": [{"key": "a", "value": "b"}]}}
    yield "PATCH", f"{API}/logged-models/<m>", {"json": {"status": "LOGGED_MODEL_READY"}}
    yield post(f"{API}/runs/outputs", run_id="<r>", models=[{"model_id": "<m>", "step": 0}])
    yield "DELETE", f"{API}/logged-models/<m>", {}
    yield "PUT", f"{FILES}/artifacts/<e>/<r>/artifacts/a/b.txt", {"data": b"hello"}
    yield "PUT", f"{FILES}/artifacts/../x", {"data": b"hello"}
    yield "GET", f"{FILES}/artifacts/<e>/<r>/artifacts/a/b.txt", {}
    yield "GET", f"{API}/artifacts/list", {"params": {"run_id": "<r>"}}
    yield "POST", f"{AJAX}/upload-artifact", {"params": {"run_uuid": "<r>", "path": "c.json"}, "data": "{}"}
    yield "DELETE", f"{FILES}/artifacts/<e>/<r>/artifacts/a", {}


def about_models(name: str) -> Iterator[Request]:
    """Registered models, from making to deleting them."""
    yield post(f"{API}/registered-models/create", name=name, tags=[{"key": "a", "value": "b"}])
    yield post(f"{API}/registered-models/create", name=name)
    for _ in range(2):
        yield post(f"{API}/model-versions/create", name=name, source="s3://nowhere/model", run_id="<r>")
    yield post(
        f"{API}/model-versions/create",
        name=name,
        source="mlflow-artifacts:/x",
        tags=[{"key": "flywheel.x", "value": "y"}],
    )
    for alias, version in (
        ("production", "1"),
        ("Production", "1"),
        ("staging", "2"),
        ("production", "9"),
        ("latest", "1"),
        ("a b", "1"),
    ):
        yield post(f"{API}/registered-models/alias", name=name, alias=alias, version=version)
    yield "GET", f"{API}/registered-models/alias", {"params": {"name": name, "alias": "production"}}
    yield "DELETE", f"{API}/registered-models/alias", {"json": {"name": name, "alias": "staging"}}
    yield post(
        f"{API}/model-versions/transition-stage",
        name=name,
        version="1",
        stage="production",
        archive_existing_versions=True,
    )
    yield post(f"{API}/model-versions/transition-stage", name=name, version="1", stage="nowhere")
    yield post(f"{API}/model-versions/set-tag", name=name, version="1", key="mlflow.prompt.text", value="x")
    yield post(f"{API}/registered-models/set-tag", name=name, key="flywheel.note", value="x")
    yield (
        "DELETE",
        f"{API}/model-versions/delete-tag",
        {"json": {"name": name, "version": "1", "key": "mlflow.prompt.text"}},
    )
    yield "PATCH", f"{API}/registered-models/update", {"json": {"name": name, "description": "d"}}
    yield "PATCH", f"{API}/model-versions/update", {"json": {"name": name, "version": "1", "description": "d"}}
    yield "GET", f"{API}/model-versions/search", {"params": {"filter": f"name = '{name}'"}}
    yield post(f"{API}/registered-models/rename", name=name, new_name=f"{name}-2")
    yield "DELETE", f"{API}/model-versions/delete", {"json": {"name": f"{name}-2", "version": "1"}}
    yield "DELETE", f"{API}/registered-models/delete", {"json": {"name": f"{name}-2"}}
    yield "DELETE", f"{API}/registered-models/delete", {"json": {"name": f"{name}-2"}}


def about_others(name: str) -> Iterator[Request]:
    """Everything else, and the end of the run and its experiment."""
    yield post(f"{API3}/datasets/create", name=f"{name}-d", experiment_ids=["<e>"])
    yield post(f"{API3}/scorers/register", experiment_id="<e>", name="s", serialized_scorer="{}")
    yield post(f"{API3}/label-schemas/create", experiment_id="<e>", name="l", type="FEEDBACK", title="t")
    yield post(f"{API3}/review-queues/create", experiment_id="<e>", name="q", queue_type="CUSTOM")
    yield (
        "POST",
        f"{API3}/traces",
        {
            "json": {
                "trace": {
                    "trace_info": {
                        "trace_id": f"tr-{name}",
                        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "<e>"}},
                        "request_time": "2026-01-01T00:00:00Z",
                        "state": "OK",
                    }
                }
            }
        },
    )
    yield "PATCH", f"{API3}/traces/tr-{name}/tags", {"json": {"key": "a", "value": "b"}}
    yield post(f"{API}/traces/link-to-run", run_id="<r>", trace_ids=[f"tr-{name}"])
    yield post(f"{API3}/traces/delete-traces", experiment_id="<e>", request_ids=[f"tr-{name}"])
    yield post("/graphql", query='query { mlflowGetExperiment(input: {experimentId: "<e>"}) { experiment { name } } }')
    yield post(
        f"{API3}/gateway/secrets/create", secret_name=f"{name}-s", secret_value={"api_key": "x"}, provider="openai"
    )
    yield "GET", f"{API}/webhooks", {}
    yield post(f"{AJAX3}/demo/delete")
    yield post(f"{API}/runs/delete", run_id="<r>")
    yield post(f"{API}/runs/restore", run_id="<r>")
    yield post(f"{API}/experiments/delete", experiment_id="<e>")
    yield post(f"{API}/experiments/delete", experiment_id="<e>")
    yield post(f"{API}/experiments/restore", experiment_id="<e>")
    yield "GET", "/", {}
    yield "GET", "/version", {}
    yield "GET", f"{API}/nothing/of/the/kind", {}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServerProcess]:
    """A server without the plugin, below the path that the guarded one has."""
    folder = tmp_path_factory.mktemp("plain")
    with running_tracking_server(folder, backend=f"sqlite:///{folder / 'mlflow.db'}", prefix="/ml") as server:
        yield server


def test_ungoverned_things_lose_nothing(
    plain: TrackingServerProcess, guarding: PluginServer, released: ReleasesBench
) -> None:
    """Each request of the story gets from the guarded server what it gets from a plain one, refusals word for word."""
    call = Caller(plain.uri, guarding.uri)
    for method, path, more in story(fresh_name()):
        one, other = call(method, path, **more)
        assert one == other, (method, path, more)
    assert released.findings() == {}


#: Where a request may go: what changes runs, experiments, models, files, jobs.
PATHS = (
    *("/runs/delete", "/runs/set-tag", "/runs/delete-tag", "/runs/log-batch", "/runs/log-parameter", "/runs/update"),
    *("/runs/create", "/runs/create-promptlab-run", "/runs/outputs", "/experiments/delete", "/experiments/update"),
    *(
        "/experiments/set-experiment-tag",
        "/experiments/create",
        "/registered-models/alias",
        "/registered-models/rename",
    ),
    *("/registered-models/delete", "/registered-models/set-tag", "/registered-models/delete-tag"),
    *("/registered-models/create", "/model-versions/transition-stage", "/model-versions/delete"),
    *("/model-versions/set-tag", "/model-versions/delete-tag", "/logged-models", "/traces/link-to-run"),
)
FIELDS = ("run_id", "runId", "run_uuid", "experiment_id", "experimentId", "name", "new_name", "newName", "alias")
MORE = ("version", "stage", "key", "value", "archive_existing_versions", "source_run_id")


def spelled(text: str) -> st.SearchStrategy[str]:
    """A text, and ways to write it that something may take for the same."""
    spaced = [text, f" {text}", f"{text} ", f"{text}\n", f"\t{text}", f"0{text}", f"+{text}", f"{text}.0", f"{text}/"]
    return st.sampled_from([*spaced, text.upper(), text.title(), f"{text}\x00", text.replace("o", "ö"), f"'{text}'"])


@pytest.fixture(scope="module")
def as_decided(released: ReleasesBench) -> Any:
    """What is governed before anything is asked."""
    return core(released)


@settings(max_examples=repetitions(15, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_changes_what_is_governed(
    data: st.DataObject, guarding: PluginServer, released: ReleasesBench, as_decided: Any
) -> None:
    """Whatever is asked of whichever path, in whichever spelling: what is governed stays as the ledger has it."""
    to = target_of(released)
    known = (to.name, to.ledger_run, to.ledger_experiment, to.bundle_run, to.experiment, to.pinned_run, "production")
    values = st.one_of(
        st.sampled_from(known).flatmap(spelled),
        st.sampled_from(["1", "2", "3", 3, 2.0, "None", "Production", "staging", True, None, "flywheel.bundle", ""]),
        st.sampled_from(["flywheel.ledger_run", "mlflow.prompt.is_prompt", f"{to.name}/ledger", [to.bundle_run]]),
    )
    body = data.draw(st.dictionaries(st.sampled_from(FIELDS + MORE), values, max_size=6))
    # What these write is everybody's to write.
    body |= {"name": to.name} if data.draw(st.booleans()) else {}
    prefix = data.draw(st.sampled_from([API, AJAX, API3, f"{API}/..", f"/{API}"]))
    path = prefix + data.draw(st.sampled_from(PATHS)) + data.draw(st.sampled_from(["", "/", "?x=1", "%20"]))
    method = data.draw(st.sampled_from(["POST", "POST", "DELETE", "PATCH", "PUT", "GET"]))
    answer = guarding.call(method, path, json=body, allow_redirects=False)
    assert core(released) == as_decided, (method, path, body, answer.text)


def core(found: ReleasesBench) -> Any:
    """What no request changes: not the params that clients of this server, which takes no decisions, may add."""
    aliases, tags, versions, runs, kept, experiments = governed_facts(found)
    staged = {name: version for name, version in aliases.items() if name in ("staging", "production")}
    ours = {key: value for key, value in tags.items() if key.startswith(("flywheel.", "mlflow.prompt."))}
    ledger = [item for item in runs if item[0] == target_of(found).ledger_run]
    events = [(name, stage, {k: v for k, v in params.items() if k[:6] == "event."}) for name, stage, params in ledger]
    marks = [
        (number, stage, source, {k: v for k, v in labels.items() if k.startswith(("flywheel.", "mlflow.prompt."))})
        for number, stage, source, labels in versions
    ]
    return staged, ours, marks, events, kept, experiments
