"""The fixtures themselves: what the other integration tests stand on."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from mlflow import MlflowClient
from servers.embedded import EmbeddedStore
from servers.postgresql import PostgresCluster
from servers.proxy import CountingProxy
from servers.tracking import TrackingServerProcess, running_tracking_server


def test_server_keeps_experiments(tracking_server: TrackingServerProcess) -> None:
    """An experiment created on the server, on either database, is read back with its tags."""
    name = f"servers-{uuid.uuid4().hex}"
    client = MlflowClient(tracking_uri=tracking_server.uri)
    created = client.create_experiment(name, tags={"flywheel.project": "p01"})
    found = MlflowClient(tracking_uri=tracking_server.uri).get_experiment_by_name(name)
    assert found is not None
    assert (found.experiment_id, found.tags["flywheel.project"]) == (created, "p01")


def test_server_is_on_the_database_it_names(
    postgresql_server: TrackingServerProcess, postgresql_cluster: PostgresCluster
) -> None:
    """What the PostgreSQL server is told lies in PostgreSQL."""
    name = f"servers-{uuid.uuid4().hex}"
    MlflowClient(tracking_uri=postgresql_server.uri).create_experiment(name)
    address = (
        f"host={postgresql_cluster.host} port={postgresql_cluster.port} user={postgresql_cluster.user} dbname=mlflow"
    )
    with psycopg.connect(address) as connection:
        found = connection.execute("SELECT count(*) FROM experiments WHERE name = %s", (name,)).fetchone()
    assert found == (1,)


def test_counter_counts_every_request(request_counter: CountingProxy) -> None:
    """A client behind the counter gets the server's answers, and each of its requests is counted once."""
    client = MlflowClient(tracking_uri=request_counter.url)
    experiment = client.create_experiment(f"servers-{uuid.uuid4().hex}")
    request_counter.reset()
    run = client.create_run(experiment)
    client.set_tag(run.info.run_id, "flywheel.kind", "project")
    assert client.get_run(run.info.run_id).data.tags["flywheel.kind"] == "project"
    asked = [
        (exchange.method, exchange.path.rsplit("/", 1)[-1], exchange.status) for exchange in request_counter.exchanges
    ]
    assert asked == [("POST", "create", 200), ("POST", "set-tag", 200), ("GET", "get", 200)]
    assert all(exchange.received > 0 for exchange in request_counter.exchanges)


def test_counter_tells_artifacts_apart(request_counter: CountingProxy, tmp_path: Path) -> None:
    """An artifact survives the way through the counter, and counts as artifact traffic."""
    client = MlflowClient(tracking_uri=request_counter.url)
    run = client.create_run(client.create_experiment(f"servers-{uuid.uuid4().hex}"))
    content = os.urandom(3_000_000)
    (tmp_path / "data.bin").write_bytes(content)
    request_counter.reset()
    client.log_artifact(run.info.run_id, str(tmp_path / "data.bin"))
    uploads = [exchange for exchange in request_counter.exchanges if exchange.is_artifact]
    assert [(upload.method, upload.sent) for upload in uploads] == [("PUT", len(content))]
    assert all(not exchange.is_artifact for exchange in request_counter.tracking_exchanges)
    assert Path(client.download_artifacts(run.info.run_id, "data.bin", str(tmp_path / "."))).read_bytes() == content


def test_embedded_stores_are_apart(embedded_store: Callable[[], EmbeddedStore]) -> None:
    """Two embedded stores of one test do not see each other's experiments."""
    first, second = embedded_store(), embedded_store()
    location = first.artifact_location
    MlflowClient(tracking_uri=first.uri).create_experiment("only-here", artifact_location=location)
    found = MlflowClient(tracking_uri=first.uri).get_experiment_by_name("only-here")
    assert found is not None
    assert found.artifact_location == location
    assert MlflowClient(tracking_uri=second.uri).get_experiment_by_name("only-here") is None


def test_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A server whose store is unusable fails with the end of its log, not with a silent wait."""
    with (
        pytest.raises(RuntimeError, match="ended with status"),
        running_tracking_server(tmp_path, backend="nonsense://nowhere"),
    ):
        pass


def test_server_ends_with_its_block(tmp_path: Path, migrated_template: Path) -> None:
    """After the block the server's process is gone."""
    store = tmp_path / "mlflow.db"
    store.write_bytes(migrated_template.read_bytes())
    with running_tracking_server(tmp_path, backend=f"sqlite:///{store}") as server:
        os.kill(server.pid, 0)  # signal 0 only asks whether the process is there
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
