"""Serves a flywheel's store: MLflow's server with our plugin, as a process that ends with this one."""

from __future__ import annotations

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

from flywheel_mlflow.base.errors import InputError, ServerError, StorageError
from flywheel_mlflow.base.settings import UI_HOST, UI_PORT, Settings

#: How long a server that was asked to end may take.
END_LIMIT_S = 10
#: Job execution costs ten processes and two gigabytes, and serves nothing here. Long values are refused, not cut.
_SERVER_SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_TRUNCATE_LONG_VALUES": "false"}
#: Addresses to listen on that nobody can call, and one that reaches them.
_CALLABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound to by itself, only when asked to


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


def serve(settings: Settings, *, host: str, port: int, auth: bool, ready: Callable[[str], None]) -> None:
    """Serve a store until somebody interrupts; ``ready`` is called with the address once it answers.

    Where a server stands before the store already, its address is all there is to tell.

    Raises:
        InputError: nobody can listen on that host and port, which is most often taken.
        ServerError: the server ended by itself. StorageError: the store's folder cannot be made.
    """
    if settings.is_server:
        ready(settings.shown_uri.rstrip("/"))
        return
    _check_free(host, port)
    if settings.artifact_root is not None:
        _make(settings.artifact_root.parent)
    words = chain.from_iterable(server_words(settings, host=host, port=port, auth=auth))
    # A closed terminal must not leave a server behind, which does not belong to its session.
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        env=_SERVER_SETTINGS | os.environ | server_environment(settings),
        start_new_session=True,  # its workers end with it, by one signal from here
    )
    try:
        if _answers(process, _CALLABLE.get(host, host), port):
            called = _CALLABLE.get(host, host)
            ready(f"http://{f'[{called}]' if ':' in called else called}:{port}")
        status = process.wait()
    except KeyboardInterrupt:
        return
    finally:
        _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)
    raise ServerError(f"the server ended with status {status}", hint="what it said above tells why")


def can_show(environ: Mapping[str, str]) -> bool:
    """Whether there is a screen to open a browser on; Python would take a text browser for one."""
    return sys.platform != "linux" or any(environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _check_free(host: str, port: int) -> None:
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0].lower()  # Python adds the address a second time
        raise InputError(
            f"cannot listen on {host[:80]}, port {port}: {reason}",
            hint=f"choose another one: `flywheel ui --port {port + 1 if port < 65_535 else UI_PORT}`",
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
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
        except ProcessLookupError:
            break
        break
    process.wait()
