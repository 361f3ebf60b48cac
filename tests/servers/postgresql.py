"""A PostgreSQL cluster from the machine's own binaries, also where the tests run as root."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from port_for import select_random
from psycopg import sql
from pytest_postgresql.executors import PostgreSQLExecutor

#: Where distributions put pg_ctl when it is not on PATH: Debian, Red Hat, Homebrew.
_PLACES = ("/usr/lib/postgresql/*/bin/pg_ctl", "/usr/pgsql-*/bin/pg_ctl", "/opt/homebrew/opt/postgresql*/bin/pg_ctl")
#: Users to run as instead of root, in order of preference: initdb refuses root.
_UNPRIVILEGED = ("postgres", "nobody")
START_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """A running cluster that trusts every local connection."""

    host: str
    port: int
    user: str

    def create_database(self, name: str) -> str:
        """A new, empty database; returns its SQLAlchemy URL, in the form MLflow's users write."""
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"postgresql://{self.user}@{self.host}:{self.port}/{name}"

    def _connect(self) -> psycopg.Connection:
        """A connection; a cluster on a busy machine may listen before it is ready to answer."""
        address = f"host={self.host} port={self.port} user={self.user} dbname=postgres"
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return psycopg.connect(address, autocommit=True)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def find_pg_ctl() -> Path | None:
    """The newest pg_ctl of this machine, or None where PostgreSQL is not installed."""
    found = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    on_path = shutil.which("pg_ctl")
    if on_path:
        found.append(Path(on_path).resolve())
    return max(found, key=_version, default=None)


def _version(path: Path) -> int:
    numbers = re.findall(r"\d+", str(path))
    return int(numbers[0]) if numbers else 0


@contextmanager
def running_postgresql(pg_ctl: Path) -> Iterator[PostgresCluster]:
    """A cluster in a temporary folder on a free port, ended and removed when the block ends."""
    # Not below pytest's own temporary folder: only its owner may enter that one, and the server may be another user.
    with tempfile.TemporaryDirectory(prefix="flywheel-pg-") as name:
        folder = Path(name)
        executable = _as_unprivileged(pg_ctl, folder) if os.geteuid() == 0 else pg_ctl
        cluster = PostgreSQLExecutor(
            executable=str(executable),
            host="127.0.0.1",
            port=select_random(),
            datadir=str(folder / "data"),
            unixsocketdir=str(folder),
            logfile=str(folder / "postgresql.log"),
            startparams="-w",
            dbname="postgres",
            # What outlives a killed process need not outlive the machine: no test waits for a disk (-F). A burst of
            # requests opens as many connections (-N).
            postgres_options="-F -N 400",
        )
        with cluster:
            cluster.wait_for_postgres()
            yield PostgresCluster(cluster.host, cluster.port, cluster.user)


def _as_unprivileged(pg_ctl: Path, folder: Path) -> Path:
    """A pg_ctl that drops root's rights first, in a folder that its user owns."""
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next(known[name] for name in _UNPRIVILEGED if name in known)
    os.chown(folder, user.pw_uid, user.pw_gid)
    wrapper = folder / "pg_ctl"
    # PostgreSQL's tools insist on returning to the folder they were called in, which this user may not enter.
    drop = f"setpriv --reuid={user.pw_uid} --regid={user.pw_gid} --clear-groups"
    wrapper.write_text(f'#!/bin/sh\ncd / && exec {drop} {shlex.quote(str(pg_ctl))} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper
