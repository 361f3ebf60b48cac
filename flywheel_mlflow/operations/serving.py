"""Serves a flywheel's store: MLflow's server with our plugin, as a process that ends with this one."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urljoin

from flywheel_mlflow.base.errors import InputError, ServerError, StorageError
from flywheel_mlflow.base.settings import UI_HOST, UI_PORT, Settings
from flywheel_mlflow.operations.local_accounts import LocalAccounts
from flywheel_mlflow.tables.addresses import Addresses

#: How long a server that was asked to end may take.
END_LIMIT_S = 10
#: Job execution costs ten processes and two gigabytes, and serves nothing here. Long values are refused, not cut.
_SERVER_SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_TRUNCATE_LONG_VALUES": "false"}
#: Ctrl-C, `kill`, and a closed terminal.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Addresses to listen on that nobody can call, and one that reaches them.
_CALLABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound to by itself, only when asked to
#: What this machine calls itself; others do not reach it there.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: The private networks that MLflow answers to unasked (mlflow.server.security_utils of 3.17.2).
_PRIVATE = ("10.*", *(f"172.{number}.*" for number in range(16, 32)), "192.168.*", "fc00:*", "fd00:*")


def server_environment(settings: Settings) -> dict[str, str]:
    """What the plugin reads from the environment to serve this flywheel."""
    return {"FLYWHEEL_ROOT": str(settings.root.absolute())}


def server_words(
    settings: Settings, *, host: str = UI_HOST, port: int = UI_PORT, auth: bool = False, uri: str | None = None
) -> tuple[tuple[str, ...], ...]:
    """The command that serves a store without a server, a line each for people; ``uri`` replaces its address."""
    return (
        ("mlflow", "server", "--app-name", "flywheel-auth" if auth else "flywheel"),
        ("--host", host, "--port", str(port), "--workers", "1", "--backend-store-uri", uri or settings.tracking_uri),
        ("--artifacts-destination", str(settings.artifact_root)),
    )


def console_of(settings: Settings, about: Mapping[str, Any] | None) -> str:
    """The console's address on a server that runs already; ``about`` is what its plugin said about itself.

    Raises:
        InputError: the server has no plugin, and so no console.
    """
    if about is None:
        raise InputError(
            "this server has no console: it runs without the flywheel's plugin",
            where=settings.shown_uri,
            hint="start it with `mlflow server --app-name flywheel` (docs/server.md)",
        )
    return urljoin(settings.shown_uri, str(about.get("console") or Addresses().overview()))


def serve(
    settings: Settings, *, host: str, port: int, accounts: LocalAccounts | None, ready: Callable[[str], None]
) -> None:
    """Serve a store that has no server until somebody interrupts; with accounts, people log in.

    ``ready`` is called with the console's address once it answers.

    Raises:
        InputError: nobody can listen on that host and port, which is most often taken.
        ServerError: the server ended by itself. StorageError: the store's folder cannot be made.
    """
    _check_free(host, port)
    _make(settings.store_folder)
    words = chain.from_iterable(server_words(settings, host=host, port=port, auth=accounts is not None))
    defaults = _SERVER_SETTINGS | names_to_allow(host, port)
    chosen = server_environment(settings) | dict(accounts.environment if accounts else {})
    # A closed terminal must not leave a server behind, which does not belong to its session. What this process was
    # started to ignore, as `nohup` does, it ignores.
    heeded = [number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        env=defaults | os.environ | chosen,
        start_new_session=True,  # its workers end with it, by one signal from here
    )
    try:
        if _answers(process, _CALLABLE.get(host, host), port):
            ready(f"{_origin(_CALLABLE.get(host, host), port)}{Addresses().overview()}")
        status = process.wait()
    except _Interrupted:
        return
    finally:
        _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)
    raise ServerError(f"the server ended with status {status}", hint="what it said above tells why")


def is_open(host: str) -> bool:
    """Whether others reach a server that listens there."""
    return host not in _LOOPBACK


def can_show(environ: Mapping[str, str]) -> bool:
    """Whether there is a screen to open a browser on; Python would take a text browser for one."""
    return sys.platform != "linux" or any(environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def names_to_allow(host: str, port: int) -> dict[str, str]:
    """What MLflow has to be told, so that others reach the server and may send forms; this replaces its own list."""
    if not is_open(host):
        return {}
    every = host in _CALLABLE
    origins = [_origin(name, port) for name in (_own_names() if every else [host])]
    local = [_origin(name, port) for name in _LOOPBACK]
    hosts = [origin.removeprefix("http://") for origin in (*origins, *local)]
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join([*hosts, *(_PRIVATE if every else ())]),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins),
    }


def _own_names() -> list[str]:
    """What others may call this machine: its name, and the address by which it reaches others."""
    names = [socket.gethostname()]
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))  # of a datagram this chooses the way and sends nothing
                names.append(probe.getsockname()[0])
        except OSError:
            continue  # no way there
    return names


def _origin(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class _Interrupted(KeyboardInterrupt):
    """A signal asked for the end.

    Not KeyboardInterrupt itself: where that passes through code compiled from text, as dataclasses make some during an
    import, CPython 3.11 remembers it and ends by SIGINT, although it was caught.
    """


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise _Interrupted


def _check_free(host: str, port: int) -> None:
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0].lower()  # Python adds the address a second time
        other_port = f"choose another port: `flywheel ui --port {port + 1 if port < 65_535 else UI_PORT}`"
        is_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
        raise InputError(
            f"cannot listen on {host[:80]}, port {port}: {reason}",
            hint=other_port if is_port else f"name an address of this machine with --host; {UI_HOST} is always one",
        ) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the store's folder: {error.strerror or error}", where=str(folder)) from error


def _answers(process: subprocess.Popen[bytes], host: str, port: int) -> bool:
    """Wait until the server answers; False when it ended first."""
    while process.poll() is None:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
        except (OSError, http.client.HTTPException):
            pass  # not there yet
        finally:
            connection.close()
        time.sleep(0.2)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server with its workers; one that does not heed the first signal is killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_LIMIT_S)
        except (subprocess.TimeoutExpired, _Interrupted):
            continue
        except ProcessLookupError:
            break
        break
    process.wait()
