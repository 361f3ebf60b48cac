"""Keeps the servers that all workers of a session use: the session's first process starts each once, and ends it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import socketserver
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from servers.mariadb import MariaServer, find_mariadb, running_mariadb
from servers.postgresql import PostgresCluster, find_pg_ctl, running_postgresql
from servers.preloaded import PreloadedProcess, running_preloaded
from servers.tracking import TrackingServerProcess, running_tracking_server

#: Where workers, which inherit it, find the keeper's socket.
_ADDRESS = "TESTS_KEEPER"


class _Keeper(socketserver.ThreadingUnixStreamServer):
    """Answers the name of a server, which is a line, with how to reach it, once it runs."""

    daemon_threads = True

    def __init__(self, folder: Path, started: ExitStack) -> None:
        super().__init__(str(folder / "socket"), _Answer)
        self._folder = folder
        self._started = started
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._running: dict[str, Any] = {}

    def running(self, name: str) -> Any:
        """The server of that name, started when it is asked for first."""
        with self._locks[name]:
            if name not in self._running:
                server = _KINDS[name](self, self._folder)
                self._running[name] = server.__enter__()
                self._started.push(server)
            return self._running[name]


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        name = self.rfile.readline().decode().strip()
        answer: dict[str, Any]
        try:
            answer = {"server": dataclasses.asdict(cast("_Keeper", self.server).running(name))}
        except Exception as error:  # noqa: BLE001 - told to the test that asked, which fails
            answer = {"error": f"{type(error).__name__}: {error}"}
        self.wfile.write(json.dumps(answer, default=str).encode())


def _postgresql(_keeper: _Keeper, _folder: Path) -> AbstractContextManager[PostgresCluster]:
    pg_ctl = find_pg_ctl()
    assert pg_ctl is not None
    return running_postgresql(pg_ctl)


def _mariadb(_keeper: _Keeper, _folder: Path) -> AbstractContextManager[MariaServer]:
    program = find_mariadb()
    assert program is not None
    return running_mariadb(program)


def _preloaded(_keeper: _Keeper, folder: Path) -> AbstractContextManager[PreloadedProcess]:
    return running_preloaded(folder)


def _tracking_on_sqlite(_keeper: _Keeper, folder: Path) -> AbstractContextManager[TrackingServerProcess]:
    home = folder / "sqlite"
    home.mkdir(exist_ok=True)
    return running_tracking_server(home, backend=f"sqlite:///{home / 'mlflow.db'}")


def _tracking_on_postgresql(keeper: _Keeper, folder: Path) -> AbstractContextManager[TrackingServerProcess]:
    home = folder / "postgresql"
    home.mkdir(exist_ok=True)
    return running_tracking_server(home, backend=keeper.running("postgresql").create_database("mlflow"))


_KINDS: dict[str, Callable[[_Keeper, Path], AbstractContextManager[Any]]] = {
    "postgresql": _postgresql,
    "mariadb": _mariadb,
    "preloaded": _preloaded,
    "tracking on sqlite": _tracking_on_sqlite,
    "tracking on postgresql": _tracking_on_postgresql,
}


@contextmanager
def keeping() -> Iterator[None]:
    """Keeps servers for this process and those it starts, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="flywheel-kept-"))
    os.environ[_ADDRESS] = str(folder / "socket")
    with ExitStack() as started, _Keeper(folder, started) as keeper:
        started.callback(shutil.rmtree, folder, ignore_errors=True)
        threading.Thread(target=keeper.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            keeper.shutdown()
            del os.environ[_ADDRESS]


def is_kept() -> bool:
    """Whether this process belongs to a session of tests."""
    return _ADDRESS in os.environ


def kept_preloaded() -> PreloadedProcess:
    """The session's process to fork servers from."""
    return PreloadedProcess(**_ask("preloaded"))


def kept_cluster() -> PostgresCluster:
    """The session's PostgreSQL cluster."""
    return PostgresCluster(**_ask("postgresql"))


def kept_mariadb() -> MariaServer:
    """The session's MariaDB server."""
    found = _ask("mariadb")
    return MariaServer(found["port"], Path(found["socket"]))


def kept_tracking(database: str) -> TrackingServerProcess:
    """The session's tracking server on ``sqlite`` or ``postgresql``."""
    found = _ask(f"tracking on {database}")
    return TrackingServerProcess(**found | {"log": Path(found["log"])})


def _ask(name: str) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ[_ADDRESS])
        line.sendall(f"{name}\n".encode())
        with line.makefile("rb") as answers:
            answer = json.loads(answers.read())
    if "error" in answer:
        raise RuntimeError(f"{name} does not run: {answer['error']}")
    server: dict[str, Any] = answer["server"]
    return server
