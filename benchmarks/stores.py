"""Starts the two stores that are measured: an embedded SQLite file, a server on PostgreSQL."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.flywheels import SHIPPED, write_flywheel
from benchmarks.load_store import Store

KINDS = ("sqlite", "postgresql")


@contextmanager
def open_store(kind: str, projects: int) -> Iterator[Store]:
    """An empty store for a flywheel of ``projects`` projects, removed with everything in it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="flywheel-benchmark-") as name:
        folder = Path(name)
        root = folder / "flywheel"
        root.mkdir()
        flywheel = write_flywheel(root, projects)
        if kind == "sqlite":
            uri = f"sqlite:///{folder / 'mlflow.db'}"
            yield Store(uri, uri, folder, flywheel)
            return
        # The tests know how to start real servers.
        sys.path.insert(0, str(SHIPPED / "tests"))
        from servers.postgresql import find_pg_ctl, running_postgresql
        from servers.tracking import running_tracking_server

        pg_ctl = find_pg_ctl()
        if pg_ctl is None:
            raise SystemExit("no PostgreSQL server binaries (pg_ctl) on this machine")
        with running_postgresql(pg_ctl) as cluster:
            database = cluster.create_database("mlflow")
            (folder / "server").mkdir()
            with running_tracking_server(folder / "server", backend=database) as server:
                yield Store(server.uri, database, folder, flywheel)
