"""What differs between versions of MLflow: who may read, what accounts start with, what `flywheel doctor` tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from releases_bench import OTHER
from servers.plugin import ADMIN, AUTH_SETTINGS, PluginServer, account_settings, keyed_flywheel, password, signed_in

from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.doctor import examine
from flywheel_mlflow.tracking.versions import limits_of, numbers_of

VERSION = numbers_of(mlflow.__version__)


def test_whoever_may_not_read_the_assembly_sees_no_page(accounts: PluginServer) -> None:
    """A person whom MLflow denies the flywheel's experiment is told so; before that they read."""
    with signed_in(ADMIN):
        bench = accounts.bench()
        experiment = bench.bench.client.get_experiment_by_name(bench.name)
        assert experiment is not None
    who = "shut-out"
    account = {"username": who, "password": password(who)}
    assert accounts.call("POST", "/api/2.0/mlflow/users/create", who=ADMIN, json=account).status_code == 200
    assert accounts.call("GET", "/flywheel/", who=who).status_code == 200
    accounts.deny(who, "experiment", experiment.experiment_id)
    refused = accounts.call("GET", "/flywheel/", who=who)
    assert refused.status_code == 403
    assert f"{who} may not read the experiment {bench.name}" in refused.text


def test_the_doctor_tells_what_this_version_cannot(accounts: PluginServer) -> None:
    """Every limit of the server's MLflow is a line with what to do there, and so is every hole of its accounts."""
    with signed_in(OTHER):
        bench = accounts.bench().bench
        settings = read_settings(accounts.root, {}, tracking_uri=accounts.uri)
        found = examine(Session(bench.flywheel, bench.tracking, Identity(OTHER)), settings)
    told = [item for item in found if item.name == "version"]
    expected = limits_of(mlflow.__version__, accounts=True)
    assert [item.hint for item in told[1:]] == [limit.instead for limit in expected]
    assert mlflow.__version__ in told[0].text
    assert (told[0].verdict is Verdict.BLOCK) == (VERSION < (3, 16, 1))


SETTINGS = AUTH_SETTINGS.format(folder="{folder}", password=password(ADMIN))
STARTS = {
    "no key": (SETTINGS, {"MLFLOW_FLASK_SERVER_SECRET_KEY": ""}, "MLFLOW_FLASK_SERVER_SECRET_KEY is not set"),
    "no password": (SETTINGS.replace("admin_password", "other"), {}, "have no 'admin_password'"),
    "known password": (SETTINGS.replace(password(ADMIN), "password1234"), {}, "was published with"),
    "own function": (SETTINGS.replace("authenticate_request_basic_auth", "other"), {}, "does not ask"),
}
#: Versions of MLflow that have nothing against it, or refuse it themselves.
FINE_SINCE = {"no password": (3, 16, 1), "known password": (3, 16, 1), "own function": (3, 15)}


@pytest.mark.parametrize("name", STARTS)
def test_accounts_that_nobody_should_start_are_refused(name: str, tmp_path: Path) -> None:
    """Before any worker runs the start ends with what to mend, and no trace."""
    if name in FINE_SINCE and FINE_SINCE[name] <= VERSION:
        pytest.skip(f"MLflow {mlflow.__version__} has nothing against it")
    settings, more, words = STARTS[name]
    flywheel, key = keyed_flywheel(tmp_path)
    environ = account_settings(tmp_path) | {"FLYWHEEL_ROOT": str(flywheel.root), "FLYWHEEL_SERVER_KEY": str(key)} | more
    Path(environ["MLFLOW_AUTH_CONFIG_PATH"]).write_text(settings.format(folder=tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", "from flywheel_mlflow.console.app import with_basic_auth"],
        env=dict(os.environ) | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
