"""Tests of how a server for one's own machine is started."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.operations.serving import console_of, names_to_allow, serve


def test_a_taken_port_and_a_foreign_address_have_different_advice(tmp_path: Path) -> None:
    """Another port helps where one is taken; where the address is not this machine's, another address."""
    settings = read_settings(tmp_path, {})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match="already in use") as busy:
            serve(settings, host="127.0.0.1", port=port, accounts=None, ready=print)
    assert f"--port {port + 1}" in str(busy.value.hint)
    with pytest.raises(InputError) as foreign:
        serve(settings, host="192.0.2.77", port=port, accounts=None, ready=print)
    assert "--host" in str(foreign.value.hint)
    assert not settings.store_folder.exists()


def test_a_running_server_tells_where_its_console_is(tmp_path: Path) -> None:
    """The address is the one the plugin tells, behind a prefix too; a server without the plugin has none."""
    settings = read_settings(tmp_path, {}, tracking_uri="https://ana:secret@flow.example/ml")
    assert console_of(settings, {"console": "/ml/flywheel/"}) == "https://flow.example/ml/flywheel/"
    with pytest.raises(InputError, match="without the flywheel's plugin") as caught:
        console_of(settings, None)
    assert "secret" not in caught.value.diagnostics()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_mlflow_is_left_alone_where_nobody_else_comes(host: str) -> None:
    """On this machine alone MLflow's own list of names is right."""
    assert names_to_allow(host, 5000) == {}


def test_others_may_call_the_machine_by_its_names() -> None:
    """With a host of its own, or all of them, MLflow is told the names others use, and still knows itself."""
    named = names_to_allow("flow.example", 5000)
    assert "flow.example:5000" in named["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert "127.0.0.1:5000" in named["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert named["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == "http://flow.example:5000"
    every = names_to_allow("::", 5000)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert f"{socket.gethostname()}:5000" in every
    assert "[::1]:5000" in every
    assert "*" not in every
