"""Starts `mlflow server` as a fork of one process that has imported MLflow: each import costs seconds.

Run as a program it is that process. What is forked goes MLflow's own way, from its command line to uvicorn's; only the
modules that read settings while they are imported are imported anew.
"""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import os
import pkgutil
import select
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

#: Modules that read settings while they are imported, with all below them.
_READ_SETTINGS = ("mlflow.server", "flywheel_mlflow.console")
#: Reads none, and a process can register the names of its metrics once.
_ONCE = "mlflow.server.otlp_metrics"


@dataclass(frozen=True, slots=True)
class PreloadedProcess:
    """The process to fork servers from: where it listens."""

    socket: str


class Forked:
    """A process that was forked, with what of ``subprocess.Popen`` tests of servers need."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._answers = line.makefile("r")
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its status, negative where a signal ended it; None while it runs."""
        return self._read(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Its status, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it still runs after ``timeout`` seconds.
        """
        status = self._read(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return status

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _read(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], timeout)[0]:
            # Without a word the process that forked it is gone, and ended it.
            self.returncode = int(self._answers.readline() or -signal.SIGTERM)
            self._answers.close()
            self._line.close()
        return self.returncode


def fork_mlflow(
    preloaded: PreloadedProcess, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path
) -> Forked:
    """``mlflow ARGUMENTS`` in a fork; its output goes to ``log``."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(preloaded.socket)
    line.sendall(json.dumps(asdict(_Job(list(arguments), str(cwd), dict(env), str(log)))).encode() + b"\n")
    return Forked(line)


@contextmanager
def running_preloaded(folder: Path) -> Iterator[PreloadedProcess]:
    """A process to fork from, until the block ends; what was forked and still runs ends with it."""
    address = folder / "preloaded"
    code = "import sys; from servers.preloaded import main; main(sys.argv[1])"
    here = Path(__file__).resolve().parent.parent
    environment = os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    command = [sys.executable, "-W", "ignore", "-c", code, str(address)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"the process to fork servers from ended with status {process.wait()}")
            yield PreloadedProcess(str(address))
        finally:
            process.stdin.close()


@dataclass(frozen=True, slots=True)
class _Job:
    arguments: list[str]
    cwd: str
    env: dict[str, str]
    log: str


def main(address: str) -> None:
    """Fork a process for each line that comes by the socket at ``address``, until standard input ends."""
    _import_all()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print("ready", flush=True)  # noqa: T201 - read by running_preloaded
    lines: dict[int, socket.socket] = {}
    ready = selectors.DefaultSelector()
    for source in (sys.stdin, listener, woken):
        ready.register(source, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is sys.stdin:
                for pid in lines:
                    os.kill(pid, signal.SIGTERM)
                return
            if key.fileobj is woken:
                woken.recv(4096)
                _tell_ended(lines)
            else:
                line, _address = listener.accept()
                with line.makefile("r") as asked:
                    job = _Job(**json.loads(asked.readline()))
                pid = os.fork()
                if not pid:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    ready.close()
                    for held in (listener, woken, wake, line, *lines.values()):
                        held.close()
                    _be(job)
                lines[pid] = line
                line.sendall(f"{pid}\n".encode())


def _import_all() -> None:
    from flywheel_mlflow import console

    for name in ("mlflow.cli", "mlflow.server.auth", "mlflow.server.fastapi_app", "uvicorn.main"):
        import_module(name)
    for module in pkgutil.iter_modules(console.__path__, "flywheel_mlflow.console."):
        import_module(module.name)
    _forget()
    # What all share is neither looked through nor copied.
    gc.collect()
    gc.freeze()


def _forget() -> None:
    for name in list(sys.modules):
        if name != _ONCE and any(name == module or name.startswith(f"{module}.") for module in _READ_SETTINGS):
            del sys.modules[name]


def _tell_ended(lines: dict[int, socket.socket]) -> None:
    while lines:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        # Whoever asked for it may be gone.
        with lines.pop(pid) as line, contextlib.suppress(BrokenPipeError):
            line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _be(job: _Job) -> NoReturn:
    """Become the process of a job."""
    os.chdir(job.cwd)
    os.environ.clear()
    os.environ.update(job.env)
    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    spare = _Spare()
    _end_with(partial(_mlflow, job.arguments, spare))


def _end_with(main: Callable[[], object]) -> NoReturn:
    """End this process as the interpreter does when a program has run."""
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    except BaseException:  # noqa: BLE001 - as the interpreter does
        status = 1
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class _Spare:
    """A fork that has nothing of what MLflow's command line does after it, such as connections; it becomes uvicorn."""

    def __init__(self) -> None:
        reader, self._writer = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._writer)
            with os.fdopen(reader) as asked:
                text = asked.read()
            _end_with(partial(_uvicorn, *json.loads(text)) if text else sys.exit)
        os.close(reader)
        self._status: int | None = None

    def start(self, command: Sequence[str], *, extra_env: Mapping[str, str], **_: Any) -> _Spare:
        """In place of MLflow's ``_exec_cmd``, which starts ``python -m uvicorn ...``."""
        assert command[1:3] == ["-m", "uvicorn"], command
        with os.fdopen(self._writer, "w") as told:
            json.dump([list(map(str, command[3:])), dict(extra_env)], told)
        return self

    def poll(self) -> int | None:
        """Its status; None while it runs."""
        return self._read(os.WNOHANG)

    def wait(self) -> int | None:
        """Its status, once it has ended."""
        return self._read(0)

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def _read(self, options: int) -> int | None:
        if self._status is None:
            # A signal's handler may have been told already.
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, options)
                self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status


def _mlflow(arguments: Sequence[str], spare: _Spare) -> None:
    import mlflow.server
    from mlflow.cli import cli

    sys.argv = ["mlflow", *arguments]
    mlflow.server._exec_cmd = spare.start  # type: ignore[attr-defined, assignment]
    cli()


def _uvicorn(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    import uvicorn._subprocess
    from uvicorn.main import main

    os.environ.update(environment)
    # Its workers are forks as well.
    uvicorn._subprocess.spawn = multiprocessing.get_context("fork")  # type: ignore[assignment]
    main(list(arguments))
