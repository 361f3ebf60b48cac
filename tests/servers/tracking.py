"""MLflow's own tracking server, run as people run it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers.preloaded import Forked, fork_mlflow

#: Only what hangs takes so long: on a machine with twenty others at work the imports alone take three minutes.
START_LIMIT_S = 900
STOP_LIMIT_S = 30

#: Job execution costs ten processes and two gigabytes, and serves nothing used here. Long values are refused, not cut.
SERVER_SETTINGS = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_TRUNCATE_LONG_VALUES": "false",
    "DO_NOT_TRACK": "true",
}

#: The default pool of 15 connections turns bursts into errors after 30 s, and without a pool each request costs
#: PostgreSQL twice as much. A file is opened anew: a pool would go on with one that was moved away.
POOLED = {"MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "5", "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "-1"}
UNPOOLED = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}


@dataclass(frozen=True, slots=True)
class TrackingServerProcess:
    """A running server: where it answers, what it keeps its runs in, where its log is, how long it took to answer."""

    uri: str
    backend: str
    log: Path
    pid: int
    started_in_s: float


@contextmanager
def running_tracking_server(
    folder: Path,
    *,
    backend: str,
    workers: int = 1,
    app_name: str | None = None,
    prefix: str = "",
    environ: Mapping[str, str] | None = None,
    port: int | None = None,
    artifacts: str | None = None,
    forked: bool = True,
) -> Iterator[TrackingServerProcess]:
    """A server on a free port of 127.0.0.1, answering until the block ends.

    Args:
        folder: an empty folder for its artifacts and its log.
        backend: SQLAlchemy URL of its store; the server creates the tables.
        workers: server processes.
        app_name: another application than MLflow's own.
        prefix: the path below which it answers, such as ``/ml``.
        environ: further settings of the server's environment.
        port: where it listens, instead of on a free port.
        artifacts: where its proxy keeps artifacts, instead of below the folder.
        forked: within a session of tests it is a fork of a process that has imported MLflow, which saves seconds; else
            it is started as people start it.

    Raises:
        RuntimeError: it ended or did not answer within START_LIMIT_S; the message shows the end of its log.
    """
    port = port or free_port()
    log = folder / "server.log"
    arguments = [
        *("server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--backend-store-uri", backend),
        *("--artifacts-destination", artifacts or str(folder / "artifacts")),
        *(("--app-name", app_name) if app_name else ()),
        *(("--static-prefix", prefix) if prefix else ()),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW_"))}
    connections = UNPOOLED if backend.startswith("sqlite") else POOLED
    uri = f"http://127.0.0.1:{port}{prefix}"
    began = time.monotonic()
    environment |= SERVER_SETTINGS | connections | dict(environ or {})
    log.unlink(missing_ok=True)
    process = _start_mlflow(arguments, forked=forked, cwd=folder, env=environment, log=log)
    try:
        _wait_until_healthy(process, uri, log)
        yield TrackingServerProcess(uri, backend, log, process.pid, time.monotonic() - began)
    finally:
        _end(process)


def _start_mlflow(
    arguments: Sequence[str], *, forked: bool, cwd: Path, env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes] | Forked:
    """``mlflow ARGUMENTS``."""
    from servers.keeper import is_kept, kept_preloaded  # which starts servers by this module

    if forked and is_kept():
        return fork_mlflow(kept_preloaded(), arguments, cwd=cwd, env=env, log=log)
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow", *arguments], cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT
        )


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_healthy(process: subprocess.Popen[bytes] | Forked, uri: str, log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise RuntimeError(f"mlflow server ended with status {process.returncode}:\n{_tail(log)}")
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"mlflow server did not answer within {START_LIMIT_S} s:\n{_tail(log)}")


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _end(process: subprocess.Popen[bytes] | Forked) -> None:
    """SIGTERM stops the server with its workers; one that does not heed it is killed."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
