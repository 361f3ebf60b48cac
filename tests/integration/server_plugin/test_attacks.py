"""Ways past the guard, each tried on SQLite and on MariaDB, whose collations take other names for the same."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import mlflow
import pytest
from guard_attacks import API, ATTACKS, attacks_table, governed_facts, target_of
from mlflow import MlflowClient
from releases_bench import ReleasesBench
from servers.plugin import PluginServer

from flywheel_mlflow.console.endpoints import ENDPOINTS, NATIVE, Effect
from flywheel_mlflow.tracking.versions import NEWEST, numbers_of


@pytest.fixture(scope="session", params=["sqlite", "mariadb"])
def guarded(request: pytest.FixtureRequest) -> tuple[PluginServer, ReleasesBench]:
    """A server that guards, and a flywheel with release 2 in production on it."""
    names = {"sqlite": ("guarding", "released"), "mariadb": ("guarding_mariadb", "released_mariadb")}
    server, found = (request.getfixturevalue(name) for name in names[request.param])
    return server, found


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_changes_nothing(name: str, guarded: tuple[PluginServer, ReleasesBench]) -> None:
    """Each request is refused, or not understood, and nothing that is governed has changed; the audit finds nothing."""
    server, found = guarded
    before = governed_facts(found)
    for method, path, more in ATTACKS[name].calls(target_of(found)):
        answer = server.call(method, path, **more)
        assert answer.status_code >= 400 or path.endswith("/demo/delete"), (path, more, answer.text)
        assert "Traceback" not in answer.text
    assert governed_facts(found) == before
    assert found.findings() == {}


@pytest.mark.parametrize("name", ["promptlab", "ids", "renames", "prompts", "files", "ledger pointer"])
def test_the_first_of_them_says_why(name: str, guarded: tuple[PluginServer, ReleasesBench]) -> None:
    """The refusal is MLflow's own kind, and names the command or the reason."""
    server, found = guarded
    method, path, more = ATTACKS[name].calls(target_of(found))[0]
    answer = server.call(method, path, **more)
    assert answer.status_code == 403, answer.text
    assert found.name in answer.text or "flywheel" in answer.text or "hides releases" in answer.text


def test_a_store_that_takes_two_names_for_one(guarding_mariadb: PluginServer, released_mariadb: ReleasesBench) -> None:
    """MariaDB finds model, run and alias under other spellings: the guard refuses, and says not "not found"."""
    name, run_id = released_mariadb.name, target_of(released_mariadb).pinned_run
    for path, body in (
        ("/registered-models/alias", {"name": name.upper(), "alias": "Production", "version": "3"}),
        ("/registered-models/set-tag", {"name": name.upper(), "key": "flywheel.ledger_run", "value": "x"}),
        ("/runs/delete", {"run_id": run_id.upper()}),
    ):
        answer = guarding_mariadb.call("POST", API + path, json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED"), answer.text


def test_an_administrator_mends_a_mark(guarding: PluginServer, released: ReleasesBench) -> None:
    """A mark that got there before the guard makes everything refused, and may be taken away."""
    client: Any = MlflowClient(tracking_uri=guarding.uri)
    body = {"name": released.name, "key": "mlflow.prompt.is_prompt"}
    assert guarding.call("DELETE", f"{API}/registered-models/delete-tag", json=body).status_code != 403
    client.set_registered_model_alias(released.name, "canary", "3")
    client.delete_registered_model_alias(released.name, "canary")


def test_a_refusal_that_a_handler_keeps_to_itself_is_told(guarding: PluginServer, released: ReleasesBench) -> None:
    """Linking traces to a run that a release rests on is none of that endpoint's: it is refused, not half done."""
    body = {"run_id": target_of(released).pinned_run, "trace_ids": ["tr-x"]}
    before = governed_facts(released)
    guarding.call("POST", f"{API}/traces/link-to-run", json=body)
    assert governed_facts(released) == before


def test_the_document_has_the_table(repository: Path) -> None:
    """docs/releases-attacks.md tells of each attack tried here, in these words."""
    assert attacks_table() in (repository / "docs" / "releases-attacks.md").read_text(encoding="utf-8")


def routes(app: Any) -> Any:
    """Every route that an application answers without Flask."""
    for route in app.router.routes:
        inner = getattr(route, "original_router", None)
        yield from inner.routes if inner is not None else [route]


def test_every_endpoint_is_classified() -> None:
    """The table has every endpoint of this MLflow, Flask's and native, and of the newest none that does not exist."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, of its use of Starlette
        from mlflow.server import app as flask_app
        from mlflow.server.fastapi_app import create_fastapi_app

    native = {route.name for route in routes(create_fastapi_app(flask_app)) if getattr(route, "methods", None)}
    assert set(flask_app.view_functions) - set(ENDPOINTS) == set()
    assert native - set(NATIVE) == set()
    if numbers_of(mlflow.__version__) >= numbers_of(NEWEST):
        assert set(ENDPOINTS) == set(flask_app.view_functions)
        assert set(NATIVE) == native


def test_what_only_reads_is_asked_without_changing() -> None:
    """An endpoint that is said to read has no method that writes, or is a search with a body."""
    from mlflow.server import app as flask_app

    asked_with_a_body = ("search", "batchget", "metrics", "correlation", "graphql", "latest-versions", "presigned")
    for rule in flask_app.url_map.iter_rules():
        if ENDPOINTS[rule.endpoint] is Effect.READS and (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}:
            assert any(word in rule.rule.casefold() for word in asked_with_a_body), rule.rule
