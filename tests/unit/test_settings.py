"""Tests of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.settings import read_settings, redacted

ROOT = Path("/srv/wheel")


def test_without_settings_everything_lies_under_the_flywheel() -> None:
    """The embedded default: a database file and a folder of artifacts, no server."""
    found = read_settings(ROOT, {})
    assert found.tracking_uri == "sqlite:////srv/wheel/mlflow-data/mlflow.db"
    assert found.artifact_root == Path("/srv/wheel/mlflow-data/artifacts")
    assert not found.is_server
    assert (found.run_id, found.experiment_id) == (None, None)
    assert found.shown_uri == found.tracking_uri


def test_the_explicit_wins_over_the_environment() -> None:
    """--tracking-uri, then MLFLOW_TRACKING_URI, then the default; empty means left out."""
    environ = {"MLFLOW_TRACKING_URI": "http://env:5000", "MLFLOW_RUN_ID": "", "MLFLOW_EXPERIMENT_ID": "3"}
    assert read_settings(ROOT, environ).tracking_uri == "http://env:5000"
    assert read_settings(ROOT, environ, tracking_uri="https://given").tracking_uri == "https://given"
    assert read_settings(ROOT, {"MLFLOW_TRACKING_URI": ""}).tracking_uri.startswith("sqlite:")
    assert read_settings(ROOT, environ).run_id is None
    assert read_settings(ROOT, environ).experiment_id == "3"


@pytest.mark.parametrize("uri", ["sqlite:////srv/my%20wheel/mlflow.db", "sqlite:////srv/my wheel/./mlflow.db"])
def test_the_default_of_mlflow_itself_is_no_choice(uri: str) -> None:
    """`mlflow run` names ./mlflow.db where nobody chose a store: ours is meant, and the run it made is not in it."""
    environ = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": "1", "MLFLOW_EXPERIMENT_ID": "3"}
    root = Path("/srv/my wheel")
    found = read_settings(root, environ)
    assert found == read_settings(root, {})
    assert (found.run_id, found.experiment_id) == (None, None)
    assert read_settings(root, environ, tracking_uri=uri).tracking_uri == uri
    elsewhere = read_settings(ROOT, environ)
    assert (elsewhere.tracking_uri, elsewhere.run_id) == (uri, "1")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:hunter2@host:5000/x", "http://host:5000/x"),
        ("https://hunter2@host", "https://host"),
        ("https://me:hunt@er2@host/x", "https://host/x"),
        ("https://me:hunt/er2@host/x", "https://host/x"),
        ("https://host/x?user=me&password=hunter2&x=1", "https://host/x?user=me&password=***&x=1"),
        ("https://host/x?ssl_key=hunter2", "https://host/x?ssl_key=***"),
        ("sqlite:////home/me@work/a:b@c/mlflow.db", "sqlite:////home/me@work/a:b@c/mlflow.db"),
        ("http://host:5000/#/experiments/1", "http://host:5000/#/experiments/1"),
    ],
)
def test_credentials_are_never_shown(uri: str, shown: str) -> None:
    """Neither user, password nor token appears in messages or in the settings' own text; paths stay whole."""
    found = read_settings(ROOT, {}, tracking_uri=uri)
    assert found.shown_uri == shown
    assert found.tracking_uri == uri
    assert "er2" not in repr(found)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///tmp/mlruns",
        "./mlruns",
        "databricks",
        "sqlite://",
        "sqlite:///",
        "ftp://me:hunter2@h",
        "HTTP//h",
        "postgresql://me:hunter2@h/d",
    ],
)
def test_a_store_we_cannot_use_is_refused(uri: str) -> None:
    """The message names it without credentials, and the hint what can be used."""
    with pytest.raises(InputError, match="cannot keep a flywheel") as caught:
        read_settings(ROOT, {}, tracking_uri=uri)
    assert "hunter2" not in caught.value.diagnostics()
    assert "http(s)://HOST:PORT" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("uri", "root"),
    [
        ("sqlite:////data/x.db", "/data/artifacts"),
        ("sqlite:////data/x.db?timeout=3", "/data/artifacts"),
        ("http://h", None),
    ],
)
def test_only_a_database_file_brings_its_artifact_folder(uri: str, root: str | None) -> None:
    """Beside the file; a server decides itself."""
    assert read_settings(ROOT, {}, tracking_uri=uri).artifact_root == (Path(root) if root else None)


def test_the_actor_is_the_name_given_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user name of the server if there is one, else the login."""
    assert read_settings(ROOT, {"MLFLOW_TRACKING_USERNAME": "ann"}).actor == "ann"
    monkeypatch.setenv("LOGNAME", "bob")
    assert read_settings(ROOT, {}).actor == "bob"


def test_secret_options_in_any_text_are_covered() -> None:
    """A traceback may quote an address with a token; neither it nor the password is shown."""
    text = "cannot reach https://bob:hunter2@db.example.org/x?user=bob&token=abc now"
    assert redacted(text) == "cannot reach https://db.example.org/x?user=bob&token=*** now"


@pytest.mark.parametrize("uri", ["postgresql://h/d", "mysql://h/d"])
def test_a_bare_database_is_refused(uri: str) -> None:
    """A database without a server has no artifacts, and a dead one would be tried for minutes."""
    with pytest.raises(InputError, match="cannot keep a flywheel"):
        read_settings(ROOT, {}, tracking_uri=uri)
