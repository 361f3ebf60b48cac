"""Plain requests to a server with accounts: they sign in as MLflow's own client does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from releases_bench import MANAGER
from servers.plugin import PluginServer, password, signed_in

from flywheel_mlflow.base.errors import ServerRefused
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.tracking import ReleaseStore, connect


def _stores(accounts: PluginServer) -> tuple[ReleaseStore, ReleaseStore]:
    """The release store on MLflow's own client, and as it is."""
    bench = accounts.bench().bench
    return ReleaseStore(bench.client, uri=bench.uri, flywheel=bench.name), bench.tracking.releases


def test_who_signs_in_reads(accounts: PluginServer) -> None:
    """An account of the environment reads what MLflow's client reads with it."""
    with signed_in(MANAGER):
        by_mlflow, by_requests = _stores(accounts)
        assert by_requests.look() == by_mlflow.look()
        assert by_requests.versions() == by_mlflow.versions()


def test_a_file_of_credentials_signs_in(
    accounts: PluginServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does an account of MLflow's file, which is read before each request."""
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".mlflow" / "credentials"
    file.parent.mkdir()
    settings = read_settings(accounts.root, os.environ, tracking_uri=accounts.uri)
    store = connect(settings, accounts.bench().name).releases
    with pytest.raises(ServerRefused) as refused:
        store.versions()
    assert refused.value.code == "UNAUTHENTICATED"
    file.write_text(f"[mlflow]\nmlflow_tracking_username = {MANAGER}\nmlflow_tracking_password = {password(MANAGER)}\n")
    assert isinstance(store.versions(), tuple)


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_USERNAME"])
def test_who_is_not_let_in(accounts: PluginServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A wrong account is refused in the same words, with what to set."""
    with signed_in(MANAGER):
        monkeypatch.setenv(name, "somebody-else")
        told = []
        for store in _stores(accounts):
            with pytest.raises(ServerRefused) as refused:
                store.look()
            error = refused.value
            told.append((error.code, error.what, error.where, error.hint))
    assert told[0] == told[1]
    assert "MLFLOW_TRACKING_PASSWORD" in str(told[0][-1])


def test_credentials_of_the_address(accounts: PluginServer) -> None:
    """An account in the address of the server counts, and shows in no message."""
    uri = accounts.uri.replace("http://", f"http://{MANAGER}:{password(MANAGER)}@")
    settings = read_settings(accounts.root, {}, tracking_uri=uri)
    store = connect(settings, accounts.bench().name).releases
    assert isinstance(store.versions(), tuple)
    with pytest.raises(ServerRefused) as refused:
        store.tag(99, {"a": "b"})
    assert password(MANAGER) not in str(refused.value)
