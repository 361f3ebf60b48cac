"""The guard on a server whose clients decide themselves: what the ledger permits passes, everything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from releases_bench import MANAGER, ReleasesBench
from servers.plugin import PluginServer
from workbench import fresh_name

from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.operations.deciding import NewEvent, append_decision

PREFIXES = ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow")
MODELS, VERSIONS = "/registered-models", "/model-versions"
#: What nobody may do: method, path, the rest of the body, and the word that the refusal must name.
FORBIDDEN: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "alias to a candidate": ("POST", f"{MODELS}/alias", {"alias": "production", "version": "3"}, "flywheel promote 3"),
    "alias back by hand": ("POST", f"{MODELS}/alias", {"alias": "production", "version": "1"}, "flywheel rollback"),
    "staging by hand": ("POST", f"{MODELS}/alias", {"alias": "staging", "version": "3"}, "flywheel promote 3"),
    "alias in capitals": ("POST", f"{MODELS}/alias", {"alias": "Production", "version": "3"}, "mistaken"),
    "alias away": ("DELETE", f"{MODELS}/alias", {"alias": "production"}, "flywheel rollback"),
    "stage": ("POST", f"{VERSIONS}/transition-stage", {"version": "3", "stage": "production"}, "flywheel promote"),
    "stage away": ("POST", f"{VERSIONS}/transition-stage", {"version": "2", "stage": "None"}, "flywheel promote"),
    "stages of others": (
        "POST",
        f"{VERSIONS}/transition-stage",
        {"version": "2", "stage": "Production", "archive_existing_versions": True},
        "archive_existing_versions",
    ),
    "version": ("DELETE", f"{VERSIONS}/delete", {"version": "1"}, "flywheel release retire 1"),
    "model": ("DELETE", f"{MODELS}/delete", {}, "flywheel release retire"),
    "name": ("POST", f"{MODELS}/rename", {"new_name": "elsewhere"}, "found by its name"),
    "ledger pointer": ("POST", f"{MODELS}/set-tag", {"key": "flywheel.ledger_run", "value": "x"}, "ledger"),
    "ledger pointer away": ("DELETE", f"{MODELS}/delete-tag", {"key": "flywheel.ledger_run"}, "ledger"),
    "digest": ("POST", f"{VERSIONS}/set-tag", {"version": "3", "key": "flywheel.bundle", "value": "x"}, "released"),
    "verdict": (
        "POST",
        f"{VERSIONS}/set-tag",
        {"version": "3", "key": "flywheel.gate.production", "value": "PASS (event 9, run x)"},
        "released",
    ),
    "pin away": (
        "DELETE",
        f"{VERSIONS}/delete-tag",
        {"version": "2", "key": "flywheel.interface.p01_data"},
        "released",
    ),
}


def facts(bench: ReleasesBench) -> Any:
    """All that the guard protects, as the server has it now."""
    model = bench.bench.client.get_registered_model(bench.name)
    views = bench.bench.tracking.releases.versions()
    return dict(model.aliases), dict(model.tags), [(item.version, item.stage, dict(item.tags)) for item in views]


def test_what_the_ledger_decides_passes(released: ReleasesBench) -> None:
    """Two releases went all the way by clients' own requests, aliases and stages where the ledger has them."""
    assert released.findings() == {}
    assert released.snapshot().aliases == {"staging": 2, "production": 2}
    stages = {item.version: item.stage for item in released.bench.tracking.releases.versions()}
    assert stages == {1: "Archived", 2: "Production", 3: "None", 4: "None"}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_call_without_a_decision_is_refused(name: str, guarding: PluginServer, released: ReleasesBench) -> None:
    """Below each prefix the answer is 403, in MLflow's own form, with what to do instead; nothing has changed."""
    method, path, body, word = FORBIDDEN[name]
    before = facts(released)
    for prefix in PREFIXES:
        answer = guarding.call(method, prefix + path, json={"name": released.name} | body)
        assert answer.status_code == 403, answer.text
        assert answer.json()["error_code"] == "PERMISSION_DENIED"
        assert word in answer.json()["message"]
    assert facts(released) == before


def test_clients_show_the_reason(released: ReleasesBench) -> None:
    """MLflow's Python client raises the refusal with its code, and the command to use."""
    client = released.bench.client
    with pytest.raises(MlflowException, match="flywheel promote 3 --to production") as caught:
        client.set_registered_model_alias(released.name, "production", "3")
    assert caught.value.error_code == "PERMISSION_DENIED"
    with pytest.raises(MlflowException, match="flywheel release retire 2"):
        client.delete_model_version(released.name, "2")


