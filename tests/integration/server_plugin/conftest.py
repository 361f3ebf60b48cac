"""Three servers with the plugin, each started once: with accounts, without, and one that only guards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from releases_bench import MANAGER, OTHER, REVIEWER, ReleasesBench, releases_flywheel, releases_on
from servers.mariadb import MariaServer
from servers.plugin import ADMIN, PluginServer, account_settings, keyed_flywheel, password, signed_in
from servers.postgresql import PostgresCluster
from servers.receiving import Receiver, receiving
from servers.tracking import running_tracking_server

from flywheel_mlflow.tracking.versions import numbers_of

#: Nobody in flywheel.yaml.
STRANGER = "eve"
WEBHOOK_KEY = "a-key-that-nobody-guesses-easily"
#: Webhooks to this machine, and no cache between making one and its first delivery; for tests only.
WEBHOOK_SETTINGS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "zK5bqDqYyZ0m6l5o3Yc2p0Qe9oRj8mS1t4u7w0x3y6A=",
}


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """The service whose address and key only the server with accounts knows."""
    with receiving() as found:
        yield found


@pytest.fixture(scope="session")
def accounts(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginServer]:
    """A server with accounts that takes the flywheel's decisions: SQLite, two workers."""
    folder = tmp_path_factory.mktemp("plugin-accounts")
    flywheel, key = keyed_flywheel(folder)
    environ = account_settings(folder) | {"FLYWHEEL_ROOT": str(flywheel.root), "FLYWHEEL_SERVER_KEY": str(key)}
    environ |= {"OPS_URL": receiver.url, "OPS_KEY": WEBHOOK_KEY}
    backend = f"sqlite:///{folder / 'mlflow.db'}"
    with running_tracking_server(
        folder, backend=backend, workers=2, app_name="flywheel-auth", environ=environ
    ) as started:
        server = PluginServer(started.uri, flywheel.root, True, started.log)
        for who in (MANAGER, REVIEWER, OTHER, STRANGER):
            made = server.call(
                "POST", "/api/2.0/mlflow/users/create", who=ADMIN, json={"username": who, "password": password(who)}
            )
            assert made.status_code == 200, made.text
        with signed_in(ADMIN):
            bench = server.bench()
            for iteration in (1, 2):
                bench.log(folder, iteration)
                bench.assemble(iteration)
        yield server


@pytest.fixture(scope="session")
def trusting(postgresql_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginServer]:
    """A server without accounts that takes the flywheel's decisions: PostgreSQL, two workers."""
    folder = tmp_path_factory.mktemp("plugin-trusting")
    flywheel = releases_flywheel(folder / "flywheel")
    environ = {"FLYWHEEL_ROOT": str(flywheel.root)} | WEBHOOK_SETTINGS
    backend = postgresql_cluster.create_database("plugin")
    with running_tracking_server(folder, backend=backend, workers=2, app_name="flywheel", environ=environ) as started:
        server = PluginServer(started.uri, flywheel.root, False, started.log)
        bench = server.bench()
        bench.log(folder, 1)
        bench.assemble(1)
        yield server


@pytest.fixture(scope="session")
def guarding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginServer]:
    """A server that takes no decisions and guards those of its clients, below a path of its own where MLflow can."""
    folder = tmp_path_factory.mktemp("plugin-guarding")
    backend = f"sqlite:///{folder / 'mlflow.db'}"
    prefix = "/ml" if numbers_of(mlflow.__version__) >= (3, 12) else ""
    with running_tracking_server(folder, backend=backend, app_name="flywheel", prefix=prefix) as started:
        yield PluginServer(started.uri, folder, False, started.log)


@pytest.fixture(scope="session")
def guarding_mariadb(mariadb_server: MariaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginServer]:
    """Another one that only guards, on MariaDB."""
    folder = tmp_path_factory.mktemp("plugin-mariadb")
    backend = mariadb_server.create_database("guarding")
    with running_tracking_server(folder, backend=backend, app_name="flywheel") as started:
        yield PluginServer(started.uri, folder, False, started.log)


@pytest.fixture(scope="session")
def released(guarding: PluginServer, tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """A flywheel whose clients decide: 1 was in production, 2 is there, 3 and 4 are candidates; all by REST."""
    return _released(guarding, tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="session")
def released_mariadb(guarding_mariadb: PluginServer, tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """The same on MariaDB."""
    return _released(guarding_mariadb, tmp_path_factory.mktemp("released-mariadb"))


def _released(server: PluginServer, folder: Path) -> ReleasesBench:
    found = releases_on(folder, server.uri)
    found.log(folder, 1)
    found.assemble(1)
    assert found.alike(1, 4) == (1, 2, 3, 4)
    for version in (1, 2):
        for to in ("staging", "production"):
            found.act(REVIEWER, "approve", version=version, role="reviewer", reason="it is good")
            assert found.act(MANAGER, "gate", version=version, to=to)["result"]["verdict"] == "PASS"
            found.act(MANAGER, "promote", version=version, to=to)
    return found


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder for data."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
