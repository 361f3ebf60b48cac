"""Tests of how MLflow's settings are read without MLflow."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.settings import REQUEST_RETRIES, REQUEST_TIMEOUT_S
from flywheel_mlflow.tracking.rest import http_settings
from flywheel_mlflow.tracking.rest.http_settings import HttpSettings, http_settings_of

USER = {"MLFLOW_TRACKING_USERNAME": "ana", "MLFLOW_TRACKING_PASSWORD": "pass:word%"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder without credentials, and nothing remembered of the packages of this environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    http_settings._header_providers.cache_clear()
    yield tmp_path
    http_settings._header_providers.cache_clear()


def _known(environ: dict[str, str]) -> HttpSettings:
    found = http_settings_of(environ)
    assert found is not None
    return found


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_without_settings() -> None:
    """Nobody signs in, certificates are checked, and times and retries are those this product sets for MLflow."""
    assert http_settings_of({}) == HttpSettings(None, True, None, REQUEST_TIMEOUT_S, REQUEST_RETRIES, 2, 1.0, True)


def test_settings_are_heeded() -> None:
    """Times, retries, pauses, certificates and redirects are as MLflow's settings want them."""
    environ = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "7",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "3",
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.5",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/etc/ca.pem",
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": "/etc/me.pem",
        "MLFLOW_ALLOW_HTTP_REDIRECTS": "False",
    }
    assert http_settings_of(environ) == HttpSettings(None, "/etc/ca.pem", "/etc/me.pem", 7, 0, 3, 0.5, False)
    assert _known({"MLFLOW_TRACKING_INSECURE_TLS": "True"}).verify is False


def test_who_asks() -> None:
    """A user with a password is sent, else a token; a user alone is only a name."""
    token = {"MLFLOW_TRACKING_TOKEN": "abc"}
    assert _known(USER).authorization == _known(USER | token).authorization == _basic("ana", "pass:word%")
    assert _known(token).authorization == "Bearer abc"
    assert _known({"MLFLOW_TRACKING_USERNAME": "ana"} | token).authorization == "Bearer abc"
    assert _known({"MLFLOW_TRACKING_USERNAME": "ana"}).authorization is None


def test_a_file_of_credentials(home: Path) -> None:
    """MLflow's file says who asks, and the environment goes before it, each word by itself."""
    file = home / ".mlflow" / "credentials"
    file.parent.mkdir()
    file.write_text("[mlflow]\nmlflow_tracking_username = ben\nmlflow_tracking_password = secret\n")
    assert _known({}).authorization == _basic("ben", "secret")
    assert _known({"MLFLOW_TRACKING_USERNAME": "ana"}).authorization == _basic("ana", "secret")
    file.write_text("[another]\nx = 1\n")
    assert _known({}).authorization is None


@pytest.mark.parametrize("text", ["no section", "[mlflow]\nmlflow_tracking_password = 5%(x)s\n"])
def test_a_file_that_cannot_be_read(home: Path, text: str) -> None:
    """MLflow itself says what is wrong with its file."""
    (home / ".mlflow").mkdir()
    (home / ".mlflow" / "credentials").write_text(text)
    assert http_settings_of({}) is None


@pytest.mark.parametrize("token", ["abc\n", "a\r\nX-Evil: 1"])
def test_a_token_that_no_header_can_hold(token: str) -> None:
    """It is refused by the setting's name, and shown to nobody."""
    with pytest.raises(InputError, match="MLFLOW_TRACKING_TOKEN") as caught:
        http_settings_of({"MLFLOW_TRACKING_TOKEN": token})
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_TRACKING_AWS_SIGV4", "true"),
        ("MLFLOW_TRACKING_AUTH", "corporate"),
        ("MLFLOW_WORKSPACE", "team"),
        ("MLFLOW_HTTP_POOL_MAXSIZE", "3"),
        ("MLFLOW_TRACKING_OF_THE_FUTURE", "x"),
        ("_MLFLOW_HTTP_REQUEST_MAX_RETRIES_LIMIT", "50"),
        ("_MLFLOW_DATABRICKS_TRAFFIC_ID", "x"),
        ("DATABRICKS_RUNTIME_VERSION", "15"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "11"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "-1"),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "121"),
        ("MLFLOW_TRACKING_INSECURE_TLS", "perhaps"),
    ],
)
def test_what_only_mlflow_knows(name: str, value: str) -> None:
    """A setting that is not carried here, or cannot be read, leaves the request to MLflow."""
    assert http_settings_of({name: value}) is None


def test_two_settings_that_contradict_each_other() -> None:
    """Authorities to check by, and no checking: MLflow refuses it in its own words."""
    environ = {"MLFLOW_TRACKING_INSECURE_TLS": "1", "MLFLOW_TRACKING_SERVER_CERT_PATH": "/etc/ca.pem"}
    assert http_settings_of(environ) is None


def test_empty_settings_are_none() -> None:
    """A variable that is set to nothing names no workspace and no way to sign in."""
    assert http_settings_of({"MLFLOW_WORKSPACE": " ", "MLFLOW_TRACKING_AUTH": ""}) == http_settings_of({})


def test_a_package_that_adds_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered provider of request headers leaves the requests to MLflow, which calls it."""
    info = tmp_path / "headers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: headers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mlflow.request_header_provider]\nmine = headers:Provider\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert http_settings_of({}) is None
