"""Tests of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from flywheel_mlflow.errors import InputError
from flywheel_mlflow.settings import read_settings

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


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:hunter2@host:5000/x", "http://host:5000/x"),
        ("https://hunter2@host", "https://host"),
        ("postgresql://me:hunter2@host/db", "postgresql://host/db"),
        ("postgresql+psycopg://me:hunt@er2@host/db", "postgresql+psycopg://host/db"),
        ("mysql+pymysql://me:hunt/er2@host/db", "mysql+pymysql://host/db"),
        ("postgresql://host/db?user=me&password=hunter2&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("mysql://host/db?ssl_key=hunter2", "mysql://host/db?ssl_key=***"),
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
    "uri", ["file:///tmp/mlruns", "./mlruns", "databricks", "sqlite://", "sqlite:///", "ftp://me:hunter2@h", "HTTP//h"]
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
        ("postgresql://h/d", None),
    ],
)
def test_only_a_database_file_brings_its_artifact_folder(uri: str, root: str | None) -> None:
    """Beside the file; a server, or a database without one, decides itself."""
    assert read_settings(ROOT, {}, tracking_uri=uri).artifact_root == (Path(root) if root else None)


def test_the_actor_is_the_name_given_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user name of the server if there is one, else the login."""
    assert read_settings(ROOT, {"MLFLOW_TRACKING_USERNAME": "ann"}).actor == "ann"
    monkeypatch.setenv("LOGNAME", "bob")
    assert read_settings(ROOT, {}).actor == "bob"
