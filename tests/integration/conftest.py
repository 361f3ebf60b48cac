"""Stores and servers the integration tests talk to; a session starts each server once, for all of its workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docs_walk import turn_thrice
from prepared import prepared
from servers.embedded import EmbeddedStore
from servers.keeper import kept_cluster, kept_mariadb, kept_tracking
from servers.mariadb import MariaServer, find_mariadb
from servers.postgresql import PostgresCluster, find_pg_ctl
from servers.proxy import CountingProxy
from servers.tracking import TrackingServerProcess
from workbench import Bench, bench_on, copy_flywheel, fresh_name, renamed

from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel

# Read before the isolation of the first test clears it.
REQUIRE_POSTGRES = os.environ.get("FLYWHEEL_REQUIRE_POSTGRES") == "1"
REQUIRE_MARIADB = os.environ.get("FLYWHEEL_REQUIRE_MARIADB") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder is marked `integration`: the folder is the claim."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def postgresql_cluster() -> PostgresCluster:
    """A PostgreSQL cluster; skips where the machine has none, fails where FLYWHEEL_REQUIRE_POSTGRES=1 demands one."""
    if find_pg_ctl() is None:
        reason = "no PostgreSQL server binaries (pg_ctl) on this machine; on Debian: apt-get install postgresql"
        if REQUIRE_POSTGRES:
            pytest.fail(f"{reason}; FLYWHEEL_REQUIRE_POSTGRES=1 forbids to skip", pytrace=False)
        pytest.skip(reason)
    return kept_cluster()


@pytest.fixture(scope="session")
def mariadb_server() -> MariaServer:
    """A MariaDB server; skips where the machine has none, fails where FLYWHEEL_REQUIRE_MARIADB=1 demands one."""
    if find_mariadb() is None:
        reason = "no MariaDB server, or no pymysql, on this machine; on Debian: apt-get install mariadb-server"
        if REQUIRE_MARIADB:
            pytest.fail(f"{reason}; FLYWHEEL_REQUIRE_MARIADB=1 forbids to skip", pytrace=False)
        pytest.skip(reason)
    return kept_mariadb()


@pytest.fixture(scope="session")
def sqlite_server() -> TrackingServerProcess:
    """A tracking server that keeps its runs in SQLite."""
    return kept_tracking("sqlite")


@pytest.fixture(scope="session")
def postgresql_server(postgresql_cluster: PostgresCluster) -> TrackingServerProcess:
    """A tracking server that keeps its runs in PostgreSQL; without the cluster it skips as that does."""
    return kept_tracking("postgresql")


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def tracking_server(request: pytest.FixtureRequest) -> TrackingServerProcess:
    """Each kind of tracking server in turn; both stay up, so that changing between them costs nothing."""
    server = request.getfixturevalue(f"{request.param}_server")
    assert isinstance(server, TrackingServerProcess)
    return server


@pytest.fixture
def request_counter(tracking_server: TrackingServerProcess) -> Iterator[CountingProxy]:
    """A proxy before the tracking server: give its ``url`` to the client whose requests are to be counted."""
    with CountingProxy(tracking_server.uri).running() as proxy:
        yield proxy


@pytest.fixture(scope="session")
def shipped(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Flywheel:
    """The flywheel this repository ships, read once, from a copy: edits of the checkout do not reach a running test."""
    return load_flywheel(copy_flywheel(repository, tmp_path_factory.mktemp("shipped"), "shipped"))


@pytest.fixture
def bench(shipped: Flywheel, tracking_server: TrackingServerProcess) -> Bench:
    """The shipped flywheel under a name of its own, on each kind of server."""
    return bench_on(renamed(shipped, fresh_name()), tracking_server.uri)


@pytest.fixture
def local_bench(shipped: Flywheel, embedded_store: Callable[[], EmbeddedStore]) -> Bench:
    """The shipped flywheel on an embedded store of its own."""
    return bench_on(renamed(shipped, fresh_name()), embedded_store().uri)


@pytest.fixture
def counted_bench(shipped: Flywheel, request_counter: CountingProxy) -> Bench:
    """The shipped flywheel on each kind of server, through the counter of requests."""
    bench = bench_on(renamed(shipped, fresh_name()), request_counter.url)
    request_counter.reset()
    return bench


@pytest.fixture(scope="session")
def turned(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped flywheel and its store after the three turns of `make run`; to be copied, not used."""
    return prepared(tmp_path_factory, "turns", lambda folder: turn_thrice(repository, folder))