def spellings(name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The same forbidden move, written in ways a guard could miss."""
    body = {"name": name, "alias": "production", "version": "3"}
    path = f"/api/2.0/mlflow{MODELS}/alias"
    stage = f"/api/2.0/mlflow{VERSIONS}/transition-stage"
    text = json.dumps(body)
    camel = {"name": name, "version": "3", "stage": "PRODUCTION", "archiveExistingVersions": True}
    declared = {"Content-Type": "application/json; charset=utf-16"}
    return [
        ("POST", f"{path}/", {"json": body}),
        ("POST", path.upper(), {"json": body}),
        ("POST", path.replace("/mlflow", "//mlflow"), {"json": body}),
        ("POST", path.replace("alias", "%61lias"), {"json": body}),
        ("POST", f"/api/2.0/mlflow/experiments/..{MODELS}/alias", {"json": body}),
        ("POST", path, {"params": body}),
        ("POST", path, {"params": body, "json": {}}),
        ("GET", path, {"params": body}),
        ("PATCH", path, {"json": body}),
        ("POST", path, {"data": text, "headers": {"Content-Type": "text/plain"}}),
        ("POST", path, {"data": text}),
        ("POST", path, {"data": json.dumps(text), "headers": {"Content-Type": "application/json"}}),
        ("POST", path, {"data": text[:-1], "headers": {"Content-Type": "application/json"}}),
        ("POST", path, {"data": text[:-1] + ',"version":"03"}', "headers": {"Content-Type": "application/json"}}),
        ("POST", path, {"json": body | {"version": 3}}),
        ("POST", path, {"json": body | {"version": " 3"}}),
        ("POST", path, {"json": body | {"version": "x"}}),
        ("POST", path, {"json": [body]}),
        (
            "POST",
            path,
            {"data": text.encode("utf-16"), "headers": declared},
        ),
        ("POST", path, {"json": body, "headers": {"X-HTTP-Method-Override": "GET"}}),
        ("POST", path.replace("2.0", "3.0"), {"json": body}),
        ("POST", stage, {"json": camel}),
        ("POST", stage, {"json": camel | {"archive_existing_versions": False}}),
    ]


@pytest.mark.parametrize("index", range(len(spellings(""))))
def test_no_spelling_slips_by(index: int, guarding: PluginServer, released: ReleasesBench) -> None:
    """However the forbidden move is written, it is refused or not understood, and nothing has changed."""
    before = facts(released)
    method, path, more = spellings(released.name)[index]
    answer = guarding.call(method, path, allow_redirects=False, **more)
    assert answer.status_code >= 300 or method == "GET", answer.text
    assert answer.status_code < 500, answer.text
    assert facts(released) == before


def test_a_double_encoded_body_is_read_as_mlflow_reads_it(guarding: PluginServer, released: ReleasesBench) -> None:
    """JSON within JSON, which MLflow's handlers accept from old clients, is refused for the same reason."""
    text = json.dumps(json.dumps({"name": released.name, "alias": "production", "version": "3"}))
    answer = guarding.call(
        "POST", "/api/2.0/mlflow/registered-models/alias", data=text, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_an_open_move_permits_itself_alone(released: ReleasesBench) -> None:
    """While a promotion is open its alias moves to its version and to no other; undone, it moves there no more."""
    client, name = released.bench.client, released.name
    body = {"version": 3, "to": "staging", "from": 2, "by": None, "reason": "", "lease_s": 1}
    append_decision(released.session(), lambda _: NewEvent(Kind.PROMOTION_STARTED, body))
    for alias, version in (("production", "3"), ("staging", "1")):
        with pytest.raises(MlflowException, match="no decision moves"):
            client.set_registered_model_alias(name, alias, version)
    client.set_registered_model_alias(name, "staging", "3")
    client.set_registered_model_alias(name, "staging", "3")
    with pytest.raises(MlflowException, match="open"):
        client.set_registered_model_alias(name, "staging", "2")
    moved = released.act(MANAGER, "reconcile", force=True)
    assert "finished the promotion of release 3" in str(moved["mended"])
    with pytest.raises(MlflowException, match="no decision moves"):
        client.set_registered_model_alias(name, "staging", "2")
    assert dict(client.get_registered_model(name).aliases) == {"production": "2", "staging": "3"}


def test_runs_that_releases_rest_on_are_kept(released: ReleasesBench) -> None:
    """The ledger, a bundle's run and a pinned run stay, and with them their experiments."""
    client = released.bench.client
    view = released.bench.tracking.releases.version(2)
    assert view is not None
    pinned = view.pins["p01_data"].run_id
    for run_id, why in ((released.ledger_run(), "ledger"), (view.run_id, "bundle"), (pinned, "pins its p01_data")):
        with pytest.raises(MlflowException, match=why) as caught:
            client.delete_run(run_id)
        assert caught.value.error_code == "PERMISSION_DENIED"
        with pytest.raises(MlflowException, match="is kept with run"):
            client.delete_experiment(client.get_run(run_id).info.experiment_id)
        assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_a_retired_release_can_go(released: ReleasesBench) -> None:
    """Once retired, a release's version may be deleted; its run not before the last release that rests on it."""
    client = released.bench.client
    with pytest.raises(MlflowException, match="flywheel release retire 4"):
        client.delete_model_version(released.name, "4")
    released.act(MANAGER, "retire", version=4, reason="a test")
    client.delete_model_version(released.name, "4")
    assert 4 not in {item.version for item in released.bench.tracking.releases.versions()}
    with pytest.raises(MlflowException, match="holds the bundle of release"):
        client.delete_run(released.snapshot().state.release(4).run_id)


def test_a_gate_marks_its_version(released: ReleasesBench) -> None:
    """The mark of a verdict that the ledger holds may be written by the client that wrote the verdict."""
    answer = released.act(MANAGER, "gate", version=3, to="production")
    view = released.bench.tracking.releases.version(3)
    assert view is not None
    assert f"event {answer['event']}" in view.tags["flywheel.gate.production"]


def test_everything_else_goes_on(guarding: PluginServer, released: ReleasesBench) -> None:
    """Other models, other aliases and tags, runs, experiments and the UI are as without the plugin."""
    client = MlflowClient(tracking_uri=guarding.uri)
    name = fresh_name()
    experiment = client.create_experiment(name)
    run = client.create_run(experiment)
    client.log_param(run.info.run_id, "event.000000", "x")
    client.log_metric(run.info.run_id, "loss", 0.5)
    client.set_tag(run.info.run_id, "flywheel.anything", "x")
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, f"runs:/{run.info.run_id}/model", run_id=run.info.run_id)
    client.set_registered_model_alias(name, "production", "1")
    client.set_registered_model_alias(name, "production", "2")
    client.set_model_version_tag(name, "1", "flywheel.mine", "x")
    client.delete_registered_model_alias(name, "production")
    client.delete_model_version(name, "1")
    client.rename_registered_model(name, f"{name}-2")
    client.delete_registered_model(f"{name}-2")
    client.delete_run(run.info.run_id)
    client.delete_experiment(experiment)
    client.set_registered_model_alias(released.name, "canary", "3")
    client.set_model_version_tag(released.name, "3", "note", "mine")
    client.update_model_version(released.name, "3", description="mine")
    client.delete_registered_model_alias(released.name, "canary")
    page = guarding.call("GET", "/")
    assert page.status_code == 200
    assert "<html" in page.text
    missing = guarding.call("POST", "/api/2.0/mlflow/registered-models/alias", json={"alias": "production"})
    assert missing.status_code == 400


def test_a_pointer_to_a_ledger_is_made_with_the_model_alone(guarding: PluginServer) -> None:
    """Nobody can put somebody's model under a ledger of their own choice afterwards."""
    client = MlflowClient(tracking_uri=guarding.uri)
    name = fresh_name()
    client.create_registered_model(name)
    with pytest.raises(MlflowException, match="where the ledger is"):
        client.set_registered_model_tag(name, "flywheel.ledger_run", "x")
    client.delete_registered_model(name)


def test_a_damaged_ledger_permits_nothing(guarding: PluginServer) -> None:
    """A model whose ledger does not hold together keeps its aliases where they are."""
    client = MlflowClient(tracking_uri=guarding.uri)
    name = fresh_name()
    experiment = client.create_experiment(name)
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "event.000000", "no event")
    labels = {"flywheel.ledger_run": run_id, "flywheel.ledger_experiment": experiment}
    client.create_registered_model(name, tags=labels)
    client.create_model_version(name, f"runs:/{run_id}/model", run_id=run_id)
    with pytest.raises(MlflowException, match="does not hold together") as caught:
        client.set_registered_model_alias(name, "production", "1")
    assert caught.value.error_code == "PERMISSION_DENIED"


def test_a_server_that_only_guards_takes_no_decisions(guarding: PluginServer, released: ReleasesBench) -> None:
    """It says so, and clients of any flywheel decide for themselves."""
    about = guarding.call("GET", "/ajax-api/2.0/flywheel/about").json()
    assert (about["plugin"], about["flywheel"], about["authentication"]) == ("flywheel", None, False)
    assert guarding.act(MANAGER, "promote", version=3, to="production").status_code == 404
    assert released.bench.tracking.server.about == about
