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

from flywheel_mlflow.signing import new_key

APP = "flywheel_mlflow.console.app"
#: Handlers that change something, and nothing that a release rests on: why the guard lets them pass.
HARMLESS = {
    "RestoreRun": "brings back",
    "RestoreExperiment": "brings back",
    "UpdateRegisteredModel": "changes a description",
    "UpdateModelVersion": "changes a description",
}
#: Words of MLflow's messages about other things than runs, experiments and the model registry.
ELSEWHERE = (
    *("Trace", "Assessment", "Dataset", "Scorer", "Gateway", "Webhook", "LoggedModel", "Issue", "LabelSchema"),
    *("ReviewQueue", "Budget", "Guardrail", "Prompt", "Workspace", "Artifact", "MultipartUpload", "OnlineScoring"),
    *("Presigned", "Demo", "Job"),
)


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
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert "flywheel.yaml" in done.stderr
    assert "Started" not in done.stderr


def test_the_guard_knows_every_call() -> None:
    """Each call of MLflow that changes runs, experiments or registered models is guarded, or harmless for a reason."""
    from mlflow.server.handlers import HANDLERS

    from flywheel_mlflow.console.governed import GovernedModels
    from flywheel_mlflow.console.guard import LEDGER_WRITES, Guard

    def nothing(name: str) -> None:
        raise AssertionError(name)

    governed = GovernedModels(nothing, served="a-flywheel")  # type: ignore[arg-type]  # asked for nothing here
    views = {handler.__name__: handler for handler in HANDLERS.values()}
    guard = Guard(governed, views)
    guarded = {name for name, _ in (*guard._release_checks(), *guard._ledger_checks())} | set(LEDGER_WRITES)
    assert set(guard._checks) | guard._writes == {
        handler.__name__ for message, handler in HANDLERS.items() if message.__name__ in guarded
    }
    reads = ("Get", "Search", "List", "Download")
    changing = {
        message.__name__
        for message in HANDLERS
        if not message.__name__.startswith(reads) and not any(word in message.__name__ for word in ELSEWHERE)
    }
    assert changing - guarded - set(HARMLESS) == set()
    assert guarded <= changing


def test_a_guard_with_a_hole_is_refused() -> None:
    """On an MLflow that lacks a call the guard knows, nothing starts: its new name would pass unseen."""
    from mlflow.server.handlers import HANDLERS

    from flywheel_mlflow.console.governed import GovernedModels
    from flywheel_mlflow.console.guard import Guard
    from flywheel_mlflow.errors import InputError

    views = {handler.__name__: handler for handler in HANDLERS.values()}
    del views["_set_registered_model_alias"]
    governed = GovernedModels(pytest.fail, served=None)
    with pytest.raises(InputError, match="SetRegisteredModelAlias"):
        Guard(governed, views)
