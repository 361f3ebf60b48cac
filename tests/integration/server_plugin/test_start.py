"""What a server with the plugin refuses to start with, and whether its guard is complete."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from releases_bench import releases_flywheel
from servers.plugin import account_settings, keyed_flywheel

from flywheel_mlflow.base.signing import new_key

APP = "flywheel_mlflow.console.app"


def factory(name: str, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> object:
    """What MLflow does first in its parent process: look the application up."""
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    return getattr(import_module(APP), name)


def test_a_usable_server_has_its_factories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a flywheel, or with one whose files are whole, the application is there; other names are not."""
    assert callable(factory("plain", monkeypatch, {}))
    flywheel = releases_flywheel(tmp_path / "flywheel")
    assert callable(factory("plain", monkeypatch, {"FLYWHEEL_ROOT": str(flywheel.root)}))
    with pytest.raises(AttributeError):
        factory("other", monkeypatch, {})


def test_accounts_need_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server with accounts that could not prove its word does not start, and says how to make a key."""
    flywheel = releases_flywheel(tmp_path / "flywheel")
    environ = account_settings(tmp_path) | {"FLYWHEEL_ROOT": str(flywheel.root)}
    with pytest.raises(SystemExit, match="flywheel keys new"):
        factory("with_basic_auth", monkeypatch, environ)


def test_a_key_must_be_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A key that flywheel.yaml does not name is refused with the line to add; one without a flywheel is too."""
    flywheel, _ = keyed_flywheel(tmp_path)
    other = new_key(tmp_path / "other.key")
    environ = {"FLYWHEEL_ROOT": str(flywheel.root), "FLYWHEEL_SERVER_KEY": str(tmp_path / "other.key")}
    with pytest.raises(SystemExit) as caught:
        factory("plain", monkeypatch, environ)
    assert other.public_key in str(caught.value)
    monkeypatch.delenv("FLYWHEEL_ROOT")
    with pytest.raises(SystemExit, match="FLYWHEEL_ROOT is not"):
        factory("plain", monkeypatch, {})


def test_broken_files_stop_the_server_at_once(tmp_path: Path) -> None:
    """`mlflow server` ends with the faults before it starts a worker, which would be started again for ever."""
    flywheel = releases_flywheel(tmp_path / "flywheel")
    (flywheel.root / "flywheel.yaml").write_text("name: [")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "flywheel", "--workers", "2", "--port", "0"),
            *("--backend-store-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"),
        ],
        env={**os.environ, "FLYWHEEL_ROOT": str(flywheel.root), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 1
    assert "flywheel.yaml" in done.stderr
    assert "Started" not in done.stderr


def test_a_store_without_a_database_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is kept in files could be written without being seen: such a server does not start, and says why."""
    from mlflow.server import handlers

    from flywheel_mlflow.base.errors import InputError
    from flywheel_mlflow.console.stores import engines

    monkeypatch.setattr(handlers, "_get_tracking_store", object)
    monkeypatch.setattr(handlers, "_get_model_registry_store", object)
    with pytest.raises(InputError, match="databases only"):
        engines()


def test_mlflow_has_the_private_networks_that_ui_repeats() -> None:
    """The names `flywheel ui` allows replace MLflow's own list, so they hold what that has for private networks."""
    from mlflow.server.security_utils import get_private_ip_patterns

    from flywheel_mlflow.operations.serving import names_to_allow

    allowed = names_to_allow("::", 5000)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {*get_private_ip_patterns()} <= {*allowed}
